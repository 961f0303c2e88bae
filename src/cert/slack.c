/* How far the executed network may stray from the real one over a region. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "cert/actor.h"
#include "cert/kernel.h"

#define UNIT 0x1p-24  // rounding to float, relative
#define OUTWARD 1.001 // covers the rounding of the bounds themselves, in double and in float
#define BACKWARD_TERMS                                                                             \
	(MLP_MAX_WIDTH / ACTOR_PAD + 8) // roundings a term of kernel_backward_range meets

// MLP_MAX_WIDTH * UNIT < (OUTWARD - 1) / 2, in integers, as clang wants it
_Static_assert(MLP_MAX_WIDTH * 2000 < 1 << 24, "OUTWARD covers a float sum of terms of one sign");

// Of a layer: the slope of what follows it, and the norm of the error in what it reads.
struct activation {
	double slope, errors;
};

#define LANES 2
#include "cert/lanes.h"
#include "cert/slack_body.h"
#include "cert/lanes_end.h"
#ifdef __x86_64__
#define LANES 4
#include "cert/lanes.h"
#include "cert/slack_body.h"
#include "cert/lanes_end.h"
#define LANES 8
#include "cert/lanes.h"
#include "cert/slack_body.h"
#include "cert/lanes_end.h"
#endif

static const struct {
	// What sums of layer l, between z_lo and z_hi, are for layer l + 1 to read: the error that
	// executing that adds, and the sums of squares of the whole error and of the largest
	// values.
	void (*activate)(const struct actor_layer *l, const double *z_lo, const double *z_hi,
		const struct activation *a, float *added, double squares[2]);
	// From the derivative by what the activation gives to that by the sums; returns what
	// executing the layer's biases, and its products where they are given, adds to the bound.
	double (*derive)(const struct actor_layer *l, const double *z_lo, const double *z_hi,
		const struct activation *a, const struct kernel_range *by_input,
		const float *products, const struct kernel_range *by_sum);
} loops[] = {
#ifdef __x86_64__
	[MLP_AVX2] = {activate_avx2, derive_avx2},
	[MLP_AVX512] = {activate_avx512, derive_avx512},
#endif
	[MLP_C] = {activate_c, derive_c},
};

struct slack {
	float *added[MLP_MAX_LAYERS]; // [in] error that executing a layer adds, by what it reads
	struct activation of[MLP_MAX_LAYERS]; // by layer
	struct kernel_range by_sum,
		by_input;	// derivative of y by a layer's sums, and by what it reads
	float *products, *none; // [stride] what the products of layer 0 add, and nothing
};

static size_t row_floats(const struct actor *a)
{
	size_t n = a->width > REGION_INPUTS ? a->width : REGION_INPUTS,
	       unit = ACTOR_ALIGN / sizeof(float);

	return (n + unit - 1) / unit * unit;
}

size_t actor_slack_scratch(const struct actor *a)
{
	return ((size_t)(a->n + 8) * row_floats(a) * sizeof(float) + ACTOR_ALIGN) / sizeof(double);
}

static void carve(struct slack *s, const struct actor *a, double *scratch)
{
	size_t row = row_floats(a);
	float *at =
		(float *)(((uintptr_t)scratch + ACTOR_ALIGN - 1) & ~(uintptr_t)(ACTOR_ALIGN - 1));

	for (int l = 0; l < a->n; l++, at += row)
		s->added[l] = at;
	s->by_sum = (struct kernel_range){at, at + row, at + 2 * row};
	at += 3 * row;
	s->by_input = (struct kernel_range){at, at + row, at + 2 * row};
	at += 3 * row;
	s->products = at;
	s->none = at + row;
	memset(s->none, 0, row * sizeof(*s->none));
}

// Whether sums of a layer over inputs of this norm are sure not to overflow.
static bool in_range(const struct actor_layer *l, double norm)
{
	return norm * l->most_norm + l->most_b < FLT_MAX / 2 && norm < FLT_MAX / 2;
}

// The errors, layer by layer; false when a sum may overflow.
static bool forward(struct slack *s, const struct actor *a, const struct actor_ranges *r)
{
	double squares[2] = {0}; // of errors, of magnitudes

	for (int i = 0; i < a->layer[0].in; i++) {
		double lo = fabs(r->x_lo[i]), hi = fabs(r->x_hi[i]);
		double most = (lo > hi ? lo : hi) + 0 * (hi - lo); // NaN stays NaN
		double added = OUTWARD * ((a->layer[0].rounding + UNIT) * most + MLP_TINY);

		s->added[0][i] = (float)added;
		squares[0] += added * added;
		squares[1] += most * most;
	}
	for (int l = 0; l < a->n; l++) {
		s->of[l] = (struct activation){a->slope, OUTWARD * sqrt(squares[0])};
		if (!in_range(&a->layer[l], OUTWARD * sqrt(squares[1])))
			return false;
		if (l + 1 < a->n)
			loops[mlp_isa()].activate(&a->layer[l], r->z_lo[l], r->z_hi[l], &s->of[l],
				s->added[l + 1], squares);
	}
	return true;
}

// What executing the products of a layer adds to the bound.
static double products(const struct actor_layer *l, const float *added, const float *most)
{
	double sum = 0;

	for (int k = 0; k < l->in; k++)
		sum += added[k] * (OUTWARD * most[k] + MLP_TINY);
	return sum;
}

// The last layer: its own share of the bound, and the derivative by what it reads.
static double start(struct slack *s, const struct actor_layer *l, const float *added)
{
	for (int k = 0; k < l->in; k++) {
		s->by_input.centre[k] = l->away[(size_t)k * l->stride];
		s->by_input.most[k] = fabsf(s->by_input.centre[k]);
	}
	memset(s->by_input.radius, 0, l->in * sizeof(*s->by_input.radius));
	return products(l, added, s->by_input.most) + l->rounding * fabs(l->b[0]) + MLP_TINY;
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
	struct slack s;
	double bound;

	carve(&s, a, scratch);
	if (!forward(&s, a, r))
		return INFINITY;
	kernel_forward_mag(&a->layer[0], 1, (const float *[]){s.added[0]}, &s.products);
	bound = start(&s, &a->layer[last], s.added[last]);
	for (int l = last - 1; l >= 0; l--) {
		const struct actor_layer *layer = &a->layer[l];

		clear_padding(&s.by_input, layer);
		bound += loops[mlp_isa()].derive(layer, r->z_lo[l], r->z_hi[l], &s.of[l],
			&s.by_input, l ? s.none : s.products, &s.by_sum);
		if (l == 0)
			break;
		clear_padding(&s.by_sum, layer);
		kernel_backward_range(layer, &s.by_sum, &s.by_input);
		bound += products(layer, s.added[l], s.by_input.most);
	}
	bound = OUTWARD * OUTWARD * bound;
	return bound >= 0 ? bound : INFINITY; // not when NaN
}
