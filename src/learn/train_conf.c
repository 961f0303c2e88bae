/* A run's options, checked. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "learn/footprint.h"
#include "learn/train.h"
#include "sim/world.h"

/* The same for every run, so that their curves compare. */
#define HELD_OUT_SEED 0x68656c64ull

static bool is_skipped(const char *name, const char *const *skip)
{
	while (*skip && strcmp(*skip, name))
		skip++;
	return *skip != NULL;
}

static char *spec_text(const struct opts *o, const char *const *skip)
{
	bool grid = !strcmp(opts_text(o, "setups"), "grid"); // which counts its environments itself
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		abort();
	fprintf(f, TRAIN_SPEC_HEAD "%d\n", SIM_VERSION);
	for (int i = 0; i < o->n; i++)
		if (o->text[i] && !is_skipped(o->table[i].name, skip) &&
			!(grid && !strcmp(o->table[i].name, "envs")))
			fprintf(f, "%s = %s\n", o->table[i].name, o->text[i]);
	if (fclose(f))
		abort();
	return text;
}

static int read_hidden(struct td3_conf *c, const struct opts *o)
{
	double *v;
	int n = opts_reals(o, "hidden", &v);

	c->nhidden = n;
	for (int i = 0; i < n && i < TD3_MAX_HIDDEN; i++)
		c->hidden[i] = (int)v[i];
	for (int i = 0; i < n && i < TD3_MAX_HIDDEN; i++)
		if (c->hidden[i] != v[i])
			n = 0;
	free(v);
	if (n >= 2 && n <= TD3_MAX_HIDDEN)
		return 0;
	pr_err("--hidden: wants 2 to %d whole numbers\n", TD3_MAX_HIDDEN);
	return -EINVAL;
}

static int read_learner(struct train_conf *c, const struct opts *o)
{
	struct td3_conf *t = &c->td3;

	*t = td3_published;
	t->states = c->table->size;
	t->seed = c->seed;
	t->batch_norm = opts_flag(o, "batch-norm");
	t->hold = !strcmp(opts_text(o, "start"), "hold");
	t->batch = (int)opts_int(o, "batch");
	t->gamma = opts_real(o, "gamma");
	t->tau = opts_real(o, "tau");
	t->actor_rate = opts_real(o, "actor-rate");
	t->critic_rate = opts_real(o, "critic-rate");
	t->critics_first = (uint64_t)opts_int(o, "critics-first");
	t->extra_first = (uint64_t)opts_int(o, "loss-first");
	t->extra_rate = opts_real(o, "loss-rate");
	t->noise = opts_real(o, "target-noise");
	t->noise_clip = opts_real(o, "target-clip");
	t->decay_from = (uint64_t)((1 - opts_real(o, "decay")) * c->updates);
	t->decay_to = opts_real(o, "decay") > 0 ? c->updates + 1 : 0;
	t->relative_q = opts_flag(o, "relative-q");
	t->reach = opts_real(o, "reach");
	t->reach_weight = opts_real(o, "reach-weight");
	return read_hidden(t, o);
}

static int read_shield(struct train_conf *c)
{
	if (c->properties)
		return shield_new(&c->shield, c->properties);
	pr_err("--shield: name what it is to enforce with --properties\n");
	return -EINVAL;
}

// The shared parts of how certificates are made.
static int read_certificates(struct train_conf *c, const struct opts *o)
{
	char **let;
	int nlet = opts_texts(o, "let", &let), err = 0;
	const char *what = opts_text(o, "properties");

	if (what)
		err = property_load(&c->properties, what, (const char *const *)let, nlet);
	else if (nlet) {
		pr_err("--let: there are no properties without --properties\n");
		err = -EINVAL;
	}
	free(let);
	if (!err && opts_flag(o, "shield"))
		err = read_shield(c);
	c->certifier = (struct certifier_conf){.properties = c->properties,
		.qc = {.engine = engine_find(opts_text(o, "engine")),
			.slices = (int)opts_int(o, "slices"),
			.budget = (long)opts_int(o, "budget")}};
	c->judge = c->certifier;
	if (c->certifier.qc.engine == ENGINE_AUTO)
		c->certifier.qc.wide = engine_find(opts_text(o, "wide-engine"));
	return err;
}

static int read_loss(struct train_conf *c, const struct opts *o)
{
	struct certified_conf *l = &c->certified;
	double *weights;
	int n = opts_reals(o, "loss-weight", &weights);

	*l = (struct certified_conf){.properties = c->properties,
		.table = c->table,
		.box = !strcmp(opts_text(o, "loss-engine"), "box"),
		.slices = (int)opts_int(o, "loss-slices"),
		.decisions = (int)opts_int(o, "loss-decisions"),
		.forced = opts_real(o, "loss-forced"),
		.nweights = n,
		.updates = c->updates,
		.seed = c->seed};
	for (int i = 0; i < n && i < CERTIFIED_WEIGHTS; i++)
		l->weights[i] = weights[i];
	free(weights);
	if (n <= CERTIFIED_WEIGHTS)
		return 0;
	pr_err("--loss-weight: %d numbers, at most %d\n", n, CERTIFIED_WEIGHTS);
	return -EINVAL;
}

