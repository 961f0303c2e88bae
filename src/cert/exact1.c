/*
 * The exact engine for one varied input: extremes at the breakpoints of y, shares from the pieces
 * between.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "cert/exact.h"
#include "cert/segment.h"

struct exact1 {
	const struct actor *actor;
	struct segment *line;
	double *slack_scratch;
	float *run_scratch;
};

static void close_exact1(void *state)
{
	struct exact1 *e = state;

	if (!e)
		return;
	segment_free(e->line);
	free(e->slack_scratch);
	free(e->run_scratch);
	free(e);
}

static void *open_exact1(const struct actor *a)
{
	struct exact1 *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->actor = a;
	e->line = segment_new(a);
	e->slack_scratch = malloc(actor_slack_scratch(a) * sizeof(*e->slack_scratch));
	e->run_scratch = malloc(mlp_scratch(a->mlp) * sizeof(*e->run_scratch));
	if (!e->line || !e->slack_scratch || !e->run_scratch) {
		close_exact1(e);
		return NULL;
	}
	return e;
}

// What execution may add, from the ranges that the segment saw.
static double execution_slack(struct exact1 *e, const struct region *r)
{
	double lo[REGION_INPUTS], hi[REGION_INPUTS];
	struct actor_ranges ranges = {.x_lo = lo, .x_hi = hi};

	region_hull(r, lo, hi);
	for (int l = 0; l + 1 < e->actor->n; l++) {
		ranges.z_lo[l] = e->line->z_lo[l];
		ranges.z_hi[l] = e->line->z_hi[l];
	}
	return actor_slack(e->actor, &ranges, e->slack_scratch);
}

// Measure by verdict of a piece over which y goes from ya to yb.
static void measure(
	const struct exact_slabs *s, double ya, double yb, double width, double share[3])
{
	double lo = fmin(ya, yb), hi = fmax(ya, yb), done = 0;
	int i = exact_slab(s, lo);

	for (; hi > s->cut[i]; i++) {
		double part = (s->cut[i] - lo) / (hi - lo);

		share[s->verdict[i]] += (part - done) * width;
		done = part;
	}
	share[s->verdict[i]] += (1 - done) * width;
}

struct emission {
	const struct engine_sink *sink;
	const struct exact_slabs *slabs;
	const struct segment_point *point;
	double error;
};

static void emit_cut(const struct emission *m, double t)
{
	m->sink->cut(m->sink->arg, (double[]){1}, t);
}

// The piece from point i, cut where y passes from slab to slab.
static void emit_piece(const struct emission *m, long i)
{
	struct segment_point a = m->point[i], b = m->point[i + 1];
	double lo = fmin(a.y, b.y), hi = fmax(a.y, b.y), from = a.t;
	int up = a.y < b.y ? 1 : -1, slab = exact_slab(m->slabs, a.y),
	    last = exact_slab(m->slabs, b.y);

	for (; slab != last; slab += up) {
		double y = m->slabs->cut[up > 0 ? slab : slab - 1];
		double t = a.t + (b.t - a.t) * ((y - a.y) / (b.y - a.y));

		if (!(t > from && t < b.t))
			continue;
		emit_cut(m, t);
		exact_leaf(m->sink, m->slabs, slab, lo, hi, m->error);
		from = t;
	}
	exact_leaf(m->sink, m->slabs, slab, lo, hi, m->error);
}

static void emit(const struct emission *m, long first, long last)
{
	long middle = (first + last) / 2;

	if (last - first == 1) {
		emit_piece(m, first);
		return;
	}
	emit_cut(m, m->point[middle].t);
	emit(m, first, middle);
	emit(m, middle, last);
}

// Starts from the extremes.
static void find_miss(struct exact1 *e, const struct engine_ask *ask, const struct exact_slabs *s,
	struct engine_answer *out)
{
	int tries = 0;

	if (exact_misses(out, e->actor, ask, out->arg_lo, e->run_scratch) ||
		exact_misses(out, e->actor, ask, out->arg_hi, e->run_scratch))
		return;
	for (long i = 0; i < e->line->points && tries < EXACT_TRIES; i++)
		if (s->verdict[exact_slab(s, e->line->point[i].y)] != ENGINE_HOLDS) {
			if (exact_misses(out, e->actor, ask, &e->line->point[i].t, e->run_scratch))
				return;
			tries++;
		}
}

// The range of y; false when a value is not finite.
static bool find_range(const struct exact1 *e, struct engine_answer *out)
{
	const struct segment_point *p = e->line->point;
	long lo = 0, hi = 0;
	double sum = 0;

	for (long i = 0; i < e->line->points; i++) {
		sum += fabs(p[i].y);
		lo = p[i].y < p[lo].y ? i : lo;
		hi = p[i].y > p[hi].y ? i : hi;
	}
	out->real_lo = p[lo].y;
	out->real_hi = p[hi].y;
	out->arg_lo[0] = p[lo].t;
	out->arg_hi[0] = p[hi].t;
	return isfinite(sum);
}

static int run_exact1(void *state, const struct engine_ask *ask, struct engine_answer *answer)
{
	struct exact1 *e = state;
	struct engine_answer out = {.engine = "exact"};
	struct band real = exact_real_band(&ask->band);
	struct exact_slabs slabs, exact;
	double share[3] = {0}, real_share[3] = {0}, error;
	int err = ask->region.ndims == 1 ? segment_run(e->line, &ask->region) : -EINVAL;

	if (err)
		return err;
	if (!find_range(e, &out))
		return -EINVAL;
	out.pieces = e->line->points - 1;
	out.slack = execution_slack(e, &ask->region);
	error = exact_error(e->actor, out.slack, e->line->steps, EXACT_LINE);
	if (ask->real)
		out.slack = 0;
	error += out.slack;
	exact_slabs_make(&slabs, ask->real ? &real : &ask->band, error);
	exact_slabs_make(&exact, &real, 0);
	for (long i = 0; i + 1 < e->line->points; i++) {
		struct segment_point a = e->line->point[i], b = e->line->point[i + 1];

		measure(&slabs, a.y, b.y, b.t - a.t, share);
		measure(&exact, a.y, b.y, b.t - a.t, real_share);
	}
	exact_answer(&out, &slabs, error, share, real_share,
		ask->region.dim[0].hi - ask->region.dim[0].lo);
	if (ask->witness)
		find_miss(e, ask, &slabs, &out);
	if (ask->sink)
		emit(&(struct emission){ask->sink, &slabs, e->line->point, error}, 0,
			e->line->points - 1);
	*answer = out;
	return 0;
}

const struct engine_ops engine_exact1 = {
	.name = "exact",
	.max_dims = 1,
	.open = open_exact1,
	.close = close_exact1,
	.run = run_exact1,
};
