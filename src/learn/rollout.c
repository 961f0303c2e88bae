/* Environments under one policy. */
#include "learn/rollout.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/progress.h"
#include "learn/env.h"
#include "policy/action.h"

#define EXPLORE_STREAM 0x6578706c6f7265ull /* + environment */
#define DRIFT_KEEP 0.95			   /* of a drifting action from decision to decision */
#define SHARD 64			   /* environments of an inference job */

enum { REPORT_THR = 0, REPORT_DT = 5, REPORT_SRTT = 6, REPORT_MIN_RTT = 7 }; // of an info's report

struct rollout {
	struct rollout_conf conf;
	int n;
	struct mlp *policy;
	size_t scratch_floats;
	float *scratch; // (crew's threads, scratch_floats)
	struct env_set *envs;
	struct canopy_env_conf *confs;
	struct rng *rngs; // [n]
	struct canopy_env_info info;
	float *x, *action, *raw, *qc; // (n, table's size), [n]
	float *obs;		      // (n, STATE_SIZE)
	double *drift;		      // [n] where actions have drifted to
	bool drifts;
	bool *waits;
	struct certifier *certifier;
	void *block; // of all arrays above
	struct rollout_stats stats;
};

// Hands out arrays from a block; with base NULL it counts.
struct arena {
	char *base;
	size_t at;
};

static void *take(struct arena *a, size_t items, size_t size)
{
	void *here = a->base ? a->base + a->at : NULL;

	a->at += (items * size + 63) / 64 * 64;
	return here;
}

/* --- Experience --- */

static void lay_experience(struct experience *e, struct arena *a, int n)
{
	e->step = (struct replay_step){
		.action = take(a, n, sizeof(float)),
		.raw = take(a, n, sizeof(float)),
		.qc = take(a, n, sizeof(float)),
		.follows = take(a, n, sizeof(bool)),
		.waits = take(a, n, sizeof(bool)),
		.states = take(a, (size_t)n * STATE_SIZE, sizeof(float)),
		.w = take(a, n, sizeof(uint32_t)),
		.p = take(a, n, sizeof(uint32_t)),
		.nchanges = take(a, n, sizeof(int32_t)),
	};
	e->installed = take(a, n, sizeof(uint32_t));
}

int experience_init(struct experience *e, int n)
{
	struct arena a = {NULL, 0};

	lay_experience(e, &a, n);
	e->bytes = a.at;
	e->block = a.base = calloc(1, a.at);
	a.at = 0;
	if (!e->block)
		return -ENOMEM;
	lay_experience(e, &a, n);
	return 0;
}

void experience_free(struct experience *e)
{
	free(e->block);
	e->block = NULL;
}

/* --- Set-up --- */

static void lay_arrays(struct rollout *r, struct arena *a)
{
	size_t n = r->n;

	r->info = (struct canopy_env_info){
		.flags = take(a, n, sizeof(uint32_t)),
		.w = take(a, n, sizeof(uint32_t)),
		.p = take(a, n, sizeof(uint32_t)),
		.nchanges = take(a, n, sizeof(int32_t)),
		.changes = take(a, n * POLICY_CHANGES, sizeof(int64_t)),
		.report = take(a, n * CANOPY_ENV_REPORT, sizeof(double)),
		.installed = take(a, n, sizeof(uint32_t)),
		.wanted = take(a, n, sizeof(uint32_t)),
	};
	r->confs = take(a, n, sizeof(*r->confs));
	r->rngs = take(a, n, sizeof(*r->rngs));
	r->x = take(a, n * r->conf.table->size, sizeof(float));
	r->obs = take(a, n * STATE_SIZE, sizeof(float));
	r->action = take(a, n, sizeof(float));
	r->raw = take(a, n, sizeof(float));
	r->qc = take(a, n, sizeof(float));
	r->drift = take(a, n, sizeof(double));
	r->waits = take(a, n, sizeof(bool));
	r->scratch_floats = (mlp_scratch(r->policy) + 15) / 16 * 16;
	r->scratch = take(a, r->scratch_floats * crew_threads(r->conf.crew), sizeof(float));
}

