/*
 * The exact engine for one varied input: the network along a segment, breakpoint by breakpoint.
 *
 * Where the tied input has its kink the segment is two paths. Over a path the sums of layer 0 are affine;
 * their zeros cut it into pieces, over which the sums of layer 1 are, and so on. At a zero of layer 0 the
 * slopes of layer 1 change by a multiple of one row of its weights; deeper layers are computed afresh at every
 * breakpoint. A neuron belongs to the side on which its sum was computed at either end of a piece, so that no
 * crossing is missed or counted twice, and y is computed afresh at the ends of pieces: errors do not add up.
 */
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cert/exact.h"
#include "cert/sweep.h"

#define MAX_POINTS (1 << 20)
#define PATHS 2

struct crossing {
	double t;
	int neuron;
};

struct point {
	double t, y;
};

// The hidden layer l; rows have the layer's stride.
struct level {
	double *z[PATHS + 1]; // sums at the ends of the piece; layer 0: at the ends of the paths
	double *slope[PATHS]; // layers 0 and 1: of the sums, by path
	double *lo, *hi;      // range of the sums
	double *h;	      // what the layer gives
	struct crossing *cross;
};

struct exact1 {
	const struct actor *actor;
	int hidden; // layers
	struct level level[MLP_MAX_LAYERS];
	double *out_w; // the last layer's weights, a row of the last hidden layer
	double *x;     // a state, a row
	double *step[PATHS]; // slopes of what layer 0 gives
	uint64_t *crossed;
	struct point *point; // breakpoints of y, in the order of t
	long points, max_points;
	long steps; // rank-one corrections
	double *slack_scratch;
	float *run_scratch;
	void *memory; // holds the rows
};

// Rows of width numbers, handed out one by one.
static double *take_row(double **at, int width)
{
	double *row = *at;

	*at += width;
	return row;
}

static void close_exact1(void *state)
{
	struct exact1 *e = state;

	if (!e)
		return;
	for (int l = 0; l < e->hidden; l++)
		free(e->level[l].cross);
	free(e->crossed);
	free(e->point);
	free(e->slack_scratch);
	free(e->run_scratch);
	free(e->memory);
	free(e);
}

// Paths times pieces of layer 0 times those of layer 1 and so on, ends included.
static long most_points(const struct actor *a)
{
	double n = PATHS;

	for (int l = 0; l + 1 < a->n; l++)
		n *= a->layer[l].out + 1;
	return n + 1 < MAX_POINTS ? (long)n + 1 : MAX_POINTS;
}

static int allocate(struct exact1 *e)
{
	const struct actor *a = e->actor;
	int width = a->width > REGION_INPUTS ? a->width : REGION_INPUTS, rows = 8 * e->hidden + 4;
	size_t bytes = (size_t)rows * width * sizeof(double);
	double *at = e->memory = aligned_alloc(ACTOR_ALIGN, bytes);
	bool ok = at;

	e->max_points = most_points(a);
	e->crossed = malloc(sweep_words(width) * sizeof(*e->crossed));
	e->point = malloc(e->max_points * sizeof(*e->point));
	e->slack_scratch = malloc(actor_slack_scratch(a) * sizeof(double));
	e->run_scratch = malloc(mlp_scratch(a->mlp) * sizeof(float));
	for (int l = 0; l < e->hidden; l++) {
		e->level[l].cross = malloc(a->layer[l].out * sizeof(struct crossing));
		ok = ok && e->level[l].cross;
	}
	if (!ok || !e->crossed || !e->point || !e->slack_scratch || !e->run_scratch)
		return -ENOMEM;
	memset(at, 0, bytes);
	for (int l = 0; l < e->hidden; l++) {
		struct level *v = &e->level[l];

		for (int i = 0; i <= PATHS; i++)
			v->z[i] = take_row(&at, width);
		for (int i = 0; i < PATHS; i++)
			v->slope[i] = take_row(&at, width);
		v->lo = take_row(&at, width);
		v->hi = take_row(&at, width);
		v->h = take_row(&at, width);
	}
	e->out_w = take_row(&at, width);
	e->x = take_row(&at, width);
	for (int i = 0; i < PATHS; i++)
		e->step[i] = take_row(&at, width);
	return 0;
}

