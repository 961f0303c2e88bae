/* Environments: set-up, episodes, and the step from one decision to the next. */
#include "learn/env.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crew.h"
#include "base/log.h"
#include "learn/sources.h"
#include "policy/policy.h"
#include "policy/setup.h"
#include "sim/spare.h"
#include "sim/world.h"

_Static_assert(
	CANOPY_ENV_OBS == STATE_SIZE && CANOPY_ENV_CHANGES == POLICY_CHANGES, "public sizes");

#define EPISODE_STREAM 0x657069736f646500ull /* + episode: its seed */
#define TRIES 4		 /* episodes without a decision before a step gives up */
#define UPLINK "wired48" /* as published for training */
#define BUFFER_BDP 2
#define PATIENCE_S 30
#define RECEIVE_WINDOW_MAX 1e9 /* packets */

struct env {
	struct policy_conf policy;
	const struct shield *shield; // or NULL
	struct flow_conf flow;
	struct world_conf conf; /* seed apart */
	struct world *world;
	uint64_t seed, max_steps, end_ns, patience_ns; /* ends: UINT64_MAX for none */
	uint64_t episode, steps, deadline_ns;
	double reward;
	bool rewarded;
	int err;
};

struct env_set {
	size_t n;
	struct env *envs; /* [n] */
	struct crew *crew;
	struct spare spare; /* memory that the worlds share */
	struct sources sources;
	/* the call under way */
	const float *actions; /* NULL: reset */
	float *obs, *rewards;
	const struct canopy_env_info *info;
};

/* --- Set-up --- */

static int down_trace(struct env_set *s, const struct canopy_env_conf *k, const struct trace **out)
{
	char name[64];

	if (k->trace)
		return sources_trace(&s->sources, k->trace, false, out);
	if (k->emulator == CANOPY_IDEAL)
		snprintf(name, sizeof(name), "%.0fkbit", k->rate_mbps * 1000);
	else
		snprintf(name, sizeof(name), "wired%.10g", round(k->rate_mbps * 1000) / 1000);
	return sources_trace(&s->sources, name, true, out);
}

static bool within(double v, double lo, double hi, size_t i, const char *field)
{
	if (v >= lo && v <= hi)
		return true;
	pr_err("environment %zu: %s = %g is not in %g to %g\n", i, field, v, lo, hi);
	return false;
}

static int check(const struct canopy_env_conf *k, size_t i)
{
	bool ok = (k->trace || within(k->rate_mbps, 0.01, 10000, i, "rate_mbps")) &&
		  within(k->delay_ms, 0.01, 10000, i, "delay_ms") &&
		  within(k->buffer_bdp, 0, 10000, i, "buffer_bdp") &&
		  within(k->nominal_mbps, 0, 1e6, i, "nominal_mbps") &&
		  within(k->loss, 0, 0.5, i, "loss") && within(k->noise, 0, 1, i, "noise") &&
		  within(k->emulator, CANOPY_MAHIMAHI, CANOPY_IDEAL, i, "emulator") &&
		  (k->duration_s == 0 || within(k->duration_s, 1, 1e9, i, "duration_s")) &&
		  (k->delay_tolerance == 0 ||
			  within(k->delay_tolerance, 1, 1e3, i, "delay_tolerance")) &&
		  (k->drop_price == 0 || within(k->drop_price, 0.01, 1e4, i, "drop_price")) &&
		  (k->receive_window == 0 ||
			  within(k->receive_window, 1, 1e6, i, "receive_window")) &&
		  (k->patience_s == 0 || within(k->patience_s, 0.1, 1e5, i, "patience_s"));

	return ok ? 0 : -EINVAL;
}

