/* Backward linear bounds: from the ranges of one layer to those of the next, down to the varied
 * inputs. */
#include "cert/relax.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cert/basis.h"
#include "cert/kernel.h"
#include "cert/pair.h"

#define ROWS 64	      // bounding functions that go back together
#define VARIANTS 3    // choices of lower slopes for the bounds on y, of which the best counts
#define OUTWARD 1.001 // covers the rounding of magnitudes in float
#define UNIT 0x1p-53

// Lines around the activation of a layer's sums.
struct lines {
	double *upper, *intercept; // upper * z + intercept is above
	double *lower[VARIANTS];   // lower * z is below
};

struct relax {
	const struct actor *actor;
	const struct region *region;
	struct pair_d forward[MLP_MAX_LAYERS]; // w of the hidden layers from 2 on
	struct pair_d back[MLP_MAX_LAYERS];    // their transposes
	struct lines lines[MLP_MAX_LAYERS];
	double *z_lo[MLP_MAX_LAYERS], *z_hi[MLP_MAX_LAYERS];
	double *error[MLP_MAX_LAYERS]; // what a bound on a sum may err by
	double *most[MLP_MAX_LAYERS];  // no real sum exceeds it
	struct basis basis;
	double *x, *gain; // inputs; a bounding function's derivatives by the basis
	float *magnitude[2];
	double *pairs, *sums; // rows of pairs into layer 2, and their products
	double *rows[2];      // rows that go back, by turns
	double *slack;
	int width; // of rows
	double x_lo[REGION_INPUTS], x_hi[REGION_INPUTS];
	char *memory;
};

struct arena {
	char *base; // NULL: only counts
	size_t used;
};

static void *take(struct arena *a, size_t bytes)
{
	void *p = a->base ? a->base + a->used : NULL;

	a->used += (bytes + ACTOR_ALIGN - 1) / ACTOR_ALIGN * ACTOR_ALIGN;
	return p;
}

static double *take_doubles(struct arena *a, size_t n)
{
	return take(a, n * sizeof(double));
}

static int padded(int n)
{
	return (n + PAIR_PANEL_D - 1) / PAIR_PANEL_D * PAIR_PANEL_D;
}

// Packs an (in, out) matrix whose element (i, o) is at w[i * by_in + o * by_out].
static void pack(struct arena *arena, struct pair_d *p, int in, int out, const double *w, int by_in,
	int by_out, const double *zero)
{
	double *to = take_doubles(arena, (size_t)padded(out) * in);

	*p = (struct pair_d){.in = in,
		.out = out,
		.stride = padded(out),
		.w = to,
		.bias = zero,
		.bias_radius = zero};
	for (int o = 0; to && o < p->stride; o++)
		for (int i = 0; i < in; i++)
			to[((size_t)(o / PAIR_PANEL_D) * in + i) * PAIR_PANEL_D +
				o % PAIR_PANEL_D] =
				o < out ? w[(size_t)i * by_in + (size_t)o * by_out] : 0;
}

static void lay_out(struct relax *x, struct arena *arena)
{
	const struct actor *a = x->actor;
	double *zero = take_doubles(arena, x->width), *still;

	for (int l = 0; l < a->n; l++) {
		x->z_lo[l] = take_doubles(arena, x->width);
		x->z_hi[l] = take_doubles(arena, x->width);
		x->error[l] = take_doubles(arena, x->width);
		x->most[l] = take_doubles(arena, x->width);
		x->lines[l].upper = take_doubles(arena, x->width);
		x->lines[l].intercept = take_doubles(arena, x->width);
		for (int v = 0; v < VARIANTS; v++)
			x->lines[l].lower[v] = take_doubles(arena, x->width);
		if (l > 0 && l < a->n - 1) {
			const struct actor_layer *from = &a->layer[l];

			pack(arena, &x->forward[l], from->in, from->out, from->w, from->stride, 1,
				zero);
			pack(arena, &x->back[l], from->out, from->in, from->w, 1, from->stride,
				zero);
		}
	}
	still = take_doubles(arena, x->width);
	basis_init(&x->basis, a, still,
		take_doubles(arena, (size_t)(BASIS_MOST + 1) * a->layer[0].stride));
	x->x = take_doubles(arena, x->width);
	x->gain = take_doubles(arena, BASIS_MOST + 1);
	for (int i = 0; i < 2; i++) {
		x->magnitude[i] = take(arena, x->width * sizeof(float));
		x->rows[i] = take_doubles(arena, (size_t)ROWS * x->width);
	}
	x->pairs = take_doubles(arena, (size_t)(BASIS_MOST + 2) * 2 * x->width);
	x->sums = take_doubles(arena, (size_t)(BASIS_MOST + 2) * 2 * x->width);
	x->slack = take_doubles(arena, actor_slack_scratch(a));
}

