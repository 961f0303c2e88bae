/* The partition that an engine gives to its sink, kept, and held against the network point by
 * point. */
#ifndef TESTS_CERT_TREE_H
#define TESTS_CERT_TREE_H

#include <assert.h>
#include <string.h>

#include "cert/kernel.h"
#include "cert/search.h"
#include "cert_nets.h"
#include "policy/action.h"

struct tree_node {
	bool leaf;
	int dim; /* cuts: the axis they are across */
	double offset;
	int64_t other; /* cuts: index of the side where t is above */
	double y_lo, y_hi;
	enum engine_verdict verdict;
};

struct tree {
	struct tree_node *node;
	int64_t n, room;
	int64_t open[4096]; /* cuts whose other side is to come */
	int depth;
	long leaves;
};

static inline struct tree_node *tree_next(struct tree *t)
{
	if (t->n == t->room) {
		t->room = t->room ? 2 * t->room : 64;
		t->node = realloc(t->node, t->room * sizeof(*t->node));
	}
	return &t->node[t->n++];
}

static inline void tree_cut(void *arg, const double *normal, double offset)
{
	struct tree *t = arg;
	struct tree_node *n = tree_next(t);

	*n = (struct tree_node){.offset = offset};
	while (normal[n->dim] == 0)
		n->dim++;
	assert(normal[n->dim] == 1 && t->depth < 4096);
	t->open[t->depth++] = t->n - 1;
}

static inline void tree_leaf(void *arg, double y_lo, double y_hi, enum engine_verdict v)
{
	struct tree *t = arg;

	*tree_next(t) = (struct tree_node){.leaf = true, .y_lo = y_lo, .y_hi = y_hi, .verdict = v};
	t->leaves++;
	if (t->depth > 0)
		t->node[t->open[--t->depth]].other = t->n;
}

/* The leaf that t lies in; on a cut, both sides hold it: `above` chooses. */
static inline const struct tree_node *tree_find(
	const struct tree *tree, const double *t, bool above)
{
	int64_t i = 0;

	while (!tree->node[i].leaf) {
		const struct tree_node *n = &tree->node[i];

		i = (above ? t[n->dim] >= n->offset : t[n->dim] > n->offset) ? n->other : i + 1;
	}
	return &tree->node[i];
}

/* Points that tests try are so many times fewer under a sanitizer, which slows them down. */
#ifdef CANOPY_DEBUG
#define PROBE_FEWER 10
#else
#define PROBE_FEWER 1
#endif

/* Executes networks at many points: in float as the sender does, in double as it could be. */
#define PROBE_POINTS 256
struct probe {
	const struct actor *actor;
	float *scratch, *x, y[PROBE_POINTS];
	double *h[2], *z[2];
};

static inline void probe_init(struct probe *p, const struct actor *a)
{
	int n = a->width > REGION_INPUTS ? a->width : REGION_INPUTS;

	p->actor = a;
	p->scratch = malloc(mlp_scratch(a->mlp) * sizeof(float));
	p->x = malloc(PROBE_POINTS * a->layer[0].in * sizeof(float));
	for (int i = 0; i < 2; i++) {
		p->h[i] = aligned_alloc(ACTOR_ALIGN, n * sizeof(double));
		p->z[i] = aligned_alloc(ACTOR_ALIGN, n * sizeof(double));
	}
}

static inline void probe_free(struct probe *p)
{
	free(p->scratch);
	free(p->x);
	for (int i = 0; i < 2; i++) {
		free(p->h[i]);
		free(p->z[i]);
	}
}

/* y[i] of the float network at n states, (n, in) doubles. */
static inline void probe_float(struct probe *p, const double *x, int n)
{
	for (int i = 0; i < n * p->actor->layer[0].in; i++)
		p->x[i] = (float)x[i];
	mlp_forward(p->actor->mlp, p->x, p->y, n, p->scratch);
}