static int set_noise(struct env *e, const struct canopy_env_conf *k, size_t i)
{
	const char *name = k->noise_feature ? k->noise_feature : "inv_rtt";
	int feature = frame_find(name);

	if (feature < 0 || feature == FRAME_DELAY) {
		pr_err("environment %zu: noise_feature = '%s' cannot be noisy\n", i, name);
		return -EINVAL;
	}
	if (k->noise > 0)
		e->policy.noise = (struct frame_noise){
			k->noise_gaussian ? FRAME_NOISE_NORMAL : FRAME_NOISE_UNIFORM, feature,
			k->noise};
	return 0;
}

static int set_links(struct env_set *s, struct env *e, const struct canopy_env_conf *k, size_t i)
{
	struct link_conf *down = &e->conf.down, *up = &e->conf.up;
	double mbps, pkts;
	int err = down_trace(s, k, &down->trace);

	if (!err)
		err = sources_trace(&s->sources, k->uplink ? k->uplink : UPLINK, false, &up->trace);
	if (err)
		return err;
	mbps = down->trace->nominal_mbps > 0 ? down->trace->nominal_mbps : SETUP_CELLULAR_MBPS;
	if (!k->trace)
		mbps = k->rate_mbps;
	if (k->nominal_mbps > 0)
		mbps = k->nominal_mbps;
	pkts = setup_queue_pkts(k->buffer_bdp > 0 ? k->buffer_bdp : BUFFER_BDP, mbps, k->delay_ms);
	if (!within(pkts, 1, 1e8, i, "the queue in packets"))
		return -EINVAL;
	if (k->receive_window > 0)
		e->flow.rcv_wnd_pkts = (uint32_t)fmin(RECEIVE_WINDOW_MAX,
			ceil(k->receive_window * (pkts + setup_queue_pkts(1, mbps, k->delay_ms))));
	down->queue = up->queue = QUEUE_DROPTAIL;
	down->limit_pkts = up->limit_pkts = pkts;
	down->loss = up->loss = k->loss;
	return 0;
}

// A report without a decision: it may be what rewards the last one.
static void record(void *arg, const struct decision *d)
{
	struct env *e = arg;

	if (d->open || !d->rewards)
		return;
	e->reward = d->reward;
	e->rewarded = true;
}

// The window that the properties allow.
static uint32_t revise(void *arg, const struct decision *d)
{
	const struct env *e = arg;
	int64_t changes[POLICY_CHANGES];
	const struct cert_decision c = cert_decision_of(d, changes);

	return shield_window(e->shield, &c, d->wanted);
}

static void set_shield(struct env *e, const struct shield *shield)
{
	e->shield = shield;
	e->policy.revise = shield ? revise : NULL;
}

static int set_env(struct env_set *s, struct env *e, const struct canopy_env_conf *k, size_t i)
{
	double patience_s = k->patience_s > 0 ? k->patience_s : PATIENCE_S;
	int err = check(k, i);

	if (err)
		return err;
	e->policy = (struct policy_conf){.mode = POLICY_OUTSIDE,
		.taste = {k->delay_tolerance, k->drop_price},
		.record = record,
		.arg = e};
	e->flow = (struct flow_conf){
		.cc = &cc_policy, .cc_arg = &e->policy, .delay_ms = k->delay_ms, .pacing = -1};
	e->conf = (struct world_conf){
		.ms_delay = k->emulator != CANOPY_IDEAL,
		.poll_ns = k->emulator == CANOPY_MAHIMAHI ? WORLD_POLL_NS : 0,
		.nflows = 1,
		.flows = &e->flow,
		.spare = &s->spare,
	};
	e->seed = k->seed;
	e->max_steps = k->steps ? k->steps : UINT64_MAX;
	e->end_ns = k->duration_s > 0 ? k->duration_s * SEC : UINT64_MAX;
	e->patience_ns = patience_s * SEC;
	err = set_noise(e, k, i);
	if (!err && k->shield) {
		const struct shield *shield;

		err = sources_shield(&s->sources, k->shield, &shield);
		if (!err)
			set_shield(e, shield);
	}
	return err ? err : set_links(s, e, k, i);
}

