/*
 * The acting side of training: environments, the policy that drives them, its exploration noise and
 * the certificates of what it decides.
 *
 * It and the learner exchange two things: experience (one contiguous block a step) goes to the
 * learner, the policy's weights come back. Neither reads the other's state, so the two may be
 * processes on different machines.
 */
#ifndef LEARN_ROLLOUT_H
#define LEARN_ROLLOUT_H

#include "base/crew.h"
#include "cert/shield.h"
#include "learn/certifier.h"
#include "learn/checkpoint.h"
#include "learn/replay.h"
#include "learn/setups.h"
#include "nn/mlp.h"
#include "obs/state.h"

struct rollout_conf {
	struct setups *setups; /* borrowed */
	const struct state_table *table;
	double exploration; /* of N(0, this) on the action */
	double drift;	    /* standard deviation of actions while rollout_drift is on ... */
	double drift_share; /* ... and always in this share of the environments, spread evenly */
	bool zero;	    /* action 0: plain CUBIC, to compare with */
	uint64_t seed;
	const struct certifier_conf *certify; /* judges every decision, or NULL */
	const struct shield *shield; /* part of the environments: what is learnt from are the
					actions before it. NULL: none */
	/* Shown every step's decisions, or NULL. */
	void (*watch)(void *arg, const struct certifier_decisions *d);
	void *watcher;
	struct crew *crew;
	int threads; /* of the environments */
};

/* One step of all environments: the block is what would travel; the rest points into it. */
struct experience {
	struct replay_step step;
	const uint32_t *installed; /* packets, by the decision before */
	void *block;
	size_t bytes;
};

/* What happened since rollout_tell last asked, environments that always drift left out. Means are over
 * decisions. */
struct rollout_stats {
	double decisions, raw, qc, certified; /* sums: decisions rewarded, their raw reward; QC of
						 those certified, how many */
	double action, action_abs, floor;     /* sums over decisions: a, |a|, those installed 4 */
	double moved;			      /* decisions whose window the shield moved */
	double bytes, time_s, qdelay_s;	      /* delivered, simulated time, queueing delay x time */
	double env_s, infer_s, certify_s;     /* wall time */
};

struct rollout;

/* 0 or -errno. The policy has the learner's sizes. */
int rollout_new(struct rollout **out, const struct rollout_conf *conf, struct mlp *policy);
void rollout_free(struct rollout *r);

/*
 * The policy, which rollout_new took over: the learner fills it (td3_policy) between steps. Its
 * weights and biases are what would travel.
 */
struct mlp *rollout_policy(struct rollout *r);

/* Begins a segment: new environments, of which the first decisions come into e. 0 or -errno. */
int rollout_begin(struct rollout *r, uint64_t segment, struct experience *e);

/* Decides what waits and runs every environment to its next decision. 0 or -errno. */
int rollout_step(struct rollout *r, struct experience *e);

/*
 * Whether to act without the policy: actions drift slowly around 0, that is CUBIC's own window, so
 * that the first transitions show windows of every size (a random policy's run away or collapse).
 */
void rollout_drift(struct rollout *r, bool on);

/* Ends the segment: frees the environments. */
void rollout_end(struct rollout *r);

/* The sums, which begin anew. */
struct rollout_stats rollout_tell(struct rollout *r);

/* What certifies them, or NULL. */
struct certifier *rollout_certifier(struct rollout *r);

/* Room for the experience of n environments. 0 or -ENOMEM. */
int experience_init(struct experience *e, int n);
void experience_free(struct experience *e);

/* The exploration noise and drift, for a checkpoint between segments. */
void rollout_parts(struct rollout *r, struct checkpoint *c);

#endif