static void *open_exact1(const struct actor *a)
{
	struct exact1 *e = calloc(1, sizeof(*e));
	const struct actor_layer *last = &a->layer[a->n - 1];

	if (!e)
		return NULL;
	e->actor = a;
	e->hidden = a->n - 1;
	if (allocate(e)) {
		close_exact1(e);
		return NULL;
	}
	for (int k = 0; k < last->in; k++)
		e->out_w[k] = last->w[(size_t)k * last->stride];
	return e;
}

static int add_point(struct exact1 *e, double t, double y)
{
	if (e->points && !(t > e->point[e->points - 1].t))
		return 0;
	if (e->points == e->max_points)
		return -E2BIG;
	e->point[e->points++] = (struct point){t, y};
	return 0;
}

static void add_bias(const struct actor_layer *l, double *z)
{
	kernel_axpy(l->stride, 1, l->b, z);
}

// y from the sums of the last hidden layer.
static double output(const struct exact1 *e, const double *z)
{
	const struct actor *a = e->actor;

	return sweep_dot(a->layer[a->n - 2].stride, a->slope, z, e->out_w) + a->layer[a->n - 1].b[0];
}

// By time, then by neuron (Shell).
static void sort(struct crossing *c, int n)
{
	for (int gap = n / 2; gap; gap = gap == 2 ? 1 : gap * 5 / 11)
		for (int i = gap; i < n; i++) {
			struct crossing at = c[i];
			int j = i;

			for (; j >= gap && (c[j - gap].t > at.t ||
						   (c[j - gap].t == at.t && c[j - gap].neuron > at.neuron));
				j -= gap)
				c[j] = c[j - gap];
			c[j] = at;
		}
}

// The zeros of the sums of layer l between ta, where they are za, and tb; returns how many.
static int find_crossings(
	struct exact1 *e, int l, double ta, double tb, const double *za, const double *zb)
{
	struct level *v = &e->level[l];
	int stride = e->actor->layer[l].stride, n = 0;

	sweep_cross(stride, za, zb, v->lo, v->hi, e->crossed);
	for (int word = 0; word < sweep_words(stride); word++)
		for (uint64_t bits = e->crossed[word]; bits; bits &= bits - 1) {
			int j = word * SWEEP_WORD + __builtin_ctzll(bits);
			double t = ta + (tb - ta) * (za[j] / (za[j] - zb[j]));

			v->cross[n++] = (struct crossing){t < tb ? t : tb, j};
		}
	sort(v->cross, n);
	return n;
}

// Breakpoints of y over a piece of the last hidden layer, whose n zeros are known. Between the ends, where y is
// computed afresh, it bends by w (1 - slope) |dz/dt| at each zero.
static int output_piece(
	struct exact1 *e, int l, int n, double ta, double tb, const double *za, const double *zb)
{
	const struct crossing *c = e->level[l].cross;
	double ya = e->point[e->points - 1].y, yb = output(e, zb), dt = tb - ta, t = ta, y = ya, bent = 0;
	double scale = (1 - e->actor->slope) / dt, slope;
	int err = 0;

	for (int i = 0; i < n; i++) {
		int j = c[i].neuron;

		bent += e->out_w[j] * scale * fabs(zb[j] - za[j]) * (tb - c[i].t);
	}
	slope = (yb - ya - bent) / dt;
	for (int i = 0; i < n && !err; i++) {
		int j = c[i].neuron;

		y += slope * (c[i].t - t);
		t = c[i].t;
		slope += e->out_w[j] * scale * fabs(zb[j] - za[j]);
		if (t < tb)
			err = add_point(e, t, y);
	}
	return err ? err : add_point(e, tb, yb);
}

// Sums of layer l + 1 at t, from those of layer l at ta and tb.
static void next_sums(struct exact1 *e, int l, double ta, double tb, double t, double *next)
{
	const struct actor_layer *layer = &e->actor->layer[l];
	struct level *v = &e->level[l];
	double part = (t - ta) / (tb - ta);

	for (int j = 0; j < layer->stride; j++)
		v->h[j] = v->z[0][j] + part * (v->z[1][j] - v->z[0][j]);
	sweep_leaky(layer->stride, e->actor->slope, part < 1 ? v->h : v->z[1], v->h);
	kernel_forward(layer + 1, 1, (const double *[]){v->h}, &next);
	add_bias(layer + 1, next);
}

