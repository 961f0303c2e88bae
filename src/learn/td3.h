/*
 * The learner: TD3 (Fujimoto et al., ICML 2018) as Orca and Canopy train with it, without the delay
 * of the policy. One update, on a batch of transitions (s0, a, r, s1) that never end an episode:
 *
 *	a' = clip(target actor(s1) + clip(N(0, noise), +-clip), +-1)
 *	y  = r + gamma * min(target critic 1(s1, a'), target critic 2(s1, a'))
 *	critics: Adam on mean (Q(s0, a) - y)^2
 *	actor:   Adam on -mean Q1(s0, actor(s0)) + extra, or on each by itself
 *	targets: Polyak, one step each, running statistics included
 *
 * Batch norm in the actor: the update normalises by the batch's own statistics (biased variance),
 * which move the running ones by 1 - momentum (0.99, TensorFlow's default, which the published code
 * uses); the target actor, like a deployed policy, normalises by its running statistics, which
 * follow the actor's. Biases of normalised layers stay where they are: the mean takes them away.
 *
 * A batch is cut into fixed shards of TD3_SHARD rows and every sum over rows has a fixed order: the
 * same bits for any number of threads. Nothing is allocated after td3_new.
 */
#ifndef LEARN_TD3_H
#define LEARN_TD3_H

#include <stdbool.h>
#include <stdint.h>

#include "base/crew.h"
#include "learn/checkpoint.h"
#include "model/model.h"
#include "nn/tensors.h"

#define TD3_SHARD 128
#define TD3_MAX_HIDDEN (MLP_MAX_LAYERS - 1)

struct td3_conf {
	int states;			     /* numbers in a state */
	int nhidden, hidden[TD3_MAX_HIDDEN]; /* of actor and critics alike; at least 2 */
	bool batch_norm;
	bool hold; /* the first actor nearly holds the window installed before: extended states, no
		      batch norm */
	int batch; /* transitions */
	int extra_max; /* most extra states of an update */
	double gamma, tau, momentum;
	double actor_rate, critic_rate; /* of Adam */
	/* Above 0: the extra loss has an Adam of its own, of this rate, so that neither loss's size
	 * decides how far the other moves the weights. */
	double extra_rate;
	double noise, noise_clip; /* of the target actor's action */
	/* From update decay_from on, Adam's rates fall linearly, to 0 at decay_to; decay_to 0: they
	 * stay. */
	uint64_t decay_from, decay_to;
	/* The actor's loss is divided by max(1, mean |Q1(s0, a)|), so that an extra loss has the
	 * same weight at every stage. */
	bool relative_q;
	/* reach_weight * mean relu(|y| - reach)^2 over the batch's pre-activations y: keeps tanh's
	 * gradient alive and, with reach 0, windows where CUBIC has them unless Q asks for more. */
	double reach, reach_weight;
	uint64_t critics_first; /* updates before the actor's first step ... */
	uint64_t extra_first;	/* ... of which so many go by the extra loss alone */
	uint64_t seed;
};

extern const struct td3_conf td3_published; /* all but states and seed */

/* Rows of a batch: states are (batch, states). */
struct td3_batch {
	float *s0, *a, *r, *s1;
};

/* Where transitions come from: fills rows [from, to); called from any thread. */
struct td3_source {
	void (*fill)(void *arg, const struct td3_batch *b, int from, int to);
	void *arg;
};

/* Derivatives with respect to the folded actor's weights and biases, (in, out) and (out) of each
 * layer. */
struct td3_folded {
	const float *w[MLP_MAX_LAYERS], *b[MLP_MAX_LAYERS];
};

/*
 * An extra loss on the deployed actor (running statistics, folded), such as a certified loss.
 * Called from the thread of td3_update, before the actor's step. Either of the two forms; the
 * other's members are NULL.
 */
struct td3_extra {
	/* On what it answers to further states: chooses up to extra_max of them for x (extra_max,
	 * states), given the folded actor; their number. Then the loss given y_pre[n], before tanh,
	 * and its derivative dy[n]. */
	int (*states)(void *arg, const struct mlp *actor, float *x);
	double (*loss)(void *arg, int n, const float *y_pre, float *dy);
	/* A loss that finds its own derivatives; *count: states, boxes, whatever it is a sum over,
	 * 0 for no derivatives. */
	double (*folded)(
		void *arg, const struct mlp *actor, struct td3_folded *gradient, int *count);
	void *arg;
};

/* Of one update, before its steps. */
struct td3_stats {
	double critic_loss[2];	 /* mean squared errors */
	double q, q_abs, target; /* means of Q1(s0, a), its magnitude and y */
	double q_policy;	 /* mean Q1(s0, actor(s0)) */
	double y_abs;		 /* mean |pre-activation| of the actor */
	double action, action_abs;
	double extra; /* the extra loss, 0 without */
	int extra_states;
};

struct td3;

/* Random networks (biases 0) from the seed. 0 or -errno; prints the error. */
int td3_new(struct td3 **out, const struct td3_conf *conf, struct crew *crew);
void td3_free(struct td3 *t);

/* One update; extra may be NULL. 0, or -EDOM after printing the tensor that is no longer finite. */
int td3_update(struct td3 *t, const struct td3_source *from, const struct td3_extra *extra,
	struct td3_stats *stats);

uint64_t td3_updates(const struct td3 *t);

/* The actor folded into m, made by mlp_new with the actor's sizes. */
struct mlp *td3_policy_new(const struct td3 *t);
void td3_policy(const struct td3 *t, struct mlp *m);

/*
 * Starts from a model: its actor and, where it has them, target actor and critics; else the target
 * is the actor and critics stay random. Its states may be a shorter table, whose numbers begin
 * ours: the weights of the rest are 0. 0 or -EINVAL after printing what does not fit, after path.
 */
int td3_import(struct td3 *t, const struct model *m, const char *path);

/* The actor alone or, if all, every network, as layers of m. 0 or -ENOMEM. */
int td3_export(const struct td3 *t, struct model *m, bool all);

/* The descriptor, the block it describes and the last gradients of a network (MODEL_ACTOR,
 * MODEL_CRITIC, MODEL_CRITIC2). */
const struct tensors *td3_tensors(const struct td3 *t);
float *td3_block(struct td3 *t);
const float *td3_gradient(const struct td3 *t, int net);

/* -EDOM if a tensor is no longer finite, after printing which, and the step. */
int td3_check(const struct td3 *t);

/* Everything that changes with updates. */
void td3_parts(struct td3 *t, struct checkpoint *c);

#endif
