/* Linear bounds: forwards to the ranges of z, backwards for y. */
#include "check/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check/upward.h"

#define VARIANTS 3	     // choices of lower lines, of which the best counts
#define SIDES (2 * VARIANTS) // functions that go back: a sum from above, its negative from above

enum {
	CENTRE,
	ERROR,
	SPAN,
	MID,
	RADIUS,
	IN_ERROR,
	IN_MOST,
	TMP,
	OUT_ERROR,
	OUT_MID,
	OUT_RADIUS,
	ROWS
};
_Static_assert(
	ROWS <= sizeof(((struct lines *)0)->row) / sizeof(double *), "a place for every row");

static double *take(struct lines *x, const struct net *net, size_t rows)
{
	double *p = x->next;

	x->next += rows * net->width;
	return p;
}

int lines_open(struct lines *x, const struct net *net)
{
	// forms and a centre: what they do to layer 1's sums; lines around that, by w and by |w| to
	// layer 2's
	size_t forms = 2 * REGION_INPUTS + 1,
	       rows = 5 * forms + ROWS + (6 + VARIANTS) * (size_t)net->n + 2 * SIDES;

	x->memory = aligned_alloc(64, rows * net->width * sizeof(*x->memory));
	if (!x->memory)
		return -ENOMEM;
	memset(x->memory, 0, rows * net->width * sizeof(*x->memory));
	x->next = x->memory;
	x->generator = take(x, net, forms);
	x->sums = take(x, net, 4 * forms);
	for (int i = 0; i < ROWS; i++)
		x->row[i] = take(x, net, 1);
	for (int l = 0; l < net->n; l++) {
		x->set.z_lo[l] = take(x, net, 1);
		x->set.z_hi[l] = take(x, net, 1);
		x->most[l] = take(x, net, 1);
		x->upper[l] = take(x, net, 1);
		x->above[l] = take(x, net, 1);
		x->lower[l] = take(x, net, VARIANTS);
	}
	x->a = take(x, net, SIDES);
	x->back = take(x, net, SIDES);
	x->set.x_most = x->x_most;
	return 0;
}

void lines_close(struct lines *x)
{
	free(x->memory);
}

static double tied_to(double t)
{
	return t >= REGION_KINK ? 1 : REGION_TIED_SLOPE * t;
}

// Another form of dimension d: an input, and `tied` times another (or -1), which moves from c to c
// + value.
static void add_form(struct lines *x, const struct net *net, struct lines_dim *d, int input,
	int tied, const double *value)
{
	const struct net_layer *layer = &net->layer[0];
	double *g = x->generator + (size_t)x->forms * net->width;

	memcpy(g, layer->w + (size_t)input * layer->stride, layer->stride * sizeof(*g));
	if (tied >= 0)
		product_add(layer->w + (size_t)tied * layer->stride, layer->stride,
			REGION_TIED_SLOPE, g);
	memcpy(d->value[d->n++], value, sizeof(d->value[0]));
	x->forms++;
}

// The forms of a dimension over [lo, hi]. in: the inputs at the centre; off: what they err, with
// their roundings.
static void vary(struct lines *x, const struct net *net, const struct region_dim *rd,
	struct lines_dim *d, double lo, double hi, double *in, double *off)
{
	double c = lo + (hi - lo) / 2, size = fmax(fabs(lo), fabs(hi)),
	       rounding = 4 * net->layer[0].error * size;
	double by_t[LINES_POINTS] = {lo - c, hi - c, REGION_KINK - c}, by_tied[LINES_POINTS],
	       at = tied_to(c);
	bool kink = rd->tied >= 0 && lo < REGION_KINK && hi > REGION_KINK, flat = lo >= REGION_KINK;

	*d = (struct lines_dim){.from = x->forms, .points = kink ? 3 : 2};
	in[rd->input] = c;
	off[rd->input] = rounding;
	x->x_most[rd->input] = size + rounding;
	add_form(x, net, d, rd->input, kink || flat ? -1 : rd->tied, by_t);
	if (rd->tied < 0)
		return;
	by_tied[0] = tied_to(lo) - at;
	by_tied[1] = tied_to(hi) - at;
	by_tied[2] = 1 - at;
	in[rd->tied] = at;
	off[rd->tied] = REGION_TIED_SLOPE * rounding + 4 * net->layer[0].error;
	x->x_most[rd->tied] = fmax(fabs(tied_to(lo)), fabs(tied_to(hi))) + off[rd->tied];
	if (kink)
		add_form(x, net, d, rd->tied, -1, by_tied);
}

