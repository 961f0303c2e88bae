/*
 * The inner loops of the exact engines: rows of neurons whose sums are affine over a piece of the
 * region.
 *
 * n is the layer's stride: rows are aligned to ACTOR_ALIGN and padded with zeros. A neuron is
 * negative when z < 0 and positive else, NaN included. Sets of neurons are bit masks of
 * sweep_words(n) words. As in kernel.h, results have the same bits with every instruction set.
 */
#ifndef CERT_SWEEP_H
#define CERT_SWEEP_H

#include <stdint.h>

#include "cert/kernel.h"

#define SWEEP_WORD 64 /* neurons in a word of a set */

static inline int sweep_words(int n)
{
	return (n + SWEEP_WORD - 1) / SWEEP_WORD;
}

/* h = leaky(z). */
void sweep_leaky(int n, double slope, const double *z, double *h);

/* d by the derivative of leaky at z: g = z < 0 ? slope d : d. */
void sweep_derive(int n, double slope, const double *z, const double *d, double *g);

/* Sum of w leaky(z). */
double sweep_dot(int n, double slope, const double *z, const double *w);

/* Along a line: the slopes s += a w, then zb = za + dt s. */
void sweep_advance(
	int n, double a, const double *w, double dt, double *s, const double *za, double *zb);

/* Neurons whose sign differs between za and zb; widens the ranges [lo, hi] to zb. */
void sweep_cross(
	int n, const double *za, const double *zb, double *lo, double *hi, uint64_t *crossed);

/* An affine row over the plane: z = c[0] + c[1] u + c[2] v. */
struct sweep_plane {
	double *c[3];
};

/* z += f . w with one factor per coefficient: to = from + f[i] w. */
void sweep_tilt(int n, const double f[3], const double *w, const struct sweep_plane *from,
	const struct sweep_plane *to);

/* The row in other coordinates: z at (u, v) is the row at p[0] + (p[1] - p[0]) u + (p[2] - p[0]) v.
 */
void sweep_rebase(
	int n, const struct sweep_plane *z, const double p[3][2], const struct sweep_plane *to);

/*
 * Over a convex polygon of m corners (u, v), of magnitude 1 or little more: the set of neurons that
 * are negative at some corner and positive at another by more than rounding, and twice the middle
 * of every neuron's range, whose sign all other neurons keep. Widens the ranges [lo, hi] to all
 * corners.
 */
void sweep_polygon(int n, const struct sweep_plane *z, int m, const double *u, const double *v,
	double *lo, double *hi, uint64_t *crossed, double *middle);
#define SWEEP_TOLERANCE 0x1p-50 /* relative to |c[0]| + |c[1]| + |c[2]| */

#endif
