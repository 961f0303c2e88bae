/*
 * Bounds on real y over convex sets from the corners of a hull: exact where the network is linear
 * on it.
 *
 * Let t be a point of hull(corners), so a mean of them with some weights. Layer 1's sums are linear
 * in t (the caller keeps the kink of tied inputs outside), so z is the same mean of the corners' z.
 * Where z keeps its sign, so is leaky(z); where it does not, the mean of leaky(z) exceeds
 * leaky(mean) by at most (1 - slope) min(largest z, -smallest z). That error, carried on by |w|,
 * and those of the arithmetic here are added to the corners' range of y. Nothing is assumed of
 * where zero crossings are.
 *
 * Corners that lie near each other differ in the signs of few neurons of layer 1. So most are not
 * taken through layer 2's matrix: with any factors f that add up to 1, h = sum of f[i] h[i] + r
 * gives z = sum of f[i] z[i] + r . w, and where the corner is that mean of others, r is 0 but for
 * those few neurons, up to rounding.
 */
#ifndef CHECK_CORNERS_H
#define CHECK_CORNERS_H

#include "cert/region.h"
#include "check/net.h"
#include "check/rounding.h"

#define CORNERS_BATCH 192 /* more in a batch would not be faster */
#define CORNERS_MAX 448
#define CORNERS_SETS 384
#define CORNERS_NEAR                                                                               \
	0x1p-40 /* corners that are nearer, relative to the region's bounds, are taken as one */

/* One of the sets: the hull of some corners, each a true corner up to `off` in every dimension. */
struct corners_set {
	int from, n; /* in index[] */
	double off;  /* relative to the region's bounds: |t_d| error is off * max(|lo_d|, |hi_d|) */
	double y_lo, y_hi; /* result: holds the real y */
};

/* A corner as a mean of others that are computed directly, by their order among those; n = 0: it is
 * one itself. */
struct corners_mean {
	int n, of[3];
	double factor[3];
};

struct corners {
	int ncorners, nsets, nindex;
	double t[CORNERS_MAX][2]; /* of regions of at most two dimensions */
	struct corners_set set[CORNERS_SETS];
	int index[4 * CORNERS_MAX]; /* of the sets' corners, set after set */
	/* result: over all sets together */
	struct rounding_set all;
	double x_most[REGION_INPUTS];
	/* own */
	int slot[4 * CORNERS_MAX]; /* corners by place, from 1 */
	double *x, *z[MLP_MAX_LAYERS], *h, *rows;
	struct corners_mean mean[CORNERS_MAX];
	double *anchor_h, *anchor_z; /* of the corners that are computed directly */
};

/* 0 or -ENOMEM; zeroed ones can be closed. */
int corners_open(struct corners *c, const struct net *net);
void corners_close(struct corners *c);

/* Begins a batch; adds a set of n corners to it, which are off by `off`: nsets, ncorners and nindex
 * grow by at most 1, n and n, and are the caller's to watch. */
void corners_begin(struct corners *c);
void corners_add(
	struct corners *c, const struct region *r, const double (*t)[2], int n, double off);

/* Bounds y on every set, and fills `all`. Rounding is upward. */
void corners_bound(struct corners *c, const struct net *net, const struct region *r);

#endif