struct relax *relax_new(const struct actor *a)
{
	struct relax *x = calloc(1, sizeof(*x));
	struct arena arena = {0};

	if (!x)
		return NULL;
	x->actor = a;
	x->width = a->width > REGION_INPUTS ? a->width : REGION_INPUTS;
	lay_out(x, &arena);
	arena.base = x->memory = aligned_alloc(ACTOR_ALIGN, arena.used);
	if (!x->memory) {
		free(x);
		return NULL;
	}
	memset(x->memory, 0, arena.used);
	arena.used = 0;
	lay_out(x, &arena);
	return x;
}

void relax_free(struct relax *x)
{
	if (!x)
		return;
	free(x->memory);
	free(x);
}

// Roundings that any term of a bound passes through: sums and products of every layer, twice over.
static double roundings(const struct actor *a, int ndims)
{
	double n = 64 + 8 * ndims;

	for (int l = 0; l < a->n; l++)
		n += 4 * (a->layer[l].in + a->layer[l].out + 16);
	return n;
}

// x->most and x->error: magnitudes of all terms. Varied inputs and intercepts may count twice.
static void bound_errors(struct relax *x, const struct region *r)
{
	const struct actor *a = x->actor;
	double lo[REGION_INPUTS], hi[REGION_INPUTS], relative = roundings(a, r->ndims) * UNIT;
	float *in = x->magnitude[0], *out = x->magnitude[1];

	region_hull(r, lo, hi);
	for (int k = 0; k < a->layer[0].in; k++)
		in[k] = (float)(2 * OUTWARD * fmax(fabs(lo[k]), fabs(hi[k])));
	for (int l = 0; l < a->n; l++) {
		const struct actor_layer *layer = &a->layer[l];

		kernel_forward_mag(layer, 1, (const float *[]){in}, (float *[]){out});
		for (int j = 0; j < layer->out; j++) {
			x->most[l][j] = OUTWARD * (out[j] + fabs(layer->b[j])) + FLT_MIN;
			x->error[l][j] = relative * x->most[l][j];
			in[j] = (float)(2 * OUTWARD * x->most[l][j]);
		}
	}
}

void relax_region(struct relax *x, const struct region *r)
{
	x->region = r;
	bound_errors(x, r);
	basis_region(&x->basis, r, x->x);
}

// Takes [lo, hi] as the range of sum j of layer l, with the error it may have and what is known
// besides.
static void set_range(struct relax *x, int l, int j, double lo, double hi)
{
	double most = x->most[l][j], error = x->error[l][j];

	x->z_lo[l][j] = lo - error > -most ? lo - error : -most;
	x->z_hi[l][j] = hi + error < most ? hi + error : most;
}

// The lines that hold over the ranges of layer l's sums.
static void draw_lines(struct relax *x, int l)
{
	struct lines *to = &x->lines[l];
	double slope = x->actor->slope;

	for (int j = 0; j < x->actor->layer[l].out; j++) {
		double lo = x->z_lo[l][j], hi = x->z_hi[l][j], up, area;

		up = lo >= 0 ? 1 : hi <= 0 ? slope : (hi - slope * lo) / (hi - lo);
		area = lo >= 0 || hi > -lo ? 1 : slope;
		area = hi <= 0 ? slope : area;
		to->upper[j] = up;
		to->intercept[j] = lo < 0 && hi > 0 ? (1 - up) * hi : 0;
		to->lower[0][j] = area;
		to->lower[1][j] = up;
		to->lower[2][j] = lo >= 0 ? 1 : slope;
	}
}

// Ranges of layer 1's sums.
static void first_layer(struct relax *x, const double *lo, const double *hi)
{
	const struct basis *b = &x->basis;
	double *least = x->rows[0], *most = x->rows[1];
	int n = b->rows.out;

	basis_box(&x->basis, lo, hi);
	memcpy(least, b->rows.w + (size_t)b->n * b->rows.stride, n * sizeof(*least));
	memcpy(most, least, n * sizeof(*most));
	basis_ranges(b, b->rows.w, b->rows.stride, n, least, most);
	for (int j = 0; j < n; j++)
		set_range(x, 0, j, least[j], most[j]);
}

// Rows of pairs whose products bound layer 2: of every basis function, and of the centre.
static void pair_up(struct relax *x)
{
	const struct lines *l = &x->lines[0];
	const struct basis *b = &x->basis;

	for (int e = 0; e <= b->n; e++) {
		double *c = x->pairs + (size_t)e * 2 * x->width, *s = c + x->width;
		const double *from = b->rows.w + (size_t)e * b->rows.stride;
		double constant = e == b->n ? 0.5 : 0;

		for (int j = 0; j < b->rows.out; j++) {
			c[j] = (l->upper[j] + l->lower[0][j]) / 2 * from[j] +
			       constant * l->intercept[j];
			s[j] = (l->upper[j] - l->lower[0][j]) / 2 * from[j] +
			       constant * l->intercept[j];
		}
	}
}

