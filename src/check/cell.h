/*
 * Cells: what cuts leave of a region, in exact reals, each held by a set that can be computed with.
 *
 * Of one dimension an interval, of two a convex polygon, of more the box that cuts along single
 * inputs leave (other cuts are ignored, which makes cells larger). A polygon's corners are doubles
 * p[i]; there are true ones within `off` of them in every dimension that make a convex polygon
 * which holds the cell. A cut n . t <= o keeps it so: with o raised by |n| off, a corner found
 * outside is truly outside; on an edge from in to out the new corner in + s (out - in) has s
 * rounded up, so that the true one of that s is not inside either; it is off by as much as the
 * edge's ends and, from rounding, CELL_STEP more. What goes away is then outside the half-plane.
 * All functions need rounding upward.
 */
#ifndef CHECK_CELL_H
#define CHECK_CELL_H

#include <stdbool.h>
#include <stddef.h>

#include "cert/region.h"

#define CELL_CORNERS 64
#define CELL_STEP 0x1p-49 /* relative to the region's largest |bound| in a dimension */

struct cell {
	bool empty;
	double lo[REGION_INPUTS], hi[REGION_INPUTS]; /* box around it */
	double axis_lo[REGION_INPUTS], axis_hi[REGION_INPUTS]; /* what cuts along single inputs
								  leave, without rounding */
	int corners;				     /* of two dimensions */
	int steps;				     /* cuts that put corners in it */
	double t[CELL_CORNERS][2];
};

/* Of what is in use. */
void cell_copy(struct cell *to, const struct cell *from, const struct region *r);

/* The whole region. */
void cell_whole(struct cell *c, const struct region *r);

/* Becomes the side of itself where normal . t <= offset, or >= (other). normal has ndims numbers.
 * False: more corners than CELL_CORNERS. */
bool cell_cut(
	struct cell *c, const struct region *r, const double *normal, double offset, bool other);

/* The same along one dimension. */
bool cell_cut_axis(struct cell *c, const struct region *r, int dim, double offset, bool other);

/* How far true corners may be, relative to the region's largest |bound| in a dimension. */
static inline double cell_off(const struct cell *c)
{
	return c->steps * CELL_STEP;
}

/* At least its share of the region's measure. */
double cell_share(const struct cell *c, const struct region *r);

/* Cells that wait, packed; a zeroed one is empty, freed by freeing at. */
struct cell_stack {
	double *at;
	size_t n, room;
};

/* 0; -E2BIG over CELL_STACK numbers; -ENOMEM. */
#define CELL_STACK (1u << 25)
int cell_push(struct cell_stack *s, const struct cell *c, const struct region *r);
void cell_pop(struct cell_stack *s, struct cell *c, const struct region *r);

#endif
