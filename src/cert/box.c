/* Interval bound propagation: batches of boxes in float, the naive double, and the engine. */
#include "cert/box.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cert/leaf.h"
#include "cert/pair.h"
#include "cert/search.h"

#define CHUNK 48   // slices whose layers are held at once
#define SEARCHES 8 // undecided slices in which a counterexample is sought
#define UNIT 0x1p-24
#define SHARE_ROUNDINGS 3     // of (hi - lo) / (HI - LO)
#define REAL_ROUNDINGS 8      // around a sum in double: centre, radius, activation
#define GROUPS FRAME_FEATURES // of inputs of like size: k, k + GROUPS, ...
#define SHIFTS 2 // centres that differ between slices: the first input's, and what is tied to it
/* Executing an input rounds it, and so does its centre. An activation rounds the slope, a product,
 * and here the ends, the centre and the radius of its interval. */
#define INPUT_ROUNDINGS 4
#define ACTIVATION_ROUNDINGS 10
#define OUTWARD (1 + 1e-6) // covers the rounding of the few operations that apply these factors

struct box {
	const struct actor *actor;
	struct pair_f layer[MLP_MAX_LAYERS];
	struct pair_f groups; // |w| of layer 0, summed over the inputs of a group
	float keep, add;      // as pair_f's, of what layer 0 reads
	int stride;	      // of rows of inputs and of hidden layers
	float *memory;
	float *inputs;	// per region: what all slices share
	float *base;	// layer 0's sums of it
	float *rows[2]; // hidden layers by turns
	struct search *search;
};

// keep and add that cover what happens between the interval of a layer's input and its sums.
static void read_factors(
	const struct box *b, int l, int extra, int roundings, float *keep, float *add, double *bias)
{
	const struct actor_layer *layer = &b->actor->layer[l];
	double executed = layer->rounding, input = roundings * UNIT;
	double centre = pair_rounding(layer->in, extra) * UNIT * OUTWARD;
	double radius = 1 + pair_radius_rounding(layer->in, extra) * UNIT * OUTWARD;

	*keep = (float)((1 + executed + input) * radius * OUTWARD);
	*add = (float)((executed + centre + input) * radius * OUTWARD);
	*bias = (executed + centre) * radius * OUTWARD;
}

static int padded(int n, int to)
{
	return (n + to - 1) / to * to;
}

// The weights of the groups.
static void sum_groups(struct box *b, float *w)
{
	const struct actor_layer *from = &b->actor->layer[0];
	struct pair_f *to = &b->groups;

	to->w = w;
	to->bias = b->layer[0].bias;
	to->bias_radius = b->layer[0].bias_radius;
	for (int o = 0; o < from->out; o++)
		for (int g = 0; g < GROUPS; g++) {
			double sum = 0;

			for (int k = g; k < from->in; k += GROUPS)
				sum += fabsf(from->away[(size_t)k * from->stride + o]);
			w[((size_t)(o / PAIR_PANEL_F) * GROUPS + g) * PAIR_PANEL_F +
				o % PAIR_PANEL_F] = (float)(sum * OUTWARD);
		}
}

static void carve(struct box *b)
{
	float *at = b->memory;

	b->inputs = at;
	b->base = b->inputs + (size_t)CHUNK * b->stride;
	b->rows[0] = b->base + (size_t)CHUNK * b->stride;
	b->rows[1] = b->rows[0] + (size_t)CHUNK * b->stride;
	at = b->rows[1] + (size_t)CHUNK * b->stride;
	for (int l = 0; l < b->actor->n; l++) {
		struct pair_f *p = &b->layer[l];
		float *bias = at, *radius = at + p->stride;
		const struct actor_layer *from = &b->actor->layer[l];
		double relative;

		read_factors(b, l, l ? 0 : SHIFTS, l ? ACTIVATION_ROUNDINGS : INPUT_ROUNDINGS,
			l ? &b->layer[l - 1].keep : &b->keep, l ? &b->layer[l - 1].add : &b->add,
			&relative);
		for (int o = 0; o < p->out; o++) {
			bias[o] = (float)from->b[o];
			radius[o] = (float)(relative * fabs(from->b[o]) + 2 * MLP_TINY);
		}
		p->bias = bias;
		p->bias_radius = radius;
		at += 2 * p->stride;
	}
	sum_groups(b, at);
}

