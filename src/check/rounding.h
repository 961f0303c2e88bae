/*
 * How far the executed float network may be from the real one, over a set of states.
 *
 * Executing layer l puts an error of at most local[l] on its sums; the bound is the sum over layers
 * of |dy/dz[l]| local[l], the derivative ranging over every pattern of signs that z may have: what
 * the real z may be, widened by all errors so far.
 */
#ifndef CHECK_ROUNDING_H
#define CHECK_ROUNDING_H

#include "check/net.h"

/* A set of states: |input i| <= x_most[i], and the real z of hidden layer l are within z_lo[l] and
 * z_hi[l]. */
struct rounding_set {
	const double *x_most;
	double *z_lo[MLP_MAX_LAYERS], *z_hi[MLP_MAX_LAYERS]; /* (width) */
};

/* The bound, infinite if floats may overflow. room: rounding_room(net) doubles. Rounding is upward.
 */
double rounding_bound(const struct net *net, const struct rounding_set *set, double *room);
size_t rounding_room(const struct net *net);

#endif
