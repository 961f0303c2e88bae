/* Parts: does a property trigger, where, and which windows does it want. */
#include "cert/part.h"

#include <assert.h>
#include <errno.h>
#include <math.h>

#include "nn/mlp.h"
#include "policy/action.h"

const char *part_error(int err)
{
	return err == -EDOM ? "a division by zero in its arithmetic"
	       : err == -EOVERFLOW
		       ? "its arithmetic needs more than 128 bits"
		       : "the decision makes no sense: its state, its window or its size";
}

static bool valid(const struct cert_decision *d)
{
	if (d->nin < STATE_SIZE || d->nin > REGION_INPUTS || !d->w || d->nchanges < 0)
		return false;
	for (int i = 0; i < d->nin; i++)
		if (!isfinite(d->x[i]))
			return false;
	return true;
}

static struct expr_windows windows_of(const struct cert_decision *d)
{
	return (struct expr_windows){d->p, d->clean, d->w};
}

static bool ordered(enum property_cmp cmp, int order)
{
	switch (cmp) {
	case PROPERTY_LT:
		return order < 0;
	case PROPERTY_LE:
		return order <= 0;
	case PROPERTY_EQ:
		return order == 0;
	case PROPERTY_GE:
		return order >= 0;
	default:
		return order > 0;
	}
}

// The sign of item i of a condition's left side minus its right side.
static int compare_item(int *order, const struct property_given *g, int i, struct rational right,
	const struct cert_decision *d)
{
	const struct expr_windows w = windows_of(d);
	struct rational left;
	double x;
	int err;

	switch (g->kind) {
	case PROPERTY_OF_FEATURE:
		x = d->x[g->at[i]];
		*order = (x > g->bound) - (x < g->bound);
		return 0;
	case PROPERTY_OF_CHANGES:
		return rational_compare(order, rational_of(d->changes[g->at[i] - 1]), right);
	default:
		err = expr_eval(&left, &g->left, &w);
		return err ? err : rational_compare(order, left, right);
	}
}

int part_given(bool *holds, const struct property_given *g, const struct cert_decision *d)
{
	const struct expr_windows w = windows_of(d);
	struct rational right = {0, 1};
	int order, met = 0, err = g->right.n ? expr_eval(&right, &g->right, &w) : 0;

	for (int i = 0; i < g->n && !err; i++) {
		err = compare_item(&order, g, i, right, d);
		if (!err)
			met += ordered(g->cmp, order);
	}
	if (!err)
		*holds = g->some ? met > 0 : met == g->n;
	return err;
}

int part_status(enum part_status *out, const struct property *p, const struct cert_decision *d)
{
	bool holds = true;
	int err;

	if (!valid(d))
		return -EINVAL;
	if ((p->needs_prev && !d->p) || d->nchanges < p->needs_changes) {
		*out = PART_SHORT;
		return 0;
	}
	for (int i = 0; i < p->ngiven && holds; i++) {
		err = part_given(&holds, &p->given[i], d);
		if (err)
			return err;
	}
	*out = holds ? PART_TRIGGERED : PART_GIVEN;
	return 0;
}

struct limits {
	int64_t lo, hi;
};

static void no_window(struct limits *t)
{
	t->lo = PART_FAR;
	t->hi = -PART_FAR;
}

/*
 * Raises t->lo (or lowers t->hi) to where (c - shift) / divisor >= bound (<=): c against bound *
 * divisor + shift; over the installed c itself, c (1 - bound) against shift, where c and shift are
 * over 0.
 */
static int limit(struct limits *t, const struct property_then *th, const struct expr *bound,
	bool low, const struct expr_windows *w)
{
	const bool strict = low ? th->lo_strict : th->hi_strict;
	const struct rational shift = rational_of(th->change ? w->prev : 0);
	struct rational b, divisor = {1, 1};
	int64_t c;
	int err = expr_eval(&b, bound, w);

	if (!err && th->over == PROPERTY_OVER_CWND) {
		err = rational_sub(&b, rational_of(1), b);
		if (!err && b.num <= 0) {
			if (low)
				no_window(t);
			return 0;
		}
		err = err ? err : rational_div(&b, shift, b);
	} else {
		if (!err && th->over == PROPERTY_OVER_EXPR)
			err = expr_eval(&divisor, &th->divisor, w);
		if (!err && !divisor.num)
			err = -EDOM;
		err = err ? err : rational_mul(&b, b, divisor);
		err = err ? err : rational_add(&b, b, shift);
	}
	if (err)
		return err;
	c = low ? (strict ? rational_floor(b) + 1 : rational_ceil(b))
		: (strict ? rational_ceil(b) - 1 : rational_floor(b));
	if (low)
		t->lo = c > t->lo ? c : t->lo;
	else
		t->hi = c < t->hi ? c : t->hi;
	return 0;
}

int part_target(int64_t *lo, int64_t *hi, const struct property *p, const struct cert_decision *d)
{
	const struct expr_windows w = windows_of(d);
	struct limits t = {-PART_FAR, PART_FAR};
	int err = 0;

	for (int i = 0; i < p->nthen && !err; i++) {
		const struct property_then *th = &p->then[i];

		if (th->lo.n)
			err = limit(&t, th, &th->lo, true, &w);
		if (!err && th->hi.n)
			err = limit(&t, th, &th->hi, false, &w);
	}
	if (err)
		return err;
	*lo = t.lo < PART_FAR ? t.lo : PART_FAR;
	*hi = t.hi > -PART_FAR ? t.hi : -PART_FAR;
	return 0;
}

// Lets the inputs vary; false if nothing of an interval is within its feature's range.
static bool make_region(struct region *r, const struct property *p, const struct cert_decision *d)
{
	region_point(r, d->x, d->nin);
	for (int i = 0; i < p->nover; i++) {
		const struct property_over *o = &p->over[i];
		double lo = o->lo, hi = o->hi, x = d->x[o->input], a;

		if (o->relative) {
			a = x * lo;
			lo = fmin(a, x * hi);
			hi = fmax(a, x * hi);
		}
		lo = fmax(lo, o->clip_lo);
		hi = fmin(hi, o->clip_hi);
		if (!(lo <= hi) || region_vary(r, o->input, lo, hi))
			return false;
	}
	return true;
}

int part_make(struct part *out, const struct property *p, const struct cert_decision *d)
{
	enum part_status status;
	int64_t lo, hi;
	int err = part_status(&status, p, d);

	if (!err && status == PART_TRIGGERED)
		err = part_target(&lo, &hi, p, d);
	if (err)
		return err;
	out->property = p;
	out->status = status;
	if (status != PART_TRIGGERED)
		return 0;
	if (!make_region(&out->region, p, d)) {
		out->status = PART_EMPTY;
		return 0;
	}
	out->lo = lo;
	out->hi = hi;
	band_make(&out->band, lo, hi, d->w);
	return 0;
}

uint32_t part_window(float y, uint32_t w)
{
	return action_window(action_percent(mlp_action(y)), w);
}

const char *part_status_name(enum part_status s)
{
	static const char *const names[] = {
		"triggered", "too few changes", "condition not met", "empty"};

	assert(s >= PART_TRIGGERED && s <= PART_EMPTY);
	return names[s];
}