// The greatest sum of a dimension's forms, the f-th times up[f * step], where it is positive, or
// -down[f * step].
static inline double greatest(
	const struct lines_dim *d, const double *up, const double *down, size_t step)
{
	double most = -INFINITY;

	for (int p = 0; p < d->points; p++) {
		double sum = 0;

		for (int f = 0; f < d->n; f++) {
			double v = d->value[f][p];

			sum += v > 0 ? up[f * step] * v : down[f * step] * -v;
		}
		most = most > sum ? most : sum;
	}
	return most;
}

// The same of sums that are exact, and of their negative.
static inline void extremes(
	const struct lines_dim *d, const double *g, size_t step, double *least, double *most)
{
	double minus[2] = {-g[0], d->n > 1 ? -g[step] : 0}, plus[2] = {g[0], -minus[1]};

	*most = greatest(d, plus, minus, 1);
	*least = -greatest(d, minus, plus, 1);
}

// Layer 1: its sums are row CENTRE + forms +- row ERROR; SPAN bounds their magnitude.
static void first_layer(struct lines *x, const struct net *net, const struct region *r,
	const double *lo, const double *hi)
{
	const struct net_layer *layer = &net->layer[0];
	const struct product product = net_sums(layer);
	double *in = x->row[MID], *off = x->row[IN_ERROR], *centre = x->row[CENTRE],
	       *span = x->row[SPAN];

	memcpy(in, r->x, r->nin * sizeof(*in));
	memset(off, 0, net->width * sizeof(*off));
	for (int i = 0; i < r->nin; i++)
		x->x_most[i] = fabs(in[i]);
	x->forms = 0;
	for (int d = 0; d < r->ndims; d++)
		vary(x, net, &r->dim[d], &x->dim[d], lo[d], hi[d], in, off);
	net_errors(layer, x->x_most, off, x->row[TMP], x->row[ERROR]);
	product_rows(&product, 1, in, net->width, centre, net->width);
	for (int j = 0; j < layer->stride; j++) {
		double up = x->row[ERROR][j], down = -up, least, most;

		span[j] = fabs(centre[j]) + up;
		for (int d = 0; d < r->ndims; d++) {
			extremes(&x->dim[d], x->generator + (size_t)x->dim[d].from * net->width + j,
				net->width, &least, &most);
			up += most;
			down = down_add(down, least);
			for (int f = 0; f < x->dim[d].n; f++)
				span[j] += fabs(x->generator[(size_t)(x->dim[d].from + f) *
								     net->width +
							     j]) *
					   fmax(-x->dim[d].value[f][0], x->dim[d].value[f][1]);
		}
		x->set.z_hi[0][j] = centre[j] + up;
		x->set.z_lo[0][j] = down_add(centre[j], down);
	}
}

// The lines around layer l's activations.
static void draw_lines(struct lines *x, const struct net *net, int l)
{
	double s = net->slope;

	for (int j = 0; j < net->layer[l].stride; j++) {
		double lo = x->set.z_lo[l][j], hi = x->set.z_hi[l][j], up;
		double *lower = x->lower[l] + j;

		up = lo >= 0 ? 1 : hi <= 0 ? s : fmin(fmax((hi - s * lo) / (hi - lo), s), 1);
		x->upper[l][j] = up;
		x->above[l][j] = lo < 0 && hi > 0 ? fmax(hi + -up * hi, s * lo + -up * lo) : 0;
		lower[0] = hi <= 0 || (lo < 0 && hi <= -lo) ? s : 1;
		lower[net->width] = up;
		lower[2 * net->width] = lo >= 0 ? 1 : s;
	}
}