// The box of the activations of layer l, as a row of pairs.
static void box_pair(struct relax *x, int l, double *c)
{
	double slope = x->actor->slope, *s = c + x->width;

	for (int j = 0; j < x->actor->layer[l].out; j++) {
		double lo = x->z_lo[l][j], hi = x->z_hi[l][j];

		lo = lo < 0 ? slope * lo : lo;
		hi = hi < 0 ? slope * hi : hi;
		c[j] = (lo + hi) / 2;
		s[j] = (hi - lo) / 2;
	}
}

// Turns rows of products, c and s, into those of what is below, c - s, and above, c + s.
static void part(struct relax *x, int rows, int n)
{
	for (int e = 0; e < rows; e++) {
		double *c = x->sums + (size_t)e * 2 * x->width, *s = c + x->width;

		for (int j = 0; j < n; j++) {
			double below = c[j] - s[j];

			s[j] += c[j];
			c[j] = below;
		}
	}
}

// Ranges of layer 2's sums.
static void second_layer(struct relax *x)
{
	const struct actor_layer *layer = &x->actor->layer[1];
	size_t step = (size_t)2 * x->width;
	double *lo = x->sums + x->basis.n * step, *hi = lo + x->width, *unused = x->rows[0];
	const double *box = lo + step;

	pair_up(x);
	box_pair(x, 0, x->pairs + (x->basis.n + 1) * step);
	pair_rows_d(
		&x->forward[1], x->pairs, (int)step, x->sums, (int)step, x->basis.n + 2, PAIR_SUMS);
	part(x, x->basis.n + 2, layer->out);
	basis_ranges(&x->basis, x->sums, step, layer->out, lo, unused);
	basis_ranges(&x->basis, x->sums + x->width, step, layer->out, unused, hi);
	for (int j = 0; j < layer->out; j++)
		set_range(x, 1, j, fmax(lo[j], box[j]) + layer->b[j],
			fmin(hi[j], box[x->width + j]) + layer->b[j]);
}

// A function of the activations of layer l becomes one of its sums, above or below; what that adds.
static double through_lines(const struct relax *x, int l, double *g, bool above, int variant)
{
	const struct lines *lines = &x->lines[l];
	const double *positive = above ? lines->upper : lines->lower[variant];
	const double *negative = above ? lines->lower[variant] : lines->upper;
	const double *bias = x->actor->layer[l].b;
	double sum = 0, sign = above ? 1 : -1;

	for (int j = 0; j < x->actor->layer[l].out; j++) {
		double v = g[j];

		sum += sign * v > 0 ? v * lines->intercept[j] : 0;
		v *= v > 0 ? positive[j] : negative[j];
		sum += l > 0 ? v * bias[j] : 0; // layer 1's are in the sums at the centre
		g[j] = v;
	}
	return sum;
}

// Functions that bound something, each from below and above, on their way back.
struct bounds {
	int n;	      // functions, in x->rows[0]: from below, from above, from below, ...
	int variants; // choices of lower slopes that take turns
	double value[ROWS];
	double (*gain)[REGION_INPUTS]; // how far a function varies along a dimension, unless NULL
};

// The bound of function r of layer 1's sums, over the box.
static void concretise(struct relax *x, struct bounds *b, int r)
{
	const struct basis *basis = &x->basis;
	double *row = x->rows[0] + (size_t)r * x->width;

	memset(row + basis->rows.out, 0, (basis->rows.stride - basis->rows.out) * sizeof(*row));
	kernel_backward(&basis->rows, row, x->gain);
	b->value[r] += x->gain[basis->n];
	for (int e = 0; e < basis->n; e += basis->f[e].count) {
		double lo, hi;

		basis_along(basis, e, x->gain + e, 1, &lo, &hi);
		b->value[r] += r & 1 ? hi : lo;
		if (b->gain)
			b->gain[r][basis->f[e].dim] = hi - lo;
	}
}

// From functions of the activations of layer l to their bounds.
static void go_back(struct relax *x, int l, struct bounds *b)
{
	for (;; l--) {
		double *swap = x->rows[0];

		for (int r = 0; r < b->n; r++)
			b->value[r] += through_lines(x, l, x->rows[0] + (size_t)r * x->width, r & 1,
				r / 2 % b->variants);
		if (l == 0)
			break;
		pair_rows_d(&x->back[l], x->rows[0], x->width, x->rows[1], x->width, b->n,
			PAIR_CENTRES);
		x->rows[0] = x->rows[1];
		x->rows[1] = swap;
	}
	for (int r = 0; r < b->n; r++)
		concretise(x, b, r);
}