static void swap_ends(struct level *v)
{
	double *z = v->z[0];

	v->z[0] = v->z[1];
	v->z[1] = z;
}

// Everything above layer l >= 1 over a piece whose sums are affine: z[0] at ta, z[1] at tb.
static int piece(struct exact1 *e, int l, double ta, double tb)
{
	struct level *v = &e->level[l], *next = v + 1;
	int n, err = 0;
	double from = ta;

	n = find_crossings(e, l, ta, tb, v->z[0], v->z[1]);
	if (l == e->hidden - 1)
		return output_piece(e, l, n, ta, tb, v->z[0], v->z[1]);
	for (int i = 0; i <= n && !err; i++) {
		double to = i < n ? v->cross[i].t : tb;

		if (!(to > from))
			continue;
		next_sums(e, l, ta, tb, to, next->z[1]);
		err = piece(e, l + 1, from, to);
		swap_ends(next);
		from = to;
	}
	return err;
}

// One path of layer 0: steps layer 1 from zero to zero.
static int path(struct exact1 *e, int p, double ta, double tb)
{
	const struct actor *a = e->actor;
	struct level *v = &e->level[0], *next = v + 1;
	int n = find_crossings(e, 0, ta, tb, v->z[p], v->z[p + 1]), err = 0;
	const double *row = NULL;
	double from = ta, turn = 0;

	if (e->hidden == 1)
		return output_piece(e, 0, n, ta, tb, v->z[p], v->z[p + 1]);
	e->steps += n;
	for (int i = 0; i <= n && !err; i++) {
		double to = i < n ? v->cross[i].t : tb;
		int stride = a->layer[1].stride;

		sweep_advance(stride, turn, row ? row : a->layer[1].w, to - from, next->slope[p], next->z[0],
			next->z[1]);
		if (to > from) {
			err = piece(e, 1, from, to);
			swap_ends(next);
		}
		from = to;
		if (i < n) {
			row = a->layer[1].w + (size_t)v->cross[i].neuron * stride;
			turn = (1 - a->slope) * fabs(v->slope[p][v->cross[i].neuron]);
		}
	}
	return err;
}

// Slope of layer 0's sums along a path.
static void direction(const struct actor_layer *l, const struct region_dim *d, bool tied, double *slope)
{
	memcpy(slope, l->w + (size_t)d->input * l->stride, l->stride * sizeof(*slope));
	if (tied)
		kernel_axpy(l->stride, REGION_TIED_SLOPE, l->w + (size_t)d->tied * l->stride, slope);
}

// Sums of all layers at the start, and the slopes of layers 0 and 1, of paths that end at t[1..paths].
static void start(struct exact1 *e, const struct engine_ask *ask, const double *t, int paths)
{
	const struct actor *a = e->actor;
	const struct region_dim *d = &ask->region.dim[0];
	const struct actor_layer *layer = a->layer;
	struct level *v = e->level;

	region_state(&ask->region, t, e->x);
	kernel_forward(layer, 1, (const double *[]){e->x}, v->z);
	add_bias(layer, v->z[0]);
	for (int p = 0; p < paths; p++) {
		direction(layer, d, d->tied >= 0 && t[p] < REGION_KINK, v->slope[p]);
		sweep_derive(layer->stride, a->slope, v->z[p], v->slope[p], e->step[p]);
		memcpy(v->z[p + 1], v->z[p], layer->stride * sizeof(double));
		kernel_axpy(layer->stride, t[p + 1] - t[p], v->slope[p], v->z[p + 1]);
	}
	for (int l = 0; l < e->hidden; l++) {
		size_t bytes = layer[l].stride * sizeof(double);

		memcpy(v[l].lo, v[l].z[0], bytes);
		memcpy(v[l].hi, v[l].z[0], bytes);
		if (l == e->hidden - 1)
			break;
		sweep_leaky(layer[l].stride, a->slope, v[l].z[0], v[l].h);
		kernel_forward(&layer[l + 1], l ? 1 : 1 + paths,
			(const double *[]){v[l].h, e->step[0], e->step[1]},
			(double *[]){v[l + 1].z[0], v[l + 1].slope[0], v[l + 1].slope[1]});
		add_bias(&layer[l + 1], v[l + 1].z[0]);
	}
}

