/* How far the executed network may stray from the real one over a region. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "cert/actor.h"
#include "cert/kernel.h"

#define UNIT 0x1p-24   // rounding to float, relative
#define OUTWARD 1.001  // covers the rounding of the bounds themselves, in double and in float
#define BACKWARD_TERMS (MLP_MAX_WIDTH / ACTOR_PAD + 8) // roundings a term of kernel_backward_range meets

_Static_assert(BACKWARD_TERMS < (1 << 24) / 4000, "a quarter of OUTWARD covers a float sum of terms of one sign");

struct slack {
	float *added[MLP_MAX_LAYERS];  // [in] error that executing a layer adds, by what it reads
	double errors[MLP_MAX_LAYERS]; // norm of the whole error in what a layer reads
	struct kernel_range by_sum, by_input; // derivative of y by a layer's sums, and by what it reads
};

static size_t row_bytes(const struct actor *a)
{
	size_t n = a->width > REGION_INPUTS ? a->width : REGION_INPUTS;

	return (n * sizeof(float) + ACTOR_ALIGN - 1) / ACTOR_ALIGN * ACTOR_ALIGN;
}

size_t actor_slack_scratch(const struct actor *a)
{
	return ((size_t)(a->n + 6) * row_bytes(a) + ACTOR_ALIGN) / sizeof(double);
}

static void carve(struct slack *s, const struct actor *a, double *scratch)
{
	size_t row = row_bytes(a) / sizeof(float);
	float *at = (float *)(((uintptr_t)scratch + ACTOR_ALIGN - 1) & ~(uintptr_t)(ACTOR_ALIGN - 1));

	for (int l = 0; l < a->n; l++, at += row)
		s->added[l] = at;
	s->by_sum = (struct kernel_range){at, at + row, at + 2 * row};
	at += 3 * row;
	s->by_input = (struct kernel_range){at, at + row, at + 2 * row};
}

// Unlike fmax these are one instruction; NaN in the first operand gives the second.
static inline double larger(double a, double b)
{
	return a > b ? a : b;
}

static inline double smaller(double a, double b)
{
	return a < b ? a : b;
}

// |executed sum - real sum| of neuron j of layer l (Cauchy and Schwarz).
static inline double sum_error(const struct slack *s, const struct actor_layer *layer, int l, int j)
{
	return OUTWARD * (s->errors[l] * layer->norm[j] + layer->rounding * fabs(layer->b[j]) + MLP_TINY);
}

// What the sums of layer l are for layer l + 1 to read. Returns the norm of what it reads.
static double activate(struct slack *s, const struct actor *a, const struct actor_ranges *r, int l)
{
	const struct actor_layer *layer = &a->layer[l];
	const double *z_lo = r->z_lo[l], *z_hi = r->z_hi[l];
	double rounding = layer[1].rounding, activation = 2 * UNIT * a->slope;
	double errors = 0, squares = 0;

	for (int j = 0; j < layer->out; j++) {
		double error = sum_error(s, layer, l, j);
		double above = larger(z_hi[j] + error, 0), below = larger(error - z_lo[j], 0);
		double most = larger(above, a->slope * below);
		double added = OUTWARD * (rounding * most + activation * below + MLP_TINY);

		s->added[l + 1][j] = (float)added;
		errors += (added + error) * (added + error);
		squares += most * most;
	}
	s->errors[l + 1] = OUTWARD * sqrt(errors);
	return OUTWARD * sqrt(squares);
}

// Whether sums of layer l over inputs of this norm are sure not to overflow.
static bool in_range(const struct actor_layer *layer, double norm)
{
	double most = 0;

	for (int j = 0; j < layer->out; j++)
		most = larger(most, norm * layer->norm[j] + fabs(layer->b[j]));
	return most < FLT_MAX / 2 && norm < FLT_MAX / 2;
}

// The errors, layer by layer; false when a sum may overflow.
static bool forward(struct slack *s, const struct actor *a, const struct actor_ranges *r)
{
	double errors = 0, squares = 0, norm;

	for (int i = 0; i < a->layer[0].in; i++) {
		double mag = larger(fabs(r->x_lo[i]), fabs(r->x_hi[i]));
		double added = OUTWARD * ((a->layer[0].rounding + UNIT) * mag + MLP_TINY);

		s->added[0][i] = (float)added;
		errors += added * added;
		squares += mag * mag;
	}
	s->errors[0] = OUTWARD * sqrt(errors);
	norm = OUTWARD * sqrt(squares);
	for (int l = 0; l < a->n - 1; l++) {
		if (!in_range(&a->layer[l], norm))
			return false;
		norm = activate(s, a, r, l);
	}
	return in_range(&a->layer[a->n - 1], norm);
}

// From the derivative by what layer l's activation gives to that by its sums; returns what executing its
// biases adds to the bound.
static double through_activation(struct slack *s, const struct actor *a, const struct actor_ranges *r, int l)
{
	const struct actor_layer *layer = &a->layer[l];
	const double *z_lo = r->z_lo[l], *z_hi = r->z_hi[l];
	double sum = 0;

	for (int j = 0; j < layer->out; j++) {
		double c = s->by_input.centre[j], most, error = sum_error(s, layer, l, j);
		double d = OUTWARD * (s->by_input.radius[j] + BACKWARD_TERMS * UNIT * s->by_input.most[j]) +
			   MLP_TINY;
		double least_slope = z_lo[j] - error > 0 ? 1 : a->slope;
		double most_slope = z_hi[j] + error < 0 ? a->slope : 1;
		double lo = smaller(least_slope * (c - d), most_slope * (c - d));
		double hi = larger(least_slope * (c + d), most_slope * (c + d));

		most = OUTWARD * larger(fabs(lo), fabs(hi));
		s->by_sum.centre[j] = (float)((lo + hi) / 2);
		s->by_sum.radius[j] = (float)(OUTWARD * (hi - lo) / 2 + UNIT * most);
		s->by_sum.most[j] = (float)most;
		sum += most * (layer->rounding * fabs(layer->b[j]) + MLP_TINY);
	}
	return sum;
}

// What executing a layer adds to the bound by its products.
static double products(const struct actor_layer *layer, const float *added, const float *most)
{
	double sum = 0;

	for (int k = 0; k < layer->in; k++)
		sum += added[k] * (OUTWARD * most[k] + MLP_TINY);
	return sum;
}

static void clear_padding(const struct kernel_range *g, const struct actor_layer *l)
{
	size_t bytes = (l->stride - l->out) * sizeof(float);

	memset(g->centre + l->out, 0, bytes);
	memset(g->radius + l->out, 0, bytes);
	memset(g->most + l->out, 0, bytes);
}

double actor_slack(const struct actor *a, const struct actor_ranges *r, double *scratch)
{
	int last = a->n - 1;
	const struct actor_layer *layer = &a->layer[last];
	struct slack s;
	double bound;

	carve(&s, a, scratch);
	if (!forward(&s, a, r))
		return INFINITY;
	bound = layer->rounding * fabs(layer->b[0]) + MLP_TINY;
	for (int k = 0; k < layer->in; k++) {
		s.by_input.centre[k] = layer->away[(size_t)k * layer->stride];
		s.by_input.radius[k] = 0;
		s.by_input.most[k] = fabsf(s.by_input.centre[k]);
	}
	bound += products(layer, s.added[last], s.by_input.most);
	for (int l = last - 1; l >= 0; l--) {
		layer = &a->layer[l];
		bound += through_activation(&s, a, r, l);
		clear_padding(&s.by_sum, layer);
		kernel_backward_range(layer, &s.by_sum, &s.by_input);
		bound += products(layer, s.added[l], s.by_input.most);
	}
	bound = OUTWARD * OUTWARD * bound;
	return bound >= 0 ? bound : INFINITY; // not when NaN
}
