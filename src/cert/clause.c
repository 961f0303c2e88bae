/* The clauses over, given and then. */
#include "cert/clause.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static int need_end(struct lex *l)
{
	return lex_end(l) ? 0
			  : lex_error_next(l, "a comma or the end of the line should stand here");
}

// A constant that doubles represent as literals do.
static int parse_real(
	double *out, struct rational *exact, struct lex *l, const struct expr_lets *lets)
{
	const char *start = l->at;
	int err = expr_parse_constant(exact, l, lets);

	if (!err && rational_double(out, *exact)) {
		lex_since(l, start);
		err = lex_error(l, "the number has too many digits");
	}
	return err;
}

// The index -k of a frame or change, k in [first, last].
static int parse_index(int *k, struct lex *l, const struct expr_lets *lets, int first, int last)
{
	struct rational v;
	const char *start = l->at;
	int err = expr_parse_constant(&v, l, lets);

	if (err)
		return err;
	if (v.den == 1 && v.num >= -last && v.num <= -first) {
		*k = (int)-v.num;
		return 0;
	}
	lex_since(l, start);
	if (first)
		return lex_error(l, "changes are counted from -1, the newest, to -%d", last);
	return lex_error(l, "frames are counted from 0, the newest, to -%d", last);
}

static int add_index(struct lex *l, const char *start, int at[], int *n, int k)
{
	for (int i = 0; i < *n; i++)
		if (at[i] == k) {
			lex_since(l, start);
			return lex_error(l, "%d is there already", -k);
		}
	at[(*n)++] = k;
	return 0;
}

// [-1], [-1..-3], [0, -2], [*], in any mixture; the bracket is taken.
static int parse_indices(
	struct lex *l, const struct expr_lets *lets, int first, int last, int at[], int *n)
{
	int err = 0, from, to;

	do {
		const char *start = l->at;

		if (lex_take(l, "*")) {
			from = first, to = last;
		} else {
			err = parse_index(&from, l, lets, first, last);
			to = from;
			if (!err && lex_take(l, ".."))
				err = parse_index(&to, l, lets, first, last);
		}
		for (int k = from; !err; k += from < to ? 1 : -1) {
			err = add_index(l, start, at, n, k);
			if (k == to)
				break;
		}
	} while (!err && lex_take(l, ","));
	return err ? err : lex_need(l, "]");
}

static int unknown_feature(struct lex *l, const char *other)
{
	const char *known[FRAME_FEATURES + 2];
	int n = 0;

	for (; n < FRAME_FEATURES; n++)
		known[n] = frame_features[n].name;
	if (other) {
		known[n++] = other;
		known[n++] = "cwnd";
	}
	return lex_unknown(l, "feature", known, n);
}

// A feature's inputs in the state, the name taken: of the newest frame or of those in brackets.
static int parse_inputs(struct lex *l, const struct expr_lets *lets, int feature, int at[], int *n)
{
	int err = 0;

	*n = 0;
	if (lex_take(l, "["))
		err = parse_indices(l, lets, 0, FRAME_HISTORY - 1, at, n);
	else
		at[(*n)++] = 0;
	for (int i = 0; i < *n; i++)
		at[i] = (FRAME_HISTORY - 1 - at[i]) * FRAME_FEATURES + feature;
	return err;
}

// [lo, hi] with lo <= hi.
static int parse_interval(double *lo, double *hi, struct lex *l, const struct expr_lets *lets)
{
	struct rational a, b;
	const char *start = l->at;
	int order, err = lex_need(l, "[");

	err = err ? err : parse_real(lo, &a, l, lets);
	err = err ? err : lex_need(l, ",");
	err = err ? err : parse_real(hi, &b, l, lets);
	err = err ? err : lex_need(l, "]");
	if (err)
		return err;
	lex_since(l, start);
	if (rational_compare(&order, a, b) || order > 0)
		return lex_error(l, "the interval is empty: its first end is above its second");
	return 0;
}

// "in [a, b]" or "*= [a, b]" of a feature.
static int parse_range(
	struct property_over *o, struct lex *l, const struct expr_lets *lets, int feature)
{
	const struct feature *f = &frame_features[feature];
	int err;

