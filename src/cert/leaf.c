/* Verdicts on leaves, and their sums. */
#include "cert/leaf.h"

#include <math.h>

enum engine_verdict leaf_verdict(const struct engine_ask *ask, double y_lo, double y_hi)
{
	const struct band *b = &ask->band;
	bool holds, fails;

	if (!(isfinite(y_lo) && isfinite(y_hi) && y_lo <= y_hi))
		return ENGINE_UNKNOWN;
	holds = ask->real ? y_lo >= b->lo && y_hi < b->hi : band_holds(b, y_lo, y_hi);
	fails = ask->real ? y_hi < b->lo || y_lo >= b->hi : band_fails(b, y_lo, y_hi);
	return holds ? ENGINE_HOLDS : fails ? ENGINE_FAILS : ENGINE_UNKNOWN;
}

void leaf_start(struct leaf_sum *s)
{
	*s = (struct leaf_sum){.y_lo = INFINITY, .y_hi = -INFINITY};
}

void leaf_add(struct leaf_sum *s, double share, double y_lo, double y_hi, enum engine_verdict v)
{
	s->share[v] += share;
	s->leaves[v]++;
	s->y_lo = fmin(s->y_lo, y_lo);
	s->y_hi = fmax(s->y_hi, y_hi);
}

void leaf_answer(const struct leaf_sum *s, long roundings, struct engine_answer *out)
{
	long n = s->leaves[ENGINE_UNKNOWN] + s->leaves[ENGINE_HOLDS] + s->leaves[ENGINE_FAILS];
	double down = 1 - (roundings + n + 1) * 0x1p-52;

	*out = (struct engine_answer){.exact = NAN, .real_lo = NAN, .real_hi = NAN, .pieces = n};
	out->proven = s->leaves[ENGINE_HOLDS] == n ? 1 : s->share[ENGINE_HOLDS] * down;
	out->refuted = s->leaves[ENGINE_FAILS] == n ? 1 : s->share[ENGINE_FAILS] * down;
	out->y_lo = s->y_lo;
	out->y_hi = s->y_hi;
	out->complete = !s->leaves[ENGINE_UNKNOWN];
}

double leaf_cut(const struct region *r, int i, int n)
{
	double lo = r->dim[0].lo, hi = r->dim[0].hi;

	return i == n ? hi : fmin(lo + (hi - lo) * i / n, hi);
}