int env_set_new(struct env_set **out, const struct canopy_env_conf *conf, size_t n, int threads)
{
	struct env_set *s = calloc(1, sizeof(*s));
	int err = -ENOMEM;

	if (!s)
		return err;
	s->n = n;
	spare_init(&s->spare);
	s->envs = calloc(n, sizeof(*s->envs));
	if (s->envs && !sources_init(&s->sources, 2 * n, n))
		err = crew_new(&s->crew, (size_t)threads < n ? threads : (int)n);
	for (size_t i = 0; i < n && !err; i++)
		err = set_env(s, &s->envs[i], &conf[i], i);
	if (err)
		env_set_free(s);
	else
		*out = s;
	return err;
}

void env_set_free(struct env_set *s)
{
	if (!s)
		return;
	crew_free(s->crew);
	for (size_t i = 0; s->envs && i < s->n; i++)
		world_free(s->envs[i].world);
	spare_free(&s->spare);
	sources_free(&s->sources);
	free(s->envs);
	free(s);
}

void env_set_shield(struct env_set *s, const struct shield *shield)
{
	for (size_t i = 0; i < s->n; i++)
		set_shield(&s->envs[i], shield);
}

size_t env_set_count(const struct env_set *s)
{
	return s->n;
}

/* --- Episodes --- */

static uint64_t episode_seed(const struct env *e)
{
	struct rng rng;

	rng_init(&rng, e->seed, EPISODE_STREAM + e->episode);
	return e->episode ? rng_u64(&rng) : e->seed;
}

// The world of this episode, in the memory of the last one. 0 or -ENOMEM.
static int begin(struct env *e)
{
	struct rng rng;
	int err = 0;

	e->conf.seed = e->policy.noise_seed = episode_seed(e);
	e->policy.noise_stream = SETUP_NOISE_STREAM;
	rng_init(&rng, e->conf.seed, SETUP_START_STREAM);
	e->flow.start_ns = setup_start_ns(&rng);
	e->steps = 0;
	e->deadline_ns = e->patience_ns;
	if (e->world)
		err = world_reset(e->world, &e->conf);
	else
		e->world = world_new(&e->conf);
	return e->world ? err : -ENOMEM;
}

static const struct decision *waiting(const struct env *e)
{
	return policy_pending(world_cc(e->world, 0));
}

// Runs to the next decision of this episode; false when there is none.
static bool run_episode(struct env *e)
{
	uint64_t until = e->deadline_ns < e->end_ns ? e->deadline_ns : e->end_ns;

	if (world_run(e->world, until) < 0)
		return false;
	if (waiting(e)->rewards) {
		e->reward = waiting(e)->reward;
		e->rewarded = true;
	}
	e->deadline_ns = world_now(e->world) + e->patience_ns;
	return e->steps < e->max_steps;
}

// Runs to the next decision, through further episodes if need be. Returns the flags.
static uint32_t advance(struct env *e)
{
	for (int tries = 0; tries <= TRIES; tries++) {
		if (run_episode(e))
			return tries ? CANOPY_ENV_RESTARTED : 0;
		e->episode++;
		e->err = begin(e);
		if (e->err)
			break;
	}
	return CANOPY_ENV_RESTARTED | CANOPY_ENV_IDLE;
}

/* --- What the caller gets --- */

static void put_report(double *out, const struct report *r)
{
	const double v[CANOPY_ENV_REPORT] = {r->thr, r->pacing_rate, r->loss_rate, r->samples,
		r->cwnd, r->delta_t, r->srtt_ms, r->min_rtt_ms};

	memcpy(out, v, sizeof(v));
}

