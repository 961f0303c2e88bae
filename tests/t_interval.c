/* Interval passes and their derivatives, against naive ones in double. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cert_nets.h"
#include "nn/blas.h"
#include "nn/interval.h"

static const int dims[] = {7, 9, 5, 1};
#define ROWS 11

// Naive bounds on y in double: lo in out[0], hi in out[1].
static void slow_interval(const struct mlp *m, const float *c, const float *r, double out[2])
{
	double lo[16], hi[16];

	for (int k = 0; k < m->layer[0].in; k++) {
		lo[k] = (double)c[k] - r[k];
		hi[k] = (double)c[k] + r[k];
	}
	for (int l = 0; l < m->n; l++) {
		const struct mlp_layer *y = &m->layer[l];
		double nlo[16], nhi[16];

		for (int o = 0; o < y->out; o++) {
			nlo[o] = nhi[o] = y->b[o];
			for (int k = 0; k < y->in; k++) {
				double w = y->w[k * y->out + o];

				nlo[o] += w * (w > 0 ? lo[k] : hi[k]);
				nhi[o] += w * (w > 0 ? hi[k] : lo[k]);
			}
		}
		for (int o = 0; o < y->out; o++) {
			bool last = l == m->n - 1;

			lo[o] = last || nlo[o] > 0 ? nlo[o] : m->slope * nlo[o];
			hi[o] = last || nhi[o] > 0 ? nhi[o] : m->slope * nhi[o];
		}
	}
	out[0] = lo[0];
	out[1] = hi[0];
}

static double slow_sum(const struct mlp *m, const struct interval *v)
{
	double sum = 0, y[2];

	for (int i = 0; i < ROWS; i++) {
		slow_interval(m, v->layer[0].c + i * dims[0], v->layer[0].r + i * dims[0], y);
		sum += (i + 1) * y[0] - 0.5 * (i - 4) * y[1];
	}
	return sum;
}

static void fill_boxes(struct interval *v, struct rng *rng)
{
	for (int i = 0; i < ROWS * dims[0]; i++) {
		v->layer[0].c[i] = (float)rng_normal(rng);
		v->layer[0].r[i] = rng_uniform(rng) < 0.5 ? 0 : (float)rng_uniform(rng);
	}
}

static void test_interval(void **state)
{
	struct mlp *m = random_net(3, dims, 1, 3);
	struct interval v;
	struct rng rng;
	double y[2], *w, keep, slope, h = 1e-6;

	rng_init(&rng, 4, 0);
	assert_int_equal(interval_init(&v, m, ROWS), 0);
	interval_load(&v, m);
	fill_boxes(&v, &rng);
	interval_forward(&v, 0, 5); // in two parts, as threads would
	interval_forward(&v, 5, ROWS);
	for (int i = 0; i < ROWS; i++) {
		slow_interval(m, v.layer[0].c + i * dims[0], v.layer[0].r + i * dims[0], y);
		assert_float_equal(v.lo[i], y[0], 1e-5);
		assert_float_equal(v.hi[i], y[1], 1e-5);
		v.dlo[i] = (float)(i + 1);
		v.dhi[i] = (float)(-0.5 * (i - 4));
	}
	interval_backward(&v, 0, 5);
	interval_backward(&v, 5, ROWS);
	for (int l = 0; l < 3; l++) {
		interval_gradient(&v, l, 0, 2, ROWS);
		interval_gradient(&v, l, 2, dims[l] - 2, ROWS);
		for (int i = 0; i < dims[l] * dims[l + 1] + dims[l + 1]; i++) {
			bool bias = i >= dims[l] * dims[l + 1];

			w = bias ? &m->layer[l].b[i - dims[l] * dims[l + 1]] : &m->layer[l].w[i];
			keep = *w;
			*w = keep + h;
			slope = slow_sum(m, &v);
			*w = keep - h;
			slope = (slope - slow_sum(m, &v)) / (2 * h);
			*w = keep;
			assert_float_equal(
				bias ? v.layer[l].db[i - dims[l] * dims[l + 1]] : v.layer[l].dw[i],
				slope, 2e-4 * (1 + fabs(slope)));
		}
	}
	interval_free(&v);
	mlp_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_interval),
	};

	if (blas_load())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