static size_t layout(struct box *b)
{
	const struct actor *a = b->actor;
	int width = padded(a->layer[0].in, PAIR_PANEL_F);
	size_t biases = 0;

	for (int l = 0; l < a->n; l++) {
		struct pair_f *p = &b->layer[l];

		*p = (struct pair_f){.in = a->layer[l].in,
			.out = a->layer[l].out,
			.stride = padded(a->layer[l].out, PAIR_PANEL_F),
			.w = a->mlp->layer[l].panels,
			.slope = (float)a->slope,
			.least = FLT_MIN};
		biases += 2 * p->stride;
		width = p->stride > width ? p->stride : width;
	}
	b->stride = 2 * width;
	b->groups = b->layer[0];
	b->groups.in = GROUPS;
	return biases + (size_t)4 * CHUNK * b->stride + (size_t)GROUPS * b->groups.stride;
}

struct box *box_new(const struct actor *a)
{
	struct box *b = calloc(1, sizeof(*b));
	size_t numbers;

	if (!b)
		return NULL;
	b->actor = a;
	numbers = layout(b);
	b->memory = aligned_alloc(ACTOR_ALIGN, numbers * sizeof(*b->memory));
	b->search = search_new(a);
	if (!b->memory || !b->search) {
		box_free(b);
		return NULL;
	}
	memset(b->memory, 0, numbers * sizeof(*b->memory));
	carve(b);
	return b;
}

void box_free(struct box *b)
{
	if (!b)
		return;
	search_free(b->search);
	free(b->memory);
	free(b);
}

static float middle(double lo, double hi)
{
	return (float)(lo + (hi - lo) / 2);
}

// Centre, unless that is elsewhere, and what goes to radii, of an input in [lo, hi].
static void interval(const struct box *b, double lo, double hi, bool centre, float pair[2])
{
	float c = middle(lo, hi);
	double r = fmax(hi - c, c - lo);

	pair[0] = centre ? c : 0;
	pair[1] = (float)((b->keep * r + b->add * fabs(c)) * OUTWARD + FLT_MIN);
}

/*
 * A row of inputs: centres of those that all slices share, the sliced ones being 0, and what goes
 * to radii for inputs that do not vary: of every group the largest, or of every input in a network
 * without hidden layers. Whether executing the region is safe.
 */
static bool shared_inputs(const struct box *b, const struct region *r, float *row)
{
	float *radius = row + b->stride / 2, limit = (float)b->actor->limit, most[GROUPS] = {0};
	bool safe = true;

	for (int k = 0; k < r->nin; k++)
		row[k] = (float)r->x[k];
	for (int d = 0; d < r->ndims; d++) {
		row[r->dim[d].input] = 0;
		if (r->dim[d].tied >= 0)
			row[r->dim[d].tied] = 0;
	}
	for (int from = 0; from < r->nin; from += GROUPS)
		for (int g = 0; g < GROUPS && from + g < r->nin; g++) {
			float c = fabsf(row[from + g]);

			safe &= c < limit; // not when NaN
			most[g] = c > most[g] ? c : most[g];
		}
	for (int k = 0; k < (b->actor->n > 1 ? GROUPS : r->nin); k++)
		radius[k] = b->add * (b->actor->n > 1 ? most[k] : fabsf(row[k])) + FLT_MIN;
	for (int d = 0; d < r->ndims; d++) {
		const struct region_dim *dim = &r->dim[d];

		safe &= fmax(fabs(dim->lo), fabs(dim->hi)) < limit / REGION_TIED_SLOPE;
		if (d == 0)
			continue;
		row[dim->input] = middle(dim->lo, dim->hi);
		if (dim->tied >= 0)
			row[dim->tied] = middle(region_tied(dim->lo), region_tied(dim->hi));
	}
	return safe;
}

