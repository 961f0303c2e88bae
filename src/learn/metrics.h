/*
 * A run's curves: DIR/metrics.jsonl, one object a line ("step", "wall_s", then the scalars, null
 * where there is none), and the same in a TensorBoard event file.
 *
 * A resumed run goes on in the same metrics.jsonl, from which the lines after its step are taken
 * out, and begins an event file of its own; a run begun anew removes those of the one before.
 */
#ifndef LEARN_METRICS_H
#define LEARN_METRICS_H

#include <stddef.h>
#include <stdint.h>

#define METRICS_FILE "metrics.jsonl"
#define METRICS_EVENTS "events.out.tfevents." /* begins the name of every event file */
#define METRICS_MAX_FILE ((size_t)1 << 30) /* that is read */

struct metrics;

/* Opens for a run at this step; step 0 begins anew. 0 or -errno, printed. */
int metrics_open(struct metrics **out, const char *dir, int64_t step);

/* Adds the scalars and flushes. 0 or -errno, printed (a full disk, say). */
int metrics_add(
	struct metrics *m, int64_t step, int n, const char *const *names, const double *values);

/* 0 or -errno, printed. m may be NULL. */
int metrics_close(struct metrics *m);

#endif
