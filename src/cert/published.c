/* The published certificate: regions, boxes, overlap scores, the history of bounds. */
#include "cert/published.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "obs/frame.h"
#include "policy/action.h"

#define NEWEST (STATE_SIZE - FRAME_FEATURES)
#define INV_RTT (NEWEST + FRAME_INV_RTT)
#define LOSS (NEWEST + FRAME_LOSS)
#define SHORT_QUEUE 0.99 // least inv_rtt of the region of id 12

struct published {
	const struct mlp *mlp;
	struct published_spec spec;
	double *centre, *radius, *next_centre, *next_radius; // one block
};

// What ranges over what in a part's region, the same for every slice but for the slice's place.
struct area {
	double lo, hi; // of inv_rtt
	double loss;   // half width around the observed loss, 0: not varied
	bool clip;     // slices to [0, 1]
};

// Which ids have what.
static const struct row {
	bool perf, robust, loss_good, loss_bad, given;
} rows[] = {
	[6] = {.perf = true},
	[7] = {.robust = true},
	[8] = {.perf = true, .loss_good = true, .loss_bad = true},
	[9] = {.perf = true, .loss_good = true, .loss_bad = true},
	[10] = {.perf = true, .robust = true},
	[11] = {.perf = true, .given = true},
	[12] = {.perf = true, .loss_bad = true, .given = true},
};

int published_new(struct published **out, const struct mlp *mlp, const struct published_spec *spec)
{
	struct published *p;
	int width = STATE_SIZE;

	if (spec->id < PUBLISHED_FIRST_ID || spec->id > PUBLISHED_LAST_ID ||
		!(spec->theta >= 0 && spec->theta <= 1) || !(spec->x >= 0 && isfinite(spec->x)) ||
		spec->slices < 1 || spec->slices > PUBLISHED_SLICES) {
		pr_err("published semantics: id %d, theta %g, x %g, %d slices: ids are %d to %d, "
		       "theta is in "
		       "[0, 1], x at least 0, slices are 1 to %d\n",
			spec->id, spec->theta, spec->x, spec->slices, PUBLISHED_FIRST_ID,
			PUBLISHED_LAST_ID, PUBLISHED_SLICES);
		return -EINVAL;
	}
	if (mlp->layer[0].in != STATE_SIZE) {
		pr_err("published semantics: the network has %d inputs, not %d\n", mlp->layer[0].in,
			STATE_SIZE);
		return -EINVAL;
	}
	for (int l = 0; l < mlp->n; l++)
		width = mlp->layer[l].out > width ? mlp->layer[l].out : width;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	*p = (struct published){
		.mlp = mlp, .spec = *spec, .centre = calloc(4 * (size_t)width, sizeof(double))};
	if (!p->centre) {
		free(p);
		return -ENOMEM;
	}
	p->radius = p->centre + width;
	p->next_centre = p->radius + width;
	p->next_radius = p->next_centre + width;
	*out = p;
	return 0;
}

void published_free(struct published *p)
{
	if (!p)
		return;
	free(p->centre);
	free(p);
}

void published_start(struct published_history *h)
{
	struct published_values zero = {.n = 1};

	*h = (struct published_history){zero, zero, zero, zero, {.n = 0}};
}

static void append(struct published_values *q, double v)
{
	if (q->n == PUBLISHED_LOOK_BACK)
		memmove(q->v, q->v + 1, --q->n * sizeof(*q->v));
	q->v[q->n++] = v;
}

// Whether the last entries all have the sign (or are 0).
static bool all_signed(const struct published_values *q, int k, int sign)
{
	for (int i = k == 1 ? q->n - 1 : 0; i < q->n; i++)
		if (q->v[i] * sign < 0)
			return false;
	return true;
}

static double leaky(double z, double slope)
{
	return z > 0 ? z : slope * z;
}

static void propagate_layer(
	const struct mlp_layer *l, const double *c, const double *r, double *c2, double *r2)
{
	memcpy(c2, l->b, l->out * sizeof(*c2));
	memset(r2, 0, l->out * sizeof(*r2));
	for (int k = 0; k < l->in; k++) {
		const double *w = l->w + (size_t)k * l->out;

		for (int o = 0; o < l->out; o++) {
			c2[o] += c[k] * w[o];
			r2[o] += r[k] * fabs(w[o]);
		}
	}
}

static void swap(double **a, double **b)
{
	double *was = *a;

	*a = *b;
	*b = was;
}

// Bounds of the action over the box in p->centre, p->radius.
static void propagate(struct published *p, double *a_lo, double *a_hi)
{
	double *c = p->centre, *r = p->radius, *c2 = p->next_centre, *r2 = p->next_radius;
	const struct mlp *m = p->mlp;

	for (int l = 0; l < m->n; l++) {
		propagate_layer(&m->layer[l], c, r, c2, r2);
		for (int o = 0; l < m->n - 1 && o < m->layer[l].out; o++) {
			double lo = leaky(c2[o] - r2[o], m->slope),
			       hi = leaky(c2[o] + r2[o], m->slope);

			c2[o] = (lo + hi) / 2;
			r2[o] = (hi - lo) / 2;
		}
		swap(&c, &c2);
		swap(&r, &r2);
	}
	*a_lo = tanh(c[0] - r[0]);
	*a_hi = tanh(c[0] + r[0]);
}

