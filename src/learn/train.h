/*
 * A training run: environments fill the replay, the learner updates at a fixed rate, what comes of
 * it is measured on held-out set-ups, and the best model is kept.
 *
 * A run's folder holds checkpoint.safetensors (and .previous), best.safetensors, last.safetensors
 * (all networks), metrics.jsonl and TensorBoard event files. Episodes begin anew after every
 * checkpoint, in a run that goes on as in one that is resumed: the same spec gives the same models
 * and checkpoints, byte for byte, for any number of threads and however often it was killed.
 */
#ifndef LEARN_TRAIN_H
#define LEARN_TRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/opts.h"
#include "learn/certified.h"
#include "learn/replay.h"
#include "learn/rollout.h"
#include "learn/setups.h"
#include "learn/td3.h"

struct train_conf {
	struct td3_conf td3;
	const struct state_table *table;
	struct setups setups, held_out;
	double exploration, drift, drift_share;
	struct property_file *properties; /* NULL: no certificates */
	struct shield *shield; /* of these, in all environments that the policy acts in; or NULL */
	struct certifier_conf certifier; /* of the reward ... */
	struct certifier_conf judge;	/* ... and of evaluations, exact where that is possible */
	struct certified_conf certified; /* the loss; weights 0: none */
	double score_weight;		 /* of certificates in the held-out score */
	struct replay_reward reward;
	uint64_t seed;
	uint64_t transitions, updates,
		warmup; /* updates are spread over what follows the warm-up */
	uint64_t replay;
	uint64_t checkpoint_every, eval_every, log_every; /* transitions; 0: at the end only */
	int eval_decisions;				  /* of each held-out environment */
	const char *init; /* model to start from, or NULL; the options' */
	char *spec; /* what determines the run: TRAIN_SPEC_HEAD and the simulator's version, then
		       options, a line each */
};

