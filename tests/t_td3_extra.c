/* An extra loss with an optimiser of its own: both steps are Adam's, each on its own gradient. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "learn/td3.h"
#include "nn/adam.h"

#define STATES 4
#define BATCH 140
#define UPDATES 20
#define RATE 1e-3
#define EXTRA_RATE 5e-3

enum { NEITHER = 0, Q = 1, EXTRA = 2 };

static void fill(void *arg, const struct td3_batch *b, int from, int to)
{
	struct rng rng;

	for (int i = from; i < to; i++) {
		rng_init(&rng, 1, i);
		for (int k = 0; k < STATES; k++) {
			b->s0[i * STATES + k] = (float)rng_normal(&rng);
			b->s1[i * STATES + k] = (float)rng_normal(&rng);
		}
		b->a[i] = (float)(2 * rng_uniform(&rng) - 1);
		b->r[i] = b->s0[i * STATES] * b->a[i];
	}
}

static int states(void *arg, const struct mlp *actor, float *x)
{
	for (int i = 0; i < 3 * STATES; i++)
		x[i] = 0.3f * (float)(i + 1);
	return 3;
}

static double loss(void *arg, int n, const float *y, float *dy)
{
	double sum = 0;

	for (int i = 0; i < n; i++) {
		sum += 100 * (y[i] - 0.5) * (y[i] - 0.5);
		dy[i] = 200 * (y[i] - 0.5f);
	}
	return sum;
}

static struct td3 *make(struct crew *crew, bool norm, double extra_rate, int what)
{
	struct td3_conf c = td3_published;
	struct td3 *t;

	c.states = STATES;
	c.hidden[0] = 6;
	c.hidden[1] = 5;
	c.batch = BATCH;
	c.batch_norm = norm;
	c.extra_max = 3;
	c.actor_rate = what & Q ? RATE : 0;
	c.extra_rate = extra_rate;
	c.seed = 2;
	assert_int_equal(td3_new(&t, &c, crew), 0);
	return t;
}

static void update(struct td3 *t, bool extra)
{
	const struct td3_source from = {fill, NULL};
	const struct td3_extra e = {.states = states, .loss = loss};
	struct td3_stats stats;

	assert_int_equal(td3_update(t, &from, extra ? &e : NULL, &stats), 0);
}

// The first step of Adam is the rate times the gradient's sign: of two optimisers, the sum.
static void check_first_step(bool norm)
{
	struct crew *crew;
	struct td3 *plain, *both, *own;
	float *before;
	size_t n, moved = 0;
	const float *g, *all;

	assert_int_equal(crew_new(&crew, 1), 0);
	plain = make(crew, norm, 0, Q);
	both = make(crew, norm, 0, Q);
	own = make(crew, norm, EXTRA_RATE, Q);
	n = td3_tensors(own)->shape[0]->trained;
	before = malloc(n * sizeof(*before));
	memcpy(before, td3_block(own), n * sizeof(*before));
	update(plain, false);
	update(both, true);
	update(own, true);
	g = td3_gradient(plain, MODEL_ACTOR);
	all = td3_gradient(both, MODEL_ACTOR);
	for (size_t i = 0; i < n; i++) {
		double extra = (double)all[i] - g[i],
		       want = -copysign(RATE, g[i]) - copysign(EXTRA_RATE, extra);

		if (fabs(g[i]) < 1e-4 || fabs(extra) < 1e-2)
			continue;
		assert_true(fabs(td3_block(own)[i] - before[i] - want) < 2e-5);
		moved++;
	}
	assert_true(moved > n / 4);
	free(before);
	td3_free(plain);
	td3_free(both);
	td3_free(own);
	crew_free(crew);
}

static void test_first_step(void **state)
{
	check_first_step(false);
	check_first_step(true);
}

// Without the actor's rate only the extra loss moves it, as it does alone, for any number of
// threads.
static void test_steps_are_apart(void **state)
{
	struct crew *crew, *crews;
	struct td3 *one, *many;
	float first[4], last[4], x[3 * STATES], *scratch;
	struct mlp *policy;
	double before, after;

	assert_int_equal(crew_new(&crew, 1), 0);
	assert_int_equal(crew_new(&crews, 3), 0);
	one = make(crew, false, EXTRA_RATE, EXTRA);
	many = make(crews, false, EXTRA_RATE, EXTRA);
	policy = td3_policy_new(one);
	scratch = malloc(mlp_scratch(policy) * sizeof(*scratch));
	states(NULL, NULL, x);
	td3_policy(one, policy);
	mlp_forward(policy, x, first, 3, scratch);
	before = loss(NULL, 3, first, last);
	for (int i = 0; i < UPDATES; i++) {
		update(one, true);
		update(many, true);
	}
	td3_policy(one, policy);
	mlp_forward(policy, x, first, 3, scratch);
	after = loss(NULL, 3, first, last);
	assert_true(after < before / 2);
	assert_memory_equal(
		td3_block(one), td3_block(many), td3_tensors(one)->size * sizeof(float));
	free(scratch);
	mlp_free(policy);
	td3_free(one);
	td3_free(many);
	crew_free(crew);
	crew_free(crews);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_step),
		cmocka_unit_test(test_steps_are_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