// The inputs that vary within slice s, how many, and what each adds: the centre too if the row
// lacks it.
static int varied_inputs(
	const struct box *b, const struct region *r, int s, int slices, int *input, float (*in)[2])
{
	int n = 0;

	for (int d = 0; d < r->ndims; d++) {
		const struct region_dim *dim = &r->dim[d];
		double lo = d ? dim->lo : leaf_cut(r, s, slices),
		       hi = d ? dim->hi : leaf_cut(r, s + 1, slices);
		bool centre = d == 0 || b->actor->n == 1;

		input[n] = dim->input;
		interval(b, lo, hi, centre, in[n++]);
		if (dim->tied < 0)
			continue;
		input[n] = dim->tied;
		interval(b, region_tied(lo), region_tied(hi), centre, in[n++]);
	}
	return n;
}

// Row `row` of the first hidden layer, or of the inputs of a network that has none: slice s of
// region i.
static void first_row(struct box *b, const struct region *r, int i, int s, int slices, int row)
{
	const float *base = (b->actor->n > 1 ? b->base : b->inputs) + (size_t)i * b->stride;
	float in[REGION_INPUTS][2], *to = b->rows[0] + (size_t)row * b->stride;
	int input[REGION_INPUTS], n = varied_inputs(b, r, s, slices, input, in);

	if (b->actor->n > 1) {
		pair_shift_f(&b->layer[0], n, input, in, base, to, b->stride);
		return;
	}
	memcpy(to, base, b->stride * sizeof(*to));
	for (int v = 0; v < n; v++) {
		to[input[v]] = in[v][0];
		to[b->stride / 2 + input[v]] = in[v][1];
	}
}

// The first layer's sums of what slices share.
static void shared_sums(struct box *b, int n)
{
	pair_rows_f(&b->groups, b->inputs, b->stride, b->base, b->stride, n, PAIR_SUMS);
	pair_rows_f(&b->layer[0], b->inputs, b->stride, b->base, b->stride, n, PAIR_CENTRES);
}

// Slices from, from + 1, ... of the regions, counted through: at most CHUNK.
static void chunk(struct box *b, const struct region *regions, int slices, long from, int rows,
	double *y_lo, double *y_hi)
{
	const struct region *first = regions + from / slices;
	int n = b->actor->n, nregions = (int)((from + rows - 1) / slices - from / slices) + 1;
	const float *x = b->rows[0];
	bool safe[CHUNK];

	for (int i = 0; i < nregions; i++)
		safe[i] = shared_inputs(b, &first[i], b->inputs + (size_t)i * b->stride);
	if (n > 1)
		shared_sums(b, nregions);
	for (int row = 0; row < rows; row++) {
		int i = (int)((from + row) / slices - from / slices);

		first_row(b, &first[i], i, (int)((from + row) % slices), slices, row);
	}
	for (int l = 1; l < n - 1; l++) {
		pair_rows_f(&b->layer[l], x, b->stride, b->rows[l & 1], b->stride, rows,
			PAIR_ACTIVATED);
		x = b->rows[l & 1];
	}
	for (int row = 0; row < rows; row++) {
		bool known = safe[(from + row) / slices - from / slices];
		float y[2];

		pair_dot_f(&b->layer[n - 1], x + (size_t)row * b->stride, b->stride, y);
		y_lo[row] = known ? (double)y[0] - y[1] : -INFINITY;
		y_hi[row] = known ? (double)y[0] + y[1] : INFINITY;
	}
}

void box_batch(
	struct box *b, const struct region *regions, int n, int slices, double *y_lo, double *y_hi)
{
	long all = (long)n * slices;

	for (long at = 0; at < all; at += CHUNK)
		chunk(b, regions, slices, at, all - at < CHUNK ? (int)(all - at) : CHUNK, y_lo + at,
			y_hi + at);
}

