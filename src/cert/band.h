/*
 * Bands: the pre-activations y = net(x) at which the sender installs a window in [lo, hi].
 *
 * The sender computes a = (float)tanh(y), percent m = floor(100 * 4^a), installed = max(4, floor(m * w /
 * 100)): monotone in y, so the wanted windows are those of one interval of percents, and one interval
 * of y. Three intervals are kept: the true one of real arithmetic, one inside it where the executed tanh
 * is sure to hit the target, one around it outside which it is sure to miss. They differ by some 2^-24
 * of the action, and at the ends: a real tanh never reaches the percent 400, the rounded one does.
 */
#ifndef CERT_BAND_H
#define CERT_BAND_H

#include <stdbool.h>
#include <stdint.h>

struct band {
	int first, last; /* percents that hit the target; first > last: none does */
	double lo, hi;	 /* real arithmetic: hit iff lo <= y < hi; ends may be infinite */
	double sure_lo, sure_hi; /* executed: hit if sure_lo <= y <= sure_hi */
	double miss_lo, miss_hi; /* executed: missed if y < miss_lo or y > miss_hi */
};

/* The band of windows lo..hi (packets, inclusive, may be negative or lo > hi) for a report's window w. */
void band_make(struct band *b, int64_t lo, int64_t hi, uint32_t w);

/* No percent hits the target. */
static inline bool band_empty(const struct band *b)
{
	return b->first > b->last;
}

/* Verdicts on executed pre-activations that lie in [y_lo, y_hi]. NaN gives false. */
static inline bool band_holds(const struct band *b, double y_lo, double y_hi)
{
	return y_lo >= b->sure_lo && y_hi <= b->sure_hi;
}

static inline bool band_fails(const struct band *b, double y_lo, double y_hi)
{
	return y_lo > b->miss_hi || y_hi < b->miss_lo;
}

#endif
