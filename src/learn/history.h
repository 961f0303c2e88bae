/*
 * What a training run has told about itself, read back from its metrics.jsonl: for every scalar its
 * values by step, and plain CUBIC's on the held-out set-ups (the line at step 0 without a best).
 *
 * A last line without its end, as a killed run leaves one, is left out with a warning. All else
 * that `canopy train` does not write is refused, naming file and line: what is not JSON, other
 * types, steps that do not grow, more or longer names than TensorBoard's file can have.
 */
#ifndef LEARN_HISTORY_H
#define LEARN_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#include "learn/tfevents.h"

#define HISTORY_MAX_SCALARS TFEVENTS_MAX_SCALARS
#define HISTORY_MAX_STEP 1e15

struct history_point {
	double step, value; /* NAN: null */
};

struct history_scalar {
	char name[TFEVENTS_TAG_MAX + 1];
	struct history_point *point; /* [n], steps ascend strictly */
	size_t n, room;
	double cubic; /* plain CUBIC's value, NAN where there is none */
};

struct history {
	struct history_scalar *scalar; /* [n] in the order of first appearance */
	int n;
	int64_t step;  /* the last line's */
	double wall_s; /* of training until then */
	size_t lines;
};

/* From DIR/metrics.jsonl. 0; -EBADMSG or another -errno, printed. */
int history_load(struct history *h, const char *dir);

/* The same from its text; path is for messages. */
int history_parse(struct history *h, const char *text, size_t len, const char *path);

void history_free(struct history *h);

/* NULL where no line has it. */
const struct history_scalar *history_find(const struct history *h, const char *name);

/* Its value at a step, NAN where there is none. */
double history_at(const struct history_scalar *s, double step);

/* The greatest value's point, the first of equal ones; NULL where there is no value. */
const struct history_point *history_best(const struct history_scalar *s);

#endif
