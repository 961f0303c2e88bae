/* Corners, batched through the layers; then each set's range and the error of taking it. */
#include "check/corners.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check/upward.h"

#define GROUP 16     // corners of which up to three are computed directly, and the others from them
#define FACTORS 4    // most that the magnitudes of the factors of a mean may add up to
#define ROUNDINGS 16 // of a residual, at most, relative to FACTORS times the largest

// Rows of width numbers in c->rows.
enum { MOST, TMP, LO, HI, OFF, NEXT, ERRORS, ROWS = ERRORS + MLP_MAX_LAYERS };

static double *row(const struct corners *c, const struct net *net, int i)
{
	return c->rows + (size_t)i * net->width;
}

static double *doubles(size_t n)
{
	double *p = aligned_alloc(64, n * sizeof(*p));

	if (p)
		memset(p, 0, n * sizeof(*p));
	return p;
}

int corners_open(struct corners *c, const struct net *net)
{
	size_t batch = (size_t)CORNERS_MAX * net->width;
	bool whole = true;

	for (int l = 0; l < net->n; l++) {
		c->z[l] = doubles(batch);
		c->all.z_lo[l] = doubles(net->width);
		c->all.z_hi[l] = doubles(net->width);
		whole &= c->z[l] && c->all.z_lo[l] && c->all.z_hi[l];
	}
	c->x = doubles(net->width);
	c->h = doubles(batch);
	c->anchor_h = doubles(batch);
	c->anchor_z = doubles(batch);
	c->rows = doubles((size_t)ROWS * net->width);
	c->all.x_most = c->x_most;
	return whole && c->x && c->h && c->anchor_h && c->anchor_z && c->rows ? 0 : -ENOMEM;
}

void corners_close(struct corners *c)
{
	for (int l = 0; l < MLP_MAX_LAYERS; l++) {
		free(c->z[l]);
		free(c->all.z_lo[l]);
		free(c->all.z_hi[l]);
	}
	free(c->x);
	free(c->h);
	free(c->anchor_h);
	free(c->anchor_z);
	free(c->rows);
}

void corners_begin(struct corners *c)
{
	c->ncorners = c->nsets = c->nindex = 0;
	memset(c->slot, 0, sizeof(c->slot));
}

// The corner at t, perhaps one that is there already.
static int place(struct corners *c, const struct region *r, const double *t)
{
	const int slots = sizeof(c->slot) / sizeof(c->slot[0]);
	double near[2] = {0, 0};
	uint64_t key = 0;
	int at;

	for (int d = 0; d < r->ndims; d++) {
		double size = fmax(fabs(r->dim[d].lo), fabs(r->dim[d].hi));

		near[d] = r->ndims > 1 ? CORNERS_NEAR * size : 0;
		key = (key + (uint64_t)(int64_t)(t[d] / size / (2 * CORNERS_NEAR))) *
		      0x9e3779b97f4a7c15;
		key ^= key >> 29;
	}
	for (at = (int)(key % slots); c->slot[at]; at = (at + 1) % slots) {
		const double *o = c->t[c->slot[at] - 1];

		if (fabs(o[0] - t[0]) <= near[0] && fabs(o[1] - t[1]) <= near[1])
			return c->slot[at] - 1;
	}
	memcpy(c->t[c->ncorners], t, sizeof(c->t[0]));
	c->slot[at] = ++c->ncorners;
	return c->ncorners - 1;
}

void corners_add(struct corners *c, const struct region *r, const double (*t)[2], int n, double off)
{
	c->set[c->nsets++] = (struct corners_set){
		.from = c->nindex, .n = n, .off = off + (r->ndims > 1 ? CORNERS_NEAR : 0)};
	for (int i = 0; i < n; i++)
		c->index[c->nindex++] = place(c, r, t[i]);
}

static double tied_to(double t)
{
	return t >= REGION_KINK ? 1 : REGION_TIED_SLOPE * t;
}

