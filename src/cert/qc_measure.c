/* A model's quantitative certificates over many decisions, with what other policies would get. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/work.h"
#include "cert/judge.h"
#include "policy/action.h"

#define AHEAD 4 // decisions in hand, a thread: as many as work_run lets run ahead

const uint32_t qc_bucket_from[QC_BUCKETS] = {1, 10, 50, 200, 1000, 2500};

// Whose shares are kept: the model's, and those of policies that answer the same everywhere.
enum who { MODEL, NOTHING, HOLD, CEILING, WHO };

struct slot {
	struct judged judged;
	struct qc_share *other[WHO]; // [n] each, MODEL's in judged
};

struct measure {
	const struct qc_run *run;
	struct judge *judge;	    // [threads]
	struct slot *slot;	    // [AHEAD * threads]
	struct qc_share *past[WHO]; // (history, n)
	struct qc_model model;
};

// The window of a policy that takes the percent nearest to p; it has a choice of two at most, and
// takes the lower.
static uint32_t hold_window(const struct cert_decision *d)
{
	uint32_t best = action_window(100, d->w);

	for (int m = ACTION_MIN_PERCENT; d->p && m <= ACTION_MAX_PERCENT; m++) {
		uint32_t c = action_window(m, d->w);
		int64_t off = llabs((int64_t)c - d->p), least = llabs((int64_t)best - d->p);

		if (off < least || (off == least && c < best))
			best = c;
	}
	return best;
}

static struct qc_share all_or_none(bool holds)
{
	return (struct qc_share){true, holds, !holds, holds, holds};
}

// What a policy gets whose window is c in every state.
static int share_constant(
	struct qc_share *out, const struct property *p, const struct cert_decision *d, uint32_t c)
{
	struct cert_decision own = *d;
	int64_t lo, hi;
	int err;

	own.clean = c;
	err = part_target(&lo, &hi, p, &own);
	if (!err)
		*out = all_or_none(c >= lo && c <= hi);
	return err;
}

static bool attainable(const struct measure *m, const struct part *part, uint32_t w)
{
	const struct shield_target t = {part->lo, part->hi};
	uint32_t nearest;

	if (!m->run->conf.shield)
		return !band_empty(&part->band);
	nearest = shield_nearest(&t, 1, w, w);
	return nearest >= part->lo && nearest <= part->hi;
}

static int judge_others(const struct measure *m, struct slot *s)
{
	const struct property_file *f = m->run->file;
	const uint32_t hold = hold_window(&s->judged.d),
		       nothing = action_window(100, s->judged.d.w);
	int err = 0;

	for (int i = 0; i < f->n && !err; i++) {
		const struct part *part = &s->judged.part[i];

		if (!s->judged.share[i].triggered) {
			for (int k = NOTHING; k < WHO; k++)
				s->other[k][i].triggered = false;
			continue;
		}
		s->other[CEILING][i] = all_or_none(attainable(m, part, s->judged.d.w));
		err = share_constant(&s->other[NOTHING][i], part->property, &s->judged.d, nothing);
		err = err ? err
			  : share_constant(&s->other[HOLD][i], part->property, &s->judged.d, hold);
	}
	return err;
}

static int job(void *arg, int i, int thread)
{
	struct measure *m = arg;
	struct slot *s = &m->slot[i % (AHEAD * m->run->threads)];
	int err = judge_run(&m->judge[thread], &m->run->decisions[i], i, &s->judged);

	if (err)
		return err;
	err = judge_others(m, s);
	if (err)
		pr_err("decision %d: %s\n", i, part_error(err));
	return err;
}

// Sums now, means later.
static void count(struct qc_total *t, const struct cert_decision *d, const struct qc_share who[WHO])
{
	const struct qc_share *s = &who[MODEL];

	t->decisions++;
	t->floor += d->clean == ACTION_MIN_WINDOW;
	if (!s->triggered)
		return;
	t->triggered++;
	t->proven += s->proven;
	t->refuted += s->refuted;
	t->qc += s->qc;
	t->exact_known += !isnan(s->exact);
	t->exact += isnan(s->exact) ? 0 : s->exact;
	t->full += s->proven == 1;
	t->caught += s->refuted > 0;
	t->nothing += who[NOTHING].qc;
	t->hold += who[HOLD].qc;
	t->ceiling += who[CEILING].qc;
}

static int count_properties(struct measure *m, int i, const struct slot *s)
{
	const struct qc_run *run = m->run;
	int err = 0;

	for (int k = 0; k < run->file->n && !err; k++) {
		const struct engine_answer *a = &s->judged.answer[k];
		struct qc_total *t = &m->model.property[k];
		struct qc_share who[WHO] = {s->judged.share[k]};

		if (!run->file->property[k].used)
			continue;
		for (int w = NOTHING; w < WHO; w++)
			who[w] = s->other[w][k];
		count(t, &s->judged.d, who);
		if (!who[MODEL].triggered)
			continue;
		t->y_width += a->y_hi - a->y_lo;
		t->slack = fmax(t->slack, a->slack);
		if (run->each)
			err = run->each(run->arg, i, &s->judged.d, &s->judged.part[k], a);
	}
	return err;
}

static struct qc_total *bucket_of(struct qc_model *m, uint32_t w)
{
	int b = QC_BUCKETS - 1;

	while (b && w < qc_bucket_from[b])
		b--;
	return &m->bucket[b];
}

static int done(void *arg, int i)
{
	struct measure *m = arg;
	const struct property_file *f = m->run->file;
	const struct slot *s = &m->slot[i % (AHEAD * m->run->threads)];
	const int known = m->run->decisions[i].nth + 1;
	struct qc_share who[WHO];
	int err = count_properties(m, i, s);

	for (int k = 0; k < WHO; k++) {
		const struct qc_share *rows[PROPERTY_LAST],
			*own = k ? s->other[k] : s->judged.share;
		int n = 0;

		memcpy(m->past[k] + i % f->history * f->n, own, f->n * sizeof(*own));
		for (; n < f->history && n < known; n++)
			rows[n] = m->past[k] + (i - n) % f->history * f->n;
		who[k] = qc_combine(f, rows, n);
	}
	count(&m->model.all, &s->judged.d, who);
	count(bucket_of(&m->model, s->judged.d.w), &s->judged.d, who);
	return err;
}

static void finish(struct qc_total *t)
{
	double *const sums[] = {
		&t->proven, &t->refuted, &t->qc, &t->nothing, &t->hold, &t->ceiling, &t->y_width};

	for (int i = 0; i < (int)(sizeof(sums) / sizeof(sums[0])); i++)
		*sums[i] = t->triggered ? *sums[i] / t->triggered : NAN;
	t->exact = t->exact_known ? t->exact / t->exact_known : NAN;
}

static int measure_open(struct measure *m)
{
	const struct qc_run *run = m->run;
	const struct property_file *f = run->file;
	int err = 0;

	m->judge = calloc(run->threads, sizeof(*m->judge));
	m->slot = calloc((size_t)AHEAD * run->threads, sizeof(*m->slot));
	if (!m->judge || !m->slot)
		return -ENOMEM;
	for (int i = 0; i < run->threads && !err; i++)
		err = judge_open(&m->judge[i], f, run->actor, &run->conf);
	for (int i = 0; i < AHEAD * run->threads && !err; i++) {
		err = judged_init(&m->slot[i].judged, f->n);
		for (int k = NOTHING; k < WHO && !err; k++) {
			m->slot[i].other[k] = calloc(f->n, sizeof(**m->slot[i].other));
			err = m->slot[i].other[k] ? 0 : -ENOMEM;
		}
	}
	for (int k = 0; k < WHO && !err; k++) {
		m->past[k] = calloc((size_t)f->history * f->n, sizeof(**m->past));
		err = m->past[k] ? 0 : -ENOMEM;
	}
	return err;
}

static void measure_close(struct measure *m)
{
	for (int i = 0; m->judge && i < m->run->threads; i++)
		judge_close(&m->judge[i]);
	for (int i = 0; m->slot && i < AHEAD * m->run->threads; i++) {
		judged_free(&m->slot[i].judged);
		for (int k = NOTHING; k < WHO; k++)
			free(m->slot[i].other[k]);
	}
	for (int k = 0; k < WHO; k++)
		free(m->past[k]);
	free(m->judge);
	free(m->slot);
}

static int check(const struct qc_run *run)
{
	if (run->n > INT_MAX) {
		pr_err("%ld decisions are more than can be judged at once\n", run->n);
		return -EINVAL;
	}
	for (long i = 0; i < run->n; i++) {
		int nth = run->decisions[i].nth;

		if (nth && (i == 0 || nth != run->decisions[i - 1].nth + 1)) {
			pr_err("decision %ld: it does not follow the one before it\n", i);
			return -EINVAL;
		}
	}
	return 0;
}

int qc_measure(struct qc_model *out, const struct qc_run *run)
{
	struct measure m = {.run = run};
	const struct work work = {
		.threads = run->threads, .jobs = run->n, .arg = &m, .job = job, .done = done};
	int err = check(run);

	if (err)
		return err;
	err = measure_open(&m);
	err = err ? err : work_run(&work);
	measure_close(&m);
	if (err)
		return err;
	finish(&m.model.all);
	for (int i = 0; i < QC_BUCKETS; i++)
		finish(&m.model.bucket[i]);
	for (int i = 0; i < run->file->n; i++)
		finish(&m.model.property[i]);
	*out = m.model;
	return 0;
}
