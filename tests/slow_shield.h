/* A shield that tries every window, from parts and their regions alone; and random decisions. */
#ifndef TESTS_SLOW_SHIELD_H
#define TESTS_SLOW_SHIELD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "cert/shield.h"
#include "policy/action.h"

/* Sets in which properties overlap, contradict each other, look at features, or compare. */
static const char *const shield_texts[] = {
	"property grow\n over inv_rtt in [0.4, 1]\n given dcwnd[-1..-2] <= 0\n then dcwnd in [0, 25]\n"
	"property shrink\n over inv_rtt in [0, 0.6]\n given dcwnd[-1..-2] >= 0\n then dcwnd in [-25, 0]\n"
	"property cap\n over inv_rtt in [0.3, 0.5], loss in [0.25, 1]\n then cwnd <= 100\n",
	"property more\n over inv_rtt in [0.2, 0.8]\n then dcwnd in [10, 20]\n"
	"property less\n over inv_rtt in [0.5, 1]\n then dcwnd in [-20, -10]\n"
	"property much-less\n over inv_rtt in [0.5, 0.9], loss in [0, 0]\n then dcwnd in [-30, -15]\n"
	"property here\n over thr in [0, 1]\n then cwnd >= 50\n",
	"property busy\n over inv_rtt in [0, 1]\n given delay_metric[0] <= 0.5, thr[0..-1] < 0.7\n"
	" then cwnd / cwnd(report) in [0.5, 0.9]\n"
	"property idle\n over thr in [0, 1], inv_rtt in [0, 1]\n given some thr[0..-1] >= 0.7\n"
	" then cwnd / cwnd(report) in [0.8, 1.2]\n"
	"property exact\n over loss in [0, 1]\n given loss[0] == 0.5\n then cwnd == cwnd(prev)\n"
	"property like\n over inv_rtt *= [0.9, 1.1]\n then cwnd / cwnd(clean) in [0.9, 1.1]\n",
	"property near\n over inv_rtt *= [0.9, 1.1]\n then dcwnd / cwnd(prev) in [-0.1, 0.1]\n"
	"property far\n over inv_rtt *= [1.2, 1.5]\n then dcwnd >= 1\n"
	"property wide\n over inv_rtt in [0, 0.5]\n then dcwnd / cwnd in [-0.5, -0.1], cwnd >= 20\n",
};
#define SHIELD_TEXTS ((int)(sizeof(shield_texts) / sizeof(shield_texts[0])))

/* The shipped ones, then those above; NULL past the last. The caller frees it. */
static inline struct property_file *shield_file(int i)
{
	struct property_file *f = NULL;
	int shipped = 0;

	while (property_shipped_name(shipped))
		shipped++;
	if (i >= shipped + SHIELD_TEXTS)
		return NULL;
	if (i < shipped)
		assert_int_equal(property_load(&f, property_shipped_name(i), NULL, 0), 0);
	else
		assert_int_equal(
			property_parse(&f, shield_texts[i - shipped], "texts", NULL, 0), 0);
	return f;
}

/* A decision with what it points to. */
struct shield_decision {
	double x[STATE_SIZE];
	int64_t changes[10];
	struct cert_decision d;
};

static inline double shield_feature(struct rng *g)
{
	static const double ends[] = {0, 0.25, 0.3, 0.4, 0.5, 0.6, 0.75, 0.8, 0.9, 0.95, 0.99, 1};
	double v = ends[rng_below(g, sizeof(ends) / sizeof(ends[0]))];

	switch (rng_below(g, 6)) {
	case 0:
		return v;
	case 1: // floats and doubles beside an end
		return nextafterf((float)v, rng_below(g, 2) ? 2 : -1);
	case 2:
		return nextafter(v, rng_below(g, 2) ? 2 : -1);
	default:
		return 1.1 * rng_uniform(g);
	}
}

static inline void shield_decide(struct shield_decision *s, struct rng *g, uint32_t most)
{
	const int sign = (int)rng_below(g, 4); // all zero, all up, all down, any

	for (int i = 0; i < STATE_SIZE; i++)
		s->x[i] = shield_feature(g);
	for (int i = 0; i < 10; i++) {
		int64_t change = (int64_t)rng_below(g, 20) - (sign == 3 ? 10 : 0);

		s->changes[i] = sign == 0 ? 0 : sign == 2 ? -change : change;
	}
	s->d = (struct cert_decision){.x = s->x,
		.nin = STATE_SIZE,
		.w = 1 + (uint32_t)rng_below(g, most),
		.nchanges = rng_below(g, 8) ? 10 : (int)rng_below(g, 4),
		.changes = s->changes};
	s->d.p = s->d.nchanges || rng_below(g, 2) ? 4 + (uint32_t)rng_below(g, 2 * most) : 0;
}

static inline bool slow_inside(const struct part *part, const double *x)
{
	const struct region *r = &part->region;
	double lo[REGION_INPUTS], hi[REGION_INPUTS];

	region_hull(r, lo, hi);
	for (int i = 0; i < part->property->nover; i++) {
		const struct property_over *o = &part->property->over[i];
		int input = o->input;

		if (o->relative && (o->lo > 1 || o->hi < 1) && x[input] != 0)
			return false;
		if ((float)x[input] < (float)lo[input] || (float)x[input] > (float)hi[input])
			return false;
	}
	return true;
}

/* Parts of the main set that apply in d's state, whatever the policy itself wants. */
static inline int slow_parts(
	struct part *parts, const struct property_file *f, const struct cert_decision *d)
{
	static double x[REGION_INPUTS];
	struct cert_decision seen = *d;
	int n = 0;

	for (int i = 0; i < d->nin; i++)
		x[i] = (float)d->x[i];
	seen.x = x;
	for (int i = 0; i < f->n; i++) {
		struct part *part = &parts[n], other;

		if (!f->property[i].used)
			continue;
		seen.clean = 7;
		assert_int_equal(part_make(part, &f->property[i], &seen), 0);
		seen.clean = 1000007;
		assert_int_equal(part_make(&other, &f->property[i], &seen), 0);
		if (part->status == PART_TRIGGERED && other.status == PART_TRIGGERED &&
			part->lo == other.lo && part->hi == other.hi && slow_inside(part, x))
			n++;
	}
	return n;
}

static inline int slow_met(const struct part *parts, int n, int64_t window)
{
	int met = 0;

	for (int i = 0; i < n; i++)
		met += window >= parts[i].lo && window <= parts[i].hi;
	return met;
}

/* What a shield of f installs for c; *most is how many of the n parts that meets. */
static inline uint32_t slow_shield(const struct property_file *f, const struct cert_decision *d,
	uint32_t c, int *n, int *most)
{
	static struct part parts[PROPERTY_MAX];
	const int64_t top = d->w > 1 ? 4 * (int64_t)d->w : 4;
	int64_t best = -1;

	*n = slow_parts(parts, f, d);
	*most = -1;
	for (int64_t v = 4; v <= top; v++) {
		int met = slow_met(parts, *n, v);

		if (met < *most || (met == *most && llabs(v - c) >= llabs(best - c)))
			continue;
		*most = met;
		best = v;
	}
	return (uint32_t)best;
}

#endif
