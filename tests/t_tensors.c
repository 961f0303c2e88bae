/* First weights: a network that passes an input on, negated. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "nn/tensors.h"

#define IN 9
#define INPUT 6
#define SLOPE 0.2

// The answers to a few states of a network that negates its input INPUT, and those inputs.
static void answers(int n, const int *dims, double rest, float *y, float *x, int states)
{
	struct mlp *m = mlp_new(n, dims, SLOPE);
	float *net, *scratch;
	struct net_shape s;
	struct rng rng;

	net_shape_init(&s, n, dims, false, false);
	net = calloc(s.size, sizeof(*net));
	scratch = malloc(mlp_scratch(m) * sizeof(*scratch));
	rng_init(&rng, 1, 2);
	net_glorot(&s, net, &rng);
	net_negate_input(&s, net, INPUT, SLOPE, rest);
	net_fold(m, &s, net, 1e-3);
	for (int i = 0; i < states * IN; i++)
		x[i] = (float)rng_normal(&rng);
	mlp_forward(m, x, y, states, scratch);
	mlp_free(m);
	free(net);
	free(scratch);
}

static void test_an_input_comes_out_negated(void **state)
{
	const int two[] = {IN, 8, 5, 1}, three[] = {IN, 2, 16, 7, 1};
	const int *const dims[] = {two, three};
	float y[50], x[50 * IN], beside[50], more[50];

	for (int k = 0; k < 2; k++) {
		answers(3 + k, dims[k], 0, y, x, 50);
		answers(3 + k, dims[k], 0.1, beside, x, 50);
		answers(3 + k, dims[k], 0.2, more, x, 50);
		for (int i = 0; i < 50; i++) {
			assert_true(fabsf(y[i] + x[i * IN + INPUT]) < 1e-6f);
			assert_true(beside[i] != y[i]);
			assert_true(fabsf(more[i] - y[i] - 2 * (beside[i] - y[i])) < 1e-5f);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_input_comes_out_negated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
