/*
 * The inner loops that the engines share: a layer's matrix times a few vectors, forwards and
 * backwards.
 *
 * Sums run in a fixed order with fused multiply-adds, so results have the same bits on every
 * machine with IEEE fma (AVX-512, AVX2 or plain C, as mlp_kernel says). Rounding is to nearest:
 * |computed - true| of a sum of n products is at most n * 2^-52 times the sum of their magnitudes,
 * n * 2^-23 for floats; whoever needs an outward bound adds that.
 */
#ifndef CERT_KERNEL_H
#define CERT_KERNEL_H

#include "cert/actor.h"

#define KERNEL_VECTORS 3 /* most at once */

/* y[v] = x[v] . w for nv vectors: x[v] has l->in numbers, y[v] l->stride. All aligned to
 * ACTOR_ALIGN. */
void kernel_forward(const struct actor_layer *l, int nv, const double *const *x, double *const *y);

/* The same with the magnitudes of the weights, in floats. */
void kernel_forward_mag(
	const struct actor_layer *l, int nv, const float *const *x, float *const *y);

/* y = w . g: g has l->stride numbers (zero past l->out), y l->in. */
void kernel_backward(const struct actor_layer *l, const double *g, double *y);

/* Numbers in centre +- radius, none larger in magnitude than most. */
struct kernel_range {
	float *centre, *radius, *most;
};

/*
 * y->centre = w . g->centre, y->radius = |w| . g->radius, y->most = |w| . g->most, in floats, with
 * the shapes of kernel_backward. Rounding is that of sums of stride / ACTOR_PAD + log2(ACTOR_PAD)
 * terms.
 */
void kernel_backward_range(
	const struct actor_layer *l, const struct kernel_range *g, const struct kernel_range *y);

/* y += a x, n a multiple of ACTOR_PAD. */
void kernel_axpy(int n, double a, const double *x, double *y);

#endif
