/*
 * The slow, obvious way to know a network over a rectangle: cut it by one neuron after the other,
 * recomputing nothing cleverly, and keep the engines' partitions to hold against it.
 */
#ifndef TESTS_EXACT_SLOW_H
#define TESTS_EXACT_SLOW_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cert/engine.h"

#define SLOW_CORNERS 64
#define SLOW_WIDTH 48 /* of networks at most */

struct slow_polygon {
	int m;
	double x[SLOW_CORNERS], y[SLOW_CORNERS];
};

static inline double slow_area(const struct slow_polygon *p)
{
	double sum = 0;

	for (int i = 0; i < p->m; i++) {
		int j = (i + 1) % p->m;

		sum += (p->x[i] - p->x[0]) * (p->y[j] - p->y[0]) -
		       (p->x[j] - p->x[0]) * (p->y[i] - p->y[0]);
	}
	return fabs(sum) / 2;
}

/* The part of p where a + b x + c y <= 0. */
static inline void slow_clip(
	const struct slow_polygon *p, double a, double b, double c, struct slow_polygon *out)
{
	struct slow_polygon q = {0};

	for (int i = 0; i < p->m; i++) {
		int j = (i + 1) % p->m;
		double f = a + b * p->x[i] + c * p->y[i], g = a + b * p->x[j] + c * p->y[j],
		       s = f / (f - g);

		if (f <= 0) {
			q.x[q.m] = p->x[i];
			q.y[q.m++] = p->y[i];
		}
		if ((f < 0 && g > 0) || (f > 0 && g < 0)) {
			q.x[q.m] = p->x[i] + s * (p->x[j] - p->x[i]);
			q.y[q.m++] = p->y[i] + s * (p->y[j] - p->y[i]);
		}
	}
	*out = q;
}

/* What a network is over a region; y in [lo, hi), share where band_lo <= y < band_hi. */
struct slow {
	const struct mlp *net;
	double band_lo, band_hi;
	double lo, hi, share;
	long pieces;
};

typedef double slow_row[3]; /* a + b x + c y, x and y in 0..1 over the patch */

static inline void slow_output(
	struct slow *s, const struct slow_polygon *p, const double *y, double measure)
{
	struct slow_polygon below_hi, below_lo;

	for (int i = 0; i < p->m; i++) {
		double v = y[0] + y[1] * p->x[i] + y[2] * p->y[i];

		s->lo = fmin(s->lo, v);
		s->hi = fmax(s->hi, v);
	}
	slow_clip(p, y[0] - s->band_hi, y[1], y[2], &below_hi);
	slow_clip(p, y[0] - s->band_lo, y[1], y[2], &below_lo);
	s->share += (slow_area(&below_hi) - slow_area(&below_lo)) * measure;
	s->pieces++;
}

/* Neurons j on of layer l over p, where the layer reads h and the neurons before j give g. */
static inline void slow_layer(struct slow *s, int l, int j, const slow_row *h, slow_row *g,
	const struct slow_polygon *p, double measure)
{
	const struct mlp_layer *layer = &s->net->layer[l];
	slow_row z = {layer->b[j]}, next[SLOW_WIDTH];
	double whole = slow_area(p);
	struct slow_polygon part[2];

	for (int k = 0; k < layer->in; k++)
		for (int c = 0; c < 3; c++)
			z[c] += h[k][c] * layer->w[(size_t)k * layer->out + j];
	if (l == s->net->n - 1) {
		slow_output(s, p, z, measure);
		return;
	}
	slow_clip(p, z[0], z[1], z[2], &part[0]);
	slow_clip(p, -z[0], -z[1], -z[2], &part[1]);
	for (int side = 0; side < 2; side++) {
		if (slow_area(&part[side]) < 1e-14 || (side && slow_area(&part[0]) > whole - 1e-14))
			continue; // a neuron that is 0 throughout is on one side only
		for (int c = 0; c < 3; c++)
			g[j][c] = side ? z[c] : s->net->slope * z[c];
		if (j + 1 < layer->out)
			slow_layer(s, l, j + 1, h, g, &part[side], measure);
		else
			slow_layer(s, l + 1, 0, (const slow_row *)g, next, &part[side], measure);
	}
}