// Layer 1's sums: what does not vary makes a row that all corners begin with. c->x has the largest
// inputs.
static void first_sums(struct corners *c, const struct net *net, const struct region *r)
{
	const struct net_layer *layer = &net->layer[0];
	const struct product fixed = net_sums(layer);
	double *base = row(c, net, TMP), *x = c->x;

	memcpy(x, r->x, r->nin * sizeof(*x));
	for (int d = 0; d < r->ndims; d++) {
		x[r->dim[d].input] = 0;
		if (r->dim[d].tied >= 0)
			x[r->dim[d].tied] = 0;
	}
	product_rows(&fixed, 1, x, net->width, base, net->width);
	for (int v = 0; v < c->ncorners; v++)
		memcpy(c->z[0] + (size_t)v * net->width, base, layer->stride * sizeof(*base));
	for (int i = 0; i < r->nin; i++)
		x[i] = fabs(x[i]);
	for (int d = 0; d < r->ndims; d++) {
		int input = r->dim[d].input, tied = r->dim[d].tied;

		for (int v = 0; v < c->ncorners; v++) {
			double t = c->t[v][d], *z = c->z[0] + (size_t)v * net->width;

			product_add(layer->w + (size_t)input * layer->stride, layer->stride, t, z);
			x[input] = fmax(x[input], fabs(t));
			if (tied >= 0) { // off by a rounding
				product_add(layer->w + (size_t)tied * layer->stride, layer->stride,
					tied_to(t), z);
				x[tied] = fmax(x[tied], fabs(tied_to(t)));
			}
		}
	}
}

// Errors of the inputs: of corners, and of the arithmetic of tied ones.
static void input_errors(const struct corners *c, const struct region *r, double *off)
{
	double most = 0;

	for (int s = 0; s < c->nsets; s++)
		most = fmax(most, c->set[s].off);
	memset(off, 0, r->nin * sizeof(*off));
	for (int d = 0; d < r->ndims; d++) {
		double size = fmax(fabs(r->dim[d].lo), fabs(r->dim[d].hi));

		off[r->dim[d].input] = most * size;
		if (r->dim[d].tied >= 0)
			off[r->dim[d].tied] =
				REGION_TIED_SLOPE * (most + 4 * UPWARD_UNIT) * (size + 1);
	}
}

// to[i] = the largest |number i| of some rows.
static void largest(
	const struct corners *c, const struct net *net, int n, const double *x, double *to)
{
	double *lo = row(c, net, LO), *hi = row(c, net, HI);

	product_spread((n + PRODUCT_PAD - 1) / PRODUCT_PAD * PRODUCT_PAD, c->ncorners, x,
		net->width, lo, hi);
	for (int i = 0; i < n; i++)
		to[i] = fmax(-lo[i], hi[i]);
}

// Whether two corners are on different sides of a kink.
static bool apart(const struct corners *c, const struct region *r, int v, int o)
{
	for (int d = 0; d < r->ndims; d++)
		if (r->dim[d].tied >= 0 &&
			(c->t[v][d] - REGION_KINK) * (c->t[o][d] - REGION_KINK) < 0)
			return true;
	return false;
}

// Twice the area of a triangle of corners, or in one dimension the distance of two.
static double extent(const struct corners *c, int ndims, int a, int b, int v)
{
	const double *o = c->t[a], *p = c->t[b], *q = c->t[v];

	return ndims == 1 ? q[0] - o[0]
			  : (p[0] - o[0]) * (q[1] - o[1]) - (p[1] - o[1]) * (q[0] - o[0]);
}

// The corner of a group that is farthest from a, or, with b, makes the largest triangle with both.
static int farthest(const struct corners *c, int ndims, int from, int to, int a, int b)
{
	double best = -1;
	int far = a;

	for (int v = from; v < to; v++) {
		double x = c->t[v][0] - c->t[a][0], y = ndims > 1 ? c->t[v][1] - c->t[a][1] : 0;
		double far_v = b < 0 ? x * x + y * y : fabs(extent(c, ndims, a, b, v));

		if (far_v > best) {
			best = far_v;
			far = v;
		}
	}
	return far;
}

