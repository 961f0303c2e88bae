/*
 * The engines by other means, slow and short, to test what stands on them: interval propagation in
 * double; exact shares along lines from the zero crossings of every layer; in two dimensions the
 * mean over SLOW_LINES lines. Their answers are of the real network; nothing is rounded outward.
 */
#ifndef TESTS_SLOW_ENGINES_H
#define TESTS_SLOW_ENGINES_H

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cert/engine.h"

#define SLOW_LINES 16
#define SLOW_WIDTH 512
#define SLOW_POINTS 4096

static inline double slow_leaky(double z, double slope)
{
	return z < 0 ? slope * z : z;
}

/* z of layer l at x. */
static inline void slow_layer(const struct mlp *m, int l, const double *x, double *z)
{
	double h[SLOW_WIDTH], next[SLOW_WIDTH];

	memcpy(h, x, m->layer[0].in * sizeof(*h));
	for (int k = 0; k <= l; k++) {
		const struct mlp_layer *y = &m->layer[k];

		memcpy(next, y->b, y->out * sizeof(*next));
		for (int i = 0; i < y->in; i++)
			for (int j = 0; j < y->out; j++)
				next[j] += h[i] * y->w[i * y->out + j];
		for (int j = 0; j < y->out; j++)
			h[j] = k < l ? slow_leaky(next[j], m->slope) : next[j];
	}
	memcpy(z, h, m->layer[l].out * sizeof(*z));
}

/* Interval propagation from the box lo, hi of inputs. */
static inline void slow_box(
	const struct mlp *m, const double *lo, const double *hi, double *y_lo, double *y_hi)
{
	double a[SLOW_WIDTH], b[SLOW_WIDTH], c[SLOW_WIDTH], d[SLOW_WIDTH];

	memcpy(a, lo, m->layer[0].in * sizeof(*a));
	memcpy(b, hi, m->layer[0].in * sizeof(*b));
	for (int l = 0; l < m->n; l++) {
		const struct mlp_layer *y = &m->layer[l];

		for (int j = 0; j < y->out; j++) {
			c[j] = d[j] = y->b[j];
			for (int i = 0; i < y->in; i++) {
				double w = y->w[i * y->out + j];

				c[j] += w * (w > 0 ? a[i] : b[i]);
				d[j] += w * (w > 0 ? b[i] : a[i]);
			}
		}
		for (int j = 0; j < y->out; j++) {
			a[j] = l < m->n - 1 ? slow_leaky(c[j], m->slope) : c[j];
			b[j] = l < m->n - 1 ? slow_leaky(d[j], m->slope) : d[j];
		}
	}
	*y_lo = a[0];
	*y_hi = b[0];
}

struct slow_line {
	const struct mlp *mlp;
	const struct region *r;
	int dim;     /* that runs along the line, */
	double t[2]; /* the others stay */
	double at[SLOW_POINTS];
	int n;
};

static inline void slow_z(struct slow_line *s, double t, int l, double *z)
{
	double x[REGION_INPUTS];

	s->t[s->dim] = t;
	region_state(s->r, s->t, x);
	slow_layer(s->mlp, l, x, z);
}

static inline int slow_order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Adds the zero crossings of layer l, linear between the points so far. */
static inline void slow_cut(struct slow_line *s, int l)
{
	double a[SLOW_WIDTH], b[SLOW_WIDTH];
	const int n = s->n, out = s->mlp->layer[l].out;

	slow_z(s, s->at[0], l, a);
	for (int i = 0; i + 1 < n; i++) {
		slow_z(s, s->at[i + 1], l, b);
		for (int k = 0; k < out && s->n < SLOW_POINTS; k++)
			if ((a[k] < 0) != (b[k] < 0))
				s->at[s->n++] =
					s->at[i] + (s->at[i + 1] - s->at[i]) * a[k] / (a[k] - b[k]);
		memcpy(a, b, out * sizeof(*a));
	}
	qsort(s->at, s->n, sizeof(*s->at), slow_order);
}

/* Share of the line on which the band is hit, and the range of y. */
static inline double slow_share(
	struct slow_line *s, const struct band *band, double *y_lo, double *y_hi)
{
	const struct region_dim *d = &s->r->dim[s->dim];
	double share = 0, a, b;

