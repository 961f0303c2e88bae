/*
 * Replay: the last transitions of every environment, each frame stored once.
 *
 * An environment is a stream: a ring of frames and a ring of decisions, where a decision names the
 * frame its state ends with. A state is written as the frames by which it continues the one before
 * (most often one), found by comparing, so that what is read back equals what was written bit for
 * bit. A transition is a decision and the one after it in its stream and episode; states are put
 * together when they are fetched, of either feature table. What certificates need comes along: w, p
 * and the last changes, which follow from the p of the decisions before.
 *
 * Room for `capacity` transitions: 28 bytes each, and REPLAY_FRAMES frames of 28. Streams with more
 * reports than that between decisions (long recoveries) remember fewer transitions.
 */
#ifndef LEARN_REPLAY_H
#define LEARN_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "learn/checkpoint.h"
#include "obs/state.h"
#include "policy/policy.h"

#define REPLAY_FRAMES 3

struct replay;

/* One step of all streams, as environments give it; arrays of n, states (n, 70). */
struct replay_step {
	const float *action, *raw, *qc; /* of the decision before; qc NAN: nothing to certify */
	const bool *follows; /* the state follows from that decision: a transition to learn from */
	const bool *waits;   /* a decision waits; if not, the rest means nothing */
	const float *states;
	const uint32_t *w, *p;
	const int32_t *nchanges;
};

/* 0 or -ENOMEM. capacity and streams at least 1. */
int replay_new(struct replay **out, size_t streams, size_t capacity);
void replay_free(struct replay *r);

/* Bytes that replay_new takes. */
size_t replay_bytes(size_t streams, size_t capacity);

/* Completes every stream's latest decision and begins the next. */
void replay_add(struct replay *r, const struct replay_step *step);

/* Transitions there are, and the most that fit. */
size_t replay_count(const struct replay *r);
size_t replay_capacity(const struct replay *r);

/* n transitions, each drawn uniformly from all there are (at least one). */
void replay_draw(const struct replay *r, struct rng *rng, int n, uint64_t *at);

/* What is learnt from: (1 - lambda) raw + lambda qc, raw where qc is NAN, raw being at least floor.
 */
struct replay_reward {
	double lambda, floor; /* -INFINITY: as it is */
};

/* n states (n, table's size) and those that follow, actions and rewards. Any of the arrays may be
 * NULL. */
void replay_fetch(const struct replay *r, const uint64_t *at, int n,
	const struct state_table *table, const struct replay_reward *by, float *s0, float *action,
	float *reward, float *s1);

/* What a certificate of the decision needs. */
struct replay_decision {
	float state[STATE_SIZE];
	uint32_t w, p;
	int nchanges;
	int64_t changes[POLICY_CHANGES]; /* newest last; the last nchanges are set, others 0 */
};
void replay_decision(const struct replay *r, uint64_t at, struct replay_decision *out);

/* Everything, for a checkpoint. Decisions that wait are forgotten by replay_pause. */
void replay_parts(struct replay *r, struct checkpoint *c);

/* No decision waits any more: what comes next follows from nothing. */
void replay_pause(struct replay *r);

#endif
