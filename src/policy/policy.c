/* CUBIC with a network on top, behind the controller interface. */
#include "policy/policy.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "policy/action.h"

#define CUBIC_PRIV_MAX 256

struct policy {
	unsigned char cubic[CUBIC_PRIV_MAX]
		__attribute__((aligned(16))); // first: CUBIC finds it at cc->priv
	const struct policy_conf *conf;
	struct monitor monitor;
	struct obs obs;
	struct rng rng, drift_rng;
	double drift; // a of POLICY_DRIFT
	struct report report;
	struct decision d;
	double state[STATE_SIZE_MAX]; // d's, where it has more than the frames
	bool pending;		      // d waits for policy_apply
	bool unrewarded;	      // the latest decision's reward is still to come
	uint32_t p;
	int nchanges;
	int64_t changes[POLICY_CHANGES];
	struct policy_stats stats;
};

static void init(struct cc *cc, const void *arg)
{
	struct policy *p = cc->priv;

	assert(arg && cc_cubic.priv_size <= CUBIC_PRIV_MAX);
	cc_cubic.init(cc, NULL);
	p->conf = arg;
	assert(p->conf->mode != POLICY_MODEL ||
		(p->conf->mlp && p->conf->scratch &&
			p->conf->mlp->layer[0].in ==
				(p->conf->states ? p->conf->states->size : STATE_SIZE)));
	monitor_init(&p->monitor);
	obs_init(&p->obs);
	rng_init(&p->rng, p->conf->noise_seed, p->conf->noise_stream);
	rng_init(&p->drift_rng, p->conf->noise_seed, p->conf->drift_stream);
}

static double network_action(const struct policy *p)
{
	float x[STATE_SIZE_MAX], y;

	for (int i = 0; i < p->d.nstate; i++)
		x[i] = (float)p->d.state[i];
	mlp_forward(p->conf->mlp, x, &y, 1, p->conf->scratch);
	return mlp_action(y);
}

static double drift_action(struct policy *p)
{
	const double keep = 1 - 1.0 / POLICY_DRIFT_DECISIONS;

	p->drift = keep * p->drift +
		   POLICY_DRIFT_SIZE * sqrt(1 - keep * keep) * rng_normal(&p->drift_rng);
	return p->drift;
}

static double next_action(struct policy *p)
{
	switch (p->conf->mode) {
	case POLICY_MODEL:
		return network_action(p);
	case POLICY_DRIFT:
		return drift_action(p);
	default:
		return 0;
	}
}

static void record(const struct policy *p)
{
	if (p->conf->record)
		p->conf->record(p->conf->arg, &p->d);
}

static void remember_change(struct policy *p, int64_t change)
{
	memmove(p->changes, p->changes + 1, (POLICY_CHANGES - 1) * sizeof(*p->changes));
	p->changes[POLICY_CHANGES - 1] = change;
	p->nchanges += p->nchanges < POLICY_CHANGES;
}

static void install(struct cc *cc, double a)
{
	struct policy *p = cc->priv;
	struct decision *d = &p->d;

	d->action = isnan(a) ? 0 : fmax(-1, fmin(1, a));
	d->percent = action_percent(d->action);
	d->installed = d->wanted = action_window(d->percent, d->w);
	if (p->conf->revise)
		d->installed = p->conf->revise(p->conf->arg, d);
	if (p->p)
		remember_change(p, (int64_t)d->installed - p->p);
	p->p = d->installed;
	cc->cwnd = d->installed;
	p->unrewarded = true;
	p->stats.decisions++;
	record(p);
}

// The state of a table that has more than frames.
static void extend_state(struct policy *p)
{
	const struct state_table *t = p->conf->states;
	float tail[STATE_TAIL_MAX];

	state_tail(t, tail, p->d.w, p->d.p, p->nchanges, p->changes + POLICY_CHANGES);
	memcpy(p->state, p->obs.state, sizeof(p->obs.state));
	for (int i = 0; i < t->tail; i++)
		p->state[STATE_SIZE + i] = tail[i];
	p->d.state = p->state;
	p->d.nstate = t->size;
}

// The report as a decision still to be made, or as a frame only.
static void describe(struct policy *p, const struct cc *cc)
{
	p->d = (struct decision){
		.now_us = cc->now_us,
		.report = &p->report,
		.state = p->obs.state,
		.nstate = STATE_SIZE,
		.max_thr = p->obs.max_thr,
		.reward = frame_reward(&p->report, p->obs.max_thr, &p->conf->taste),
		.rewards = p->unrewarded,
		.open = cc->state == CC_OPEN,
		.w = cc->cwnd,
		.p = p->p,
		.nchanges = p->nchanges,
	};
	memcpy(p->d.changes, p->changes, sizeof(p->changes));
	if (p->conf->states && p->conf->states->tail)
		extend_state(p);
	p->stats.reports++;
	if (p->unrewarded) {
		p->stats.reward_sum += p->d.reward;
		p->stats.rewards++;
	}
	p->unrewarded = false;
}

static bool tick(struct cc *cc)
{
	struct policy *p = cc->priv;

	frame_push(&p->obs, &p->report, &p->conf->noise, &p->rng);
	describe(p, cc);
	if (!p->d.open)
		record(p);
	else if (p->conf->mode == POLICY_OUTSIDE)
		p->pending = true;
	else
		install(cc, next_action(p));
	return p->pending;
}

static bool pkts_acked(struct cc *cc, const struct cc_ack *ack)
{
	struct policy *p = cc->priv;

	if (cc_cubic.pkts_acked)
		cc_cubic.pkts_acked(cc, ack);
	if (monitor_ack(&p->monitor, cc, ack->rtt_us, &p->report))
		return tick(cc);
	if (!p->monitor.started && cc->ssthresh < cc->cwnd) {
		monitor_start(&p->monitor, cc);
		cc_ask_pacing(cc);
		p->stats.start_us = cc->now_us;
	}
	return false;
}

const struct decision *policy_pending(const struct cc *cc)
{
	const struct policy *p = cc->priv;

	return p->pending ? &p->d : NULL;
}

void policy_apply(struct cc *cc, double a)
{
	struct policy *p = cc->priv;

	assert(p->pending);
	p->pending = false;
	install(cc, a);
}

const struct policy_stats *policy_stats(const struct cc *cc)
{
	return &((const struct policy *)cc->priv)->stats;
}

static uint32_t ssthresh(struct cc *cc)
{
	return cc_cubic.ssthresh(cc);
}

static uint32_t undo_cwnd(struct cc *cc)
{
	return cc_cubic.undo_cwnd(cc);
}

static void cong_avoid(struct cc *cc, uint32_t acked)
{
	cc_cubic.cong_avoid(cc, acked);
}

static void set_state(struct cc *cc, enum cc_state state)
{
	if (cc_cubic.set_state)
		cc_cubic.set_state(cc, state);
}

static void cwnd_event(struct cc *cc, enum cc_event ev)
{
	if (cc_cubic.cwnd_event)
		cc_cubic.cwnd_event(cc, ev);
}

static void release(struct cc *cc)
{
	if (cc_cubic.release)
		cc_cubic.release(cc);
}

const struct cc_ops cc_policy = {
	.name = "canopy",
	.priv_size = sizeof(struct policy),
	.init = init,
	.ssthresh = ssthresh,
	.undo_cwnd = undo_cwnd,
	.cong_avoid = cong_avoid,
	.set_state = set_state,
	.cwnd_event = cwnd_event,
	.pkts_acked = pkts_acked,
	.release = release,
};
