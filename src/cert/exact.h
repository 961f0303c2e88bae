/*
 * What the exact engines share: the bound on the rounding of their own sums, verdicts on values of
 * y, shares, and the search for a miss.
 *
 * Their sums are double sums over the same products as the executed network's, corrected from piece
 * to piece by rank-one steps. Let M be sum |w| |h| + |b| with the largest |h| of the region. A sum
 * errs by at most (in + steps) 2^-53 M; so do its slope, times the segment's length, and its affine
 * coefficients, times the largest coordinates, relative to themselves, which are at most spread /
 * slope times the largest value of each neuron; misplacing a breakpoint costs a few roundings of
 * the neuron's own value. In all an error of (in + steps + EXACT_FIXED) 2^-53 (1 + spread / slope)
 * M, where execution makes one of up to rounding * M: the effect on y is bounded by the slack of
 * execution times the quotient.
 */
#ifndef CERT_EXACT_H
#define CERT_EXACT_H

#include "cert/engine.h"

#define EXACT_FIXED 16		  /* roundings that do not grow with the work */
#define EXACT_LINE 2		  /* spread over a segment */
#define EXACT_PLANE 8		  /* and over cells in coordinates of up to 2 */
#define EXACT_SHARE_ERROR 0x1p-40 /* of a share summed over pieces */

/*
 * Bound on |y as an exact engine computes it - real y|; steps: rank-one corrections of any one sum.
 * Infinite where the quotient is so large that the slack itself is in doubt: for a leaky slope next
 * to 0.
 */
double exact_error(const struct actor *a, double slack, long steps, int spread);

#define EXACT_SLABS 5

/* The y axis in slabs of one verdict: slab i is cut[i - 1] < y <= cut[i], the last cut is INFINITY.
 */
struct exact_slabs {
	int n;
	double cut[EXACT_SLABS];
	enum engine_verdict verdict[EXACT_SLABS];
};

/* Verdicts on a computed y that may be off by error; HOLDS and FAILS leave a thousandth of it to
 * spare. */
void exact_slabs_make(struct exact_slabs *s, const struct band *b, double error);

/* The band in which real arithmetic hits, as the one in which execution does. */
struct band exact_real_band(const struct band *b);

/* The slab in which y lies. */
static inline int exact_slab(const struct exact_slabs *s, double y)
{
	int i = 0;

	while (y > s->cut[i])
		i++;
	return i;
}

/* Closes a piece of the partition whose computed values of slab i lie in [lo, hi]. */
void exact_leaf(const struct engine_sink *sink, const struct exact_slabs *s, int i, double lo,
	double hi, double error);

/*
 * Bounds, proven, refuted and exact of an answer whose real range is known: share and real_share
 * are measures by verdict, under execution and in real arithmetic, and add up to whole each.
 */
void exact_answer(struct engine_answer *out, const struct exact_slabs *s, double error,
	const double share[3], const double real_share[3], double whole);

/* Whether the executed network misses the band at t; then t is the answer's counterexample. */
bool exact_misses(struct engine_answer *out, const struct actor *a, const struct engine_ask *ask,
	const double *t, float *scratch);
#define EXACT_TRIES 64 /* points at most where an engine looks */

#endif