/* Of the double network, two states at once. */
static inline void probe_double(struct probe *p, const double *x, double y[2])
{
	const struct actor *a = p->actor;

	for (int v = 0; v < 2; v++)
		memcpy(p->h[v], x + (size_t)v * a->layer[0].in, a->layer[0].in * sizeof(double));
	for (int l = 0; l < a->n; l++) {
		kernel_forward(&a->layer[l], 2, (const double *[]){p->h[0], p->h[1]},
			(double *[]){p->z[0], p->z[1]});
		for (int v = 0; v < 2; v++)
			for (int j = 0; j < a->layer[l].out; j++) {
				double z = p->z[v][j] + a->layer[l].b[j];

				y[v] = z; // the last layer has one
				p->h[v][j] = z < 0 ? a->slope * z : z;
			}
	}
}

/* Whether executed y lies where an answer and the leaf of t say; prints what does not. */
static inline bool tree_allows(const struct engine_ask *ask, const struct engine_answer *o,
	const struct tree *tree, const double *t, double y)
{
	int percent = action_percent(mlp_action((float)y));
	bool hit = percent >= ask->band.first && percent <= ask->band.last, ok;

	ok = y >= o->y_lo && y <= o->y_hi;
	for (int above = 0; above < 2; above++) {
		const struct tree_node *leaf = tree_find(tree, t, above);

		ok &= y >= leaf->y_lo && y <= leaf->y_hi;
		ok &= leaf->verdict == ENGINE_UNKNOWN || hit == (leaf->verdict == ENGINE_HOLDS);
	}
	if (!ok)
		printf("%s: y = %.17g outside [%.17g, %.17g] or its leaf, t[0] = %.17g\n",
			o->engine, y, o->y_lo, o->y_hi, t[0]);
	return ok;
}

/* Violations among n random points of the region, executed in float, every eighth in double too. */
static inline long tree_sample(const struct engine_ask *ask, const struct engine_answer *o,
	const struct tree *tree, struct probe *p, struct rng *g, long n)
{
	const struct region *r = &ask->region;
	double x[PROBE_POINTS * REGION_INPUTS], t[PROBE_POINTS][REGION_INPUTS], y[2];
	double lo[REGION_INPUTS], hi[REGION_INPUTS];
	long bad = 0;

	for (int d = 0; d < r->ndims; d++) {
		lo[d] = r->dim[d].lo;
		hi[d] = r->dim[d].hi;
	}
	for (long at = 0; at < n; at += PROBE_POINTS * PROBE_FEWER) {
		for (int i = 0; i < PROBE_POINTS; i++) {
			random_point(g, r, lo, hi, t[i]);
			region_state(r, t[i], x + (size_t)i * r->nin);
		}
		probe_float(p, x, PROBE_POINTS);
		for (int i = 0; i < PROBE_POINTS; i++)
			bad += !tree_allows(ask, o, tree, t[i], p->y[i]);
		for (int i = 0; i < PROBE_POINTS; i += 16) {
			probe_double(p, x + (size_t)i * r->nin, y);
			for (int v = 0; v < 2; v++)
				bad += !tree_allows(ask, o, tree, t[i + v], y[v]);
		}
	}
	return bad;
}

/* Violations at and around the extremes that a search finds in the region. */
static inline long tree_attack(const struct engine_ask *ask, const struct engine_answer *o,
	const struct tree *tree, struct probe *p, struct search *s)
{
	const struct region *r = &ask->region;
	double lo[REGION_INPUTS], hi[REGION_INPUTS], t[REGION_INPUTS], at[REGION_INPUTS],
		x[2 * REGION_INPUTS], y[2];
	long bad = 0;

	for (int d = 0; d < r->ndims; d++) {
		lo[d] = r->dim[d].lo;
		hi[d] = r->dim[d].hi;
	}
	for (int up = 0; up < 2; up++) {
		search_extreme(s, r, lo, hi, up, t);
		for (int step = -2; step <= 2; step++) {
			for (int d = 0; d < r->ndims; d++) {
				float f = (float)t[d];

				for (int i = 0; i < abs(step); i++)
					f = nextafterf(f, step < 0 ? -INFINITY : INFINITY);
				at[d] = step ? fmax(lo[d], fmin(hi[d], f)) : t[d];
			}
			region_state(r, at, x);
			memcpy(x + r->nin, x, r->nin * sizeof(*x));
			probe_float(p, x, 1);
			bad += !tree_allows(ask, o, tree, at, p->y[0]);
			probe_double(p, x, y);
			bad += !tree_allows(ask, o, tree, at, y[0]);
		}
	}
	return bad;
}

#endif
