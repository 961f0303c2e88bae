/*
 * The certified loss: pushes what a property refutes of its region into the target, by the
 *derivative of the bound itself.
 *
 * On decisions of the replay whose properties trigger, with [lo, hi] the band of pre-activations y
 *that hit the target and [y_min, y_max] the policy's range over the region,
 *
 *	loss = weight * mean over parts of relu(lo + m - y_min) + relu(y_max - hi + m),
 *
 * m being a margin of 0.15 of the band's width, at most 0.02. Targets that no window hits are left
 *out. A target that depends on the policy's own window at the concrete state (cwnd(clean)) moves
 *with it, so the loss also has a derivative there.
 *
 * exact: y_min and y_max are the network's own, at breakpoints along lines through the region: the
 *region itself where it has one dimension; else one line along each varied input (PROBE_LINES
 *of them at most), the others drawn anew at every update, often at their ends. box: interval bounds
 *of equal slices along the first varied input, the mean of which counts.
 *
 * A share of the decisions get a forced history: the signs of the last changes are drawn anew,
 *zeros included, so that it does not pay to behave such that nothing triggers.
 */
#ifndef LEARN_CERTIFIED_H
#define LEARN_CERTIFIED_H

#include "base/crew.h"
#include "cert/property.h"
#include "learn/replay.h"
#include "learn/td3.h"

#define CERTIFIED_WEIGHTS 16

struct certified_conf {
	struct property_file *properties; /* borrowed */
	const struct state_table *table;
	bool box; /* else exact */
	int slices;
	int decisions; /* of an update's batch */
	double forced; /* share of them with a forced history */
	/* Weights at equal distances over the updates of a run, from the first to the last, linear
	 * between. */
	int nweights;
	double weights[CERTIFIED_WEIGHTS];
	uint64_t updates;
	uint64_t seed;
};

struct certified;

/* For an actor of m's sizes. 0 or -errno, printed. */
int certified_new(struct certified **out, const struct certified_conf *conf, const struct mlp *m,
	struct crew *crew);
void certified_free(struct certified *c);

/* Most states that it asks td3 for. */
int certified_states(const struct certified_conf *conf);

/* The decisions of the next update, the update'th: at[n] in the replay, n >= conf.decisions. */
void certified_batch(
	struct certified *c, const struct replay *r, const uint64_t *at, uint64_t update);

/* The loss on them. */
struct td3_extra certified_extra(struct certified *c);

#endif
