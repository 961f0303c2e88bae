/* Growing a list of opportunities. */
#include "trace/build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int grow(struct build *b)
{
	size_t cap = b->cap ? b->cap * 2 : 1024;
	uint32_t *more = realloc(b->t_ms, cap * sizeof(*more));

	if (!more)
		return -ENOMEM;
	b->t_ms = more;
	b->cap = cap;
	return 0;
}

int build_add(struct build *b, uint32_t t_ms)
{
	int err = b->n == b->cap ? grow(b) : 0;

	if (!err)
		b->t_ms[b->n++] = t_ms;
	return err;
}

int build_reach(struct build *b, uint32_t t_ms, size_t count)
{
	int err = 0;

	while (!err && b->n < count)
		err = build_add(b, t_ms);
	return err;
}

int build_finish(struct trace **out, struct build *b, const char *name)
{
	struct trace *t = calloc(1, sizeof(*t));

	if (t)
		t->name = strdup(name);
	if (!t || !t->name) {
		free(t);
		return -ENOMEM;
	}
	t->t_ms = b->t_ms;
	t->n = b->n;
	memset(b, 0, sizeof(*b));
	*out = t;
	return 0;
}

void build_free(struct build *b)
{
	free(b->t_ms);
	memset(b, 0, sizeof(*b));
}
