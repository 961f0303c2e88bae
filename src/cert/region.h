/*
 * Regions of states: a concrete state of which some inputs vary over intervals.
 *
 * Inputs that depend on each other move together: delay_metric = min(1, 1.25 inv_rtt) is tied to the
 * inv_rtt of its frame, so a region of one varied inv_rtt is one-dimensional, a path with a kink at
 * 0.8. The measure of a region, in which shares are given, is that of its varied inputs t: the product
 * of their widths.
 */
#ifndef CERT_REGION_H
#define CERT_REGION_H

#include <stdbool.h>

#include "obs/frame.h"

#define REGION_INPUTS 96 /* most numbers in a state */
#define REGION_TIED_SLOPE 1.25
#define REGION_KINK (1 / REGION_TIED_SLOPE) /* where the tied input reaches 1 */

struct region_dim {
	int input; /* index into the state */
	int tied;  /* index of the input that is min(1, 1.25 * this one), or -1 */
	double lo, hi; /* lo < hi */
};

struct region {
	int nin;		 /* numbers in the state, 1..REGION_INPUTS */
	double x[REGION_INPUTS]; /* the concrete state; what varies is not read from it */
	int ndims;		 /* 0: the region is a point */
	struct region_dim dim[REGION_INPUTS];
};

/* A region without varied inputs at x, which has nin numbers. */
void region_point(struct region *r, const double *x, int nin);

/*
 * Lets input vary over [lo, hi]; when lo = hi it stays fixed there and adds no dimension. The newest
 * ten frames' inv_rtt bring their delay_metric along. 0; -EINVAL for an input that is not there, varies
 * already or is tied to one that does, for lo > hi, and for bounds that are not finite.
 */
int region_vary(struct region *r, int input, double lo, double hi);

/* The state at t (ndims numbers): x has nin. Tied inputs follow. */
void region_state(const struct region *r, const double *t, double *x);

/* Value that the tied input has when the one it is tied to is v. */
static inline double region_tied(double v)
{
	return v >= REGION_KINK ? 1 : REGION_TIED_SLOPE * v;
}

/* Range of every input over the region: lo and hi have nin numbers. */
void region_hull(const struct region *r, double *lo, double *hi);

/* Whether every number is finite and every interval the right way round. */
bool region_valid(const struct region *r);

#endif
