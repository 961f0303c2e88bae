/*
 * A one-dimensional region as the pieces on each of which the network's output is linear.
 *
 * Where the tied input has its kink the segment is two paths. Over a path the sums of layer 0 are
 * affine; their zeros cut it into pieces, over which the sums of layer 1 are, and so on. At a zero
 * of layer 0 the slopes of layer 1 change by a multiple of one row of its weights; deeper layers
 * are computed afresh at every breakpoint. A neuron belongs to the side on which its sum was
 * computed at either end of a piece, so that no crossing is missed or counted twice, and y is
 * computed afresh at the ends of pieces: errors do not add up.
 */
#ifndef CERT_SEGMENT_H
#define CERT_SEGMENT_H

#include "cert/actor.h"

struct segment_point {
	double t, y;
};

struct segment {
	struct segment_point *point; /* y between them is linear; t increases, from end to end */
	long points;
	long steps; /* rank-one corrections made */
	const double *z_lo[MLP_MAX_LAYERS],
		*z_hi[MLP_MAX_LAYERS]; /* ranges of the hidden layers' sums */
};

/* Memory for segments of one actor's regions; NULL when out of it. */
struct segment *segment_new(const struct actor *a);
void segment_free(struct segment *s);

/* Of a region of one varied input; replaces the one before. 0, or -E2BIG when it has too many
 * pieces. */
int segment_run(struct segment *s, const struct region *r);

#endif
