/*
 * Backward linear bounds on the real network over a box of a region (CROWN, Zhang et al. 2018;
 * DeepPoly, Singh et al. 2019).
 *
 * Over z in [l, u], l < 0 < u, the activation lies between a z + (1 - a) u, a = (u - slope l) / (u
 * - l), and any line through 0 of a slope from `slope` to 1. So a sum of activations is bounded by
 * sums of z, those of the layer before by their activations, and so on down to the region's varied
 * inputs t, over whose box a linear function is bounded exactly. Layer 1's z are linear in t, hence
 * their bounds exact; layer 2's come from one product with (w, |w|) for each varied input; later
 * ones by going back row by row. An input and what is tied to it count as one varied input, the
 * kink included: a function of t_d alone, linear on either side of the kink, is extreme at an end
 * or there.
 *
 * The arithmetic is double, rounded to nearest. What it may err is bounded once per region: every
 * bound is a sum of products that pass through a limited number of roundings, so that number times
 * 2^-53 times the sum of their magnitudes is added outward. [lo, hi] therefore holds the real y.
 */
#ifndef CERT_RELAX_H
#define CERT_RELAX_H

#include "cert/actor.h"

struct relax;

struct relax_bound {
	double lo, hi;		    /* on y; -INFINITY, INFINITY when nothing is known */
	double gain[REGION_INPUTS]; /* by dimension: how far the bounding functions vary along it */
};

/* One thread's memory; a outlives it. NULL when out of memory. */
struct relax *relax_new(const struct actor *a);
void relax_free(struct relax *x);

/* What all boxes of a region share; r outlives the calls of relax_box. */
void relax_region(struct relax *x, const struct region *r);

/* Bounds over the box lo..hi (ndims numbers each) within the region. */
void relax_box(struct relax *x, const double *lo, const double *hi, struct relax_bound *out);

/* actor_slack over the last box. */
double relax_slack(struct relax *x);

#endif