// Intervals: the activations' as rows MID and RADIUS, then the sums of layer l as OUT_MID and
// OUT_RADIUS.
static void interval_layer(struct lines *x, const struct net *net, int l, bool lines)
{
	const struct net_layer *layer = &net->layer[l];
	const struct product product = net_sums(layer), magnitudes = net_product(layer, true);
	double *mid = x->row[MID], *radius = x->row[RADIUS], s = net->slope;

	for (int k = 0; k < layer->in; k++) {
		double lo = x->set.z_lo[l - 1][k], hi = x->set.z_hi[l - 1][k];

		lo = lo < 0 ? down_mul(s, lo) : lo;
		hi = hi < 0 ? s * hi : hi;
		mid[k] = (lo + hi) / 2;
		radius[k] = fmax(hi - mid[k], mid[k] - lo);
		x->row[IN_MOST][k] = fmax(fabs(lo), fabs(hi));
	}
	net_errors(layer, x->row[IN_MOST], radius, x->row[TMP], x->row[OUT_RADIUS]);
	product_rows(&product, 1, mid, net->width, x->row[OUT_MID], net->width);
	for (int j = 0; j < layer->stride; j++) {
		x->set.z_hi[l][j] = x->row[OUT_MID][j] + x->row[OUT_RADIUS][j];
		x->set.z_lo[l][j] = down_add(x->row[OUT_MID][j], -x->row[OUT_RADIUS][j]);
	}
	if (!lines)
		return;
	product_rows(&magnitudes, 1, x->row[IN_MOST], net->width, x->most[l], net->width);
	for (int j = 0; j < layer->stride; j++)
		x->most[l][j] += fabs(layer->b[j]);
}

// Layer 2's sums with lines for layer 1's activations: rows of (upper + lower) / 2 go by w, of
// (upper - lower) / 2 by |w|, so that every weight meets the line that its sign asks for. Their
// errors go by |w| as well.
static void second_layer(struct lines *x, const struct net *net, int ndims)
{
	const struct net_layer *layer = &net->layer[1];
	const struct product product = net_product(layer, false),
			     magnitudes = net_product(layer, true);
	size_t forms = x->forms + 1, width = net->width;
	double *mean = x->sums, *half = mean + forms * width, *by_w = half + forms * width,
	       *by_abs = by_w + forms * width;
	double *off = x->row[IN_ERROR];

	for (size_t f = 0; f < forms; f++)
		for (int k = 0; k < layer->in; k++) {
			double v = (f ? x->generator + (f - 1) * width : x->row[CENTRE])[k];
			double up = x->upper[0][k], low = x->lower[0][k],
			       above = f ? 0 : x->above[0][k] / 2;

			mean[f * width + k] = (up + low) / 2 * v + above;
			half[f * width + k] = (up - low) / 2 * v + above;
		}
	for (int k = 0; k < layer->in; k++) {
		x->row[IN_MOST][k] = 3 * (x->row[SPAN][k] + x->above[0][k]);
		off[k] = x->row[ERROR][k] + 8 * UPWARD_UNIT * x->row[IN_MOST][k];
	}
	net_errors(layer, x->row[IN_MOST], off, x->row[TMP], x->row[OUT_ERROR]);
	product_rows(&product, (int)forms, mean, net->width, by_w, net->width);
	product_rows(&magnitudes, (int)forms, half, net->width, by_abs, net->width);
	for (int j = 0; j < layer->stride; j++) {
		double hi = by_w[j] + by_abs[j] + layer->b[j] + x->row[OUT_ERROR][j];
		double lo = -(by_abs[j] - by_w[j] - layer->b[j] + x->row[OUT_ERROR][j]);

		for (int d = 0; d < ndims; d++) {
			const struct lines_dim *dim = &x->dim[d];
			double above[2] = {0}, below[2] = {0}, least, most, other;

			for (int f = 0; f < dim->n; f++) {
				size_t at = (dim->from + f + 1) * width + j;

				above[f] = by_w[at] + by_abs[at];
				below[f] = down_add(by_w[at], -by_abs[at]);
			}
			extremes(dim, above, 1, &other, &most);
			extremes(dim, below, 1, &least, &other);
			hi += most;
			lo = down_add(lo, least);
		}
		x->set.z_hi[1][j] = fmin(x->set.z_hi[1][j], hi);
		x->set.z_lo[1][j] = fmax(x->set.z_lo[1][j], lo);
	}
}

