/*
 * Where the certified loss looks: a region as rows of states, points or boxes, that follow each
 * other.
 */
#ifndef LEARN_PROBE_H
#define LEARN_PROBE_H

#include "base/rng.h"
#include "cert/segment.h"

#define PROBE_LINES 3 /* most lines of a region */

/* Where the next row goes; it moves on. */
struct probe {
	float *centre, *radius; /* (rows, size); radius NULL: points only */
	int size;
};

void probe_point(struct probe *p, const double *x);

/*
 * Points where y is least and where it is largest, in turn, along each of up to PROBE_LINES varied
 * inputs, the others being held somewhere in their intervals, often at an end; a region of no
 * dimension is its point, twice. The number of lines: half of the points.
 */
int probe_lines(struct probe *p, struct segment *s, const struct region *r, struct rng *rng);

/* Boxes: equal slices along the first varied input. Their number. */
int probe_slices(struct probe *p, const struct region *r, int slices);

#endif