// The breakpoints of y over the region.
static int trace(struct exact1 *e, const struct engine_ask *ask)
{
	const struct region_dim *d = &ask->region.dim[0];
	bool kink = d->tied >= 0 && d->lo < REGION_KINK && d->hi > REGION_KINK;
	double t[PATHS + 1] = {d->lo, kink ? REGION_KINK : d->hi, d->hi}, y;
	int paths = kink ? 2 : 1, err;

	e->points = e->steps = 0;
	if (!e->hidden) { // layer 0 is the output
		for (int p = 0; p <= paths; p++) {
			region_state(&ask->region, &t[p], e->x);
			mlp_forward_ref(e->actor->mlp, e->x, &y, 1);
			add_point(e, t[p], y);
		}
		return 0;
	}
	start(e, ask, t, paths);
	err = add_point(e, t[0], output(e, e->level[e->hidden - 1].z[0]));
	for (int p = 0; p < paths && !err; p++)
		err = path(e, p, t[p], t[p + 1]);
	return err;
}

// What execution may add, from the ranges that the trace saw.
static double execution_slack(struct exact1 *e, const struct region *r)
{
	double lo[REGION_INPUTS], hi[REGION_INPUTS];
	struct actor_ranges ranges = {.x_lo = lo, .x_hi = hi};

	region_hull(r, lo, hi);
	for (int l = 0; l < e->hidden; l++) {
		ranges.z_lo[l] = e->level[l].lo;
		ranges.z_hi[l] = e->level[l].hi;
	}
	return actor_slack(e->actor, &ranges, e->slack_scratch);
}

// Measure by verdict of a piece over which y goes from ya to yb.
static void measure(const struct exact_slabs *s, double ya, double yb, double width, double share[3])
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
	const struct point *point;
	double error;
};

static void emit_cut(const struct emission *m, double t)
{
	m->sink->cut(m->sink->arg, (double[]){1}, t);
}

// The piece from point i, cut where y passes from slab to slab.
static void emit_piece(const struct emission *m, long i)
{
	struct point a = m->point[i], b = m->point[i + 1];
	double lo = fmin(a.y, b.y), hi = fmax(a.y, b.y), from = a.t;
	int up = a.y < b.y ? 1 : -1, slab = exact_slab(m->slabs, a.y), last = exact_slab(m->slabs, b.y);

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
	for (long i = 0; i < e->points && tries < EXACT_TRIES; i++)
		if (s->verdict[exact_slab(s, e->point[i].y)] != ENGINE_HOLDS) {
			if (exact_misses(out, e->actor, ask, &e->point[i].t, e->run_scratch))
				return;
			tries++;
		}
}

// The range of y; false when a value is not finite.
static bool find_range(const struct exact1 *e, struct engine_answer *out)
{
	const struct point *p = e->point;
	long lo = 0, hi = 0;
	double sum = 0;

	for (long i = 0; i < e->points; i++) {
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
	int err = ask->region.ndims == 1 ? trace(e, ask) : -EINVAL;

	if (err)
		return err;
	if (!find_range(e, &out))
		return -EINVAL;
	out.pieces = e->points - 1;
	out.slack = execution_slack(e, &ask->region);
	error = exact_error(e->actor, out.slack, e->steps);
	if (ask->real)
		out.slack = 0;
	error += out.slack;
	exact_slabs_make(&slabs, ask->real ? &real : &ask->band, error);
	exact_slabs_make(&exact, &real, 0);
	for (long i = 0; i + 1 < e->points; i++) {
		struct point a = e->point[i], b = e->point[i + 1];

		measure(&slabs, a.y, b.y, b.t - a.t, share);
		measure(&exact, a.y, b.y, b.t - a.t, real_share);
	}
	exact_answer(&out, &slabs, error, share, real_share, ask->region.dim[0].hi - ask->region.dim[0].lo);
	if (ask->witness)
		find_miss(e, ask, &slabs, &out);
	if (ask->sink)
		emit(&(struct emission){ask->sink, &slabs, e->point, error}, 0, e->points - 1);
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
