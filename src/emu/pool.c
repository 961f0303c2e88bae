/* A stack of free slots over one mapping. */
#include "emu/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ALIGN 64 /* a cache line */

int pool_init(struct pool *p, size_t slot_size, size_t bytes)
{
	memset(p, 0, sizeof(*p));
	p->slot_size = (slot_size + ALIGN - 1) / ALIGN * ALIGN;
	p->n = bytes / p->slot_size;
	p->bytes = p->n * p->slot_size;
	p->free = malloc(p->n * sizeof(*p->free));
	p->data = mmap(NULL, p->bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p->data == MAP_FAILED)
		p->data = NULL;
	if (!p->free || !p->data) {
		pool_free(p);
		return -ENOMEM;
	}
	while (p->nfree < p->n) {
		p->free[p->nfree] = p->n - 1 - p->nfree;
		p->nfree++;
	}
	return 0;
}

void pool_free(struct pool *p)
{
	if (p->data)
		munmap(p->data, p->bytes);
	free(p->free);
	memset(p, 0, sizeof(*p));
}