	o->clip_lo = f->lo;
	o->clip_hi = f->hi;
	o->relative = lex_take(l, "*=");
	if (!o->relative && !lex_take(l, "in"))
		return lex_error_next(l, "'in [LOW, HIGH]' or '*= [LOW, HIGH]' should stand here");
	err = parse_interval(&o->lo, &o->hi, l, lets);
	if (err)
		return err;
	if (o->relative && o->lo < 0)
		return lex_error(l, "factors are not below 0");
	if (!o->relative && (o->hi < f->lo || o->lo > f->hi))
		return isinf(f->hi) ? lex_error(l, "%s is at least %g", f->name, f->lo)
				    : lex_error(l, "%s lies in [%g, %g]", f->name, f->lo, f->hi);
	return 0;
}

static int add_over(struct property_over *all, int *n, struct lex *l, const struct expr_lets *lets)
{
	struct property_over o = {0};
	struct lex name_at;
	char name[LEX_NAME];
	int at[FRAME_HISTORY], count, feature, err;

	if (!lex_name(l, name, false))
		return lex_error_next(l, "a feature should stand here");
	name_at = *l;
	feature = frame_find(name);
	if (feature < 0)
		return unknown_feature(l, NULL);
	if (feature == FRAME_DELAY)
		return lex_error(l, "it follows inv_rtt; let that vary, and both move together");
	err = parse_inputs(l, lets, feature, at, &count);
	err = err ? err : parse_range(&o, l, lets, feature);
	for (int i = 0; i < count && !err; i++) {
		for (int k = 0; k < *n && !err; k++)
			if (all[k].input == at[i])
				err = lex_error(&name_at, "it varies already in that frame");
		o.input = at[i];
		if (!err)
			all[(*n)++] = o;
	}
	return err;
}

int clause_over(struct property *p, struct lex *l, const struct expr_lets *lets)
{
	struct property_over *all = calloc(STATE_SIZE, sizeof(*all));
	int n = 0, err;

	if (!all)
		return -ENOMEM;
	do
		err = add_over(all, &n, l, lets);
	while (!err && lex_take(l, ","));
	err = err ? err : need_end(l);
	p->over = all;
	p->nover = err ? 0 : n;
	return err;
}

static bool take_cmp(enum property_cmp *out, struct lex *l)
{
	static const struct {
		const char *mark;
		enum property_cmp cmp;
	} marks[] = {{"<=", PROPERTY_LE}, {">=", PROPERTY_GE}, {"==", PROPERTY_EQ},
		{"<", PROPERTY_LT}, {">", PROPERTY_GT}};

	for (int i = 0; i < (int)(sizeof(marks) / sizeof(marks[0])); i++)
		if (lex_take(l, marks[i].mark)) {
			*out = marks[i].cmp;
			return true;
		}
	return false;
}

// Notes what the property needs to know before it can trigger.
static void needs(struct property *p, const struct expr *e)
{
	p->needs_prev |= expr_uses(e, EXPR_PREV);
}

static int given_changes(
	struct property *p, struct property_given *g, struct lex *l, const struct expr_lets *lets)
{
	int err;

	g->kind = PROPERTY_OF_CHANGES;
	if (!lex_take(l, "["))
		return lex_error(l,
			"which changes? dcwnd[-1] is the newest one, dcwnd[-1..-3] the last three");
	err = parse_indices(l, lets, 1, PROPERTY_CHANGES, g->at, &g->n);
	for (int i = 0; i < g->n; i++)
		if (g->at[i] > p->needs_changes)
			p->needs_changes = g->at[i];
	p->needs_prev = true;
	return err;
}

// What a condition compares: changes, a feature, or an expression of windows.
static int given_left(
	struct property *p, struct property_given *g, struct lex *l, const struct expr_lets *lets)
{
	struct lex ahead = *l;
	char name[LEX_NAME];
	int feature;

	if (lex_take(l, "dcwnd"))
		return given_changes(p, g, l, lets);
	feature = lex_name(&ahead, name, false) ? frame_find(name) : -1;
	if (feature >= 0) {
		*l = ahead;
		g->kind = PROPERTY_OF_FEATURE;
		return parse_inputs(l, lets, feature, g->at, &g->n);
	}
	g->kind = PROPERTY_OF_WINDOWS;
	g->n = 1;
	return expr_parse(&g->left, l, lets);
}

static int add_given(
	struct property *p, struct property_given *g, struct lex *l, const struct expr_lets *lets)
{
	struct lex start = *l;
	struct rational exact;
	bool several;
	int err;