// d is NULL when nothing waits.
static void put_info(
	const struct canopy_env_info *o, size_t i, const struct env *e, const struct decision *d)
{
	if (o->episode)
		o->episode[i] = e->episode;
	if (o->time_s)
		o->time_s[i] = world_now(e->world) * 1e-9;
	if (o->w)
		o->w[i] = d ? d->w : 0;
	if (o->p)
		o->p[i] = d ? d->p : 0;
	if (o->nchanges)
		o->nchanges[i] = d ? d->nchanges : 0;
	if (o->max_thr)
		o->max_thr[i] = d ? d->max_thr : 0;
	for (int j = 0; o->changes && j < POLICY_CHANGES; j++) {
		bool known = d && j >= POLICY_CHANGES - d->nchanges;

		o->changes[i * POLICY_CHANGES + j] = known ? d->changes[j] : 0;
	}
	if (o->report)
		put_report(o->report + i * CANOPY_ENV_REPORT, d ? d->report : &(struct report){0});
}

static void put(const struct env_set *s, size_t i, uint32_t flags)
{
	const struct env *e = &s->envs[i];
	const struct decision *d = waiting(e);
	float *x = s->obs + i * STATE_SIZE;

	for (int j = 0; j < STATE_SIZE; j++)
		x[j] = d ? (float)d->state[j] : 0;
	if (s->rewards)
		s->rewards[i] = e->rewarded ? (float)e->reward : 0;
	if (!s->info)
		return;
	if (s->info->flags)
		s->info->flags[i] = flags | (e->rewarded ? CANOPY_ENV_REWARDED : 0);
	put_info(s->info, i, e, d);
}

// What became of the action; d is NULL when nothing waited for one.
static void put_answer(const struct canopy_env_info *o, size_t i, const struct decision *d)
{
	if (o && o->percent)
		o->percent[i] = d ? d->percent : 0;
	if (o && o->installed)
		o->installed[i] = d ? d->installed : 0;
	if (o && o->wanted)
		o->wanted[i] = d ? d->wanted : 0;
}

// Answers the decision that waits, if one does.
static void act(const struct env_set *s, size_t i)
{
	struct env *e = &s->envs[i];
	const struct decision *d = waiting(e);

	if (d) { // which policy_apply completes
		policy_apply(world_cc(e->world, 0), s->actions[i]);
		e->steps++;
	}
	put_answer(s->info, i, d);
}

static void step_env(void *arg, int i, int thread)
{
	struct env_set *s = arg;
	struct env *e = &s->envs[i];
	uint32_t flags;

	e->rewarded = false;
	act(s, i);
	flags = advance(e);
	if (e->err)
		return;
	put(s, i, flags);
	world_trim(e->world);
}

static void reset_env(void *arg, int i, int thread)
{
	struct env_set *s = arg;
	struct env *e = &s->envs[i];
	uint32_t flags;

	e->rewarded = false;
	flags = advance(e);
	put_answer(s->info, i, NULL);
	if (!e->err)
		put(s, i, flags);
}

static int run_all(struct env_set *s, void (*job)(void *arg, int i, int thread))
{
	crew_run(s->crew, (int)s->n, job, s);
	for (size_t i = 0; i < s->n; i++) {
		if (s->envs[i].err)
			return s->envs[i].err;
		world_share(s->envs[i].world);
	}
	return 0;
}

int env_set_reset(struct env_set *s, float *obs, const struct canopy_env_info *info)
{
	s->actions = s->rewards = NULL;
	s->obs = obs;
	s->info = info;
	for (size_t i = 0; i < s->n; i++) {
		struct env *e = &s->envs[i];

		e->episode = 0;
		e->err = begin(e);
		if (e->err)
			return e->err;
		world_share(e->world); // all start with what all had
	}
	return run_all(s, reset_env);
}

int env_set_step(struct env_set *s, const float *actions, float *obs, float *rewards,
	const struct canopy_env_info *info)
{
	s->actions = actions;
	s->obs = obs;
	s->rewards = rewards;
	s->info = info;
	return run_all(s, step_env);
}