static void anchor(struct corners *c, const struct net *net, int v, int *anchors)
{
	if (c->mean[v].n == 0)
		return;
	c->mean[v] = (struct corners_mean){.n = 0, .of = {*anchors}};
	memcpy(c->anchor_h + (size_t)*anchors * net->width, c->h + (size_t)v * net->width,
		net->width * sizeof(*c->h));
	++*anchors;
}

// Makes corner v a mean of the group's anchors, or, if they are too far or too near each other, one
// itself.
static void place_mean(
	struct corners *c, const struct net *net, int ndims, const int *of, int v, int *anchors)
{
	double all = extent(c, ndims, of[0], of[1], of[ndims]), sum = 0;
	struct corners_mean m = {.n = ndims + 1};

	if (ndims == 1) {
		m.factor[1] = extent(c, 1, of[0], of[1], v) / all;
	} else {
		m.factor[1] = extent(c, 2, of[0], v, of[2]) / all;
		m.factor[2] = extent(c, 2, of[0], of[1], v) / all;
	}
	m.factor[0] = 1 - m.factor[1] - m.factor[2];
	for (int i = 0; i < m.n; i++) {
		m.of[i] = c->mean[of[i]].of[0];
		sum += fabs(m.factor[i]);
	}
	if (sum <= FACTORS)
		c->mean[v] = m;
	else
		anchor(c, net, v, anchors);
}

// Chooses what is computed directly: the number of such corners, their h in c->anchor_h.
static int choose_anchors(struct corners *c, const struct net *net, const struct region *r)
{
	int anchors = 0, to;

	for (int v = 0; v < c->ncorners; v++)
		c->mean[v].n = -1;
	for (int from = 0; from < c->ncorners; from = to) {
		int of[3] = {from, from, from};

		for (to = from + 1; to < c->ncorners && to < from + GROUP && !apart(c, r, from, to);
			to++)
			;
		for (int i = 1; i <= r->ndims; i++)
			of[i] = farthest(c, r->ndims, from, to, from, i > 1 ? of[1] : -1);
		for (int i = 0; i <= r->ndims; i++)
			anchor(c, net, of[i], &anchors);
		for (int v = from; v < to; v++)
			if (c->mean[v].n)
				place_mean(c, net, r->ndims, of, v, &anchors);
	}
	return anchors;
}

/*
 * Layer 2's sums, off by at most 4 FACTORS times what direct ones are: the anchors' errors add up
 * to FACTORS times that, no partial sum exceeds 2 FACTORS + 1 times the magnitudes that the error
 * is relative to, and the rounding of residuals with what is left out of them is less than once
 * that error.
 */
static void second_sums(
	struct corners *c, const struct net *net, const struct region *r, const double *most)
{
	const struct net_layer *layer = &net->layer[1];
	const struct product sums = net_sums(layer);
	double *least = row(c, net, TMP), *residual = row(c, net, LO);
	int anchors = choose_anchors(c, net, r);

	product_rows(&sums, anchors, c->anchor_h, net->width, c->anchor_z, net->width);
	memset(least, 0, net->width * sizeof(*least));
	for (int k = 0; k < layer->in; k++)
		least[k] = ROUNDINGS * FACTORS * UPWARD_UNIT * most[k];
	for (int v = 0; v < c->ncorners; v++) {
		const struct corners_mean *m = &c->mean[v];
		double *z = c->z[1] + (size_t)v * net->width;
		const double *h[3];

		if (!m->n) {
			memcpy(z, c->anchor_z + (size_t)m->of[0] * net->width,
				layer->stride * sizeof(*z));
			continue;
		}
		memset(z, 0, layer->stride * sizeof(*z));
		for (int i = 0; i < m->n; i++) {
			h[i] = c->anchor_h + (size_t)m->of[i] * net->width;
			product_add(c->anchor_z + (size_t)m->of[i] * net->width, layer->stride,
				m->factor[i], z);
		}
		product_residual((layer->in + PRODUCT_PAD - 1) / PRODUCT_PAD * PRODUCT_PAD, m->n, h,
			m->factor, c->h + (size_t)v * net->width, least, residual);
		for (int k = 0; k < layer->in; k++)
			if (residual[k] != 0)
				product_add(layer->w + (size_t)k * layer->stride, layer->stride,
					residual[k], z);
	}
	for (int j = 0; j < layer->stride; j++)
		row(c, net, ERRORS + 1)[j] *= 4 * FACTORS;
}