	g->some = lex_take(l, "some");
	several = g->some || lex_take(l, "all");
	if (several)
		start = *l;
	err = given_left(p, g, l, lets);
	if (err)
		return err;
	if (several && g->kind == PROPERTY_OF_WINDOWS)
		return lex_error(&start, "it is for several changes or frames, dcwnd[-1..-3]");
	if (!take_cmp(&g->cmp, l))
		return lex_error_next(l, "<=, <, ==, > or >= should stand here");
	if (g->kind == PROPERTY_OF_FEATURE)
		return parse_real(&g->bound, &exact, l, lets);
	err = expr_parse(&g->right, l, lets);
	needs(p, &g->left);
	needs(p, &g->right);
	return err;
}

int clause_given(struct property *p, struct lex *l, const struct expr_lets *lets)
{
	struct property_given *all = calloc(PROPERTY_GIVENS, sizeof(*all));
	int n = 0, err;

	if (!all)
		return -ENOMEM;
	do
		err = n < PROPERTY_GIVENS
			      ? add_given(p, &all[n++], l, lets)
			      : lex_error_next(l, "at most %d conditions", PROPERTY_GIVENS);
	while (!err && lex_take(l, ","));
	err = err ? err : need_end(l);
	p->given = all;
	p->ngiven = err ? 0 : n;
	return err;
}

// What the target is about: cwnd or dcwnd, over a window or not.
static int then_left(struct property_then *t, struct lex *l)
{
	enum expr_op window;
	int err;

	t->change = lex_take(l, "dcwnd");
	if (!t->change && !lex_take(l, "cwnd"))
		return lex_error_next(
			l, "cwnd or dcwnd, which the decision installs, should stand here");
	if (*l->at == '(' || *l->at == '[')
		return lex_error(l, "what is bounded is this decision's cwnd or dcwnd alone");
	if (!lex_take(l, "/"))
		return 0;
	if (!lex_take(l, "cwnd"))
		return lex_error_next(
			l, "cwnd, cwnd(prev), cwnd(clean) or cwnd(report) should stand here");
	if (*l->at != '(') {
		t->over = PROPERTY_OVER_CWND;
		return t->change ? 0 : lex_error(l, "cwnd / cwnd is always 1");
	}
	t->over = PROPERTY_OVER_EXPR;
	err = expr_window(&window, l);
	if (!err)
		t->divisor = (struct expr){1, {{window, {0, 1}}}};
	return err;
}

// "in [a, b]", or a comparison, which leaves one end open.
static int then_range(struct property_then *t, struct lex *l, const struct expr_lets *lets)
{
	const char *start = l->at;
	struct rational a, b;
	enum property_cmp cmp;
	int order, err;

	if (take_cmp(&cmp, l)) {
		bool low = cmp == PROPERTY_GE || cmp == PROPERTY_GT;

		t->lo_strict = cmp == PROPERTY_GT;
		t->hi_strict = cmp == PROPERTY_LT;
		err = expr_parse(low ? &t->lo : &t->hi, l, lets);
		if (cmp == PROPERTY_EQ)
			t->lo = t->hi;
		return err;
	}
	if (!lex_take(l, "in"))
		return lex_error_next(l, "'in [LOW, HIGH]', <=, <, ==, > or >= should stand here");
	err = lex_need(l, "[");
	err = err ? err : expr_parse(&t->lo, l, lets);
	err = err ? err : lex_need(l, ",");
	err = err ? err : expr_parse(&t->hi, l, lets);
	err = err ? err : lex_need(l, "]");
	if (err || !expr_constant(&t->lo) || !expr_constant(&t->hi))
		return err;
	lex_since(l, start);
	if (expr_eval(&a, &t->lo, NULL) || expr_eval(&b, &t->hi, NULL) ||
		rational_compare(&order, a, b) || order > 0)
		return lex_error(l, "the interval is empty: its first end is above its second");
	return 0;
}

int clause_then(struct property *p, struct lex *l, const struct expr_lets *lets)
{
	struct property_then *all = calloc(PROPERTY_THENS, sizeof(*all)), *t;
	int n = 0, err;

	if (!all)
		return -ENOMEM;
	do {
		if (n == PROPERTY_THENS) {
			err = lex_error_next(l, "at most %d targets", PROPERTY_THENS);
			break;
		}
		t = &all[n++];
		err = then_left(t, l);
		err = err ? err : then_range(t, l, lets);
		p->needs_prev |= t->change;
		needs(p, &t->divisor);
		needs(p, &t->lo);
		needs(p, &t->hi);
	} while (!err && lex_take(l, ","));
	err = err ? err : need_end(l);
	p->then = all;
	p->nthen = err ? 0 : n;
	return err;
}
