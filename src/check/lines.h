/*
 * Bounds on real y over boxes of any dimension: interval arithmetic, and linear functions on both
 * sides of every activation, carried back to the varied inputs (CROWN, Zhang et al. 2018). The
 * better of both counts.
 *
 * Over z in [lo, hi], lo < 0 < hi, leaky(z) is below upper z + above, upper = (hi - slope lo) / (hi
 * - lo), and above lower z for any lower in [slope, 1]. Layer 1's z are sums of functions of one
 * varied input each, linear but for a kink; layer 2's are bounded by putting these lines into its
 * sums, later ones by going back sum by sum.
 */
#ifndef CHECK_LINES_H
#define CHECK_LINES_H

#include "cert/region.h"
#include "check/net.h"
#include "check/rounding.h"

#define LINES_POINTS                                                                               \
	3 /* where a function of one varied input can be extreme: both ends, and the kink inside   \
	   */

/* What moves with one varied input: forms `from` to from + n (n is 2 with a kink inside), by their
 * values there. */
struct lines_dim {
	int from, n, points;
	double value[2][LINES_POINTS];
};

struct lines {
	struct rounding_set set;    /* result: the box */
	double y_lo, y_hi;	    /* result: hold the real y */
	double gain[REGION_INPUTS]; /* result: by dimension, how far the linear functions vary along
				       it */
	/* own */
	double x_most[REGION_INPUTS];
	struct lines_dim dim[REGION_INPUTS];
	int forms;
	double *memory, *next;
	double *generator, *sums, *row[12];
	double *most[MLP_MAX_LAYERS];
	double *upper[MLP_MAX_LAYERS], *above[MLP_MAX_LAYERS], *lower[MLP_MAX_LAYERS];
	double *a, *back;
	double value[6];
};

/* 0 or -ENOMEM; zeroed ones can be closed. */
int lines_open(struct lines *x, const struct net *net);
void lines_close(struct lines *x);

/* Bounds y over the box lo..hi of varied inputs, by intervals alone or with lines as well. Rounding
 * is upward. */
void lines_box(struct lines *x, const struct net *net, const struct region *r, const double *lo,
	const double *hi, bool lines);

#endif