static double overlap(double lo, double hi, const struct published_part *part)
{
	const double *t = part->target;

	if (!part->has_target)
		return 1;
	if (lo == hi)
		return lo >= t[0] && lo <= t[1];
	return fmax(0, fmin(hi, t[1]) - fmax(lo, t[0])) / (hi - lo);
}

// The box of slice i.
static void set_box(struct published *p, const double *x, const struct area *area, int i)
{
	double step = (area->hi - area->lo) / p->spec.slices;
	double lo = area->lo + i * step, hi = area->lo + (i + 1) * step;

	if (area->clip) {
		lo = fmax(lo, 0);
		hi = fmin(hi, 1);
	}
	memcpy(p->centre, x, STATE_SIZE * sizeof(*x));
	memset(p->radius, 0, STATE_SIZE * sizeof(*x));
	p->centre[INV_RTT] = (lo + hi) / 2;
	p->radius[INV_RTT] = (hi - lo) / 2;
	p->radius[LOSS] = area->loss / p->spec.slices;
}

// Fills a part whose target is set; `from` is what changes are counted from.
static void run_part(struct published *p, const struct published_decision *d,
	const struct area *area, double from, struct published_part *part)
{
	int n = p->spec.slices;
	double sum = 0;

	part->all[0] = INFINITY;
	part->all[1] = -INFINITY;
	for (int i = 0; i < n; i++) {
		set_box(p, d->state, area, i);
		propagate(p, &part->a_lo[i], &part->a_hi[i]);
		part->d_lo[i] = d->w * pow(4, part->a_lo[i]) - from;
		part->d_hi[i] = d->w * pow(4, part->a_hi[i]) - from;
		part->score[i] = overlap(part->d_lo[i], part->d_hi[i], part);
		part->all[0] = fmin(part->all[0], part->d_lo[i]);
		part->all[1] = fmax(part->all[1], part->d_hi[i]);
		sum += part->score[i];
	}
	part->score_all = overlap(part->all[0], part->all[1], part);
	part->score_mean = sum / n;
}

static void set_targets(const struct published_spec *s, const struct published_history *h,
	struct published_part *good, struct published_part *bad)
{
	const struct row *row = &rows[s->id];
	const double grow[2] = {0, s->x}, shrink[2] = {-s->x, 0};
	bool recover = s->id == 11 && all_signed(&h->bad_hi, s->k, -1);

	good->has_target = !row->given || all_signed(&h->good_hi, s->k, -1);
	bad->has_target = !row->given || recover || all_signed(&h->bad_lo, s->k, 1);
	memcpy(good->target, row->loss_good ? shrink : grow, sizeof(grow));
	memcpy(bad->target, recover ? grow : shrink, sizeof(grow));
}

static void run_perf(struct published *p, struct published_history *h,
	const struct published_decision *d, struct published_answer *out)
{
	const struct published_spec *s = &p->spec;
	const struct row *row = &rows[s->id];
	struct area good = {1 - s->theta, 1, row->loss_good ? (1 - s->theta) / 2 : 0, false};
	struct area bad = {0, s->theta, row->loss_bad ? (1 - s->theta) / 2 : 0, false};

	if (s->id == 12)
		good.lo = bad.lo = SHORT_QUEUE, bad.hi = 1;
	out->previous = action_percent(d->a_prev) * d->w_prev / 100;
	set_targets(s, h, &out->good, &out->bad);
	run_part(p, d, &good, out->previous, &out->good);
	run_part(p, d, &bad, out->previous, &out->bad);
	out->perf = (struct published_scores){(out->good.score_all + out->bad.score_all) / 2,
		(out->good.score_mean + out->bad.score_mean) / 2,
		((out->good.score_all == 1) + (out->bad.score_all == 1)) / 2.0};
	if (row->given) {
		append(&h->good_lo, out->good.all[0]);
		append(&h->good_hi, out->good.all[1]);
		append(&h->bad_lo, out->bad.all[0]);
		append(&h->bad_hi, out->bad.all[1]);
	}
	if (s->id == 9) {
		append(&h->scores, out->perf.cert);
		for (int i = 0; i < h->scores.n; i++)
			out->perf.cert = fmin(out->perf.cert, h->scores.v[i]);
	}
}

static void run_robust(
	struct published *p, const struct published_decision *d, struct published_part *part)
{
	const struct published_spec *s = &p->spec;
	double v = d->state[INV_RTT], clean = action_percent(d->a) * d->w / 100;
	struct area noise = {v * (1 - s->theta), v * (1 + s->theta), 0, true};

	part->has_target = true;
	part->target[0] = clean * (1 - s->x / 100);
	part->target[1] = clean * (1 + s->x / 100);
	run_part(p, d, &noise, 0, part);
}

void published_run(struct published *p, struct published_history *h,
	const struct published_decision *d, struct published_answer *out)
{
	const struct row *row = &rows[p->spec.id];
	struct published_scores robust;

	*out = (struct published_answer){.has_perf = row->perf, .has_robust = row->robust};
	if (row->perf)
		run_perf(p, h, d, out);
	out->score = out->perf;
	if (!row->robust)
		return;
	run_robust(p, d, &out->robust);
	robust = (struct published_scores){
		out->robust.score_all, out->robust.score_mean, out->robust.score_all == 1};
	out->score = !row->perf ? robust
				: (struct published_scores){(out->perf.cert + robust.cert) / 2,
					  (out->perf.mean + robust.mean) / 2,
					  (out->perf.sat + robust.sat) / 2};
}