// z of every corner in every layer, and how far z may be off.
static void propagate(struct corners *c, const struct net *net, const struct region *r)
{
	double *most = row(c, net, MOST), *off = row(c, net, OFF);

	input_errors(c, r, off);
	first_sums(c, net, r);
	for (int i = 0; i < r->nin; i++)
		c->x_most[i] = c->x[i] + off[i];
	net_errors(&net->layer[0], c->x_most, off, row(c, net, TMP), row(c, net, ERRORS));
	for (int l = 1; l < net->n; l++) {
		const struct net_layer *layer = &net->layer[l];
		const struct product sums = net_sums(layer);
		const double *errors = row(c, net, ERRORS + l - 1);

		product_leaky(layer->in, c->ncorners, net->slope, c->z[l - 1], net->width, c->h,
			net->width);
		largest(c, net, layer->in, c->h, most);
		for (int i = 0; i < layer->in;
			i++) // leaky(z) is off by no more than z, and a rounding
			off[i] = errors[i] + UPWARD_UNIT * most[i];
		net_errors(layer, most, off, row(c, net, TMP), row(c, net, ERRORS + l));
		if (l == 1 && l < net->n - 1 && r->ndims)
			second_sums(c, net, r, most);
		else
			product_rows(&sums, c->ncorners, c->h, net->width, c->z[l], net->width);
	}
}

// Layer by layer, bent[j] is how much a mean of z may err, and then of leaky(z).
static void bound_set(struct corners *c, const struct net *net, struct corners_set *s)
{
	double *bent = row(c, net, OFF), *next = row(c, net, NEXT), *swap, error;
	double lo = INFINITY, hi = -INFINITY;
	int last = net->n - 1;

	memset(bent, 0, net->width * sizeof(*bent));
	for (int l = 0; l < last; l++) {
		const struct net_layer *layer = &net->layer[l + 1];
		const struct product_bend bend = {
			row(c, net, ERRORS + l), bent, c->all.z_lo[l], c->all.z_hi[l]};
		bool any = product_bend(net->layer[l].stride, s->n, c->index + s->from, c->z[l],
			net->width, 1 - net->slope, &bend);

		memset(next, 0, net->width * sizeof(*next));
		for (int k = 0; any && k < layer->in; k++)
			if (bent[k] > 0)
				product_add_magnitudes(layer->w + (size_t)k * layer->stride,
					layer->stride, bent[k] * (1 + layer->error), next);
		swap = bent;
		bent = next;
		next = swap;
	}
	for (int i = s->from; i < s->from + s->n; i++) {
		double y = c->z[last][(size_t)c->index[i] * net->width];

		lo = fmin(lo, y);
		hi = fmax(hi, y);
	}
	error = bent[0] + row(c, net, ERRORS + last)[0];
	s->y_lo = down_add(lo, -error);
	s->y_hi = hi + error;
}

void corners_bound(struct corners *c, const struct net *net, const struct region *r)
{
	propagate(c, net, r);
	for (int l = 0; l < net->n - 1; l++)
		for (int j = 0; j < net->width; j++) {
			c->all.z_lo[l][j] = INFINITY;
			c->all.z_hi[l][j] = -INFINITY;
		}
	for (int s = 0; s < c->nsets; s++)
		bound_set(c, net, &c->set[s]);
}
