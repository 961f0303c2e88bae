/* Reading VNN-LIB: assertions become sets of inputs and outputs, sets become claims. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/opts.h"
#include "cert/sexp.h"
#include "cert/vnnlib.h"
#include "cert/vnnlib_term.h"

#define MESSAGE 256

// A box of inputs and output of which some inputs follow others.
struct set {
	double lo[REGION_INPUTS + 1], hi[REGION_INPUTS + 1];
	int follows[REGION_INPUTS]; // the input it is min(1, 1.25 *) of, or -1
};

struct sets {
	int n;
	struct set *set;
};

struct reader {
	const char *path;
	bool declared[REGION_INPUTS + 1];
};

// Prints what is wrong with an expression; names its word, or a list's first.
static int __attribute__((format(printf, 3, 4)))
wrong(const struct reader *r, const struct sexp *s, const char *fmt, ...)
{
	char message[MESSAGE];
	const char *word = s->word ? s->word : s->first && s->first->word ? s->first->word : "(";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	pr_err("%s:%d: '%.40s' %s\n", r->path, s->line, word, message);
	return -EINVAL;
}

// A word that is none of those expected here.
static int unknown(const struct reader *r, const struct sexp *s, const char *const *known, int n)
{
	const char *near = s->word ? opts_nearest(s->word, known, n) : NULL;
	char list[MESSAGE] = "";

	if (near)
		return wrong(r, s, "is not known here, did you mean '%s'?", near);
	for (int i = 0; i < n; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i ? ", " : "",
			known[i]);
	return wrong(r, s, "is not one of %s", list);
}

static int declared(const struct reader *r, const struct sexp *s, int *index)
{
	*index = vnnlib_name(s);
	if (*index >= 0 && r->declared[*index])
		return 0;
	return wrong(r, s,
		*index < 0 ? "is neither an input X_i nor the output Y_0" : "is not declared");
}

static int add_tie(const struct reader *r, const struct sexp *s, struct sets *sets, int a, int b)
{
	if (!r->declared[a] || !r->declared[b])
		return wrong(r, s, "ties X_%d, which is not declared", r->declared[a] ? b : a);
	for (int i = 0; i < sets->n; i++) {
		struct set *set = &sets->set[i];
		bool taken = set->follows[b] >= 0 || set->follows[a] >= 0;

		for (int k = 0; k < REGION_INPUTS; k++)
			taken |= set->follows[k] == a || set->follows[k] == b;
		if (taken)
			return wrong(r, s, "ties X_%d to X_%d, of which one is tied already", b, a);
		set->follows[b] = a;
	}
	return 0;
}

// NAME op NUMBER, in all sets.
static int add_bound(const struct reader *r, const struct sexp *s, struct sets *sets, int index,
	char op, double v)
{
	for (int i = 0; i < sets->n; i++) {
		struct set *set = &sets->set[i];

		if (op != '<' && v > set->lo[index])
			set->lo[index] = v;
		if (op != '>' && v < set->hi[index])
			set->hi[index] = v;
		if (set->lo[index] <= set->hi[index])
			continue;
		if (index == VNNLIB_OUTPUT)
			return wrong(r, s,
				"leaves no output to be a counterexample; an (or ...) around the "
				"limits?");
		return wrong(r, s, "leaves X_%d without a value", index);
	}
	return 0;
}

static int add_comparison(const struct reader *r, const struct sexp *s, struct sets *sets)
{
	const struct sexp *left = s->first->next, *right = left ? left->next : NULL;
	char op = s->first->word[0];
	double v;
	int index, err;

	if (sexp_count(s) != 3)
		return wrong(r, s, "compares two things, here are %d", sexp_count(s) - 1);
	if (vnnlib_number(left, &v)) {
		op = op == '<' ? '>' : op == '>' ? '<' : op;
		left = right;
	} else if (!vnnlib_number(right, &v)) {
		return wrong(r, right,
			"is not a number; inputs may be tied only as X_j = min(1, 1.25 X_i), in "
			"the "
			"form of an exact file");
	}
	err = declared(r, left, &index);
	return err ? err : add_bound(r, s, sets, index, op, v);
}

static int add_formula(const struct reader *r, const struct sexp *s, struct sets *sets);

static int append(
	const struct reader *r, const struct sexp *s, struct sets *to, const struct sets *more)
{
	struct set *set;

	if (to->n + more->n > VNNLIB_MAX_SETS)
		return wrong(r, s, "makes more than %d alternatives", VNNLIB_MAX_SETS);
	set = realloc(to->set, (to->n + more->n) * sizeof(*set));
	if (!set)
		return -ENOMEM;
	memcpy(set + to->n, more->set, more->n * sizeof(*set));
	to->set = set;
	to->n += more->n;
	return 0;
}

// Every alternative on its own copy of the sets so far.
static int add_or(const struct reader *r, const struct sexp *s, struct sets *sets)
{
	struct sets all = {0};
	int err = 0, a, b;

	if (vnnlib_tie(s, &a, &b))
		return add_tie(r, s, sets, a, b);
	if (!s->first->next)
		return wrong(r, s, "has no alternatives");
	for (const struct sexp *e = s->first->next; e && !err; e = e->next) {
		struct sets copy = {0};

		err = append(r, s, &copy, sets);
		if (!err)
			err = add_formula(r, e, &copy);
		if (!err)
			err = append(r, s, &all, &copy);
		free(copy.set);
	}
	if (err) {
		free(all.set);
		return err;
	}
	free(sets->set);
	*sets = all;
	return 0;
}

static int add_formula(const struct reader *r, const struct sexp *s, struct sets *sets)
{
	static const char *const known[] = {"and", "or", "<=", ">=", "="};
	int err = 0;

	if (s->word || !s->first)
		return wrong(r, s, "should be a formula in parentheses");
	if (sexp_is(s->first, "or"))
		return add_or(r, s, sets);
	if (sexp_is(s->first, "<=") || sexp_is(s->first, ">=") || sexp_is(s->first, "="))
		return add_comparison(r, s, sets);
	if (!sexp_is(s->first, "and"))
		return unknown(r, s->first, known, 5);
	for (const struct sexp *e = s->first->next; e && !err; e = e->next)
		err = add_formula(r, e, sets);
	return err;
}

static int add_declaration(struct reader *r, const struct sexp *s)
{
	const struct sexp *name;
	int index;

	if (sexp_count(s) != 3)
		return wrong(r, s, "needs a name and a type");
	name = s->first->next;
	index = vnnlib_name(name);
	if (index < 0)
		return wrong(r, name,
			"is not X_0 to X_%d or Y_0: networks have at most %d inputs and one output",
			REGION_INPUTS - 1, REGION_INPUTS);
	if (!sexp_is(name->next, "Real"))
		return unknown(r, name->next, (const char *const[]){"Real"}, 1);
	if (r->declared[index])
		return wrong(r, name, "is declared already");
	r->declared[index] = true;
	return 0;
}

static int add_command(struct reader *r, const struct sexp *s, struct sets *sets)
{
	static const char *const known[] = {"declare-const", "assert"};

	if (s->word || !s->first)
		return wrong(r, s, "is not a command in parentheses");
	if (sexp_is(s->first, "declare-const"))
		return add_declaration(r, s);
	if (!sexp_is(s->first, "assert"))
		return unknown(r, s->first, known, 2);
	if (sexp_count(s) != 2)
		return wrong(r, s, "needs one formula, here are %d", sexp_count(s) - 1);
	return add_formula(r, s->first->next, sets);
}

// Number of inputs, or -EINVAL when some are left out.
static int count_inputs(const struct reader *r)
{
	int n = 0;

	while (n < REGION_INPUTS && r->declared[n])
		n++;
	for (int i = n; i < REGION_INPUTS; i++)
		if (r->declared[i]) {
			pr_err("%s: X_%d is declared, X_%d is not\n", r->path, i, n);
			return -EINVAL;
		}
	if (n && r->declared[VNNLIB_OUTPUT])
		return n;
	pr_err("%s: %s is not declared\n", r->path, n ? VNNLIB_OUTPUT_NAME : "X_0");
	return -EINVAL;
}

// Input i's range must be known; of one that follows it may only say what follows anyway.
static int check_input(const struct reader *r, const struct set *set, int i)
{
	int a = set->follows[i];

	if (a >= 0 &&
		(set->lo[i] > region_tied(set->lo[a]) || set->hi[i] < region_tied(set->hi[a]))) {
		pr_err("%s: X_%d is tied to X_%d and has limits of its own besides\n", r->path, i,
			a);
		return -EINVAL;
	}
	if (a >= 0 || (isfinite(set->lo[i]) && isfinite(set->hi[i])))
		return 0;
	pr_err("%s: X_%d has no %s limit\n", r->path, i, isfinite(set->lo[i]) ? "upper" : "lower");
	return -EINVAL;
}

static int set_region(const struct reader *r, const struct set *set, int nin, struct region *region)
{
	int err = 0, tied[REGION_INPUTS];

	*region = (struct region){.nin = nin};
	for (int i = 0; i < nin; i++)
		tied[i] = -1;
	for (int i = 0; i < nin && !err; i++) {
		err = check_input(r, set, i);
		if (set->follows[i] >= 0)
			tied[set->follows[i]] = i;
	}
	for (int i = 0; i < nin && !err; i++) {
		if (set->follows[i] >= 0)
			continue;
		region->x[i] = set->lo[i];
		if (set->lo[i] < set->hi[i])
			region->dim[region->ndims++] =
				(struct region_dim){i, tied[i], set->lo[i], set->hi[i]};
		if (tied[i] >= 0)
			region->x[tied[i]] = region_tied(set->lo[i]);
	}
	return err;
}

// Takes the set's outputs, all counterexamples, out of the claim.
static int cut_output(const struct reader *r, const struct set *set, struct vnnlib_claim *c)
{
	double lo = set->lo[VNNLIB_OUTPUT], hi = set->hi[VNNLIB_OUTPUT];
	bool below = isfinite(hi), above = isfinite(lo); // a limit of the claim

	if (below == above) {
		pr_err("%s: %s %s: counterexamples must be what lies at or beyond a limit\n",
			r->path, VNNLIB_OUTPUT_NAME,
			below ? "is bounded on both sides" : "has no limit");
		return -EINVAL;
	}
	if (below)
		c->lo = fmax(c->lo, hi);
	else
		c->hi = fmin(c->hi, lo);
	return 0;
}

static bool same_region(const struct region *a, const struct region *b)
{
	bool same = a->ndims == b->ndims;

	for (int i = 0; i < a->nin; i++)
		same &= a->x[i] == b->x[i];
	for (int d = 0; same && d < a->ndims; d++)
		same = a->dim[d].input == b->dim[d].input && a->dim[d].tied == b->dim[d].tied &&
		       a->dim[d].lo == b->dim[d].lo && a->dim[d].hi == b->dim[d].hi;
	return same;
}

static int make_claims(const struct reader *r, const struct sets *sets, int nin, struct vnnlib *v)
{
	int err = 0;

	v->claims = calloc(sets->n, sizeof(*v->claims));
	if (!v->claims)
		return -ENOMEM;
	for (int i = 0; i < sets->n && !err; i++) {
		struct vnnlib_claim *last = &v->claims[v->n];
		int k = 0;

		*last = (struct vnnlib_claim){.lo = -INFINITY, .hi = INFINITY};
		err = set_region(r, &sets->set[i], nin, &last->region);
		while (!err && !same_region(&v->claims[k].region, &last->region))
			k++;
		if (!err)
			err = cut_output(r, &sets->set[i], &v->claims[k]);
		v->n += k == v->n;
	}
	return err;
}

static int first_set(struct sets *sets)
{
	struct set *set = malloc(sizeof(*set));

	if (!set)
		return -ENOMEM;
	for (int i = 0; i <= REGION_INPUTS; i++) {
		set->lo[i] = -INFINITY;
		set->hi[i] = INFINITY;
	}
	for (int i = 0; i < REGION_INPUTS; i++)
		set->follows[i] = -1;
	*sets = (struct sets){1, set};
	return 0;
}

int vnnlib_parse(struct vnnlib **out, char *text, size_t len, const char *path)
{
	struct reader r = {.path = path};
	struct sets sets = {0};
	struct sexp *root = NULL;
	struct vnnlib *v = calloc(1, sizeof(*v));
	int err = v ? sexp_parse(&root, text, len, path) : -ENOMEM, nin;

	if (!err)
		err = first_set(&sets);
	for (const struct sexp *s = err ? NULL : root->first; s && !err; s = s->next)
		err = add_command(&r, s, &sets);
	if (err)
		goto out;
	nin = count_inputs(&r);
	err = nin < 0 ? nin : make_claims(&r, &sets, nin, v);
	if (err)
		goto out;
	*out = v;
	v = NULL;
out:
	if (err == -ENOMEM)
		pr_err("%s: %s\n", path, strerror(ENOMEM));
	vnnlib_free(v);
	free(sets.set);
	free(root);
	return err;
}

int vnnlib_read(struct vnnlib **out, const char *path)
{
	char *text;
	size_t len;
	int err = file_read(path, VNNLIB_MAX_BYTES, &text, &len);

	if (err)
		return err;
	err = vnnlib_parse(out, text, len, path);
	free(text);
	return err;
}

void vnnlib_free(struct vnnlib *v)
{
	if (!v)
		return;
	free(v->claims);
	free(v);
}
