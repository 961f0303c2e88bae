/* Shielded certificates: a region cut where the shield's rules change, cell by cell. */
#include "cert/shielded.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "policy/action.h"

/* Rounding of shares that are summed over cells, a cell. */
#define SHARE_ROUNDING 0x1p-50

/* A rule whose conditions on history and windows hold. */
struct wanted {
	const struct shield_rule *rule;
	struct shield_target target;
	enum shield_answer covers; // of the cell at hand
};

// Share of the region for which something is so, and for which it is not.
struct share {
	double is, is_not;
};

struct shielded {
	struct engine *engine;
	enum engine_kind kind;
	const struct cert_decision *d;
	const struct part *part;
	struct engine_ask ask;		  // its region is the cell at hand
	int n;
	struct wanted wanted[PROPERTY_MAX];
	float lo[REGION_INPUTS], hi[REGION_INPUTS]; // of the cell's inputs, as executed
	struct share proven, refuted, exact;
	int cells;
	double normal[REGION_INPUTS]; // of cuts
	struct engine_answer out;
};

/* --- A cell --- */

// What the network sees over the cell, its upper borders left out.
static void see(struct shielded *s)
{
	const struct region *r = &s->ask.region;

	for (int d = 0; d < r->ndims; d++) {
		const struct region_dim *dim = &r->dim[d];
		double last = nextafter(dim->hi, dim->lo);

		s->lo[dim->input] = (float)dim->lo;
		s->hi[dim->input] = (float)last;
		if (dim->tied < 0)
			continue;
		s->lo[dim->tied] = (float)region_tied(dim->lo);
		s->hi[dim->tied] = (float)region_tied(last);
	}
}

static double cell_share(const struct shielded *s)
{
	const struct region *cell = &s->ask.region, *all = &s->part->region;
	double share = 1;

	for (int d = 0; d < cell->ndims; d++)
		share *= (cell->dim[d].hi - cell->dim[d].lo) / (all->dim[d].hi - all->dim[d].lo);
	return share;
}

static void add(struct share *to, double share, double part)
{
	to->is += share * part;
	to->is_not += share * (1 - part);
}

static void count(struct shielded *s, double proven, double refuted, double exact)
{
	const double share = cell_share(s);

	add(&s->proven, share, proven);
	add(&s->refuted, share, refuted);
	add(&s->exact, share, exact);
}

// What is not known of some cell is known of nothing.
static void widen(struct engine_answer *out, double y_lo, double y_hi)
{
	out->y_lo = isnan(y_lo) ? -INFINITY : fmin(out->y_lo, y_lo);
	out->y_hi = isnan(y_hi) ? INFINITY : fmax(out->y_hi, y_hi);
}

// The shield decides, or nobody.
static void leaf(struct shielded *s, enum engine_verdict verdict)
{
	const struct engine_sink *sink = s->ask.sink;
	const struct region *r = &s->ask.region;

	if (sink)
		sink->leaf(sink->arg, -INFINITY, INFINITY, verdict);
	count(s, verdict == ENGINE_HOLDS, verdict == ENGINE_FAILS,
		verdict == ENGINE_UNKNOWN ? NAN : verdict == ENGINE_HOLDS);
	s->out.pieces++;
	if (verdict == ENGINE_UNKNOWN) {
		s->out.complete = false;
		widen(&s->out, -INFINITY, INFINITY);
	}
	if (verdict != ENGINE_FAILS || !s->ask.witness || s->out.missed)
		return;
	s->out.missed = true;
	for (int d = 0; d < r->ndims; d++) {
		double mid = r->dim[d].lo + (r->dim[d].hi - r->dim[d].lo) / 2;

		s->out.t[d] = mid < r->dim[d].hi ? mid : r->dim[d].lo;
	}
}

static void meet(struct shield_target *t, const struct shield_target *with)
{
	t->lo = with->lo > t->lo ? with->lo : t->lo;
	t->hi = with->hi < t->hi ? with->hi : t->hi;
}

