/*
 * Box: interval bound propagation, in float32, many boxes at a time.
 *
 * A box is pushed through the network as centre c and radius r: z = c w + b +- r |w|, then the
 * activation's interval. Rounding is covered: that of the executed network (mlp_rounding of every
 * layer, 2^-24 of the input and of the activation) and that of this computation are proportional to
 * |c| and r, so they are added to the radius before it meets |w|. What comes out holds every y of
 * mlp_forward and of the same network in double.
 *
 * A region is cut into equal slices along its first varied input, the others stay whole. Layer 1 is
 * computed once per region and shifted along that input for each slice.
 */
#ifndef CERT_BOX_H
#define CERT_BOX_H

#include "cert/engine.h"

struct box;

/* One thread's memory; a outlives it. NULL when out of memory. */
struct box *box_new(const struct actor *a);
void box_free(struct box *b);

/*
 * Bounds on y over slice s of region i in y_lo[i * slices + s] and y_hi: n * slices numbers.
 * Regions must be valid (region_valid) and of the actor's inputs, slices >= 1; a region with inputs
 * so large that executing the network could overflow gets infinite bounds. A box's bounds do not
 * depend on what else is in the batch. Allocates nothing.
 */
void box_batch(
	struct box *b, const struct region *regions, int n, int slices, double *y_lo, double *y_hi);

/* Bounds on the real network's y over a region, in double and naively; to about 1e-12 those of
 * interval arithmetic without rounding. */
void box_real(const struct actor *a, const struct region *r, double *y_lo, double *y_hi);

#endif
