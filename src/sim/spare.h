/*
 * Memory that the worlds of a set of environments hand each other, so that each has what its
 * packets in flight need now and not what they needed at their most. Blocks are powers of two of
 * bytes.
 *
 * A world gives blocks to its own store and takes from there first; what is left over goes to the
 * others by blocks_share, called while none of them runs. So what a step allocates does not depend
 * on which world ran first.
 */
#ifndef SIM_SPARE_H
#define SIM_SPARE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum { SPARE_LEAST_LOG = 8, SPARE_CLASSES = 32 };

/* Free blocks by size; the first bytes of each point to the next. */
struct spare_list {
	void *first[SPARE_CLASSES]; /* of 2^(SPARE_LEAST_LOG + i) bytes */
};

/* Shared by worlds. */
struct spare {
	struct spare_list free;
	pthread_mutex_t lock;
};

/* Of one world; with spare NULL blocks come from malloc and go to free. */
struct blocks {
	struct spare *spare;
	struct spare_list free;
	bool any; /* free is not empty */
};

void spare_init(struct spare *s);
void spare_free(struct spare *s); /* after its worlds */

/* Memory of size bytes, a power of two of at least 2^SPARE_LEAST_LOG; aborts where there is none. b
 * NULL: from malloc. */
void *blocks_take(struct blocks *b, size_t size);
void blocks_give(struct blocks *b, void *p, size_t size); /* p NULL is fine */

/* Puts what is free at the others' disposal. */
void blocks_share(struct blocks *b);

static inline bool blocks_shared(const struct blocks *b)
{
	return b && b->spare;
}

#endif
