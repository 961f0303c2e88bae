/* Centres and radii by matrix products; ends and derivatives element by element. */
#include "nn/interval.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/blas.h"
#include "nn/rows.h"

#define LINE 16 /* floats of a cache line */

// Hands out arrays from the block; without one it counts.
static float *take(struct interval *v, size_t *at, size_t floats)
{
	float *here = v->block ? v->block + *at : NULL;

	*at += (floats + LINE - 1) / LINE * LINE;
	return here;
}

static size_t lay_out(struct interval *v)
{
	size_t at = 0, rows = v->max;

	for (int l = 0; l < v->n; l++) {
		struct interval_layer *y = &v->layer[l];
		size_t weights = (size_t)y->in * y->out;

		y->w = take(v, &at, weights);
		y->away = take(v, &at, weights);
		y->b = take(v, &at, y->out);
		y->c = take(v, &at, rows * y->in);
		y->r = take(v, &at, rows * y->in);
		y->zc = take(v, &at, rows * y->out);
		y->zr = take(v, &at, rows * y->out);
		y->dw = take(v, &at, weights);
		y->db = take(v, &at, y->out);
		if (l && y->in > v->widest)
			v->widest = y->in;
	}
	v->dc = take(v, &at, rows * v->widest);
	v->dr = take(v, &at, rows * v->widest);
	v->lo = take(v, &at, rows);
	v->hi = take(v, &at, rows);
	v->dlo = take(v, &at, rows);
	v->dhi = take(v, &at, rows);
	return at;
}

int interval_init(struct interval *v, const struct mlp *m, int max)
{
	size_t floats;

	*v = (struct interval){.n = m->n, .max = max, .slope = (float)m->slope};
	for (int l = 0; l < m->n; l++) {
		v->layer[l].in = m->layer[l].in;
		v->layer[l].out = m->layer[l].out;
	}
	floats = lay_out(v);
	v->block = aligned_alloc(LINE * sizeof(float), floats * sizeof(float));
	if (!v->block)
		return -ENOMEM;
	memset(v->block, 0, floats * sizeof(float));
	lay_out(v);
	return 0;
}

void interval_free(struct interval *v)
{
	free(v->block);
	v->block = NULL;
}

void interval_load(struct interval *v, const struct mlp *m)
{
	for (int l = 0; l < v->n; l++) {
		struct interval_layer *y = &v->layer[l];

		for (size_t i = 0; i < (size_t)y->in * y->out; i++) {
			y->w[i] = (float)m->layer[l].w[i];
			y->away[i] = fabsf(y->w[i]);
		}
		for (int o = 0; o < y->out; o++)
			y->b[o] = (float)m->layer[l].b[o];
	}
}

static struct blas_matrix rows_of(const float *data, int stride)
{
	return (struct blas_matrix){data, stride, false};
}

static struct blas_matrix transposed(const float *data, int stride)
{
	return (struct blas_matrix){data, stride, true};
}

// Sums of rows [from, to) of a layer.
static void sums(struct interval_layer *y, int from, int to)
{
	const float *c = y->c + (size_t)from * y->in, *r = y->r + (size_t)from * y->in;
	float *zc = y->zc + (size_t)from * y->out, *zr = y->zr + (size_t)from * y->out;

	rows_fill(zc, to - from, y->out, y->b, NULL, NULL);
	blas_product(to - from, y->out, y->in, rows_of(c, y->in), rows_of(y->w, y->out), true, zc,
		y->out);
	blas_product(to - from, y->out, y->in, rows_of(r, y->in), rows_of(y->away, y->out), false,
		zr, y->out);
}

static float leaky(float z, float slope)
{
	return z > 0 ? z : slope * z;
}

void interval_forward(struct interval *v, int from, int to)
{
	const struct interval_layer *last = &v->layer[v->n - 1];

	for (int l = 0; l < v->n; l++) {
		struct interval_layer *y = &v->layer[l], *next = y + 1;

		sums(y, from, to);
		if (y == last)
			break;
		for (size_t i = (size_t)from * y->out; i < (size_t)to * y->out; i++) {
			float lo = leaky(y->zc[i] - y->zr[i], v->slope),
			      hi = leaky(y->zc[i] + y->zr[i], v->slope);

			next->c[i] = (lo + hi) / 2;
			next->r[i] = (hi - lo) / 2;
		}
	}
	for (int i = from; i < to; i++) {
		v->lo[i] = last->zc[i] - last->zr[i];
		v->hi[i] = last->zc[i] + last->zr[i];
	}
}

// Derivatives at the centres and radii that came into a layer, from those at its sums. Rows are as
// wide as the widest layer's between calls, or shards at different layers would meet.
static void to_inputs(struct interval *v, const struct interval_layer *y, int from, int to)
{
	size_t at = (size_t)from * y->out, into = (size_t)from * v->widest;

	blas_product(to - from, y->in, y->out, rows_of(y->zc + at, y->out),
		transposed(y->w, y->out), false, v->dc + into, y->in);
	blas_product(to - from, y->in, y->out, rows_of(y->zr + at, y->out),
		transposed(y->away, y->out), false, v->dr + into, y->in);
}

// From there to the sums of the layer before.
static void to_sums(const struct interval *v, struct interval_layer *y, int from, int to)
{
	const float *dc = v->dc + (size_t)from * v->widest, *dr = v->dr + (size_t)from * v->widest;
	float *zc = y->zc + (size_t)from * y->out, *zr = y->zr + (size_t)from * y->out;

	for (size_t i = 0; i < (size_t)(to - from) * y->out; i++) {
		float lo = zc[i] - zr[i], hi = zc[i] + zr[i],
		      dlo = (dc[i] - dr[i]) / 2 * (lo > 0 ? 1 : v->slope),
		      dhi = (dc[i] + dr[i]) / 2 * (hi > 0 ? 1 : v->slope);

		zc[i] = dlo + dhi;
		zr[i] = dhi - dlo;
	}
}

void interval_backward(struct interval *v, int from, int to)
{
	struct interval_layer *last = &v->layer[v->n - 1];

	for (int i = from; i < to; i++) {
		last->zc[i] = v->dlo[i] + v->dhi[i];
		last->zr[i] = v->dhi[i] - v->dlo[i];
	}
	for (int l = v->n - 1; l > 0; l--) {
		to_inputs(v, &v->layer[l], from, to);
		to_sums(v, &v->layer[l - 1], from, to);
	}
}

void interval_gradient(struct interval *v, int l, int k, int n, int rows)
{
	struct interval_layer *y = &v->layer[l];
	float *dw = y->dw + (size_t)k * y->out, *w = y->w + (size_t)k * y->out;

	blas_product(n, y->out, rows, transposed(y->r + k, y->in), rows_of(y->zr, y->out), false,
		dw, y->out);
	for (size_t i = 0; i < (size_t)n * y->out; i++)
		dw[i] = w[i] > 0 ? dw[i] : w[i] < 0 ? -dw[i] : 0;
	blas_product(n, y->out, rows, transposed(y->c + k, y->in), rows_of(y->zc, y->out), true, dw,
		y->out);
	if (!k)
		rows_sum(y->db, y->zc, NULL, rows, y->out, 0);
}
