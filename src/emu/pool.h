/* Slots for the bytes of packets, all there from the start; the one freed last is used first. */
#ifndef EMU_POOL_H
#define EMU_POOL_H

#include <stddef.h>
#include <stdint.h>

#define POOL_NONE UINT32_MAX

struct pool {
	uint8_t *data;
	size_t slot_size, bytes;
	uint32_t *free; /* [n] a stack of nfree */
	uint32_t n, nfree;
};

/* Slots of at least slot_size bytes, bytes in all; memory that is never used costs nothing. 0 or
 * -ENOMEM. */
int pool_init(struct pool *p, size_t slot_size, size_t bytes);
void pool_free(struct pool *p);

/* A slot, POOL_NONE when none is left. */
static inline uint32_t pool_get(struct pool *p)
{
	return p->nfree ? p->free[--p->nfree] : POOL_NONE;
}

static inline void pool_put(struct pool *p, uint32_t slot)
{
	p->free[p->nfree++] = slot;
}

static inline uint8_t *pool_at(const struct pool *p, uint32_t slot)
{
	return p->data + slot * p->slot_size;
}

#endif
