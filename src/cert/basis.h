/*
 * A box of a region as layer 1 sees it: its sums are z(t) = z(centre) + sum over functions e of
 * row[e] f[e](t).
 *
 * Every function is of one varied input t_d, 0 at the centre of the box: t_d - centre, with what is
 * tied to t_d following in its row; or, where the kink of the tied input lies inside the box, two
 * functions, t_d and the tied input, each less its value at the centre. Sums of multiples of a
 * dimension's functions are linear between its points: the ends and the kink.
 */
#ifndef CERT_BASIS_H
#define CERT_BASIS_H

#include "cert/actor.h"

#define BASIS_MOST (2 * REGION_INPUTS)
#define BASIS_POINTS 3

struct basis_function {
	int dim;
	int count; /* functions of that dimension from this one on: 1 or 2 */
	int points;
	double value[BASIS_POINTS]; /* at the ends and, if it is inside, at the kink */
	double reach;		    /* largest |value| */
};

struct basis {
	const struct region *region;
	const struct actor_layer *layer; /* of the actor */
	double *still;			 /* [stride] sums of what does not vary, and biases */
	struct actor_layer rows; /* rows.in - 1 functions' rows, then the sums at the centre */
	int n;			 /* functions */
	struct basis_function f[BASIS_MOST];
};

/* The caller gives still and rows.w, stride and BASIS_MOST + 1 rows of stride numbers, on
 * ACTOR_ALIGN. */
void basis_init(struct basis *b, const struct actor *a, double *still, double *w);

/* What the boxes of a region share; r outlives the calls of basis_box. x: REGION_INPUTS numbers of
 * scratch, on ACTOR_ALIGN. */
void basis_region(struct basis *b, const struct region *r, double *x);

/* The functions over the box lo..hi (ndims numbers each) within the region. */
void basis_box(struct basis *b, const double *lo, const double *hi);

/*
 * Extremes over the box of sum over e of g[e] f[e], all functions being given in row: lo[j] and
 * hi[j] are added to, j < n, with g[e] = g[e * step + j].
 */
void basis_ranges(
	const struct basis *b, const double *g, size_t step, int n, double *lo, double *hi);

/* The same of one dimension's functions, e being the first, for one g[e * step]. */
void basis_along(
	const struct basis *b, int e, const double *g, size_t step, double *lo, double *hi);

#endif
