/*
 * Proving that the executed y stays within claimed bounds on cells, by corners, intervals and
 * lines, splitting what resists.
 */
#ifndef CHECK_BOUND_H
#define CHECK_BOUND_H

#include "check/cell.h"
#include "check/corners.h"
#include "check/lines.h"

#define BOUND_PIECES 4096 /* that a cell is split into at most before it counts as not proved */

/* A claim: y is within lo and hi on its cell. */
struct bound_claim {
	long leaf; /* for whom it may concern */
	double lo, hi;
};

struct bound {
	const struct net *net;
	const struct region *region;
	struct corners corners;
	struct bound_claim claim[CORNERS_SETS]; /* of every set of corners */
	struct lines lines;
	double *room; /* rounding_room */
	double whole; /* rounding_bound over the region, NAN while not known */
	struct cell_stack waiting;
	struct cell piece, half;
};

/* 0 or -ENOMEM; zeroed ones can be closed. */
int bound_open(struct bound *b, const struct net *net);
void bound_close(struct bound *b);

/* Begins with a region, of at most two dimensions for bound_add, which outlives its claims. */
void bound_start(struct bound *b, const struct region *r);

/*
 * Rounding is upward. bound_add takes a claim about a cell, to be proved together with others,
 * later or by bound_flush; bound_alone proves one at once, by intervals first if they are likely to
 * do. All: 0; -ERANGE if a claim is not proved, which is then *leaf; -E2BIG, -ENOMEM.
 */
int bound_add(struct bound *b, const struct bound_claim *claim, const struct cell *c, long *leaf);
int bound_flush(struct bound *b, long *leaf);
int bound_alone(
	struct bound *b, const struct bound_claim *claim, const struct cell *c, bool intervals);

#endif
