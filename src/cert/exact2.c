/*
 * The exact engine for two varied inputs: extremes at the corners of the polygons on which y is
 * affine, shares by clipping them to the band.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "cert/exact.h"
#include "cert/subdivision.h"

#define AXES SUBDIVISION_AXES

struct exact2 {
	const struct actor *actor;
	struct subdivision *plane;
	double *slack_scratch;
	float *run_scratch;
};

static void close_exact2(void *state)
{
	struct exact2 *e = state;

	if (!e)
		return;
	subdivision_free(e->plane);
	free(e->slack_scratch);
	free(e->run_scratch);
	free(e);
}

static void *open_exact2(const struct actor *a)
{
	struct exact2 *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->actor = a;
	e->plane = subdivision_new(a);
	e->slack_scratch = malloc(actor_slack_scratch(a) * sizeof(*e->slack_scratch));
	e->run_scratch = malloc(mlp_scratch(a->mlp) * sizeof(*e->run_scratch));
	if (!e->plane || !e->slack_scratch || !e->run_scratch) {
		close_exact2(e);
		return NULL;
	}
	return e;
}

// What execution may add, from the ranges that the subdivision saw.
static double execution_slack(struct exact2 *e, const struct region *r)
{
	double lo[REGION_INPUTS], hi[REGION_INPUTS];
	struct actor_ranges ranges = {.x_lo = lo, .x_hi = hi};

	region_hull(r, lo, hi);
	for (int l = 0; l + 1 < e->actor->n; l++) {
		ranges.z_lo[l] = e->plane->z_lo[l];
		ranges.z_hi[l] = e->plane->z_hi[l];
	}
	return actor_slack(e->actor, &ranges, e->slack_scratch);
}

static void range_of(const double *y, int m, double *lo, double *hi)
{
	*lo = *hi = y[0];
	for (int i = 1; i < m; i++) {
		*lo = y[i] < *lo ? y[i] : *lo;
		*hi = y[i] > *hi ? y[i] : *hi;
	}
}

// Measure of a leaf, of `whole` in its patch, by verdict.
static void measure(const struct subdivision *plane, const struct subdivision_node *n,
	const struct exact_slabs *s, double whole, double share[3])
{
	const double *y, *width = plane->patch[n->patch].width;
	struct polygon p = subdivision_leaf(plane, n, &y);
	double scale = width[0] * width[1], done = 0, lo, hi;
	int i;

	range_of(y, p.m, &lo, &hi);
	for (i = exact_slab(s, lo); hi > s->cut[i]; i++) {
		double part = fmin(fmax(polygon_area_below(&p, y, s->cut[i]), done), whole);

		share[s->verdict[i]] += (part - done) * scale;
		done = part;
	}
	share[s->verdict[i]] += (whole - done) * scale;
}

// Shares by verdict under execution and in real arithmetic; returns the measure of all leaves.
static double measure_all(const struct subdivision *plane, const struct exact_slabs *slabs,
	const struct exact_slabs *real, double share[3], double real_share[3])
{
	double sum = 0;

	for (int i = 0; i < plane->nodes; i++) {
		const struct subdivision_node *n = &plane->node[i];
		const double *y, *width;
		struct polygon p;
		double area;

		if (!n->leaf)
			continue;
		width = plane->patch[n->patch].width;
		p = subdivision_leaf(plane, n, &y);
		area = polygon_area(&p);
		measure(plane, n, slabs, area, share);
		measure(plane, n, real, area, real_share);
		width = plane->patch[n->patch].width;
		sum += area * width[0] * width[1];
	}
	return sum;
}

// A leaf, cut where y passes from slab to slab.
static void emit_leaf(const struct subdivision *plane, const struct subdivision_node *n,
	const struct exact_slabs *s, const struct engine_sink *sink, double error)
{
	const double *y;
	struct polygon p = subdivision_leaf(plane, n, &y);
	double lo, hi, normal[AXES], offset;
	int i;

	range_of(y, p.m, &lo, &hi);
	for (i = exact_slab(s, lo); hi > s->cut[i]; i++)
		if (polygon_line(&p, y, s->cut[i], normal, &offset)) {
			subdivision_place(&plane->patch[n->patch], normal, &offset);
			sink->cut(sink->arg, normal, offset);
			exact_leaf(sink, s, i, lo, hi, error);
		}
	exact_leaf(sink, s, i, lo, hi, error);
}

static void emit(const struct subdivision *plane, const struct exact_slabs *s,
	const struct engine_sink *sink, double error)
{
	for (int i = 0; i < plane->nodes; i++) {
		const struct subdivision_node *n = &plane->node[i];

		if (n->leaf)
			emit_leaf(plane, n, s, sink, error);
		else
			sink->cut(sink->arg, n->normal, n->offset);
	}
}

// Corner number c of a leaf, in the region.
static void place(const struct subdivision *plane, const struct region *r,
	const struct subdivision_node *n, int c, double t[AXES])
{
	const struct subdivision_patch *p = &plane->patch[n->patch];

	for (int d = 0; d < AXES; d++)
		t[d] = fmin(fmax(p->lo[d] + plane->corner[d][n->corner + c] * p->width[d],
				    r->dim[d].lo),
			r->dim[d].hi);
}

// The range of y; false when a value is not finite.
static bool find_range(
	const struct subdivision *plane, const struct region *r, struct engine_answer *out)
{
	double sum = 0;

	out->real_lo = INFINITY;
	out->real_hi = -INFINITY;
	for (int i = 0; i < plane->nodes; i++) {
		const struct subdivision_node *n = &plane->node[i];

		for (int c = 0; n->leaf && c < n->corners; c++) {
			double y = plane->corner[2][n->corner + c];

			sum += fabs(y);
			if (y < out->real_lo) {
				out->real_lo = y;
				place(plane, r, n, c, out->arg_lo);
			}
			if (y > out->real_hi) {
				out->real_hi = y;
				place(plane, r, n, c, out->arg_hi);
			}
		}
	}
	return isfinite(sum);
}

// Starts from the extremes.
static void find_miss(struct exact2 *e, const struct engine_ask *ask, const struct exact_slabs *s,
	struct engine_answer *out)
{
	const struct subdivision *plane = e->plane;
	int tries = 0;
	double t[AXES];

	if (exact_misses(out, e->actor, ask, out->arg_lo, e->run_scratch) ||
		exact_misses(out, e->actor, ask, out->arg_hi, e->run_scratch))
		return;
	for (int i = 0; i < plane->nodes; i++) {
		const struct subdivision_node *n = &plane->node[i];

		for (int c = 0; n->leaf && c < n->corners; c++) {
			if (s->verdict[exact_slab(s, plane->corner[2][n->corner + c])] ==
				ENGINE_HOLDS)
				continue;
			place(plane, &ask->region, n, c, t);
			if (exact_misses(out, e->actor, ask, t, e->run_scratch) ||
				++tries == EXACT_TRIES)
				return;
		}
	}
}

static int run_exact2(void *state, const struct engine_ask *ask, struct engine_answer *answer)
{
	struct exact2 *e = state;
	struct engine_answer out = {.engine = "exact"};
	struct band real = exact_real_band(&ask->band);
	struct exact_slabs slabs, exact;
	double share[3] = {0}, real_share[3] = {0}, error, whole;
	int err = ask->region.ndims == AXES ? subdivision_run(e->plane, &ask->region) : -EINVAL;

	if (err)
		return err;
	if (!find_range(e->plane, &ask->region, &out))
		return -EINVAL;
	out.pieces = e->plane->leaves;
	out.slack = execution_slack(e, &ask->region);
	error = exact_error(e->actor, out.slack, e->actor->width, EXACT_PLANE);
	if (ask->real)
		out.slack = 0;
	error += out.slack;
	exact_slabs_make(&slabs, ask->real ? &real : &ask->band, error);
	exact_slabs_make(&exact, &real, 0);
	whole = measure_all(e->plane, &slabs, &exact, share, real_share);
	exact_answer(&out, &slabs, error, share, real_share, whole);
	if (ask->witness)
		find_miss(e, ask, &slabs, &out);
	if (ask->sink)
		emit(e->plane, &slabs, ask->sink, error);
	*answer = out;
	return 0;
}

const struct engine_ops engine_exact2 = {
	.name = "exact",
	.max_dims = AXES,
	.open = open_exact2,
	.close = close_exact2,
	.run = run_exact2,
};
