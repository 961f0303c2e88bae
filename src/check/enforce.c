/* Shields, slowly: which properties surely apply, and the windows where most targets overlap. */
#include "check/enforce.h"

#include <string.h>

#include "check/upward.h"

#define LEAST_PERCENT 25
#define MOST_PERCENT 400
#define LEAST_WINDOW 4
#define MOST_WINDOW INT32_MAX

// Targets of the properties that apply.
struct targets {
	int n;
	int64_t lo[PROPERTY_MAX], hi[PROPERTY_MAX];
};

// The floats of every input.
struct seen {
	float lo[REGION_INPUTS], hi[REGION_INPUTS];
};

static int64_t window(int percent, uint32_t w)
{
	int64_t installed = (int64_t)percent * w / 100;

	installed = installed < MOST_WINDOW ? installed : MOST_WINDOW;
	return installed > LEAST_WINDOW ? installed : LEAST_WINDOW;
}

/* --- What applies --- */

static bool speaks_of_clean(const struct property *p)
{
	bool clean = false;

	for (int i = 0; i < p->nthen; i++)
		clean |= expr_uses(&p->then[i].lo, EXPR_CLEAN) ||
			 expr_uses(&p->then[i].hi, EXPR_CLEAN) ||
			 expr_uses(&p->then[i].divisor, EXPR_CLEAN);
	for (int i = 0; i < p->ngiven; i++)
		clean |= expr_uses(&p->given[i].left, EXPR_CLEAN) ||
			 expr_uses(&p->given[i].right, EXPR_CLEAN);
	return clean;
}

static bool conditions(const struct property *p, const struct cert_decision *d)
{
	if ((p->needs_prev && !d->p) || d->nchanges < p->needs_changes)
		return false;
	for (int i = 0; i < p->ngiven; i++) {
		bool holds;

		if (p->given[i].kind == PROPERTY_OF_FEATURE)
			continue;
		if (part_given(&holds, &p->given[i], d) || !holds)
			return false;
	}
	return true;
}

void enforce_begin(
	struct enforce *e, const struct property_file *shield, const struct cert_decision *d)
{
	e->d = d;
	e->n = 0;
	for (int i = 0; i < shield->n; i++) {
		const struct property *p = &shield->property[i];

		if (!p->used || speaks_of_clean(p) || !conditions(p, d) ||
			part_target(&e->lo[e->n], &e->hi[e->n], p, d))
			continue;
		e->property[e->n++] = p;
	}
}

static bool in_interval(const struct property_over *o, float v)
{
	double lo = o->clip_lo, hi = o->clip_hi;

	if (o->relative && (o->lo > 1 || o->hi < 1))
		return v == 0 && lo <= 0;
	if (!o->relative) {
		lo = o->lo > lo ? o->lo : lo;
		hi = o->hi < hi ? o->hi : hi;
	}
	return v >= (float)lo && v <= (float)hi;
}

// An interval of floats without one of the two ends is crossed where the ends lie on its two sides.
static bool outside_interval(const struct property_over *o, float a, float b)
{
	const bool point = o->relative && (o->lo > 1 || o->hi < 1);
	double lo = o->relative || o->lo < o->clip_lo ? o->clip_lo : o->lo;
	double hi = o->relative || o->hi > o->clip_hi ? o->clip_hi : o->hi;

	return point ? a > 0 || b < 0 : b < (float)lo || a > (float)hi;
}

static bool compares(enum property_cmp cmp, double v, double bound)
{
	return cmp == PROPERTY_LT   ? v < bound
	       : cmp == PROPERTY_LE ? v <= bound
	       : cmp == PROPERTY_EQ ? v == bound
	       : cmp == PROPERTY_GE ? v >= bound
				    : v > bound;
}

// No value from a to b compares so.
static bool compares_not(enum property_cmp cmp, double a, double b, double bound)
{
	if (cmp == PROPERTY_EQ)
		return b < bound || a > bound;
	return !compares(cmp, a, bound) && !compares(cmp, b, bound);
}

static bool given_surely(const struct property_given *g, const struct seen *s)
{
	int n = 0;

	for (int i = 0; i < g->n; i++)
		n += compares(g->cmp, (double)s->lo[g->at[i]], g->bound) &&
		     compares(g->cmp, (double)s->hi[g->at[i]], g->bound);
	return g->some ? n > 0 : n == g->n;
}

static bool given_never(const struct property_given *g, const struct seen *s)
{
	int n = 0;

	for (int i = 0; i < g->n; i++)
		n += compares_not(g->cmp, (double)s->lo[g->at[i]], (double)s->hi[g->at[i]],
			g->bound);
	return g->some ? n == g->n : n > 0;
}

// In every state seen; an interval that has both ends has all between.
static bool surely(const struct property *p, const struct seen *s)
{
	for (int i = 0; i < p->nover; i++)
		if (!in_interval(&p->over[i], s->lo[p->over[i].input]) ||
			!in_interval(&p->over[i], s->hi[p->over[i].input]))
			return false;
	for (int i = 0; i < p->ngiven; i++)
		if (p->given[i].kind == PROPERTY_OF_FEATURE && !given_surely(&p->given[i], s))
			return false;
	return true;
}

static bool never(const struct property *p, const struct seen *s)
{
	for (int i = 0; i < p->nover; i++) {
		int input = p->over[i].input;

		if (outside_interval(&p->over[i], s->lo[input], s->hi[input]))
			return true;
	}
	for (int i = 0; i < p->ngiven; i++)
		if (p->given[i].kind == PROPERTY_OF_FEATURE && given_never(&p->given[i], s))
			return true;
	return false;
}

/* --- What is installed --- */

