/* The shield at run time: which properties apply, and the nearest window that they allow. */
#include "cert/shield.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "policy/action.h"

/* --- Set-up --- */

// Whether the policy's own answer in the observed state decides what the property wants, or when.
static bool relational(const struct property *p)
{
	for (int i = 0; i < p->ngiven; i++)
		if (expr_uses(&p->given[i].left, EXPR_CLEAN) ||
			expr_uses(&p->given[i].right, EXPR_CLEAN))
			return true;
	for (int i = 0; i < p->nthen; i++)
		if (expr_uses(&p->then[i].divisor, EXPR_CLEAN) ||
			expr_uses(&p->then[i].lo, EXPR_CLEAN) ||
			expr_uses(&p->then[i].hi, EXPR_CLEAN))
			return true;
	return false;
}

// The values of an input that lie in its region, as floats; of a relative one those not cut off.
static void float_ends(const struct property_over *o, float *lo, float *hi)
{
	*lo = (float)(o->relative ? o->clip_lo : fmax(o->lo, o->clip_lo));
	*hi = (float)(o->relative ? o->clip_hi : fmin(o->hi, o->clip_hi));
}

// The least float that is at least v, or above it.
static float float_from(double v, bool above)
{
	float f = (float)v;

	if (f < v || (above && f == v))
		f = nextafterf(f, INFINITY);
	return f;
}

static void add_edge(struct shield_rule *r, int input, float at)
{
	r->edges[r->nedges++] = (struct shield_edge){input, at};
}

static int make_edges(struct shield_rule *r)
{
	const struct property *p = r->property;

	r->edges = calloc(4 * p->nover + 2 * FRAME_HISTORY * p->ngiven + 1, sizeof(*r->edges));
	if (!r->edges)
		return -ENOMEM;
	for (int i = 0; i < p->nover; i++) {
		float lo, hi;

		float_ends(&p->over[i], &lo, &hi);
		add_edge(r, p->over[i].input, lo);
		add_edge(r, p->over[i].input, nextafterf(hi, INFINITY));
		if (p->over[i].relative) {
			add_edge(r, p->over[i].input, 0);
			add_edge(r, p->over[i].input, nextafterf(0, 1));
		}
	}
	for (int i = 0; i < p->ngiven; i++)
		for (int k = 0; k < p->given[i].n && p->given[i].kind == PROPERTY_OF_FEATURE; k++) {
			add_edge(r, p->given[i].at[k], float_from(p->given[i].bound, false));
			add_edge(r, p->given[i].at[k], float_from(p->given[i].bound, true));
		}
	return 0;
}

int shield_new(struct shield **out, const struct property_file *f)
{
	struct shield *s = calloc(1, sizeof(*s));
	int err = s ? 0 : -ENOMEM;

	if (s)
		s->file = f;
	for (int i = 0; i < f->n && !err; i++)
		if (f->property[i].used && !relational(&f->property[i])) {
			s->rule[s->n].property = &f->property[i];
			err = make_edges(&s->rule[s->n++]);
		}
	if (err)
		shield_free(s);
	else
		*out = s;
	return err;
}

void shield_free(struct shield *s)
{
	if (!s)
		return;
	for (int i = 0; i < s->n; i++)
		free(s->rule[i].edges);
	free(s);
}

bool shield_enforces(const struct shield *s, const struct property *p)
{
	for (int i = 0; i < s->n; i++)
		if (s->rule[i].property == p)
			return true;
	return false;
}

/* --- Where it applies --- */

static enum shield_answer answer(bool surely, bool surely_not)
{
	return surely ? SHIELD_YES : surely_not ? SHIELD_NO : SHIELD_MAYBE;
}

static enum shield_answer over_covers(const struct property_over *o, float a, float b)
{
	const bool own = !o->relative || (o->lo <= 1 && o->hi >= 1);
	float lo, hi;

	float_ends(o, &lo, &hi);
	if (own)
		return answer(a >= lo && b <= hi, b < lo || a > hi);
	// factors that leave out 1 leave only 0 where it is
	return answer(a == 0 && b == 0 && lo <= 0, a > 0 || b < 0 || lo > 0);
}