void box_real(const struct actor *a, const struct region *r, double *y_lo, double *y_hi)
{
	double lo[MLP_MAX_WIDTH], hi[MLP_MAX_WIDTH], c[MLP_MAX_WIDTH], s[MLP_MAX_WIDTH];

	region_hull(r, lo, hi);
	for (int l = 0; l < a->n; l++) {
		const struct actor_layer *layer = &a->layer[l];
		double error = (layer->in + REAL_ROUNDINGS) * 0x1p-52,
		       slope = l < a->n - 1 ? a->slope : 1;

		for (int k = 0; k < layer->in; k++) {
			c[k] = lo[k] + (hi[k] - lo[k]) / 2;
			s[k] = (hi[k] - c[k]) * (1 + 2 * error) + error * fabs(c[k]);
		}
		for (int o = 0; o < layer->out; o++) {
			double centre = layer->b[o], radius = error * fabs(centre) + DBL_MIN;

			for (int k = 0; k < layer->in; k++) {
				double w = layer->w[(size_t)k * layer->stride + o];

				centre += c[k] * w;
				radius += s[k] * fabs(w);
			}
			lo[o] = centre - radius < 0 ? slope * (centre - radius) : centre - radius;
			hi[o] = centre + radius < 0 ? slope * (centre + radius) : centre + radius;
		}
	}
	*y_lo = lo[0];
	*y_hi = hi[0];
}

// What one run collects.
struct run {
	struct box *box;
	const struct engine_ask *ask;
	struct leaf_sum sum;
	double normal[REGION_INPUTS]; // of the cuts
	int searches;
	bool missed;
	double t[REGION_INPUTS];
};

// Looks for a counterexample in slice s, unless one is known or many were in vain.
static void find_miss(struct run *run, int s, enum engine_verdict v)
{
	const struct region *r = &run->ask->region;
	double lo[REGION_INPUTS], hi[REGION_INPUTS];

	if (run->missed || v == ENGINE_HOLDS || (v == ENGINE_UNKNOWN && run->searches >= SEARCHES))
		return;
	for (int d = 0; d < r->ndims; d++) {
		lo[d] = d ? r->dim[d].lo : leaf_cut(r, s, run->ask->slices);
		hi[d] = d ? r->dim[d].hi : leaf_cut(r, s + 1, run->ask->slices);
	}
	run->searches++;
	run->missed = search_miss(run->box->search, run->ask, lo, hi, run->t);
}

static void close_slice(struct run *run, int s, double y_lo, double y_hi)
{
	const struct engine_ask *ask = run->ask;
	const struct region_dim *dim = &ask->region.dim[0];
	double lo = leaf_cut(&ask->region, s, ask->slices),
	       hi = leaf_cut(&ask->region, s + 1, ask->slices);
	enum engine_verdict v = leaf_verdict(ask, y_lo, y_hi);

	leaf_add(&run->sum, (hi - lo) / (dim->hi - dim->lo), y_lo, y_hi, v);
	if (ask->sink && s + 1 < ask->slices)
		ask->sink->cut(ask->sink->arg, run->normal, hi);
	if (ask->sink)
		ask->sink->leaf(ask->sink->arg, y_lo, y_hi, v);
	if (ask->witness)
		find_miss(run, s, v);
}

static int run_box(void *state, const struct engine_ask *ask, struct engine_answer *out)
{
	struct run run = {.box = state, .ask = ask, .normal = {1}};
	double y_lo[CHUNK], y_hi[CHUNK];
	struct region slice = ask->region;

	if (ask->region.ndims < 1)
		return -EINVAL;
	leaf_start(&run.sum);
	for (int at = 0; at < ask->slices; at += CHUNK) {
		int n = ask->slices - at < CHUNK ? ask->slices - at : CHUNK;

		if (!ask->real)
			chunk(run.box, &ask->region, ask->slices, at, n, y_lo, y_hi);
		for (int i = 0; i < n; i++) {
			if (ask->real) {
				slice.dim[0].lo = leaf_cut(&ask->region, at + i, ask->slices);
				slice.dim[0].hi = leaf_cut(&ask->region, at + i + 1, ask->slices);
				box_real(run.box->actor, &slice, &y_lo[i], &y_hi[i]);
			}
			close_slice(&run, at + i, y_lo[i], y_hi[i]);
		}
	}
	leaf_answer(&run.sum, SHARE_ROUNDINGS, out);
	out->engine = engine_box.name;
	out->missed = run.missed;
	memcpy(out->t, run.t, sizeof(out->t));
	return 0;
}

static void *open_box(const struct actor *a)
{
	return box_new(a);
}

static void close_box(void *state)
{
	box_free(state);
}

const struct engine_ops engine_box = {"box", REGION_INPUTS, open_box, close_box, run_box};
