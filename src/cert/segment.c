/* The network along a segment, breakpoint by breakpoint. */
#include "cert/segment.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cert/sweep.h"

#define MAX_POINTS (1 << 20)
#define PATHS 2

struct crossing {
	double t;
	int neuron;
};

// The hidden layer l; rows have the layer's stride.
struct level {
	double *z[PATHS + 1]; // sums at the ends of the piece; layer 0: at the ends of the paths
	double *slope[PATHS]; // layers 0 and 1: of the sums, by path
	double *lo, *hi;      // range of the sums
	double *h;	      // what the layer gives
	struct crossing *cross;
};

struct work {
	struct segment out; // first, so that one pointer is the other
	const struct actor *actor;
	int hidden; // layers
	struct level level[MLP_MAX_LAYERS];
	double *out_w;	     // the last layer's weights, a row of the last hidden layer
	double *x;	     // a state, a row
	double *step[PATHS]; // slopes of what layer 0 gives
	uint64_t *crossed;
	long max_points;
	void *memory; // holds the rows
};

// Rows of width numbers, handed out one by one.
static double *take_row(double **at, int width)
{
	double *row = *at;

	*at += width;
	return row;
}

void segment_free(struct segment *s)
{
	struct work *e = (struct work *)s;

	if (!e)
		return;
	for (int l = 0; l < e->hidden; l++)
		free(e->level[l].cross);
	free(e->out.point);
	free(e->crossed);
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

static int allocate(struct work *e)
{
	const struct actor *a = e->actor;
	int width = a->width > REGION_INPUTS ? a->width : REGION_INPUTS, rows = 8 * e->hidden + 4;
	size_t bytes = (size_t)rows * width * sizeof(double);
	double *at = e->memory = aligned_alloc(ACTOR_ALIGN, bytes);
	bool ok = at;

	e->max_points = most_points(a);
	e->crossed = malloc(sweep_words(width) * sizeof(*e->crossed));
	e->out.point = malloc(e->max_points * sizeof(*e->out.point));
	for (int l = 0; l < e->hidden; l++) {
		e->level[l].cross = malloc(a->layer[l].out * sizeof(struct crossing));
		ok = ok && e->level[l].cross;
	}
	if (!ok || !e->crossed || !e->out.point)
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
		e->out.z_lo[l] = v->lo;
		e->out.z_hi[l] = v->hi;
	}
	e->out_w = take_row(&at, width);
	e->x = take_row(&at, width);
	for (int i = 0; i < PATHS; i++)
		e->step[i] = take_row(&at, width);
	return 0;
}

struct segment *segment_new(const struct actor *a)
{
	struct work *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->actor = a;
	e->hidden = a->n - 1;
	if (allocate(e)) {
		segment_free(&e->out);
		return NULL;
	}
	return &e->out;
}

static int add_point(struct work *e, double t, double y)
{
	if (e->out.points && !(t > e->out.point[e->out.points - 1].t))
		return 0;
	if (e->out.points == e->max_points)
		return -E2BIG;
	e->out.point[e->out.points++] = (struct segment_point){t, y};
	return 0;
}

static void add_bias(const struct actor_layer *l, double *z)
{
	kernel_axpy(l->stride, 1, l->b, z);
}

// y from the sums of the last hidden layer.
static double output(const struct work *e, const double *z)
{
	const struct actor *a = e->actor;

	return sweep_dot(a->layer[a->n - 2].stride, a->slope, z, e->out_w) +
	       a->layer[a->n - 1].b[0];
}

// By time, then by neuron (Shell).
static void sort(struct crossing *c, int n)
{
	for (int gap = n / 2; gap; gap = gap == 2 ? 1 : gap * 5 / 11)
		for (int i = gap; i < n; i++) {
			struct crossing at = c[i];
			int j = i;

			for (; j >= gap &&
				(c[j - gap].t > at.t ||
					(c[j - gap].t == at.t && c[j - gap].neuron > at.neuron));
				j -= gap)
				c[j] = c[j - gap];
			c[j] = at;
		}
}

// The zeros of the sums of layer l between ta, where they are za, and tb; returns how many.
static int find_crossings(
	struct work *e, int l, double ta, double tb, const double *za, const double *zb)
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

// Breakpoints of y over a piece of the last hidden layer, whose n zeros are known. Between the
// ends, where y is computed afresh, it bends by w (1 - slope) |dz/dt| at each zero.
static int output_piece(
	struct work *e, int l, int n, double ta, double tb, const double *za, const double *zb)
{
	const struct crossing *c = e->level[l].cross;
	double ya = e->out.point[e->out.points - 1].y, yb = output(e, zb), dt = tb - ta, t = ta,
	       y = ya, bent = 0;
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
static void next_sums(struct work *e, int l, double ta, double tb, double t, double *next)
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
static int piece(struct work *e, int l, double ta, double tb)
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
static int path(struct work *e, int p, double ta, double tb)
{
	const struct actor *a = e->actor;
	struct level *v = &e->level[0], *next = v + 1;
	int n = find_crossings(e, 0, ta, tb, v->z[p], v->z[p + 1]), err = 0;
	const double *row = NULL;
	double from = ta, turn = 0;

	if (e->hidden == 1)
		return output_piece(e, 0, n, ta, tb, v->z[p], v->z[p + 1]);
	e->out.steps += n;
	for (int i = 0; i <= n && !err; i++) {
		double to = i < n ? v->cross[i].t : tb;
		int stride = a->layer[1].stride;

		sweep_advance(stride, turn, row ? row : a->layer[1].w, to - from, next->slope[p],
			next->z[0], next->z[1]);
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
static void direction(
	const struct actor_layer *l, const struct region_dim *d, bool tied, double *slope)
{
	memcpy(slope, l->w + (size_t)d->input * l->stride, l->stride * sizeof(*slope));
	if (tied)
		kernel_axpy(
			l->stride, REGION_TIED_SLOPE, l->w + (size_t)d->tied * l->stride, slope);
}

// Sums of all layers at the start, and the slopes of layers 0 and 1, of paths that end at
// t[1..paths].
static void start(struct work *e, const struct region *r, const double *t, int paths)
{
	const struct actor *a = e->actor;
	const struct region_dim *d = &r->dim[0];
	const struct actor_layer *layer = a->layer;
	struct level *v = e->level;

	region_state(r, t, e->x);
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

int segment_run(struct segment *s, const struct region *r)
{
	struct work *e = (struct work *)s;
	const struct actor_layer *last = &e->actor->layer[e->actor->n - 1];
	const struct region_dim *d = &r->dim[0];
	bool kink = d->tied >= 0 && d->lo < REGION_KINK && d->hi > REGION_KINK;
	double t[PATHS + 1] = {d->lo, kink ? REGION_KINK : d->hi, d->hi}, y;
	int paths = kink ? 2 : 1, err;

	e->out.points = e->out.steps = 0;
	if (!e->hidden) { // layer 0 is the output
		for (int p = 0; p <= paths; p++) {
			region_state(r, &t[p], e->x);
			mlp_forward_ref(e->actor->mlp, e->x, &y, 1);
			add_point(e, t[p], y);
		}
		return 0;
	}
	for (int k = 0; k < last->in; k++)
		e->out_w[k] = last->w[(size_t)k * last->stride];
	start(e, r, t, paths);
	err = add_point(e, t[0], output(e, e->level[e->hidden - 1].z[0]));
	for (int p = 0; p < paths && !err; p++)
		err = path(e, p, t[p], t[p + 1]);
	return err;
}