	s->n = 0;
	s->at[s->n++] = d->lo;
	if (d->tied >= 0 && d->lo < REGION_KINK && d->hi > REGION_KINK)
		s->at[s->n++] = REGION_KINK;
	s->at[s->n++] = d->hi;
	for (int l = 0; l + 1 < s->mlp->n; l++)
		slow_cut(s, l);
	slow_z(s, s->at[0], s->mlp->n - 1, &a);
	for (int i = 0; i + 1 < s->n; i++) {
		double from = 0, to = 1, at_lo, at_hi;

		slow_z(s, s->at[i + 1], s->mlp->n - 1, &b);
		*y_lo = fmin(*y_lo, fmin(a, b));
		*y_hi = fmax(*y_hi, fmax(a, b));
		if (a == b || band_empty(band)) {
			to = a >= band->lo && a < band->hi;
		} else {
			at_lo = (band->lo - a) / (b - a);
			at_hi = (band->hi - a) / (b - a);
			from = fmax(0, fmin(at_lo, at_hi));
			to = fmin(1, fmax(at_lo, at_hi));
		}
		share += fmax(0, to - from) * (s->at[i + 1] - s->at[i]);
		a = b;
	}
	return share / (d->hi - d->lo);
}

static inline void *slow_open(const struct actor *a)
{
	struct slow_line *s = calloc(1, sizeof(*s));

	s->mlp = a->mlp;
	return s;
}

static inline int slow_run_box(void *state, const struct engine_ask *ask, struct engine_answer *out)
{
	const struct mlp *m = ((struct slow_line *)state)->mlp;
	struct region r = ask->region;
	const double first = r.dim[0].lo, width = (r.dim[0].hi - first) / ask->slices;
	double lo[REGION_INPUTS], hi[REGION_INPUTS];

	*out = (struct engine_answer){.engine = "box",
		.exact = NAN,
		.real_lo = NAN,
		.real_hi = NAN,
		.y_lo = INFINITY,
		.y_hi = -INFINITY,
		.pieces = ask->slices,
		.complete = true};
	for (int i = 0; i < ask->slices; i++) {
		double a, b;

		r.dim[0].lo = first + i * width;
		r.dim[0].hi = i + 1 < ask->slices ? first + (i + 1) * width : ask->region.dim[0].hi;
		region_hull(&r, lo, hi);
		slow_box(m, lo, hi, &a, &b);
		out->proven += a >= ask->band.lo && b < ask->band.hi;
		out->refuted += b < ask->band.lo || a >= ask->band.hi;
		out->y_lo = fmin(out->y_lo, a);
		out->y_hi = fmax(out->y_hi, b);
	}
	out->proven /= ask->slices;
	out->refuted /= ask->slices;
	return 0;
}

static inline int slow_run_exact(
	void *state, const struct engine_ask *ask, struct engine_answer *out)
{
	struct slow_line *s = state;
	const struct region *r = &ask->region;
	const int lines = r->ndims == 2 ? SLOW_LINES : 1;
	double share = 0;

	*out = (struct engine_answer){.engine = "exact",
		.y_lo = INFINITY,
		.y_hi = -INFINITY,
		.pieces = lines,
		.complete = true};
	s->r = r;
	s->dim = r->ndims - 1;
	for (int i = 0; i < lines; i++) {
		s->t[0] = r->dim[0].lo + (r->dim[0].hi - r->dim[0].lo) * (i + 0.5) / lines;
		share += slow_share(s, &ask->band, &out->y_lo, &out->y_hi);
	}
	out->exact = out->proven = share / lines;
	out->refuted = 1 - out->proven;
	out->real_lo = out->y_lo;
	out->real_hi = out->y_hi;
	return 0;
}

const struct engine_ops engine_box = {"box", REGION_INPUTS, slow_open, free, slow_run_box};
const struct engine_ops engine_exact1 = {"exact", 1, slow_open, free, slow_run_exact};
const struct engine_ops engine_exact2 = {"exact", 2, slow_open, free, slow_run_exact};
const struct engine_ops engine_linear = {"linear", REGION_INPUTS, slow_open, free, slow_run_box};

#endif
