/* Reading a part of a certificate file: its region, tree and claims. */
#include "cert/cert_part_read.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int read_dim(const struct members_place *at, struct region *region, json_t *o)
{
	int64_t input;
	double lo, hi, tied;
	const struct members_one members[] = {
		{"input", MEMBERS_WHOLE, &input, 0, region->nin - 1},
		{"tied", MEMBERS_REAL_OR_NULL, &tied, 0, region->nin - 1},
		{"lo", MEMBERS_REAL, &lo, MEMBERS_ANY},
		{"hi", MEMBERS_REAL, &hi, MEMBERS_ANY},
	};
	int err = members_read(at, o, members, MEMBERS_COUNT(members));

	if (err)
		return err;
	if (!(lo < hi))
		return members_fail(at, "'vary': input %" PRId64 ": lo %.17g is not below hi %.17g",
			input, lo, hi);
	if (region_vary(region, (int)input, lo, hi))
		return members_fail(at,
			"'vary': input %" PRId64 " varies twice, or with one that it is tied to",
			input);
	if ((isnan(tied) ? -1 : tied) != region->dim[region->ndims - 1].tied)
		return members_fail(at, "'vary': input %" PRId64 " is tied to another one", input);
	return 0;
}

static int read_region(const struct members_place *at, struct cert_part *p,
	const struct cert_entry *d, json_t *vary, json_t *fixed)
{
	int64_t input;
	double value;
	const struct members_one members[] = {{"input", MEMBERS_WHOLE, &input, 0, d->nstate - 1},
		{"value", MEMBERS_REAL, &value, MEMBERS_ANY}};
	int err = 0;
	size_t i;
	json_t *v;

	region_point(&p->region, d->state, d->nstate);
	json_array_foreach(fixed, i, v)
	{
		err = members_read(at, v, members, MEMBERS_COUNT(members));
		if (err)
			return err;
		p->region.x[input] = value;
	}
	json_array_foreach(vary, i, v)
	{
		err = read_dim(at, &p->region, v);
		if (err)
			return err;
	}
	return 0;
}

// One whole binary tree, with as many numbers as its nodes need.
static int check_tree(const struct members_place *at, const struct cert_tree *t)
{
	size_t open = 1, cuts = 0, bounds = 0;

	for (size_t i = 0; i < t->nodes; i++) {
		bool axis = t->kind[i] == CERT_AXIS, bounded = cert_bounded(t->kind[i]);
		size_t n = axis ? 2 : t->ndims + 1;

		if (!open)
			return members_fail(at, "'tree' goes on after its last leaf");
		if (bounded || cert_shield_leaf(t->kind[i])) {
			open--;
			bounds += bounded ? 2 : 0;
			continue;
		}
		if (t->kind[i] != CERT_CUT && !axis)
			return members_fail(
				at, "'tree': node %zu is none of a, c, h, f, u, s, v", i + 1);
		if (cuts + n > t->ncuts)
			return members_fail(at, "'cuts' has fewer numbers than the tree needs");
		if (axis && !(t->cuts[cuts] >= 0 && t->cuts[cuts] < t->ndims &&
				    t->cuts[cuts] == floor(t->cuts[cuts])))
			return members_fail(at, "'cuts': %.17g is no varied input", t->cuts[cuts]);
		cuts += n;
		open++;
	}
	if (open || cuts != t->ncuts || bounds != t->nbounds)
		return members_fail(
			at, "'tree' is not whole, or 'cuts' and 'bounds' do not fit it");
	return 0;
}

// Makes NAN infinite and sees that bounds are intervals, finite ones where something was decided.
static int check_bounds(const struct members_place *at, struct cert_tree *t)
{
	double *b = t->bounds;

	for (size_t i = 0; i < t->nodes; i++) {
		bool finite;

		if (!cert_bounded(t->kind[i]))
			continue;
		finite = !isnan(b[0]) && !isnan(b[1]);
		b[0] = isnan(b[0]) ? -HUGE_VAL : b[0];
		b[1] = isnan(b[1]) ? HUGE_VAL : b[1];
		if (!(b[0] <= b[1]) || (!finite && t->kind[i] != CERT_UNKNOWN))
			return members_fail(at,
				"'bounds': %.17g and %.17g of leaf %td are no interval%s", b[0],
				b[1], (b - t->bounds) / 2 + 1,
				finite ? "" : " on which anything holds or fails");
		b += 2;
	}
	return 0;
}

