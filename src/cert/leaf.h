/*
 * Leaves: what the engines that answer with a partition into boxes have in common.
 *
 * Every leaf has a share of the region's measure, bounds on y and the verdict that follows from
 * them.
 */
#ifndef CERT_LEAF_H
#define CERT_LEAF_H

#include "cert/engine.h"

/* Of bounds on executed y, or on real y if ask->real. Bounds that are not finite decide nothing. */
enum engine_verdict leaf_verdict(const struct engine_ask *ask, double y_lo, double y_hi);

struct leaf_sum {
	double share[ENGINE_FAILS + 1]; /* by verdict */
	long leaves[ENGINE_FAILS + 1];
	double y_lo, y_hi;
};

void leaf_start(struct leaf_sum *s);
void leaf_add(struct leaf_sum *s, double share, double y_lo, double y_hi, enum engine_verdict v);

/*
 * Fills the answer's proven, refuted, y_lo, y_hi, pieces and complete; exact and the like become
 * NAN. Each share has passed through at most `roundings` relative roundings of 2^-53; sums are
 * rounded down by that much, except that all is all.
 */
void leaf_answer(const struct leaf_sum *s, long roundings, struct engine_answer *out);

/* Cut i of n of the region's first varied input, i from 0 to n: rises with i. */
double leaf_cut(const struct region *r, int i, int n);

#endif