// Every side's function of the activations of layer l becomes one of its sums: greater, line by
// line.
static void through_lines(struct lines *x, const struct net *net, int l)
{
	for (int side = 0; side < SIDES; side++) {
		double *a = x->a + (size_t)side * net->width,
		       *back = x->back + (size_t)side * net->width;
		const double *lower = x->lower[l] + (size_t)(side / 2) * net->width;

		for (int j = 0; j < net->layer[l].stride; j++) {
			double g = j < net->layer[l].out ? back[j] : 0;

			a[j] = g * (g > 0 ? x->upper[l][j] : lower[j]);
			x->value[side] += g > 0 ? g * x->above[l][j] : 0;
		}
	}
}

// Every side's function of the sums of layer l > 0 becomes one of the activations before it, up to
// rounding.
static void through_weights(struct lines *x, const struct net *net, int l)
{
	const struct net_layer *layer = &net->layer[l];
	const struct product product = net_product(layer, false);

	for (int side = 0; side < SIDES; side++) {
		const double *a = x->a + (size_t)side * net->width;

		for (int j = 0; j < layer->stride; j++) {
			double rounding = 2 * (layer->error + UPWARD_UNIT) * x->most[l][j] +
					  layer->b_error[j];

			x->value[side] += a[j] * layer->b[j] + fabs(a[j]) * rounding;
		}
	}
	product_back(&product, SIDES, x->a, net->width, x->back, net->width);
}

// The greatest that a side's function of layer 1's sums can be.
static double greatest_of_side(struct lines *x, const struct net *net, int ndims, int side)
{
	const double *a = x->a + (size_t)side * net->width;
	double sum = x->value[side];

	for (int j = 0; j < net->layer[0].stride; j++)
		sum += a[j] * x->row[CENTRE][j] +
		       fabs(a[j]) * (x->row[ERROR][j] + 2 * UPWARD_UNIT * x->row[SPAN][j]);
	for (int d = 0; d < ndims; d++) {
		const struct lines_dim *dim = &x->dim[d];
		double up[2] = {0}, down[2] = {0}, most;

		for (int f = 0; f < dim->n; f++) {
			const double *g = x->generator + (size_t)(dim->from + f) * net->width;

			for (int j = 0; j < net->layer[0].stride; j++) {
				up[f] += a[j] * g[j];
				down[f] += -a[j] * g[j];
			}
		}
		most = greatest(dim, up, down, 1);
		sum += most;
		x->gain[d] = fmax(x->gain[d], most);
	}
	return sum;
}

// Sum j of layer l by lines: narrows [lo, hi].
static void go_back(
	struct lines *x, const struct net *net, int ndims, int l, int j, double *lo, double *hi)
{
	memset(x->gain, 0, ndims * sizeof(*x->gain));
	memset(x->a, 0, (size_t)SIDES * net->width * sizeof(*x->a));
	for (int side = 0; side < SIDES; side++) {
		x->value[side] = 0;
		x->a[(size_t)side * net->width + j] = side % 2 ? -1 : 1;
	}
	for (; l > 0; l--) {
		through_weights(x, net, l);
		through_lines(x, net, l - 1);
	}
	for (int side = 0; side < SIDES; side++) {
		double most = greatest_of_side(x, net, ndims, side);

		if (side % 2)
			*lo = fmax(*lo, -most);
		else
			*hi = fmin(*hi, most);
	}
}

void lines_box(struct lines *x, const struct net *net, const struct region *r, const double *lo,
	const double *hi, bool lines)
{
	int last = net->n - 1;

	first_layer(x, net, r, lo, hi);
	for (int l = 0; l < last; l++) {
		if (l)
			interval_layer(x, net, l, lines);
		if (l == 1 && lines)
			second_layer(x, net, r->ndims);
		for (int j = 0; l > 1 && lines && j < net->layer[l].out; j++)
			go_back(x, net, r->ndims, l, j, &x->set.z_lo[l][j], &x->set.z_hi[l][j]);
		if (lines)
			draw_lines(x, net, l);
	}
	if (last)
		interval_layer(x, net, last, lines);
	x->y_lo = x->set.z_lo[last][0];
	x->y_hi = x->set.z_hi[last][0];
	if (lines)
		go_back(x, net, r->ndims, last, 0, &x->y_lo, &x->y_hi);
}
