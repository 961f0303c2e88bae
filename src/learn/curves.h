/* What a run tells about itself as it goes: sums between two lines of metrics, and progress. */
#ifndef LEARN_CURVES_H
#define LEARN_CURVES_H

#include "learn/held_out.h"
#include "learn/metrics.h"
#include "learn/rollout.h"
#include "learn/td3.h"

struct curves {
	struct metrics *metrics;
	const struct property_file *properties; /* or NULL */
	struct td3_stats sum;			/* over `updates` updates since the last line */
	uint64_t updates, steps;
	double update_s, start_s;
	double held_out_s, checkpoint_s; /* the caller adds to these */
};

/* 0 or -errno. */
int curves_open(
	struct curves *c, const char *dir, int64_t step, const struct property_file *properties);
int curves_close(struct curves *c);

/* Takes in an update that took so long. */
void curves_update(struct curves *c, const struct td3_stats *s, double seconds);

/* A line about what happened since the last one: `transitions` of them; sums[properties->n] or
 * NULL. 0 or -errno. */
int curves_line(struct curves *c, int64_t step, uint64_t transitions, const struct rollout_stats *r,
	const struct certifier_sum *sums, double lambda);

/* A line about an evaluation. */
int curves_held_out(struct curves *c, int64_t step, const struct held_out_score *s, double best);

#endif
