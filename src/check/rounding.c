/* Errors of execution, carried forwards by magnitude and weighed by the derivatives of y. */
#include "check/rounding.h"

#include <string.h>

#include "check/upward.h"

#define FLOAT_UNIT 0x1p-24
#define FLOAT_TINY                                                                                 \
	0x1p-120 // absolute error of a sum whose operations underflow, with much to spare
#define FLOAT_LEAST 0x1p-149 // absolute error of a weight that underflows
#define FLOAT_SAFE 1e36	     // sums of magnitudes under it cannot overflow

struct errors {
	double *local[MLP_MAX_LAYERS], *total[MLP_MAX_LAYERS]; // (width): of the sums
	double *in;   // (2, width): the parts of both by input
	double *g;    // (2, width): derivative, centre and radius
	double *back; // (2, width): what a layer's make of those before
};

size_t rounding_room(const struct net *net)
{
	return (size_t)(2 * net->n + 6) * net->width;
}

static void carve(struct errors *e, const struct net *net, double *room)
{
	size_t w = net->width;

	for (int l = 0; l < net->n; l++) {
		e->local[l] = room + 2 * l * w; // total right behind: one product makes both
		e->total[l] = e->local[l] + w;
	}
	e->in = room + 2 * net->n * w;
	e->g = e->in + 2 * w;
	e->back = e->g + 2 * w;
}

// The sums of layer l, from what its inputs bring along; false if they may overflow.
static bool sums(const struct net *net, struct errors *e, int l)
{
	const struct net_layer *layer = &net->layer[l];
	const struct product magnitudes = net_product(layer, true);
	bool safe = true;
	double inputs = 0;

	for (int k = 0; k < layer->in; k++)
		inputs += e->in[k] / layer->executed; // no less than |input k|
	product_rows(&magnitudes, 2, e->in, net->width, e->local[l], net->width);
	for (int j = 0; j < layer->stride; j++) {
		double own = layer->executed * fabs(layer->b[j]) * (1 + layer->error) + FLOAT_TINY +
			     FLOAT_LEAST * inputs;

		e->local[l][j] = e->local[l][j] * (1 + layer->error) + own;
		e->total[l][j] = e->total[l][j] * (1 + layer->error) + own;
		safe &= e->local[l][j] < FLOAT_SAFE * layer->executed; // NaN is not
	}
	return safe;
}

// What layer l's activations bring to the next layer's sums.
static void activations(
	const struct net *net, const struct rounding_set *set, struct errors *e, int l)
{
	double relative = net->layer[l + 1].executed;

	for (int j = 0; j < net->layer[l].out; j++) {
		double total = e->total[l][j];
		double above = fmax(set->z_hi[l][j] + total, 0),
		       below = fmax(total - set->z_lo[l][j], 0);
		double off = 2 * (1 + FLOAT_UNIT) * FLOAT_UNIT * net->slope * below + FLOAT_TINY;

		e->in[j] = relative * (fmax(above, net->slope * below) + off) + off + FLOAT_TINY;
		e->in[net->width + j] = e->in[j] + total;
	}
}

// The derivatives by the sums of layer l, from those by layer l + 1's.
static void derive(const struct net *net, const struct rounding_set *set, struct errors *e, int l)
{
	const struct net_layer *next = &net->layer[l + 1];
	const struct product centre = net_product(next, false), radius = net_product(next, true);
	double *c = e->g, *r = e->g + net->width, *back_c = e->back, *back_r = e->back + net->width;

	for (int j = 0; j < next->stride; j++)
		r[j] = (r[j] + next->error * fabs(c[j])) * (1 + next->error) + UPWARD_TINY;
	product_back(&centre, 1, c, net->width, back_c, net->width);
	product_back(&radius, 1, r, net->width, back_r, net->width);
	memset(e->g, 0, 2 * net->width * sizeof(*e->g));
	for (int j = 0; j < net->layer[l].out; j++) {
		double hi = back_c[j] + back_r[j], lo = down_add(back_c[j], -back_r[j]),
		       s = net->slope;
		double total = e->total[l][j];

		if (set->z_hi[l][j] + total < 0) {
			hi *= s;
			lo = down_mul(lo, s);
		} else if (!(set->z_lo[l][j] - total > 0)) {
			hi = fmax(hi, hi * s);
			lo = fmin(lo, down_mul(lo, s));
		}
		c[j] = (lo + hi) / 2;
		r[j] = fmax(hi - c[j], c[j] - lo);
	}
}

double rounding_bound(const struct net *net, const struct rounding_set *set, double *room)
{
	struct errors e;
	double bound;
	int last = net->n - 1;

	carve(&e, net, room);
	memset(room, 0, rounding_room(net) * sizeof(*room));
	for (int i = 0; i < net->layer[0].in; i++) {
		// rounded to double, to float, then summed
		double own = 2 * FLOAT_TINY + (FLOAT_UNIT * (1 + 0x1p-20)) * set->x_most[i];

		e.in[i] = own + net->layer[0].executed * (set->x_most[i] + own);
		e.in[net->width + i] = e.in[i];
	}
	for (int l = 0; l < net->n; l++) {
		if (!sums(net, &e, l))
			return INFINITY;
		if (l < last)
			activations(net, set, &e, l);
	}
	bound = e.local[last][0];
	e.g[0] = 1;
	for (int l = last - 1; l >= 0; l--) {
		derive(net, set, &e, l);
		for (int j = 0; j < net->layer[l].out; j++)
			bound += (fabs(e.g[j]) + e.g[net->width + j]) * e.local[l][j];
	}
	bound = fmin(bound, e.total[last][0]);
	return bound >= 0 ? bound : INFINITY;
}