/* lo..hi of a region of one or two varied inputs, no kink inside. */
static inline void slow_patch(
	struct slow *s, const struct region *r, const double *lo, const double *hi)
{
	struct slow_polygon square = {4, {0, 1, 1, 0}, {0, 0, 1, 1}};
	double x[REGION_INPUTS], measure = 1;
	slow_row h[REGION_INPUTS] = {0}, g[SLOW_WIDTH];

	region_state(r, lo, x);
	for (int k = 0; k < r->nin; k++)
		h[k][0] = x[k];
	for (int d = 0; d < r->ndims; d++) {
		double width = hi[d] - lo[d];

		measure *= width / (r->dim[d].hi - r->dim[d].lo);
		h[r->dim[d].input][1 + d] = width;
		if (r->dim[d].tied >= 0)
			h[r->dim[d].tied][1 + d] = lo[d] < REGION_KINK ? 1.25 * width : 0;
	}
	slow_layer(s, 0, 0, (const slow_row *)h, g, &square, measure);
}

/* The ends of the parts into which the kink of varied input d cuts it; returns how many parts. */
static inline int slow_parts(const struct region *r, int d, double end[3])
{
	bool kink;

	end[0] = end[1] = end[2] = 0;
	if (d >= r->ndims)
		return 1;
	kink = r->dim[d].tied >= 0 && r->dim[d].lo < REGION_KINK && r->dim[d].hi > REGION_KINK;
	end[0] = r->dim[d].lo;
	end[1] = kink ? REGION_KINK : r->dim[d].hi;
	end[2] = r->dim[d].hi;
	return kink ? 2 : 1;
}

static inline struct slow slow_run(
	const struct mlp *net, const struct region *r, const struct band *b)
{
	struct slow s = {.net = net, .lo = INFINITY, .hi = -INFINITY};
	double x[3], y[3];
	int nx = slow_parts(r, 0, x), ny = slow_parts(r, 1, y);

	s.band_lo = fmax(b->lo, -1e9); // clipping multiplies by it
	s.band_hi = fmin(b->hi, 1e9);
	for (int i = 0; i < nx; i++)
		for (int j = 0; j < ny; j++)
			slow_patch(&s, r, (double[]){x[i], y[j]}, (double[]){x[i + 1], y[j + 1]});
	return s;
}

/* A partition as the sink was told it, in preorder. */
struct partition_node {
	bool leaf;
	double normal[2], offset;
	int other; /* cuts: index of the second side */
	double y_lo, y_hi;
	enum engine_verdict verdict;
};

struct partition {
	struct partition_node *node;
	int n, room, open[8192], depth, dims;
};

static inline struct partition_node *partition_next(struct partition *p)
{
	if (p->n == p->room) {
		p->room = p->room ? 2 * p->room : 256;
		p->node = realloc(p->node, p->room * sizeof(*p->node));
	}
	return &p->node[p->n++];
}

static inline void partition_cut(void *arg, const double *normal, double offset)
{
	struct partition *p = arg;
	struct partition_node *n = partition_next(p);

	*n = (struct partition_node){
		.normal = {normal[0], p->dims > 1 ? normal[1] : 0}, .offset = offset};
	p->open[p->depth++] = p->n - 1;
}

static inline void partition_leaf(void *arg, double y_lo, double y_hi, enum engine_verdict v)
{
	struct partition *p = arg;

	*partition_next(p) =
		(struct partition_node){.leaf = true, .y_lo = y_lo, .y_hi = y_hi, .verdict = v};
	if (p->depth)
		p->node[p->open[--p->depth]].other = p->n;
}

static inline struct engine_sink partition_sink(struct partition *p, int dims)
{
	p->n = p->depth = 0;
	p->dims = dims;
	return (struct engine_sink){partition_cut, partition_leaf, p};
}

/* Measure by verdict of the part of the region in node i. */
static inline void partition_measure(
	const struct partition *p, int i, const struct slow_polygon *part, double share[3])
{
	const struct partition_node *n = &p->node[i];
	struct slow_polygon side;

	if (n->leaf) {
		share[n->verdict] += slow_area(part);
		return;
	}
	slow_clip(part, -n->offset, n->normal[0], n->normal[1], &side);
	partition_measure(p, i + 1, &side, share);
	slow_clip(part, n->offset, -n->normal[0], -n->normal[1], &side);
	partition_measure(p, n->other, &side, share);
}

#endif
