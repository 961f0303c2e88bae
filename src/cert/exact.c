/* What the exact engines share: rounding, verdicts, shares, misses. */
#include "cert/exact.h"

#include <math.h>
#include <string.h>

#include "policy/action.h"

#define SPARE 1.001 // of the error, so that a claim survives its own rounding
#define MOST_OF_SLACK                                                                              \
	1e-4 // what actor_slack allows the ranges to err, as a share of execution's error

double exact_error(const struct actor *a, double slack, long steps, int spread)
{
	double most = 0;

	for (int l = 0; l < a->n; l++)
		most = fmax(most,
			(double)(a->layer[l].in + steps + EXACT_FIXED) / a->layer[l].rounding);
	most *= 0x1p-53 * (1 + spread / a->slope);
	return most < MOST_OF_SLACK ? slack * most : INFINITY;
}

static void push(struct exact_slabs *s, double up_to, enum engine_verdict verdict)
{
	if (!(up_to > (s->n ? s->cut[s->n - 1] : -INFINITY)))
		return;
	s->cut[s->n] = up_to;
	s->verdict[s->n++] = verdict;
}

void exact_slabs_make(struct exact_slabs *s, const struct band *b, double error)
{
	error *= SPARE;
	s->n = 0;
	push(s, b->miss_lo - error, ENGINE_FAILS);
	push(s, b->sure_lo + error, ENGINE_UNKNOWN);
	push(s, b->sure_hi - error, ENGINE_HOLDS);
	push(s, b->miss_hi + error, ENGINE_UNKNOWN);
	push(s, INFINITY, ENGINE_FAILS);
}

struct band exact_real_band(const struct band *b)
{
	struct band real = *b;

	real.sure_lo = real.miss_lo = nextafter(b->lo, -INFINITY); // lo itself hits, hi does not
	real.sure_hi = real.miss_hi = nextafter(b->hi, -INFINITY);
	return real;
}

void exact_leaf(const struct engine_sink *sink, const struct exact_slabs *s, int i, double lo,
	double hi, double error)
{
	double below = i ? s->cut[i - 1] : -INFINITY;

	sink->leaf(sink->arg, nextafter(fmax(lo, below) - error, -INFINITY),
		nextafter(fmin(hi, s->cut[i]) + error, INFINITY), s->verdict[i]);
}

// Rounded down, but all is all.
static double share_of(double part, double whole, bool all)
{
	return all ? 1 : fmin(fmax(part / whole - EXACT_SHARE_ERROR, 0), 1);
}

void exact_answer(struct engine_answer *out, const struct exact_slabs *s, double error,
	const double share[3], const double real_share[3], double whole)
{
	int lo = exact_slab(s, out->real_lo), hi = exact_slab(s, out->real_hi);
	enum engine_verdict all = lo == hi ? s->verdict[lo] : ENGINE_UNKNOWN;

	out->y_lo = nextafter(out->real_lo - error, -INFINITY);
	out->y_hi = nextafter(out->real_hi + error, INFINITY);
	out->proven = share_of(share[ENGINE_HOLDS], whole, all == ENGINE_HOLDS);
	out->refuted = share_of(share[ENGINE_FAILS], whole, all == ENGINE_FAILS);
	out->exact = fmin(real_share[ENGINE_HOLDS] / whole, 1);
	if (real_share[ENGINE_FAILS] == 0) // of sums that round
		out->exact = 1;
	out->complete = true;
}

bool exact_misses(struct engine_answer *out, const struct actor *a, const struct engine_ask *ask,
	const double *t, float *scratch)
{
	double x[REGION_INPUTS];
	int percent;

	region_state(&ask->region, t, x);
	percent = action_percent(mlp_action(actor_run(a, x, scratch)));
	if (percent >= ask->band.first && percent <= ask->band.last)
		return false;
	out->missed = true;
	memcpy(out->t, t, ask->region.ndims * sizeof(*t));
	return true;
}
