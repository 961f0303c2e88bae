/* Collects a flow's reports row by row. */
#include "eval/decisions.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "policy/decision_file.h"
#include "policy/setup.h"

static void put_report(double out[DECISION_REPORT], const struct report *r)
{
	const double v[DECISION_REPORT] = {r->thr, r->pacing_rate, r->loss_rate, r->samples, r->cwnd,
		r->delta_t, r->srtt_ms, r->min_rtt_ms};

	memcpy(out, v, sizeof(v));
}

static void put_decision(struct decision_row *row, const struct decision *d, const struct guard *guard)
{
	if (guard->qc && guard->share.triggered) {
		row->qc = guard->share.qc;
		row->proven = guard->share.proven;
		row->refuted = guard->share.refuted;
	}
	row->fallback = guard->kind == GUARD_FALLBACK && guard->stepped_in;
	row->shield = guard->kind == GUARD_SHIELD && guard->stepped_in;
	row->w = d->w;
	row->p = d->p;
	row->installed = d->installed;
	row->percent = d->percent;
	row->action = d->action;
	row->ndeltas = d->nchanges;
	for (int i = 0; i < d->nchanges; i++)
		row->deltas[i] = d->changes[POLICY_CHANGES - 1 - i];
}

static void record(void *arg, const struct decision *d)
{
	struct decisions *all = arg;
	struct decision_row *row;

	if (all->n == all->cap) {
		size_t cap = all->cap ? 2 * all->cap : 256;
		struct decision_row *more = realloc(all->rows, cap * sizeof(*more));

		if (!more) {
			all->err = -ENOMEM;
			return;
		}
		all->rows = more;
		all->cap = cap;
	}
	if (all->n)
		all->rows[all->n - 1].reward = d->reward;
	row = &all->rows[all->n++];
	*row = (struct decision_row){
		.t_ns = d->now_us * 1000, .open = d->open, .action = NAN, .reward = NAN,
		.qc = NAN, .proven = NAN, .refuted = NAN};
	put_report(row->report, d->report);
	for (int i = 0; i < d->nstate; i++)
		row->state[i] = d->state[i];
	row->w = row->installed = d->report->cwnd;
	if (d->open)
		put_decision(row, d, &all->guard);
}

static uint32_t revise(void *arg, const struct decision *d)
{
	struct decisions *all = arg;

	return guard_revise(&all->guard, d);
}

static const enum policy_mode modes[SENDER_VARIANTS] = {
	[SENDER_PLAIN] = POLICY_MODEL,
	[SENDER_ZERO] = POLICY_TCP_ONLY,
	[SENDER_DRIFT] = POLICY_DRIFT,
	[SENDER_FALLBACK] = POLICY_MODEL,
	[SENDER_SHIELD] = POLICY_MODEL,
};

static enum guard_kind guard_kind(enum sender_variant v)
{
	return v == SENDER_FALLBACK ? GUARD_FALLBACK : v == SENDER_SHIELD ? GUARD_SHIELD : GUARD_JUDGES;
}

int decisions_init(
	struct decisions *d, const struct run_conf *c, const struct sender *s, int flow, bool keep)
{
	d->policy = (struct policy_conf){
		.mode = modes[s->variant],
		.mlp = s->model->mlp,
		.states = s->model->model->states,
		.noise = c->noise,
		.noise_seed = c->seed,
		.noise_stream = SETUP_NOISE_STREAM + flow,
		.drift_stream = SETUP_DRIFT_STREAM + flow,
		.record = keep ? record : NULL,
		.arg = d,
	};
	d->policy.scratch = malloc(mlp_scratch(s->model->mlp) * sizeof(float));
	if (!d->policy.scratch)
		return -ENOMEM;
	if (!c->guard->properties || d->policy.mode != POLICY_MODEL)
		return 0;
	d->policy.revise = revise;
	return guard_init(&d->guard, c->guard, s->model->actor, guard_kind(s->variant));
}

void decisions_free(struct decisions *d)
{
	guard_free(&d->guard);
	free(d->policy.scratch);
	free(d->rows);
}

int decisions_write(const struct decisions *d, const struct run_conf *c, int flow, const char *dir)
{
	const struct sender *s = &c->scheme->senders[(flow - 1) % c->scheme->n];
	char *path = file_path("%s/decisions/%s-%d.safetensors", dir, c->id, flow);
	char *spec = run_text(c), seed[24], no[16];
	const struct st_meta meta[] = {
		{"canopy", CANOPY_VERSION},
		{"run", c->id},
		{"spec", spec},
		{"flow", no},
		{"controller", s->name},
		{"model", s->model->model->sha256},
		{"trace", c->down->trace->name},
		{"seed", seed},
		{"features", s->model->model->states->name},
	};
	int err = d->err;

	snprintf(seed, sizeof(seed), "%" PRIu64, c->seed);
	snprintf(no, sizeof(no), "%d", flow);
	if (!err)
		err = decision_file_write(path, d->rows, d->n, s->model->model->states->size, meta, sizeof(meta) / sizeof(meta[0]));
	free(spec);
	free(path);
	return err;
}
