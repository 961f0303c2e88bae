/* The network's kernels: against the double reference, and bit by bit against each other. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"
#include "golden.h"
#include "model/tf_import.h"
#include "nn/mlp.h"

#define MAX_BATCH 131

static struct mlp *random_net(int n, const int *dims, uint64_t seed)
{
	struct mlp *m = mlp_new(n, dims, 0.2);
	struct rng r;

	assert_non_null(m);
	rng_init(&r, seed, 0);
	for (int i = 0; i < n; i++) {
		for (int k = 0; k < dims[i] * dims[i + 1]; k++)
			m->layer[i].w[k] = rng_normal(&r) / sqrt(dims[i]);
		for (int k = 0; k < dims[i + 1]; k++)
			m->layer[i].b[k] = rng_normal(&r);
	}
	mlp_pack(m);
	return m;
}

// Runs a batch in exactly allocated arrays, so that a sanitizer sees a stray access.
static float *run(const struct mlp *m, const float *x, int batch)
{
	size_t in = m->layer[0].in;
	float *copy = malloc(in * batch * sizeof(float)), *y = malloc(batch * sizeof(float));
	float *scratch = malloc(mlp_scratch(m) * sizeof(float));

	memcpy(copy, x, in * batch * sizeof(float));
	mlp_forward(m, copy, y, batch, scratch);
	free(copy);
	free(scratch);
	return y;
}

static void check_net(int n, const int *dims)
{
	static const char *const kernels[] = {"c", "avx2", "avx512"};
	static const int batches[] = {
		1, 2, 3, 4, 5, 11, 12, 13, 16, 17, 47, 48, 49, 100, MAX_BATCH};
	struct mlp *m = random_net(n, dims, 7);
	float *x = malloc(MAX_BATCH * dims[0] * sizeof(*x)), *first = NULL;
	double *xd = malloc(MAX_BATCH * dims[0] * sizeof(*xd)), want[MAX_BATCH];
	const char *best = mlp_kernel();
	struct rng r;

	rng_init(&r, 8, 0);
	for (int i = 0; i < MAX_BATCH * dims[0]; i++)
		xd[i] = x[i] = (float)rng_normal(&r);
	mlp_forward_ref(m, xd, want, MAX_BATCH);
	for (int k = 0; k < 3; k++) {
		if (mlp_select(kernels[k])) {
			print_message("this machine has no %s\n", kernels[k]);
			continue;
		}
		for (size_t b = 0; b < sizeof(batches) / sizeof(batches[0]); b++) {
			float *y = run(m, x, batches[b]);

			for (int i = 0; i < batches[b]; i++)
				assert_true(fabs(y[i] - want[i]) < 1e-4);
			if (!first)
				first = run(m, x, MAX_BATCH);
			assert_memory_equal(y, first, batches[b] * sizeof(float));
			free(y);
		}
	}
	assert_int_equal(mlp_select(best), 0);
	free(first);
	free(x);
	free(xd);
	mlp_free(m);
}

static void test_policy_shape(void **state)
{
	check_net(3, (int[]){70, 256, 256, 1});
}

static void test_odd_shapes(void **state)
{
	check_net(1, (int[]){7, 1});
	check_net(2, (int[]){70, 1, 1});
	check_net(2, (int[]){3, 33, 1});
	check_net(4, (int[]){5, 100, 31, 64, 1});
}

static void test_select_refuses_unknown(void **state)
{
	assert_int_equal(mlp_select("mmx"), -EINVAL);
}

static void test_actor_matches_reference(void **state)
{
	json_t *j, *xs, *pre, *act, *act32;
	struct model *model;
	struct mlp *m;
	double x[70], y;
	float xf[70], yf, *scratch;

	need_file(GOLDEN "actor_io.json");
	need_file(SHARED "orca/model.ckpt-1283529.index");
	assert_int_equal(tf_import_file(&model, SHARED "orca/model.ckpt-1283529"), 0);
	m = model_fold(model);
	scratch = malloc(mlp_scratch(m) * sizeof(*scratch));
	j = golden_json(GOLDEN "actor_io.json");
	xs = json_object_get(j, "x");
	pre = json_object_get(j, "pre");
	act = json_object_get(j, "action");
	act32 = json_object_get(j, "action_f32");
	assert_int_equal(json_array_size(xs), 200);
	for (int i = 0; i < 200; i++) {
		double want = json_number_value(json_array_get(pre, i)),
		       a = json_number_value(json_array_get(act, i));

		for (int k = 0; k < 70; k++)
			xf[k] = (float)(x[k] = json_number_value(
						json_array_get(json_array_get(xs, i), k)));
		mlp_forward_ref(m, x, &y, 1);
		assert_true(fabs(y - want) < 1e-10 && fabs(tanh(y) - a) < 1e-10);
		mlp_forward(m, xf, &yf, 1, scratch);
		assert_true(fabs(yf - want) < 5e-5 && fabs(mlp_action(yf) - a) < 2e-5);
		assert_true(
			fabs(mlp_action(yf) - json_number_value(json_array_get(act32, i))) < 2e-5);
	}
	json_decref(j);
	free(scratch);
	mlp_free(m);
	model_free(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policy_shape),
		cmocka_unit_test(test_odd_shapes),
		cmocka_unit_test(test_select_refuses_unknown),
		cmocka_unit_test(test_actor_matches_reference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
