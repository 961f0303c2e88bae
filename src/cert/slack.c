/* How far the executed network may stray from the real one over a region. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "cert/actor.h"
#include "cert/kernel.h"

#define UNIT 0x1p-24			     // rounding to float, relative
#define OUTWARD 1.001			     // covers the rounding of the bounds themselves
#define DOUBLE_SUM (MLP_MAX_WIDTH * 0x1p-52) // rounding of a sum in double, relative to the magnitudes

// MLP_MAX_WIDTH * 2^-22 < OUTWARD - 1, in integers, as clang wants it
_Static_assert(MLP_MAX_WIDTH * 1000 < 1 << 22, "OUTWARD covers a float sum of terms of one sign");

struct slack {
	float *added[MLP_MAX_LAYERS]; // [stride] error that executing a layer adds to its sums
	float *total[MLP_MAX_LAYERS]; // [stride] |executed sum - real sum|
	float *in_added, *in_total;   // the parts of both that come with what a layer reads
	float *radius, *radius_in;    // derivative of y: centre +- radius
	double *centre, *centre_in;
};

static size_t row_bytes(const struct actor *a)
{
	size_t n = a->width > REGION_INPUTS ? a->width : REGION_INPUTS;

	return (n * sizeof(double) + ACTOR_ALIGN - 1) / ACTOR_ALIGN * ACTOR_ALIGN;
}

size_t actor_slack_scratch(const struct actor *a)
{
	return ((size_t)(2 * a->n + 6) * row_bytes(a) + ACTOR_ALIGN) / sizeof(double);
}

static void carve(struct slack *s, const struct actor *a, double *scratch)
{
	size_t row = row_bytes(a);
	char *at = (char *)(((uintptr_t)scratch + ACTOR_ALIGN - 1) & ~(uintptr_t)(ACTOR_ALIGN - 1));

	for (int l = 0; l < a->n; l++, at += 2 * row) {
		s->added[l] = (float *)at;
		s->total[l] = (float *)(at + row);
	}
	s->in_added = (float *)at;
	s->in_total = (float *)(at + row);
	s->radius = (float *)(at + 2 * row);
	s->radius_in = (float *)(at + 3 * row);
	s->centre = (double *)(at + 4 * row);
	s->centre_in = (double *)(at + 5 * row);
}

// What the sums of layer l, known up to s->total, become for layer l + 1 to read.
static void activate(struct slack *s, const struct actor *a, const struct actor_ranges *r, int l)
{
	const float *total = s->total[l];
	double rounding = a->layer[l + 1].rounding;

	for (int j = 0; j < a->layer[l].out; j++) {
		double above = fmax(r->z_hi[l][j] + total[j], 0), below = fmax(total[j] - r->z_lo[l][j], 0);
		double activation = 2 * UNIT * a->slope * below;

		s->in_added[j] = OUTWARD * (rounding * fmax(above, a->slope * below) + activation);
		s->in_total[j] = OUTWARD * (s->in_added[j] + total[j]);
	}
}

// s->added and s->total of every layer.
static void forward(struct slack *s, const struct actor *a, const struct actor_ranges *r)
{
	for (int i = 0; i < a->layer[0].in; i++) {
		double mag = fmax(fabs(r->x_lo[i]), fabs(r->x_hi[i]));

		s->in_added[i] = s->in_total[i] = OUTWARD * ((a->layer[0].rounding + UNIT) * mag + MLP_TINY);
	}
	for (int l = 0; l < a->n; l++) {
		const struct actor_layer *layer = &a->layer[l];

		kernel_forward_mag(layer, 2, (const float *[]){s->in_added, s->in_total},
			(float *[]){s->added[l], s->total[l]});
		for (int j = 0; j < layer->out; j++) {
			double bias = layer->rounding * fabs(layer->b[j]) + MLP_TINY;

			s->added[l][j] = OUTWARD * (s->added[l][j] + bias);
			s->total[l][j] = OUTWARD * (s->total[l][j] + bias);
		}
		if (l + 1 < a->n)
			activate(s, a, r, l);
	}
}

// From the derivative by what layer l's activation gives to that by its sums; adds to the bound what executing
// layer l does.
static double through_activation(struct slack *s, const struct actor *a, const struct actor_ranges *r, int l)
{
	double sum = 0;

	for (int j = 0; j < a->layer[l].out; j++) {
		double c = s->centre_in[j], d = OUTWARD * s->radius_in[j];
		double lo = c - d, hi = c + d, error = s->total[l][j];

		if (!(r->z_lo[l][j] - error > 0)) {
			lo = lo > 0 ? a->slope * lo : lo;
			hi = hi < 0 ? a->slope * hi : hi;
			if (r->z_hi[l][j] + error < 0) {
				lo = a->slope * (c - d);
				hi = a->slope * (c + d);
			}
		}
		s->centre[j] = (lo + hi) / 2;
		s->radius[j] = OUTWARD * ((hi - lo) / 2 + 0x1p-50 * (fabs(lo) + fabs(hi)));
		sum += fmax(fabs(lo), fabs(hi)) * s->added[l][j];
	}
	return sum;
}

// The derivative by what layer l reads, from that by its sums.
static void through_weights(struct slack *s, const struct actor_layer *l)
{
	for (int j = 0; j < l->out; j++)
		s->radius[j] += DOUBLE_SUM * fabs(s->centre[j]);
	memset(s->centre + l->out, 0, (l->stride - l->out) * sizeof(*s->centre));
	memset(s->radius + l->out, 0, (l->stride - l->out) * sizeof(*s->radius));
	kernel_backward(l, s->centre, s->centre_in);
	kernel_backward_mag(l, s->radius, s->radius_in);
}

double actor_slack(const struct actor *a, const struct actor_ranges *r, double *scratch)
{
	int last = a->n - 1;
	struct slack s;
	double bound;

	carve(&s, a, scratch);
	forward(&s, a, r);
	bound = s.added[last][0];
	s.centre[0] = 1;
	s.radius[0] = 0;
	for (int l = last; l > 0; l--) {
		through_weights(&s, &a->layer[l]);
		bound += through_activation(&s, a, r, l - 1);
	}
	bound = fmin(OUTWARD * bound, s.total[last][0]);
	return bound >= 0 ? bound : INFINITY; // not when NaN
}