static int depth(const struct targets *t, int64_t at)
{
	int n = 0;

	for (int i = 0; i < t->n; i++)
		n += t->lo[i] <= at && at <= t->hi[i];
	return n;
}

// The first window after `at` from which on another number of targets may be met.
static int64_t next_change(const struct targets *t, int64_t at)
{
	int64_t next = INT64_MAX;

	for (int i = 0; i < t->n; i++) {
		if (t->lo[i] > at && t->lo[i] < next)
			next = t->lo[i];
		if (t->hi[i] >= at && t->hi[i] + 1 < next)
			next = t->hi[i] + 1;
	}
	return next;
}

// Goes over the stretches of windows that meet the same targets.
static int64_t nearest(const struct targets *t, uint32_t w, int64_t c)
{
	const int64_t top = window(MOST_PERCENT, w);
	int64_t best = LEAST_WINDOW, least = INT64_MAX;
	int most = -1;

	for (int64_t at = LEAST_WINDOW, next; at <= top; at = next) {
		int64_t last, to, off;
		int n = depth(t, at);

		next = next_change(t, at);
		last = next - 1 < top ? next - 1 : top;
		to = c < at ? at : c > last ? last : c;
		off = to < c ? c - to : to - c;
		if (n < most || (n == most && off >= least))
			continue;
		most = n;
		best = to;
		least = off;
	}
	return best;
}

static bool all_finite(const struct seen *s, int n)
{
	for (int i = 0; i < n; i++)
		if (!isfinite(s->lo[i]) || !isfinite(s->hi[i]))
			return false;
	return true;
}

uint32_t enforce_window(const struct enforce *e, const double *x, uint32_t c)
{
	struct targets t = {0};
	struct seen s;
	int was = fegetround();

	fesetround(FE_TONEAREST);
	for (int i = 0; i < e->d->nin; i++)
		s.lo[i] = s.hi[i] = (float)x[i];
	for (int i = 0; i < e->n; i++)
		if (surely(e->property[i], &s)) {
			t.lo[t.n] = e->lo[i];
			t.hi[t.n++] = e->hi[i];
		}
	if (t.n && all_finite(&s, e->d->nin))
		c = (uint32_t)nearest(&t, e->d->w, c);
	fesetround(was);
	return c;
}

/* --- Leaves --- */

// What the network is given in the interior, whose upper ends are left out.
static void see(struct seen *s, const struct region *r, const struct cell *cell)
{
	for (int i = 0; i < r->nin; i++)
		s->lo[i] = s->hi[i] = (float)r->x[i];
	for (int d = 0; d < r->ndims; d++) {
		const struct region_dim *dim = &r->dim[d];
		double lo = cell->axis_lo[d], hi = nextafter(cell->axis_hi[d], -INFINITY);

		hi = hi > lo ? hi : lo;
		s->lo[dim->input] = (float)lo;
		s->hi[dim->input] = (float)hi;
		if (dim->tied < 0)
			continue;
		s->lo[dim->tied] = (float)region_tied(lo);
		s->hi[dim->tied] = (float)region_tied(hi);
	}
}

// All windows that meet what surely applies are wanted, and some of them meets all that may apply.
static bool holds_anyway(const struct enforce *e, const struct seen *s, int64_t lo, int64_t hi)
{
	int64_t sure_lo = LEAST_WINDOW, sure_hi = window(MOST_PERCENT, e->d->w);
	int64_t all_lo = sure_lo, all_hi = sure_hi;

	for (int i = 0; i < e->n; i++) {
		if (never(e->property[i], s))
			continue;
		all_lo = e->lo[i] > all_lo ? e->lo[i] : all_lo;
		all_hi = e->hi[i] < all_hi ? e->hi[i] : all_hi;
		if (!surely(e->property[i], s))
			continue;
		sure_lo = e->lo[i] > sure_lo ? e->lo[i] : sure_lo;
		sure_hi = e->hi[i] < sure_hi ? e->hi[i] : sure_hi;
	}
	return all_lo <= all_hi && sure_lo >= lo && sure_hi <= hi;
}

// The policy's windows that end in the target; false unless they are all those from lo to hi.
static bool find_windows(
	const struct targets *t, uint32_t w, int64_t lo, int64_t hi, struct enforce_leaf *out)
{
	bool ended = false;
	int hits = 0;

	out->lo = INT64_MAX;
	out->hi = INT64_MIN;
	for (int m = LEAST_PERCENT; m <= MOST_PERCENT; m++) {
		int64_t c = window(m, w), to = t->n ? nearest(t, w, c) : c;

		if (to < lo || to > hi) {
			ended = hits > 0;
			continue;
		}
		if (ended)
			return false;
		hits++;
		out->lo = c < out->lo ? c : out->lo;
		out->hi = c;
	}
	out->fails = !hits;
	out->holds = hits > MOST_PERCENT - LEAST_PERCENT;
	return true;
}

void enforce_judge(const struct enforce *e, const struct region *r, const struct cell *cell,
	int64_t lo, int64_t hi, struct enforce_leaf *out)
{
	struct targets t = {0};
	struct seen s;
	int was = fegetround();
	bool sure = true;

	fesetround(FE_TONEAREST);
	*out = (struct enforce_leaf){.known = false};
	see(&s, r, cell);
	if (!all_finite(&s, r->nin))
		goto out;
	if (holds_anyway(e, &s, lo, hi)) {
		out->holds = true;
		goto out;
	}
	for (int i = 0; i < e->n && sure; i++) {
		if (never(e->property[i], &s))
			continue;
		sure = surely(e->property[i], &s);
		t.lo[t.n] = e->lo[i];
		t.hi[t.n++] = e->hi[i];
	}
	out->known = sure && find_windows(&t, e->d->w, lo, hi, out);
out:
	fesetround(was);
}