int rollout_new(struct rollout **out, const struct rollout_conf *conf, struct mlp *policy)
{
	struct rollout *r = calloc(1, sizeof(*r));
	struct arena a = {NULL, 0};
	int err = 0;

	if (!r)
		return -ENOMEM;
	r->conf = *conf;
	r->n = conf->setups->n;
	r->policy = policy;
	lay_arrays(r, &a);
	r->block = a.base = calloc(1, a.at);
	a.at = 0;
	if (!r->block) {
		r->policy = NULL; // still the caller's
		rollout_free(r);
		return -ENOMEM;
	}
	lay_arrays(r, &a);
	for (int i = 0; i < r->n; i++) {
		rng_init(&r->rngs[i], conf->seed, EXPLORE_STREAM + i);
		r->qc[i] = NAN;
	}
	if (conf->certify)
		err = certifier_new(&r->certifier, conf->certify, policy, r->n, conf->crew);
	if (err) {
		r->policy = NULL; // still the caller's
		rollout_free(r);
		return err;
	}
	*out = r;
	return 0;
}

void rollout_free(struct rollout *r)
{
	if (!r)
		return;
	env_set_free(r->envs);
	certifier_free(r->certifier);
	mlp_free(r->policy);
	free(r->block);
	free(r);
}

struct mlp *rollout_policy(struct rollout *r)
{
	return r->policy;
}

void rollout_drift(struct rollout *r, bool on)
{
	r->drifts = on;
}

/* --- Steps --- */

// The environments' answer into the message.
static void put(struct rollout *r, struct experience *e, bool first)
{
	struct replay_step *s = &e->step;

	for (int i = 0; i < r->n; i++) {
		uint32_t flags = r->info.flags[i];

		r->waits[i] = !(flags & CANOPY_ENV_IDLE);
		((bool *)s->follows)[i] =
			!first && (flags & CANOPY_ENV_REWARDED) && !(flags & CANOPY_ENV_RESTARTED);
	}
	memcpy((bool *)s->waits, r->waits, r->n * sizeof(*r->waits));
	memcpy((float *)s->action, r->action, r->n * sizeof(float));
	memcpy((float *)s->raw, r->raw, r->n * sizeof(float));
	memcpy((float *)s->qc, r->qc, r->n * sizeof(float));
	memcpy((float *)s->states, r->obs, (size_t)r->n * STATE_SIZE * sizeof(float));
	memcpy((uint32_t *)s->w, r->info.w, r->n * sizeof(uint32_t));
	memcpy((uint32_t *)s->p, r->info.p, r->n * sizeof(uint32_t));
	memcpy((int32_t *)s->nchanges, r->info.nchanges, r->n * sizeof(int32_t));
	memcpy((uint32_t *)e->installed, r->info.installed, r->n * sizeof(uint32_t));
}

int rollout_begin(struct rollout *r, uint64_t segment, struct experience *e)
{
	int err;

	rollout_end(r);
	setups_fill(r->conf.setups, segment, r->confs);
	err = env_set_new(&r->envs, r->confs, r->n, r->conf.threads);
	if (!err)
		env_set_shield(r->envs, r->conf.shield);
	if (!err)
		err = env_set_reset(r->envs, r->obs, &r->info);
	if (!err)
		put(r, e, true);
	return err;
}

void rollout_end(struct rollout *r)
{
	env_set_free(r->envs);
	r->envs = NULL;
}

// Whether this environment drifts whatever the policy does.
static bool always_drifts(const struct rollout *r, int i)
{
	return (int)((i + 1) * r->conf.drift_share) > (int)(i * r->conf.drift_share);
}

// First-order autoregression with standard deviation conf.drift.
static double drift(struct rollout *r, int i)
{
	double new = r->conf.drift *sqrt(1 - DRIFT_KEEP * DRIFT_KEEP);

	r->drift[i] = DRIFT_KEEP * r->drift[i] + new *rng_normal(&r->rngs[i]);
	return r->drift[i];
}

