/* Branch and bound over a region with backward linear bounds. */
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cert/leaf.h"
#include "cert/relax.h"
#include "cert/search.h"

#define SEARCHES 8	  // undecided leaves in which a counterexample is sought
#define KINK_NEAR 0.125	  // of a width: a kink no nearer to an end is where a split goes
#define SHARE_ROUNDINGS 4 // of a part's share, per split above it

/*
 * A cell of the partition: the region cut at every ancestor. Children come in pairs, the lower side
 * first.
 */
struct node {
	int64_t parent;	  // -1: the region
	int64_t children; // index of the first, 0: a leaf
	double at;	  // where children are split
	int dim;
	int depth;
	double share;
	double y_lo, y_hi, slack; // known from the nearest bounded ancestor on
};

struct linear {
	const struct actor *actor;
	struct relax *relax;
	struct search *search;
	struct node *node;
	int64_t nodes, room;
};

struct run {
	struct linear *engine;
	const struct engine_ask *ask;
	int depth;				     // of the deepest node
	double lo[REGION_INPUTS], hi[REGION_INPUTS]; // the cell at hand
	int searches;
	bool missed;
	double t[REGION_INPUTS];
};

static int reserve(struct linear *e, int64_t nodes)
{
	int64_t room = e->room ? e->room : 1024;
	struct node *p;

	if (nodes <= e->room)
		return 0;
	while (room < nodes)
		room *= 2;
	p = realloc(e->node, room * sizeof(*p));
	if (!p)
		return -ENOMEM;
	e->node = p;
	e->room = room;
	return 0;
}

// run->lo and run->hi become the cell of node i.
static void find_cell(struct run *run, int64_t i)
{
	const struct node *node = run->engine->node;
	const struct region *r = &run->ask->region;

	for (int d = 0; d < r->ndims; d++) {
		run->lo[d] = r->dim[d].lo;
		run->hi[d] = r->dim[d].hi;
	}
	for (int64_t p = node[i].parent; p >= 0; i = p, p = node[i].parent) {
		int d = node[p].dim;

		if (i == node[p].children)
			run->hi[d] = fmin(run->hi[d], node[p].at);
		else
			run->lo[d] = fmax(run->lo[d], node[p].at);
	}
}

// Cuts node i, whose cell is from..to along dim, in two.
static int split(struct run *run, int64_t i, int dim, double from, double at, double to)
{
	struct linear *e = run->engine;
	int err = reserve(e, e->nodes + 2);
	struct node *parent, child;

	if (err)
		return err;
	parent = &e->node[i];
	parent->children = e->nodes;
	parent->at = at;
	parent->dim = dim;
	child = (struct node){.parent = i,
		.depth = parent->depth + 1,
		.y_lo = parent->y_lo,
		.y_hi = parent->y_hi,
		.slack = parent->slack};
	run->depth = child.depth > run->depth ? child.depth : run->depth;
	child.share = parent->share * ((at - from) / (to - from));
	e->node[e->nodes++] = child;
	child.share = parent->share * ((to - at) / (to - from));
	e->node[e->nodes++] = child;
	return 0;
}

// Slices from..to of the region, as leaves under node i in their order.
static int slice(struct run *run, int64_t i, int from, int to)
{
	const struct region *r = &run->ask->region;
	int middle = from + (to - from) / 2, n = run->ask->slices, err;
	double lo = leaf_cut(r, from, n), at = leaf_cut(r, middle, n), hi = leaf_cut(r, to, n);

	if (to - from < 2 || !(lo < at && at < hi))
		return 0;
	err = split(run, i, 0, lo, at, hi);
	if (!err)
		err = slice(run, run->engine->node[i].children, from, middle);
	return err ? err : slice(run, run->engine->node[i].children + 1, middle, to);
}

// Where to cut the cell, by the largest gain; -1 when it cannot be cut.
static int choose(const struct run *run, const struct relax_bound *bound, double *at)
{
	const struct region *r = &run->ask->region;
	int best = -1;

	for (int d = 0; d < r->ndims; d++) {
		double lo = run->lo[d], hi = run->hi[d], mid = lo + (hi - lo) / 2;

		if (lo < mid && mid < hi && (best < 0 || bound->gain[d] > bound->gain[best])) {
			best = d;
			*at = mid;
		}
	}
	if (best >= 0 && r->dim[best].tied >= 0) {
		double lo = run->lo[best], hi = run->hi[best], near = KINK_NEAR * (hi - lo);

		if (REGION_KINK > lo + near && REGION_KINK < hi - near)
			*at = REGION_KINK;
	}
	return best;
}

static enum engine_verdict verdict(const struct engine_ask *ask, const struct node *n)
{
	return leaf_verdict(ask, n->y_lo - n->slack, n->y_hi + n->slack);
}