bool train_has_loss(const struct train_conf *c)
{
	for (int i = 0; i < c->certified.nweights; i++)
		if (c->certified.weights[i] > 0)
			return true;
	return false;
}

static int check_certificates(const struct train_conf *c)
{
	const char *lacks = c->reward.lambda > 0 ? "lambda"
			    : train_has_loss(c)	 ? "loss-weight"
						 : NULL;

	if (lacks && !c->properties) {
		pr_err("--%s: asks for certificates: name the properties with --properties\n",
			lacks);
		return -EINVAL;
	}
	if (c->td3.extra_first && !train_has_loss(c)) {
		pr_err("--loss-first: there is no certified loss without --loss-weight\n");
		return -EINVAL;
	}
	if (train_has_loss(c) && c->certified.decisions > c->td3.batch) {
		pr_err("--loss-decisions: %d of a batch of %d\n", c->certified.decisions,
			c->td3.batch);
		return -EINVAL;
	}
	return 0;
}

// What can be meant, but rarely is.
static void warn_of_idle(const struct train_conf *c)
{
	if (!c->updates)
		pr_warn("--updates: none: the policy stays the one that it begins with\n");
	else if (c->td3.critics_first >= c->updates)
		pr_warn("--critics-first: all of the %llu updates are of critics alone\n",
			(unsigned long long)c->updates);
	else if (c->td3.critics_first + c->td3.extra_first >= c->updates)
		pr_warn("--loss-first: all updates of the policy are by the certified loss alone, none by rewards\n");
}

static int check(const struct train_conf *c)
{
	int err;

	if (c->updates && c->warmup >= c->transitions) {
		pr_err("--warmup: %llu of %llu transitions leave none for updates\n",
			(unsigned long long)c->warmup, (unsigned long long)c->transitions);
		return -EINVAL;
	}
	if (c->replay < (uint64_t)c->setups.n) {
		pr_err("--replay: %llu transitions are fewer than the %d environments\n",
			(unsigned long long)c->replay, c->setups.n);
		return -EINVAL;
	}
	if (c->updates && c->replay < (uint64_t)c->td3.batch) {
		pr_err("--batch: %d transitions are more than the %llu of --replay\n", c->td3.batch,
			(unsigned long long)c->replay);
		return -EINVAL;
	}
	if (c->td3.hold && (c->td3.batch_norm || !c->table->tail)) {
		pr_err("--start: hold wants --features extended or windowed, and --no-batch-norm\n");
		return -EINVAL;
	}
	if (c->setups.base.steps == 1) {
		pr_err("--episode: a transition takes 2 decisions\n");
		return -EINVAL;
	}
	if (c->td3.hold && c->init) {
		pr_err("--start: hold is one first policy, and the model of --init another\n");
		return -EINVAL;
	}
	err = check_certificates(c);
	if (!err)
		err = footprint_check(c);
	if (!err)
		warn_of_idle(c);
	return err;
}

int train_conf_init(struct train_conf *c, const struct opts *o, const char *const *skip)
{
	int err;

	*c = (struct train_conf){
		.table = state_find(opts_text(o, "features")),
		.exploration = opts_real(o, "exploration"),
		.drift = opts_real(o, "drift"),
		.drift_share = opts_real(o, "drift-share"),
		.score_weight = opts_real(o, "score-weight"),
		.reward = {opts_real(o, "lambda"),
			opts_text(o, "reward-floor") ? opts_real(o, "reward-floor") : -INFINITY},
		.seed = (uint64_t)opts_int(o, "seed"),
		.transitions = (uint64_t)opts_int(o, "transitions"),
		.updates = (uint64_t)opts_int(o, "updates"),
		.warmup = (uint64_t)opts_int(o, "warmup"),
		.replay = (uint64_t)opts_int(o, "replay"),
		.checkpoint_every = (uint64_t)opts_int(o, "checkpoint-every"),
		.eval_every = (uint64_t)opts_int(o, "eval-every"),
		.log_every = (uint64_t)opts_int(o, "log-every"),
		.eval_decisions = (int)opts_int(o, "eval-decisions"),
		.init = opts_text(o, "init"),
		.spec = spec_text(o, skip),
	};
	err = read_learner(c, o);
	if (!err)
		err = read_certificates(c, o);
	if (!err)
		err = read_loss(c, o);
	if (!err)
		err = setups_init(&c->setups, o, false, c->seed);
	if (!err)
		err = setups_init(&c->held_out, o, true, HELD_OUT_SEED);
	if (!err)
		err = check(c);
	if (err)
		train_conf_free(c);
	return err;
}

void train_conf_free(struct train_conf *c)
{
	setups_free(&c->setups);
	setups_free(&c->held_out);
	shield_free(c->shield);
	property_free(c->properties);
	free(c->spec);
	c->shield = NULL;
	c->properties = NULL;
	c->spec = NULL;
}