// What surely applies keeps the window in the property's target (as the property itself does), and
// some window meets that and all else that may apply.
static bool enforced(const struct shielded *s)
{
	struct shield_target sure = {ACTION_MIN_WINDOW,
		action_window(ACTION_MAX_PERCENT, s->d->w)}, all = sure;

	for (int i = 0; i < s->n; i++) {
		if (s->wanted[i].covers == SHIELD_YES)
			meet(&sure, &s->wanted[i].target);
		if (s->wanted[i].covers != SHIELD_NO)
			meet(&all, &s->wanted[i].target);
	}
	return all.lo <= all.hi && sure.lo >= s->part->lo && sure.hi <= s->part->hi;
}

// Whether the rules that apply at an engine's counterexample, maybe on a border, are those of its cell.
static bool same_rules(const struct shielded *s, const double *t)
{
	float v[REGION_INPUTS];
	double x[REGION_INPUTS];

	region_state(&s->ask.region, t, x);
	for (int i = 0; i < s->ask.region.nin; i++)
		v[i] = (float)x[i];
	for (int i = 0; i < s->n; i++)
		if (shield_covers(s->wanted[i].rule, v, v) != s->wanted[i].covers)
			return false;
	return true;
}

static int put_to_engine(struct shielded *s)
{
	struct engine_answer a, *out = &s->out;
	int err = engine_run(s->engine, s->kind, &s->ask, &a);

	if (err)
		return err;
	count(s, a.proven, a.refuted, a.exact);
	out->engine = a.engine;
	widen(out, a.y_lo, a.y_hi);
	out->slack = fmax(out->slack, a.slack);
	out->pieces += a.pieces;
	out->complete &= a.complete;
	if (a.missed && !out->missed && same_rules(s, a.t)) {
		out->missed = true;
		memcpy(out->t, a.t, s->ask.region.ndims * sizeof(*a.t));
	}
	return 0;
}

// The same rules apply all over the cell: the shield is one function of the policy's window.
static int decide(struct shielded *s)
{
	struct shield_target t[PROPERTY_MAX], hit = {PART_FAR, -PART_FAR};
	const struct part *part = s->part;
	int n = 0, hits = 0;

	for (int i = 0; i < s->n; i++)
		if (s->wanted[i].covers == SHIELD_YES)
			t[n++] = s->wanted[i].target;
	if (!n) {
		s->ask.band = part->band;
		return put_to_engine(s);
	}
	for (int m = ACTION_MIN_PERCENT; m <= ACTION_MAX_PERCENT; m++) {
		int64_t c = action_window(m, s->d->w), to = shield_nearest(t, n, s->d->w, c);

		if (to < part->lo || to > part->hi)
			continue;
		hits++;
		hit.lo = c < hit.lo ? c : hit.lo;
		hit.hi = c;
	}
	if (!hits || hits > ACTION_MAX_PERCENT - ACTION_MIN_PERCENT) {
		leaf(s, hits ? ENGINE_HOLDS : ENGINE_FAILS);
		return 0;
	}
	band_make(&s->ask.band, hit.lo, hit.hi, s->d->w);
	return put_to_engine(s);
}

/* --- Cells --- */

// The least number of the dimension whose float (or the tied one's) reaches an edge that is within.
static double reaches(const struct region_dim *dim, bool tied, float at)
{
	double below = dim->lo, from = nextafter(dim->hi, dim->lo);

	for (;;) {
		double mid = below + (from - below) / 2;

		if (!(mid > below && mid < from))
			mid = nextafter(below, from);
		if (mid >= from)
			return from;
		if ((float)(tied ? region_tied(mid) : mid) >= at)
			from = mid;
		else
			below = mid;
	}
}

// An edge of the rule inside the cell: which dimension, and where it is to be cut.
static bool find_cut(const struct shielded *s, const struct shield_rule *r, int *dim, double *at)
{
	const struct region *cell = &s->ask.region;

	for (int i = 0; i < r->nedges; i++) {
		const struct shield_edge *e = &r->edges[i];

		if (!(s->lo[e->input] < e->at && e->at <= s->hi[e->input]))
			continue;
		for (int d = 0; d < cell->ndims; d++) {
			bool tied = cell->dim[d].tied == e->input;

			if (cell->dim[d].input != e->input && !tied)
				continue;
			*dim = d;
			*at = reaches(&cell->dim[d], tied, e->at);
			return true;
		}
	}
	return false;
}