static int read_tree(const struct members_place *at, struct cert_part *p, const char *kind,
	json_t *cuts, json_t *bounds)
{
	struct cert_tree *t = &p->tree;
	int err;

	t->kind = strdup(kind);
	t->ndims = p->region.ndims;
	t->nodes = strlen(kind);
	err = t->kind ? 0 : -ENOMEM;
	if (!err)
		err = members_numbers(at, "cuts", cuts, false, &t->cuts, &t->ncuts);
	if (!err)
		err = members_numbers(at, "bounds", bounds, true, &t->bounds, &t->nbounds);
	if (!err)
		err = check_tree(at, t);
	return err ? err : check_bounds(at, t);
}

static int read_claims(const struct members_place *at, struct cert_part *p, json_t *target,
	json_t *y, json_t *counterexample)
{
	double *bounds = NULL;
	size_t n = 0;
	int err;

	if (json_array_size(target) != 2 || !json_is_integer(json_array_get(target, 0)) ||
		!json_is_integer(json_array_get(target, 1)))
		return members_fail(at, "'target' is not two whole numbers");
	p->lo = json_integer_value(json_array_get(target, 0));
	p->hi = json_integer_value(json_array_get(target, 1));
	err = members_numbers(at, "y", y, true, &bounds, &n);
	if (!err && n != 2)
		err = members_fail(at, "'y' is not two numbers");
	if (!err) {
		p->y_lo = isnan(bounds[0]) ? -HUGE_VAL : bounds[0];
		p->y_hi = isnan(bounds[1]) ? HUGE_VAL : bounds[1];
		if (!(p->y_lo <= p->y_hi))
			err = members_fail(at, "'y': %.17g is above %.17g", p->y_lo, p->y_hi);
	}
	free(bounds);
	p->missed = !err && json_is_array(counterexample);
	if (p->missed)
		err = members_few(at, "counterexample", counterexample, p->t, p->region.ndims,
			p->region.ndims);
	return err;
}

int cert_part_read(
	const struct members_place *at, struct cert_part *p, const struct cert_entry *d, json_t *o)
{
	const char *property, *engine, *kind;
	json_t *vary, *fixed, *target, *y, *cuts, *bounds, *counterexample;
	const struct members_one members[] = {
		{"property", MEMBERS_TEXT, &property, MEMBERS_ANY},
		{"vary", MEMBERS_LIST, &vary, MEMBERS_ANY},
		{"fixed", MEMBERS_LIST, &fixed, MEMBERS_ANY},
		{"target", MEMBERS_LIST, &target, MEMBERS_ANY},
		{"engine", MEMBERS_TEXT, &engine, MEMBERS_ANY},
		{"proven", MEMBERS_REAL, &p->proven, 0, 1},
		{"refuted", MEMBERS_REAL, &p->refuted, 0, 1},
		{"exact", MEMBERS_REAL_OR_NULL, &p->exact, 0, 1},
		{"y", MEMBERS_LIST, &y, MEMBERS_ANY},
		{"tree", MEMBERS_TEXT, &kind, MEMBERS_ANY},
		{"cuts", MEMBERS_LIST, &cuts, MEMBERS_ANY},
		{"bounds", MEMBERS_LIST, &bounds, MEMBERS_ANY},
		{"counterexample", MEMBERS_LIST_OR_NULL, &counterexample, MEMBERS_ANY},
	};
	int err = members_read(at, o, members, MEMBERS_COUNT(members));

	if (err)
		return err;
	p->property = strdup(property);
	p->engine = strdup(engine);
	err = p->property && p->engine ? 0 : -ENOMEM;
	if (!err)
		err = read_region(at, p, d, vary, fixed);
	if (!err)
		err = read_tree(at, p, kind, cuts, bounds);
	return err ? err : read_claims(at, p, target, y, counterexample);
}