static enum shield_answer compare(enum property_cmp cmp, double a, double b, double bound)
{
	switch (cmp) {
	case PROPERTY_LT:
		return answer(b < bound, a >= bound);
	case PROPERTY_LE:
		return answer(b <= bound, a > bound);
	case PROPERTY_EQ:
		return answer(a == bound && b == bound, b < bound || a > bound);
	case PROPERTY_GE:
		return answer(a >= bound, b < bound);
	default:
		return answer(a > bound, b <= bound);
	}
}

static enum shield_answer given_holds(
	const struct property_given *g, const float *lo, const float *hi)
{
	int count[SHIELD_YES + 1] = {0};

	for (int i = 0; i < g->n; i++)
		count[compare(g->cmp, lo[g->at[i]], hi[g->at[i]], g->bound)]++;
	return g->some ? answer(count[SHIELD_YES], count[SHIELD_NO] == g->n)
		       : answer(count[SHIELD_YES] == g->n, count[SHIELD_NO]);
}

enum shield_answer shield_covers(const struct shield_rule *r, const float *lo, const float *hi)
{
	const struct property *p = r->property;
	enum shield_answer all = SHIELD_YES, one;

	for (int i = 0; i < p->nover && all; i++) {
		one = over_covers(&p->over[i], lo[p->over[i].input], hi[p->over[i].input]);
		all = one < all ? one : all;
	}
	for (int i = 0; i < p->ngiven && all; i++) {
		if (p->given[i].kind != PROPERTY_OF_FEATURE)
			continue;
		one = given_holds(&p->given[i], lo, hi);
		all = one < all ? one : all;
	}
	return all;
}

bool shield_wants(struct shield_target *out, const struct shield_rule *r,
	const struct cert_decision *d)
{
	const struct property *p = r->property;
	bool holds = true;

	if (!d->w || (p->needs_prev && !d->p) || d->nchanges < p->needs_changes)
		return false;
	for (int i = 0; i < p->ngiven && holds; i++)
		if (p->given[i].kind != PROPERTY_OF_FEATURE &&
			part_given(&holds, &p->given[i], d))
			return false;
	return holds && !part_target(&out->lo, &out->hi, p, d);
}

/* --- What it installs --- */

static int met(const struct shield_target *t, int n, int64_t at)
{
	int count = 0;

	for (int i = 0; i < n; i++)
		count += at >= t[i].lo && at <= t[i].hi;
	return count;
}

static int64_t clamp(int64_t v, int64_t lo, int64_t hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

// Where most of the targets overlap, an end of some target is nearest to c, or c itself.
static uint32_t nearest_of_most(
	const struct shield_target *t, int n, int64_t lo, int64_t hi, uint32_t c)
{
	int64_t best = clamp(c, lo, hi);
	int most = met(t, n, best);

	for (int i = 0; i < 2 * n; i++) {
		int64_t at = clamp(i % 2 ? t[i / 2].hi : t[i / 2].lo, lo, hi);
		int64_t off = llabs(at - c), least = llabs(best - c);
		int count = met(t, n, at);

		if (count > most ||
			(count == most && (off < least || (off == least && at < best)))) {
			best = at;
			most = count;
		}
	}
	return (uint32_t)best;
}

uint32_t shield_nearest(const struct shield_target *t, int n, uint32_t w, uint32_t c)
{
	const int64_t floor = ACTION_MIN_WINDOW, top = action_window(ACTION_MAX_PERCENT, w);
	int64_t lo = floor, hi = top;

	for (int i = 0; i < n; i++) {
		lo = t[i].lo > lo ? t[i].lo : lo;
		hi = t[i].hi < hi ? t[i].hi : hi;
	}
	return lo <= hi ? (uint32_t)clamp(c, lo, hi) : nearest_of_most(t, n, floor, top, c);
}

uint32_t shield_window(const struct shield *s, const struct cert_decision *d, uint32_t c)
{
	struct shield_target t[PROPERTY_MAX];
	float x[REGION_INPUTS];
	int n = 0;

	if (d->nin < STATE_SIZE || d->nin > REGION_INPUTS)
		return c;
	for (int i = 0; i < d->nin; i++) {
		x[i] = (float)d->x[i];
		if (!isfinite(x[i]))
			return c;
	}
	for (int i = 0; i < s->n; i++)
		if (shield_covers(&s->rule[i], x, x) == SHIELD_YES &&
			shield_wants(&t[n], &s->rule[i], d))
			n++;
	return n ? shield_nearest(t, n, d->w, c) : c;
}