// Bounds node i. An ancestor's slack holds here too: it is computed anew only if that may decide
// the cell.
static void bound(struct run *run, int64_t i, struct relax_bound *b)
{
	const struct engine_ask *ask = run->ask;
	struct node *n = &run->engine->node[i];

	relax_box(run->engine->relax, run->lo, run->hi, b);
	n->y_lo = fmax(n->y_lo, b->lo);
	n->y_hi = fmin(n->y_hi, b->hi);
	if (ask->real || verdict(ask, n) != ENGINE_UNKNOWN)
		return;
	if (n->slack == INFINITY || leaf_verdict(ask, n->y_lo, n->y_hi) != ENGINE_UNKNOWN)
		n->slack = fmin(n->slack, relax_slack(run->engine->relax));
}

// Breadth first: nodes in the order they came, so that the largest parts are decided first. Splits
// stop when the budget is promised to the leaves there are.
static int explore(struct run *run, long leaves)
{
	struct linear *e = run->engine;
	long budget = run->ask->budget;
	struct relax_bound b;
	double at = 0;
	int err = 0;

	for (int64_t i = 0; !err && i < e->nodes && budget > 0; i++) {
		int dim;

		if (e->node[i].children)
			continue;
		find_cell(run, i);
		bound(run, i, &b);
		budget--;
		leaves--;
		if (verdict(run->ask, &e->node[i]) != ENGINE_UNKNOWN || leaves + 2 > budget)
			continue;
		dim = choose(run, &b, &at);
		if (dim < 0)
			continue;
		err = split(run, i, dim, run->lo[dim], at, run->hi[dim]);
		leaves += 2;
	}
	return err;
}

// The node after i in preorder, -1 at the end.
static int64_t next_node(const struct node *node, int64_t i)
{
	if (node[i].children)
		return node[i].children;
	while (i > 0 && i != node[node[i].parent].children)
		i = node[i].parent;
	return i > 0 ? i + 1 : -1;
}

static void close_leaf(struct run *run, int64_t i, struct leaf_sum *sum)
{
	const struct engine_ask *ask = run->ask;
	const struct node *n = &run->engine->node[i];
	enum engine_verdict v = verdict(ask, n);
	double y_lo = n->y_lo - n->slack, y_hi = n->y_hi + n->slack;

	leaf_add(sum, n->share, y_lo, y_hi, v);
	if (ask->sink)
		ask->sink->leaf(ask->sink->arg, y_lo, y_hi, v);
	if (!ask->witness || run->missed || v == ENGINE_HOLDS ||
		(v == ENGINE_UNKNOWN && run->searches >= SEARCHES))
		return;
	run->searches++;
	find_cell(run, i);
	run->missed = search_miss(run->engine->search, ask, run->lo, run->hi, run->t);
}

// The tree becomes the answer.
static void sum_up(struct run *run, struct engine_answer *out)
{
	const struct node *node = run->engine->node;
	const struct engine_sink *sink = run->ask->sink;
	double normal[REGION_INPUTS] = {0}, slack = 0;
	struct leaf_sum sum;

	leaf_start(&sum);
	for (int64_t i = 0; i >= 0; i = next_node(node, i)) {
		if (!node[i].children) {
			slack = fmax(slack, node[i].slack);
			close_leaf(run, i, &sum);
		} else if (sink) {
			normal[node[i].dim] = 1;
			sink->cut(sink->arg, normal, node[i].at);
			normal[node[i].dim] = 0;
		}
	}
	leaf_answer(&sum, (long)SHARE_ROUNDINGS * run->depth, out);
	out->engine = engine_linear.name;
	out->slack = slack;
	out->missed = run->missed;
	memcpy(out->t, run->t, sizeof(out->t));
}

static int run_linear(void *state, const struct engine_ask *ask, struct engine_answer *out)
{
	struct linear *e = state;
	struct run run = {.engine = e, .ask = ask};
	int err = reserve(e, 1);

	if (err)
		return err;
	e->nodes = 1;
	e->node[0] = (struct node){.parent = -1,
		.share = 1,
		.y_lo = -INFINITY,
		.y_hi = INFINITY,
		.slack = ask->real ? 0 : INFINITY};
	if (ask->region.ndims > 0)
		err = slice(&run, 0, 0, ask->slices);
	if (!err && actor_reaches(e->actor, &ask->region)) {
		relax_region(e->relax, &ask->region);
		err = explore(&run, (e->nodes + 1) / 2);
	}
	if (!err)
		sum_up(&run, out);
	return err;
}

static void close_linear(void *state)
{
	struct linear *e = state;

	if (!e)
		return;
	relax_free(e->relax);
	search_free(e->search);
	free(e->node);
	free(e);
}

static void *open_linear(const struct actor *a)
{
	struct linear *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->actor = a;
	e->relax = relax_new(a);
	e->search = search_new(a);
	if (e->relax && e->search)
		return e;
	close_linear(e);
	return NULL;
}

const struct engine_ops engine_linear = {
	"linear", REGION_INPUTS, open_linear, close_linear, run_linear};