// Ranges of the sums of a layer from 3 on, hidden.
static void later_layer(struct relax *x, int l)
{
	const struct actor_layer *layer = &x->actor->layer[l];
	struct bounds b = {.variants = 1};

	box_pair(x, l - 1, x->pairs);
	pair_rows_d(&x->forward[l], x->pairs, 2 * x->width, x->sums, 2 * x->width, 1, PAIR_SUMS);
	for (int from = 0; from < layer->out; from += ROWS / 2) {
		b.n = 2 * (layer->out - from < ROWS / 2 ? layer->out - from : ROWS / 2);
		for (int r = 0; r < b.n; r++) {
			b.value[r] = 0;
			for (int k = 0; k < layer->in; k++)
				x->rows[0][(size_t)r * x->width + k] =
					layer->w[(size_t)k * layer->stride + from + r / 2];
		}
		go_back(x, l - 1, &b);
		for (int r = 0; r < b.n; r += 2) {
			int j = from + r / 2;
			double c = x->sums[j], s = x->sums[x->width + j];

			set_range(x, l, j, fmax(b.value[r], c - s) + layer->b[j],
				fmin(b.value[r + 1], c + s) + layer->b[j]);
		}
	}
}

// Bounds on y, the best of the variants, and the gains that come with them.
static void last_layer(struct relax *x, struct relax_bound *out)
{
	int last = x->actor->n - 1;
	const struct actor_layer *layer = &x->actor->layer[last];
	double gain[2 * VARIANTS][REGION_INPUTS];
	struct bounds b = {.n = 2 * VARIANTS, .variants = VARIANTS, .gain = gain};
	int best[2] = {0, 1};

	for (int r = 0; r < b.n; r++)
		for (int k = 0; k < layer->in; k++)
			x->rows[0][(size_t)r * x->width + k] = layer->w[(size_t)k * layer->stride];
	go_back(x, last - 1, &b);
	for (int r = 2; r < b.n; r += 2) {
		best[0] = b.value[r] > b.value[best[0]] ? r : best[0];
		best[1] = b.value[r + 1] < b.value[best[1]] ? r + 1 : best[1];
	}
	set_range(x, last, 0, b.value[best[0]] + layer->b[0], b.value[best[1]] + layer->b[0]);
	for (int d = 0; d < x->region->ndims; d++)
		out->gain[d] = gain[best[0]][d] + gain[best[1]][d];
}

// A network of one layer is linear.
static void only_layer(struct relax *x, struct relax_bound *out)
{
	const struct basis *b = &x->basis;

	for (int e = 0; e < b->n; e += b->f[e].count) {
		double lo, hi;

		basis_along(b, e, b->rows.w + (size_t)e * b->rows.stride, b->rows.stride, &lo, &hi);
		out->gain[b->f[e].dim] = hi - lo;
	}
}

// Ranges of the inputs over the box.
static void input_ranges(struct relax *x, const double *lo, const double *hi)
{
	const struct region *r = x->region;

	memcpy(x->x_lo, r->x, r->nin * sizeof(*r->x));
	memcpy(x->x_hi, r->x, r->nin * sizeof(*r->x));
	for (int d = 0; d < r->ndims; d++) {
		x->x_lo[r->dim[d].input] = lo[d];
		x->x_hi[r->dim[d].input] = hi[d];
		if (r->dim[d].tied >= 0) {
			x->x_lo[r->dim[d].tied] = region_tied(lo[d]);
			x->x_hi[r->dim[d].tied] = region_tied(hi[d]);
		}
	}
}

void relax_box(struct relax *x, const double *lo, const double *hi, struct relax_bound *out)
{
	int last = x->actor->n - 1;

	input_ranges(x, lo, hi);
	first_layer(x, lo, hi);
	for (int l = 0; l < last; l++) {
		draw_lines(x, l);
		if (l + 1 == last)
			break;
		if (l == 0)
			second_layer(x);
		else
			later_layer(x, l + 1);
	}
	if (last > 0)
		last_layer(x, out);
	else
		only_layer(x, out);
	out->lo = x->z_lo[last][0];
	out->hi = x->z_hi[last][0];
	if (!(out->hi - out->lo < INFINITY)) {
		out->lo = -INFINITY;
		out->hi = INFINITY;
	}
}

double relax_slack(struct relax *x)
{
	struct actor_ranges r = {.x_lo = x->x_lo, .x_hi = x->x_hi};

	for (int l = 0; l + 1 < x->actor->n; l++) {
		r.z_lo[l] = x->z_lo[l];
		r.z_hi[l] = x->z_hi[l];
	}
	return actor_slack(x->actor, &r, x->slack);
}