static int walk(struct shielded *s);

static int cut(struct shielded *s, int d, double at)
{
	struct region_dim *dim = &s->ask.region.dim[d];
	const struct region_dim whole = *dim;
	int err;

	s->normal[d] = 1;
	if (s->ask.sink)
		s->ask.sink->cut(s->ask.sink->arg, s->normal, at);
	s->normal[d] = 0;
	s->cells++;
	dim->hi = at;
	err = walk(s);
	dim->hi = whole.hi;
	dim->lo = at;
	err = err ? err : walk(s);
	*dim = whole;
	return err;
}

static int walk(struct shielded *s)
{
	bool open = false;
	double at;
	int dim;

	see(s);
	for (int i = 0; i < s->n; i++) {
		s->wanted[i].covers = shield_covers(s->wanted[i].rule, s->lo, s->hi);
		open |= s->wanted[i].covers == SHIELD_MAYBE;
	}
	if (enforced(s)) {
		leaf(s, ENGINE_HOLDS);
		return 0;
	}
	if (!open)
		return decide(s);
	for (int i = 0; i < s->n && s->cells < SHIELDED_CELLS; i++)
		if (s->wanted[i].covers == SHIELD_MAYBE &&
			find_cut(s, s->wanted[i].rule, &dim, &at))
			return cut(s, dim, at);
	leaf(s, ENGINE_UNKNOWN);
	return 0;
}

/* --- The whole --- */

// Rules that may apply, and what is the same all over the region. False: floats do not hold it.
static bool begin(struct shielded *s, const struct shield *shield)
{
	const struct region *r = &s->part->region;

	for (int i = 0; i < r->nin; i++)
		s->lo[i] = s->hi[i] = (float)r->x[i];
	see(s);
	for (int i = 0; i < r->nin; i++)
		if (!isfinite(s->lo[i]) || !isfinite(s->hi[i]))
			return false;
	for (int i = 0; i < shield->n; i++) {
		struct wanted *w = &s->wanted[s->n];

		w->rule = &shield->rule[i];
		s->n += shield_wants(&w->target, w->rule, s->d);
	}
	return true;
}

static double lower(const struct shielded *s, const struct share *share)
{
	if (!(share->is > 0))
		return 0;
	return share->is_not == 0 ? 1 : fmax(0, share->is - (s->cells - 1) * SHARE_ROUNDING);
}

static void finish(struct shielded *s)
{
	struct engine_answer *out = &s->out;

	out->proven = lower(s, &s->proven);
	out->refuted = lower(s, &s->refuted);
	out->exact = isnan(s->exact.is)
			     ? NAN
			     : fmax(out->proven, fmin(s->exact.is, 1 - out->refuted));
	if (out->y_lo <= out->y_hi)
		return;
	out->y_lo = -INFINITY;
	out->y_hi = INFINITY;
}

int shielded_run(struct engine *e, enum engine_kind kind, const struct shield *shield,
	const struct cert_decision *d, const struct part *part, const struct engine_ask *ask,
	struct engine_answer *out)
{
	struct shielded s = {.engine = e, .kind = kind, .d = d, .part = part, .ask = *ask, .cells = 1};
	int err = 0;

	s.ask.region = part->region;
	s.ask.band = part->band;
	if (!shield)
		return engine_run(e, kind, &s.ask, out);
	s.out = (struct engine_answer){.engine = "shield", .complete = true, .y_lo = INFINITY,
		.y_hi = -INFINITY, .real_lo = NAN, .real_hi = NAN};
	if (begin(&s, shield))
		err = walk(&s);
	else
		leaf(&s, ENGINE_UNKNOWN);
	if (err)
		return err;
	finish(&s);
	*out = s.out;
	return 0;
}
