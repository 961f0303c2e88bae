/* The inner loops of the certificate engines: against naive ones, and bit by bit against each
 * other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cert/sweep.h"
#include "cert_nets.h"

static const char *const isas[] = {"c", "avx2", "avx512"};
#define ISAS 3

#define ROWS 8
#define LONGEST 512

static double *row(int n)
{
	double *p = aligned_alloc(
		ACTOR_ALIGN, (n * sizeof(double) + ACTOR_ALIGN - 1) / ACTOR_ALIGN * ACTOR_ALIGN);

	memset(p, 0, n * sizeof(double));
	return p;
}

struct rows {
	double *d[ROWS];
	float *f[ROWS];
};

static void rows_init(struct rows *r, struct rng *g)
{
	for (int i = 0; i < ROWS; i++) {
		r->d[i] = row(LONGEST);
		r->f[i] = (float *)row(LONGEST);
		for (int k = 0; g && k < LONGEST; k++)
			r->f[i][k] = (float)(r->d[i][k] = rng_normal(g));
	}
}

static void rows_free(struct rows *r)
{
	for (int i = 0; i < ROWS; i++) {
		free(r->d[i]);
		free(r->f[i]);
	}
}

// Every kernel on one layer.
static void run_kernels(const struct actor_layer *l, const struct rows *x, struct rows *y)
{
	struct kernel_range g = {x->f[0], x->f[1], x->f[2]}, h = {y->f[3], y->f[4], y->f[5]};

	kernel_forward(l, 3, (const double *const *)x->d, y->d);
	kernel_forward(l, 2, (const double *const *)x->d, y->d + 3);
	kernel_forward(l, 1, (const double *const *)x->d, y->d + 5);
	kernel_forward_mag(l, 3, (const float *const *)x->f, y->f);
	kernel_backward(l, x->d[3], y->d[6]);
	kernel_backward_range(l, &g, &h);
	memcpy(y->d[7], x->d[4], LONGEST * sizeof(double));
	kernel_axpy(l->stride, 0.3, x->d[5], y->d[7]);
}

// A sum and how far rounding may move it.
static void check_sum(double got, double want, double magnitudes, double unit)
{
	assert_true(fabs(got - want) <= magnitudes * unit);
}

static void check_kernels(const struct actor_layer *l, const struct rows *x, const struct rows *y)
{
	const double unit = (l->in + l->stride) * 0x1p-52;
	const float unit_f = (l->in + l->stride) * 0x1p-23f;

	for (int o = 0; o < l->out; o++)
		for (int v = 0; v < 3; v++) {
			double sum = 0, mag = 0, mags = 0;

			for (int k = 0; k < l->in; k++) {
				double w = l->w[(size_t)k * l->stride + o];

				sum += w * x->d[v][k];
				mag += fabs(w * x->d[v][k]);
				mags += fabs(w) * x->f[v][k];
			}
			check_sum(y->d[v][o], sum, mag, unit);
			check_sum(y->f[v][o], mags, mag, unit_f);
			if (v < 2)
				assert_true(y->d[3 + v][o] == y->d[v][o]);
			if (v < 1)
				assert_true(y->d[5][o] == y->d[v][o]);
		}
	for (int k = 0; k < l->in; k++) {
		double sum = 0, mag = 0, range[3] = {0}, mags = 0;

		for (int o = 0; o < l->stride; o++) {
			double w = l->w[(size_t)k * l->stride + o];

			sum += w * x->d[3][o];
			mag += fabs(w * x->d[3][o]);
			range[0] += w * x->f[0][o];
			range[1] += fabs(w) * x->f[1][o];
			range[2] += fabs(w) * x->f[2][o];
			mags += fabs(w) *
				(fabsf(x->f[0][o]) + fabsf(x->f[1][o]) + fabsf(x->f[2][o]));
		}
		check_sum(y->d[6][k], sum, mag, unit);
		for (int i = 0; i < 3; i++)
			check_sum(y->f[3 + i][k], range[i], mags, unit_f);
	}
	for (int o = 0; o < l->stride; o++)
		check_sum(y->d[7][o], x->d[4][o] + 0.3 * x->d[5][o], 10, 0x1p-52);
}

static bool same_rows(const struct rows *a, const struct rows *b)
{
	bool same = true;

	for (int i = 0; i < ROWS; i++)
		same &= !memcmp(a->d[i], b->d[i], LONGEST * sizeof(double)) &&
			!memcmp(a->f[i], b->f[i], LONGEST * sizeof(float));
	return same;
}

static void test_kernels(void **unused)
{
	static const int layers[][2] = {
		{70, 256}, {256, 256}, {1, 1}, {96, 1}, {3, 17}, {33, 100}, {7, 250}, {250, 7}};
	const char *best = mlp_kernel();
	struct rng g;

	rng_init(&g, 4, 0);
	for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
		struct actor *a = random_actor(3,
			(int[]){layers[i][0] > 96 ? 9 : layers[i][0], layers[i][0], layers[i][1],
				1},
			1, i);
		struct rows x, y[ISAS];
		int first = -1;

		rows_init(&x, &g);
		for (int s = 0; s < ISAS; s++) {
			rows_init(&y[s], NULL);
			if (mlp_select(isas[s]))
				continue;
			run_kernels(&a->layer[1], &x, &y[s]);
			check_kernels(&a->layer[1], &x, &y[s]);
			first = first < 0 ? s : first;
			assert_true(same_rows(&y[first], &y[s]));
		}
		for (int s = 0; s < ISAS; s++)
			rows_free(&y[s]);
		rows_free(&x);
		free_actor(a);
	}
	mlp_select(best);
}

// The loops over rows of neurons; sets and sums go where there is room.
static void run_sweeps(int n, const struct rows *x, struct rows *y)
{
	const struct sweep_plane z = {{x->d[0], x->d[1], x->d[2]}},
				 to = {{y->d[4], y->d[5], y->d[6]}};
	const double u[] = {0, 1, 1, 0.3}, v[] = {0, 0, 1, 0.7};
	const double base[3][2] = {{0.1, 0.2}, {0.9, 0.3}, {0.4, 1}};
	uint64_t set[LONGEST / SWEEP_WORD];

	sweep_leaky(n, 0.2, x->d[0], y->d[0]);
	sweep_derive(n, 0.2, x->d[0], x->d[1], y->d[1]);
	memcpy(y->d[2], x->d[2], n * sizeof(double));
	sweep_advance(n, 0.7, x->d[3], 0.1, y->d[2], x->d[4], y->d[3]);
	sweep_tilt(n, (double[]){0.1, 0.2, 0.3}, x->d[3], &z, &to);
	for (int k = 0; k < n; k++)
		y->f[0][k] = (float)to.c[k % 3][k];
	sweep_rebase(n, &z, base, &to);
	memcpy(y->d[7], x->d[5], n * sizeof(double));
	sweep_polygon(n, &z, 4, u, v, y->d[7], y->d[7] + LONGEST / 2, set, y->d[6]);
	for (int k = 0; k < n; k++)
		y->f[1][k] = set[k / SWEEP_WORD] >> k % SWEEP_WORD & 1;
	sweep_cross(n, x->d[0], x->d[1], y->d[5], y->d[4], set);
	for (int k = 0; k < n; k++)
		y->f[2][k] = set[k / SWEEP_WORD] >> k % SWEEP_WORD & 1;
	y->f[3][0] = (float)sweep_dot(n, 0.2, x->d[0], x->d[1]);
}

static void check_sweeps(int n, const struct rows *x, const struct rows *y)
{
	double dot = 0;

	for (int k = 0; k < n; k++) {
		double a = x->d[0][k], b = x->d[1][k], c = x->d[2][k];
		double at[4] = {a, a + b, a + b + c, a + 0.3 * b + 0.7 * c};
		double lo = fmin(fmin(at[0], at[1]), fmin(at[2], at[3]));
		double hi = fmax(fmax(at[0], at[1]), fmax(at[2], at[3]));

		dot += (a < 0 ? 0.2 * a : a) * b;
		check_sum(y->d[0][k], a < 0 ? 0.2 * a : a, 1, 0);
		check_sum(y->d[1][k], a < 0 ? 0.2 * b : b, 1, 0);
		check_sum(y->d[2][k], c + 0.7 * x->d[3][k], 10, 0x1p-52);
		check_sum(y->d[3][k], x->d[4][k] + 0.1 * (c + 0.7 * x->d[3][k]), 10, 0x1p-52);
		check_sum(y->f[0][k], x->d[k % 3][k] + 0.1 * (1 + k % 3) * x->d[3][k], 10, 0x1p-23);
		check_sum(y->d[6][k], lo + hi, 30, 0x1p-52);
		check_sum(y->d[7][k], fmin(x->d[5][k], lo), 30, 0x1p-52);
		check_sum(y->d[7][LONGEST / 2 + k], fmax(0, hi), 30, 0x1p-52);
		assert_int_equal(y->f[1][k], lo < 0 && hi > 0);
		assert_int_equal(y->f[2][k], (a < 0) != (b < 0));
		check_sum(y->d[5][k], fmin(0.8 * b + 0.1 * c, b), 30, 0x1p-52);
		check_sum(y->d[4][k], fmax(a + 0.1 * b + 0.2 * c, b), 30, 0x1p-52);
	}
	check_sum(y->f[3][0], dot, 100, 0x1p-22);
}

static void test_sweeps(void **unused)
{
	const char *best = mlp_kernel();
	struct rng g;

	rng_init(&g, 5, 0);
	for (int n = ACTOR_PAD; n <= LONGEST / 2; n += ACTOR_PAD) {
		struct rows x, y[ISAS];
		int first = -1;

		rows_init(&x, &g);
		for (int s = 0; s < ISAS; s++) {
			rows_init(&y[s], NULL);
			if (mlp_select(isas[s]))
				continue;
			run_sweeps(n, &x, &y[s]);
			check_sweeps(n, &x, &y[s]);
			first = first < 0 ? s : first;
			assert_true(same_rows(&y[first], &y[s]));
		}
		for (int s = 0; s < ISAS; s++)
			rows_free(&y[s]);
		rows_free(&x);
	}
	mlp_select(best);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kernels),
		cmocka_unit_test(test_sweeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
