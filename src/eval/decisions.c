/* Collects a flow's reports row by row and writes them column by column. */
#include "eval/decisions.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "model/safetensors.h"
#include "policy/setup.h"

#define REPORT_SIZE 8

struct decision_row {
	int64_t t_ns, w, p, installed, percent, ndeltas;
	int64_t deltas[POLICY_CHANGES];
	double action, reward, report[REPORT_SIZE];
	float state[STATE_SIZE];
	uint8_t open;
};

static void put_report(double out[REPORT_SIZE], const struct report *r)
{
	const double v[REPORT_SIZE] = {r->thr, r->pacing_rate, r->loss_rate, r->samples, r->cwnd,
		r->delta_t, r->srtt_ms, r->min_rtt_ms};

	memcpy(out, v, sizeof(v));
}

static void put_decision(struct decision_row *row, const struct decision *d)
{
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
		.t_ns = d->now_us * 1000, .open = d->open, .action = NAN, .reward = NAN};
	put_report(row->report, d->report);
	for (int i = 0; i < STATE_SIZE; i++)
		row->state[i] = d->state[i];
	row->w = row->installed = d->report->cwnd;
	if (d->open)
		put_decision(row, d);
}

int decisions_init(
	struct decisions *d, const struct run_conf *c, const struct sender *s, int flow, bool keep)
{
	d->policy = (struct policy_conf){
		.mode = s->zero ? POLICY_TCP_ONLY : POLICY_MODEL,
		.mlp = s->model->mlp,
		.states = s->model->model->states,
		.noise = c->noise,
		.noise_seed = c->seed,
		.noise_stream = SETUP_NOISE_STREAM + flow,
		.record = keep ? record : NULL,
		.arg = d,
	};
	d->policy.scratch = malloc(mlp_scratch(s->model->mlp) * sizeof(float));
	return d->policy.scratch ? 0 : -ENOMEM;
}

void decisions_free(struct decisions *d)
{
	free(d->policy.scratch);
	free(d->rows);
}

// The columns of the file, and where they lie in a row.
static const struct column {
	const char *name;
	enum st_dtype dtype;
	size_t offset;
	int width; /* 0: one item a row */
} columns[] = {
#define COLUMN(name, dtype, width)                                                                 \
	{                                                                                          \
#name, dtype, offsetof(struct decision_row, name), width                           \
	}
	COLUMN(t_ns, ST_I64, 0),
	COLUMN(state, ST_F32, STATE_SIZE),
	COLUMN(w, ST_I64, 0),
	COLUMN(p, ST_I64, 0),
	COLUMN(installed, ST_I64, 0),
	COLUMN(percent, ST_I64, 0),
	COLUMN(action, ST_F64, 0),
	COLUMN(deltas, ST_I64, POLICY_CHANGES),
	COLUMN(ndeltas, ST_I64, 0),
	COLUMN(reward, ST_F64, 0),
	COLUMN(report, ST_F64, REPORT_SIZE),
	COLUMN(open, ST_U8, 0),
};
#define NCOLUMNS ((int)(sizeof(columns) / sizeof(columns[0])))

static int gather(struct st_tensor *t, const struct decisions *d, const struct column *c)
{
	size_t size = st_dtype_size(c->dtype) * (c->width ? c->width : 1);
	char *data = malloc(d->n * size + 1);

	if (!data)
		return -ENOMEM;
	for (size_t i = 0; i < d->n; i++)
		memcpy(data + i * size, (const char *)&d->rows[i] + c->offset, size);
	*t = (struct st_tensor){c->name, c->dtype, c->width ? 2 : 1, {d->n, c->width}, data};
	return 0;
}

int decisions_write(const struct decisions *d, const struct run_conf *c, int flow, const char *dir)
{
	const struct sender *s = &c->scheme->senders[(flow - 1) % c->scheme->n];
	char *path = file_path("%s/decisions/%s-%d.safetensors", dir, c->id, flow);
	char *spec = run_text(c), seed[24], no[16];
	const struct st_meta meta[] = {
		{"format", DECISIONS_FORMAT},
		{"version", "1"},
		{"canopy", CANOPY_VERSION},
		{"run", c->id},
		{"spec", spec},
		{"flow", no},
		{"controller", s->name},
		{"model", s->model->model->sha256},
		{"trace", c->down->trace->name},
		{"seed", seed},
		{"features", FRAME_TABLE},
	};
	struct st_tensor t[NCOLUMNS] = {{.data = NULL}};
	int err = d->err;

	snprintf(seed, sizeof(seed), "%" PRIu64, c->seed);
	snprintf(no, sizeof(no), "%d", flow);
	for (int i = 0; i < NCOLUMNS && !err; i++)
		err = gather(&t[i], d, &columns[i]);
	if (!err)
		err = st_write(path, t, NCOLUMNS, meta, sizeof(meta) / sizeof(meta[0]));
	for (int i = 0; i < NCOLUMNS; i++)
		free((void *)t[i].data);
	free(spec);
	free(path);
	return err;
}