/* clang-format off */
/* Rows of an option table: what determines a run. */
#define TRAIN_OPTS \
	SETUPS_OPTS, \
	SETUPS_EVAL_OPTS, \
	{OPT_INT, 0, "seed", "N", "1", 0, 1e15, NULL, "seed of everything that is random"}, \
	{OPT_INT, 'n', "transitions", "N", "12800000", 1, 1e12, NULL, "decisions to make in all"}, \
	{OPT_INT, 'u', "updates", "N", "100000", 0, 1e10, NULL, "updates to make in all"}, \
	{OPT_INT, 0, "warmup", "N", "25600", 0, 1e12, NULL, "transitions before the first update"}, \
	{OPT_REAL, 0, "drift", "X", "0.05", 0, 2, NULL, \
		"until then actions drift around 0 with this standard deviation; 0: the policy acts"}, \
	{OPT_INT, 0, "critics-first", "N", "0", 0, 1e10, NULL, "updates before the actor's first"}, \
	{OPT_INT, 0, "replay", "N", "880000", 1, 1e9, NULL, "transitions that the replay holds"}, \
	{OPT_INT, 0, "batch", "N", "512", 2, 65536, NULL, "transitions of an update"}, \
	{OPT_REALS, 0, "hidden", "N,N", "256,256", 1, MLP_MAX_WIDTH, NULL, "widths of the hidden layers, 2 to 7"}, \
	{OPT_WORD, 0, "features", "TABLE", "published", 0, 0, "published|extended|windowed", "what the policy sees"}, \
	{OPT_FLAG, 0, "batch-norm", NULL, "yes", 0, 0, NULL, "batch norm in the actor (--no-batch-norm: none)"}, \
	{OPT_WORD, 0, "start", "KIND", "random", 0, 0, "random|hold", \
		"the first policy: random weights, or one that nearly holds every window (extended or windowed features, no batch norm)"}, \
	{OPT_REAL, 0, "gamma", "X", "0.995", 0, 1, NULL, "discount"}, \
	{OPT_REAL, 0, "tau", "X", "0.001", 0, 1, NULL, "how far targets follow in an update"}, \
	{OPT_REAL, 0, "actor-rate", "X", "1e-4", 0, 1, NULL, "Adam's rate for the actor"}, \
	{OPT_REAL, 0, "critic-rate", "X", "1e-3", 0, 1, NULL, "Adam's rate for the critics"}, \
	{OPT_REAL, 0, "decay", "X", "0", 0, 1, NULL, \
		"over this share of the updates, the last ones, both rates fall linearly to 0"}, \
	{OPT_REAL, 0, "exploration", "X", "0.2", 0, 2, NULL, "standard deviation of the noise on actions"}, \
	{OPT_REAL, 0, "target-noise", "X", "0.1", 0, 2, NULL, "standard deviation of the noise on target actions"}, \
	{OPT_REAL, 0, "target-clip", "X", "0.2", 0, 2, NULL, "its limit"}, \
	{OPT_FLAG, 0, "relative-q", NULL, "no", 0, 0, NULL, "divide the actor's loss by max(1, mean |Q|)"}, \
	{OPT_REAL, 0, "reach", "X", "3", 0, 1e3, NULL, "pre-activations beyond this are pulled back (0: every action has a price) ..."}, \
	{OPT_REAL, 0, "reach-weight", "X", "0", 0, 1e3, NULL, "... with this weight"}, \
	{OPT_REAL, 0, "drift-share", "X", "0", 0, 0.9, NULL, \
		"share of the environments in which actions drift throughout"}, \
	{OPT_TEXT, 'p', "properties", "FILE", NULL, 0, 0, NULL, "properties to certify: a file or a shipped set"}, \
	{OPT_TEXTS, 0, "let", "NAME=X,...", NULL, 0, 0, NULL, "values for the properties' parameters"}, \
	{OPT_FLAG, 0, "shield", NULL, NULL, 0, 0, NULL, \
		"train behind a shield, which moves every window to the nearest one that the properties allow"}, \
	{OPT_REAL, 0, "lambda", "X", "0", 0, 1, NULL, "weight of the certificate in the reward; 0: Orca's reward"}, \
	{OPT_WORD, 0, "engine", "KIND", "auto", 0, 0, "auto|box|exact|linear", \
		"what certifies the reward: auto is exact where one input varies, else as --wide-engine says"}, \
	{OPT_WORD, 0, "wide-engine", "KIND", "box", 0, 0, "box|exact|linear", "... regions in which more inputs vary; evaluations take exact up to two, then linear"}, \
	{OPT_INT, 0, "slices", "N", "5", 1, 10000, NULL, "slices of a region for the box and linear engines"}, \
	{OPT_INT, 0, "budget", "N", "100", 0, 1e9, NULL, "cells of the linear engine, a part"}, \
	{OPT_REALS, 0, "loss-weight", "X,...", "0", 0, 1e6, NULL, \
		"weight of the certified loss; several: at equal distances over the run"}, \
	{OPT_REAL, 0, "loss-rate", "X", "0", 0, 1, NULL, \
		"rate of an Adam of its own for the certified loss, whose weight then hardly matters; 0: none, the actor's"}, \
	{OPT_WORD, 0, "loss-engine", "KIND", "exact", 0, 0, "exact|box", "bounds that the certified loss pushes"}, \
	{OPT_INT, 0, "loss-slices", "N", "5", 1, 1000, NULL, "slices of a region for --loss-engine box"}, \
	{OPT_INT, 0, "loss-decisions", "N", "128", 1, 65536, NULL, "decisions of a batch in the certified loss"}, \
	{OPT_REAL, 0, "loss-forced", "X", "0.25", 0, 1, NULL, \
		"share of them whose last changes get signs drawn anew"}, \
	{OPT_INT, 0, "loss-first", "N", "0", 0, 1e10, NULL, \
		"the actor's first updates, by the certified loss alone"}, \
	{OPT_REAL, 0, "score-weight", "X", "0.5", 0, 1, NULL, \
		"weight of certificates on reference decisions in what the best model is chosen by"}, \
	{OPT_REAL, 0, "reward-floor", "X", NULL, -1e9, 1, NULL, \
		"least raw reward to learn from: a burst of drops can cost hundreds; none by default"}, \
	{OPT_FILE, 0, "init", "MODEL", NULL, 0, 0, NULL, "model file to start from, with its critics where it has them, as a run's last.safetensors does"}, \
	{OPT_INT, 0, "checkpoint-every", "N", "640000", 0, 1e12, NULL, \
		"transitions between checkpoints, after which episodes begin anew; 0: one at the end"}, \
	{OPT_INT, 0, "eval-every", "N", "640000", 0, 1e12, NULL, \
		"transitions between evaluations on the held-out set-ups; 0: one at the end"}, \
	{OPT_INT, 0, "eval-decisions", "N", "500", 1, 1e9, NULL, "decisions of each held-out environment"}, \
	{OPT_INT, 0, "log-every", "N", "25600", 0, 1e12, NULL, "transitions between lines of metrics; 0: one at the end"}
/* clang-format on */

#define TRAIN_SPEC_HEAD "# simulator "

/* From options with these rows (and others, which skip, ended by NULL, names: where to and how).
 * 0 or -errno, printed. */
int train_conf_init(struct train_conf *c, const struct opts *o, const char *const *skip);
void train_conf_free(struct train_conf *c);

/* Whether the certified loss has a weight at any time. */
bool train_has_loss(const struct train_conf *c);

struct train_io {
	const char *output; /* model file */
	const char *dir;    /* the run's folder, made if need be */
	int threads;
	bool restart; /* forget the folder's checkpoint */
};

/*
 * Runs, or goes on from the folder's checkpoint. 0; -EINTR after work_stop (said in one line; the
 * last checkpoint stays); -EDOM when a number became infinite or NaN; or another -errno, printed.
 */
int train_run(const struct train_conf *c, const struct train_io *io);

#endif
