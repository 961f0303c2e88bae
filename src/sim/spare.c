/* Free lists by size. */
#include "sim/spare.h"

#include <assert.h>
#include <stdlib.h>

static unsigned class_of(size_t size)
{
	unsigned log = __builtin_ctzll(size);

	assert(log >= SPARE_LEAST_LOG && log < SPARE_LEAST_LOG + SPARE_CLASSES);
	return log - SPARE_LEAST_LOG;
}

static void *take(struct spare_list *l, unsigned class)
{
	void *p = l->first[class];

	if (p)
		l->first[class] = *(void **)p;
	return p;
}

static void give(struct spare_list *l, void *p, unsigned class)
{
	*(void **)p = l->first[class];
	l->first[class] = p;
}

void spare_init(struct spare *s)
{
	s->free = (struct spare_list){{NULL}};
	pthread_mutex_init(&s->lock, NULL);
}

void spare_free(struct spare *s)
{
	for (unsigned class = 0; class < SPARE_CLASSES; class ++)
		for (void *p; (p = take(&s->free, class));)
			free(p);
	pthread_mutex_destroy(&s->lock);
}

void *blocks_take(struct blocks *b, size_t size)
{
	void *p = NULL;

	if (blocks_shared(b)) {
		p = take(&b->free, class_of(size));
		if (!p) {
			pthread_mutex_lock(&b->spare->lock);
			p = take(&b->spare->free, class_of(size));
			pthread_mutex_unlock(&b->spare->lock);
		}
	}
	if (!p)
		p = malloc(size);
	if (!p)
		abort();
	return p;
}

void blocks_give(struct blocks *b, void *p, size_t size)
{
	if (!blocks_shared(b)) {
		free(p);
	} else if (p) {
		give(&b->free, p, class_of(size));
		b->any = true;
	}
}

void blocks_share(struct blocks *b)
{
	if (!b->any)
		return;
	pthread_mutex_lock(&b->spare->lock);
	for (unsigned class = 0; class < SPARE_CLASSES; class ++)
		for (void *p; (p = take(&b->free, class));)
			give(&b->spare->free, p, class);
	pthread_mutex_unlock(&b->spare->lock);
	b->any = false;
}
