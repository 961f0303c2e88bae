/* Bands: from wanted windows to percents to pre-activations. */
#include "cert/band.h"

#include <math.h>

#include "policy/action.h"

// tanh in double is taken to err by at most 4 units in the last place.
#define TANH_ERROR 0x1p-50

// The smallest percent whose window is at least `window`, 401 if there is none.
static int first_percent(int64_t window, uint32_t w)
{
	int below = ACTION_MIN_PERCENT - 1, at = ACTION_MAX_PERCENT + 1;

	while (at - below > 1) {
		int m = (below + at) / 2;

		if (action_window(m, w) >= window)
			at = m;
		else
			below = m;
	}
	return at;
}

// An executed action is a float, so it reaches threshold a when it rounds to the next float from a up: when tanh(y)
// passes the middle between that float and the one before.
static double executed(double a)
{
	float f = (float)a;

	if (f < a)
		f = nextafterf(f, 2);
	return ((double)f + nextafterf(f, -2)) / 2;
}

// atanh(a), moved outward by far more than it errs; no y of a double reaches actions of 1 and more.
static double atanh_down(double a)
{
	double y = a > -1 ? atanh(fmin(a, 1)) : -INFINITY;

	return isfinite(y) ? y - fabs(y) * 0x1p-49 : y;
}

static double atanh_up(double a)
{
	return -atanh_down(-a);
}

void band_make(struct band *b, int64_t lo, int64_t hi, uint32_t w)
{
	*b = (struct band){.first = first_percent(lo, w),
		.last = first_percent(hi + 1, w) - 1,
		.lo = -INFINITY, .hi = INFINITY,
		.sure_lo = -INFINITY, .sure_hi = INFINITY,
		.miss_lo = -INFINITY, .miss_hi = INFINITY};
	if (band_empty(b)) { // hit nowhere, missed everywhere
		b->lo = b->sure_lo = b->miss_lo = INFINITY;
		b->hi = b->sure_hi = b->miss_hi = -INFINITY;
		return;
	}
	if (b->first > ACTION_MIN_PERCENT) {
		double a = action_threshold(b->first), e = executed(a);

		b->lo = atanh(a);
		b->sure_lo = atanh_up(fmax(a, e) + TANH_ERROR);
		b->miss_lo = atanh_down(fmin(a, e) - TANH_ERROR);
	}
	if (b->last < ACTION_MAX_PERCENT) {
		double a = action_threshold(b->last + 1), e = executed(a);

		b->hi = atanh(a);
		b->sure_hi = atanh_down(fmin(a, e) - TANH_ERROR);
		b->miss_hi = atanh_up(fmax(a, e) + TANH_ERROR);
	}
}