// States and actions of a shard of environments.
static void decide_shard(void *arg, int shard, int thread)
{
	struct rollout *r = arg;
	const struct state_table *t = r->conf.table;
	int from = shard * SHARD, to = from + SHARD < r->n ? from + SHARD : r->n;

	for (int i = from; i < to; i++) {
		float *x = r->x + (size_t)i * t->size;

		memcpy(x, r->obs + (size_t)i * STATE_SIZE, STATE_SIZE * sizeof(*x));
		state_tail(t, x + STATE_SIZE, r->info.w[i], r->info.p[i], r->info.nchanges[i],
			r->info.changes + (size_t)(i + 1) * POLICY_CHANGES);
	}
	mlp_forward(r->policy, r->x + (size_t)from * t->size, r->action + from, to - from,
		r->scratch + thread * r->scratch_floats);
	for (int i = from; i < to; i++) {
		bool drifts = always_drifts(r, i);
		double a = drifts || r->drifts ? drift(r, i) : mlp_action(r->action[i]);

		if (r->conf.exploration > 0 && !drifts)
			a += r->conf.exploration * rng_normal(&r->rngs[i]);
		r->action[i] = r->conf.zero ? 0 : (float)fmax(-1, fmin(1, a));
	}
}

static int certify(struct rollout *r)
{
	const struct certifier_decisions d = {
		.table = r->conf.table,
		.states = r->x,
		.waits = r->waits,
		.w = r->info.w,
		.p = r->info.p,
		.nchanges = r->info.nchanges,
		.changes = r->info.changes,
	};

	if (r->conf.watch)
		r->conf.watch(r->conf.watcher, &d);
	return r->certifier ? certifier_run(r->certifier, &d, r->qc) : 0;
}

// Sums over the step's decisions; reports are those that ended it.
static void count(struct rollout *r)
{
	struct rollout_stats *s = &r->stats;

	for (int i = 0; i < r->n; i++) {
		const double *report = r->info.report + (size_t)i * CANOPY_ENV_REPORT;

		if (!(r->info.flags[i] & CANOPY_ENV_REWARDED) || always_drifts(r, i))
			continue;
		s->decisions++;
		s->raw += r->raw[i];
		s->action += r->action[i];
		s->action_abs += fabsf(r->action[i]);
		s->floor += r->info.installed[i] <= ACTION_MIN_WINDOW;
		s->moved += r->info.installed[i] != r->info.wanted[i];
		if (!isnan(r->qc[i])) {
			s->qc += r->qc[i];
			s->certified++;
		}
		if (r->certifier)
			certifier_add(r->certifier, i);
		if (r->info.flags[i] & CANOPY_ENV_RESTARTED)
			continue;
		s->bytes += report[REPORT_THR] * report[REPORT_DT];
		s->time_s += report[REPORT_DT];
		s->qdelay_s +=
			(report[REPORT_SRTT] - report[REPORT_MIN_RTT]) / 1e3 * report[REPORT_DT];
	}
}

int rollout_step(struct rollout *r, struct experience *e)
{
	double start = progress_clock(), decided, certified;
	int err;

	crew_run(r->conf.crew, (r->n + SHARD - 1) / SHARD, decide_shard, r);
	decided = progress_clock();
	err = certify(r);
	certified = progress_clock();
	if (!err)
		err = env_set_step(r->envs, r->action, r->obs, r->raw, &r->info);
	if (err)
		return err;
	r->stats.infer_s += decided - start;
	r->stats.certify_s += certified - decided;
	r->stats.env_s += progress_clock() - certified;
	count(r);
	put(r, e, false);
	return 0;
}

struct rollout_stats rollout_tell(struct rollout *r)
{
	struct rollout_stats s = r->stats;

	r->stats = (struct rollout_stats){.decisions = 0};
	return s;
}

struct certifier *rollout_certifier(struct rollout *r)
{
	return r->certifier;
}

void rollout_parts(struct rollout *r, struct checkpoint *c)
{
	checkpoint_add(c, "rollout.", "rng", ST_I64, (uint64_t)r->n * 4, r->rngs);
	checkpoint_add(c, "rollout.", "drift", ST_F64, (uint64_t)r->n, r->drift);
}
