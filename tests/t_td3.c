/* The learner: its gradients by finite differences of a slow version in double, its steps, threads,
 * models in and out, numbers that are not finite. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "golden.h"
#include "learn/td3.h"
#include "model/tf_import.h"
#include "nn/adam.h"
#include "nn/blas.h"
#include "slow_td3.h"

#define STATES 5
#define BATCH 150 /* two shards, the second cut short */
#define EXTRA 9

struct data {
	float s0[BATCH * STATES], a[BATCH], r[BATCH], s1[BATCH * STATES], extra[EXTRA * STATES];
	struct td3_conf conf;
	bool with_extra;
};

static void fill(void *arg, const struct td3_batch *b, int from, int to)
{
	const struct data *d = arg;
	size_t n = d->conf.states, rows = to - from;

	memcpy(b->s0 + from * n, d->s0 + from * n, rows * n * sizeof(float));
	memcpy(b->s1 + from * n, d->s1 + from * n, rows * n * sizeof(float));
	memcpy(b->a + from, d->a + from, rows * sizeof(float));
	memcpy(b->r + from, d->r + from, rows * sizeof(float));
}

static int extra_states(void *arg, const struct mlp *actor, float *x)
{
	const struct data *d = arg;

	memcpy(x, d->extra, sizeof(d->extra));
	return EXTRA;
}

// sum of (y - 0.3)^2 * weight, another for each state
static double extra_loss(void *arg, int n, const float *y, float *dy)
{
	double loss = 0;

	for (int i = 0; i < n; i++) {
		loss += 0.01 * (i + 1) * (y[i] - 0.3) * (y[i] - 0.3);
		dy[i] = (float)(0.02 * (i + 1) * (y[i] - 0.3));
	}
	return loss;
}

static void make_data(struct data *d, bool norm)
{
	struct rng rng;

	*d = (struct data){.conf = td3_published};
	rng_init(&rng, 5, 0);
	for (int i = 0; i < BATCH * STATES; i++) {
		d->s0[i] = (float)(0.5 + rng_normal(&rng));
		d->s1[i] = (float)rng_normal(&rng);
	}
	for (int i = 0; i < EXTRA * STATES; i++)
		d->extra[i] = (float)rng_normal(&rng);
	for (int i = 0; i < BATCH; i++) {
		d->a[i] = (float)(2 * rng_uniform(&rng) - 1);
		d->r[i] = (float)rng_uniform(&rng);
	}
	d->conf.states = STATES;
	d->conf.hidden[0] = 7;
	d->conf.hidden[1] = 6;
	d->conf.batch = BATCH;
	d->conf.batch_norm = norm;
	d->conf.extra_max = EXTRA;
	d->conf.seed = 3;
}

static struct td3 *make(const struct data *d, int threads, struct crew **crew)
{
	struct td3 *t;
	struct rng rng;
	const struct tensors *table;

	assert_int_equal(crew_new(crew, threads), 0);
	assert_int_equal(td3_new(&t, &d->conf, *crew), 0);
	table = td3_tensors(t);
	rng_init(&rng, 9, 0); // biases, beta and statistics that are not the first ones
	for (int i = 0; i < table->n; i++) {
		const struct tensor *x = &table->tensor[i];

		for (size_t k = 0; x->ndim == 1 && k < tensor_items(x); k++)
			td3_block(t)[x->at + k] +=
				(float)(strstr(x->name, "var") ? rng_uniform(&rng)
							       : 0.1 * rng_normal(&rng));
	}
	return t;
}

static int step(struct td3 *t, struct data *d, struct td3_stats *stats)
{
	const struct td3_source from = {fill, d};
	const struct td3_extra extra = {.states = extra_states, .loss = extra_loss, .arg = d};

	return td3_update(t, &from, d->with_extra ? &extra : NULL, stats);
}

/* --- Losses, slowly --- */

static struct slow_run slow;

static double critic_loss(const float *block, const struct td3 *t, struct data *d, const char *net)
{
	struct slow_net s, actor, critics[2];
	double q[BATCH], y[BATCH], a[BATCH], next[2][BATCH], loss = 0;

	slow_load(&s, td3_tensors(t), block, net);
	slow_load(&actor, td3_tensors(t), block, "target_actor");
	slow_load(&critics[0], td3_tensors(t), block, "target_critic");
	slow_load(&critics[1], td3_tensors(t), block, "target_critic2");
	slow_forward(&slow, &actor, d->s1, NULL, BATCH, false, y);
	for (int i = 0; i < BATCH; i++)
		a[i] = tanh(y[i]);
	for (int c = 0; c < 2; c++)
		slow_forward(&slow, &critics[c], d->s1, a, BATCH, false, next[c]);
	for (int i = 0; i < BATCH; i++)
		a[i] = d->a[i];
	slow_forward(&slow, &s, d->s0, a, BATCH, false, q);
	for (int i = 0; i < BATCH; i++) {
		double off = q[i] - d->r[i] - d->conf.gamma * fmin(next[0][i], next[1][i]);

		loss += off * off / BATCH;
	}
	slow_free(&s);
	slow_free(&actor);
	slow_free(&critics[0]);
	slow_free(&critics[1]);
	return loss;
}

// q_scale is the learner's, which counts as a constant.
static double actor_loss(const float *block, const struct td3 *t, struct data *d, double q_scale)
{
	struct slow_net actor, critic;
	double y[BATCH], a[BATCH], q[BATCH], e[EXTRA], loss = 0;

	slow_load(&actor, td3_tensors(t), block, "actor");
	slow_load(&critic, td3_tensors(t), block, "critic");
	slow_forward(&slow, &actor, d->s0, NULL, BATCH, true, y);
	for (int i = 0; i < BATCH; i++)
		a[i] = tanh(y[i]);
	slow_forward(&slow, &critic, d->s0, a, BATCH, false, q);
	for (int i = 0; i < BATCH; i++) {
		double over = fmax(0, fabs(y[i]) - d->conf.reach);

		loss += (-q_scale * q[i] + d->conf.reach_weight * over * over) / BATCH;
	}
	slow_forward(&slow, &actor, d->extra, NULL, EXTRA, false, e);
	for (int i = 0; i < EXTRA && d->with_extra; i++)
		loss += 0.01 * (i + 1) * (e[i] - 0.3) * (e[i] - 0.3);
	slow_free(&actor);
	slow_free(&critic);
	return loss;
}

/* --- Tests --- */

// Every gradient of a network against the central difference of the slow loss.
static void check_gradients(struct td3 *t, struct data *d, int net, int base, double q_scale)
{
	const struct tensors *table = td3_tensors(t);
	const float *grad = td3_gradient(t, net);
	const char *name = model_net_names[net];
	float *block = td3_block(t);
	double worst = 0;
	int checked = 0;

	for (int i = 0; i < table->n; i++) {
		const struct tensor *x = &table->tensor[i];
		char beta[64];
		bool fixed;

		if (strncmp(x->name, name, strlen(name)) || x->name[strlen(name)] != '.' ||
			!x->trained)
			continue;
		snprintf(beta, sizeof(beta), "%s.%c.beta", name, x->name[strlen(name) + 1]);
		fixed = x->name[strlen(x->name) - 1] == 'b' && i + 1 < table->n &&
			!strcmp(table->tensor[i + 1].name, beta);
		for (size_t k = 0; k < tensor_items(x) && !fixed; k++) {
			float keep = block[x->at + k], step = 1e-6f;
			double lo, hi, want, got = grad[x->at - table->base[base] + k];

			block[x->at + k] = keep + step;
			hi = net == MODEL_ACTOR ? actor_loss(block, t, d, q_scale)
						: critic_loss(block, t, d, name);
			block[x->at + k] = keep - step;
			lo = net == MODEL_ACTOR ? actor_loss(block, t, d, q_scale)
						: critic_loss(block, t, d, name);
			want = (hi - lo) / ((double)(keep + step) - (double)(keep - step));
			block[x->at + k] = keep;
			worst = fmax(worst, fabs(got - want) / (1e-2 + fabs(want)));
			checked++;
		}
	}
	print_message("%s: %d gradients, worst %.1e\n", name, checked, worst);
	assert_true(checked > 50 && worst < 1e-4);
}

// Nothing moves in the update, so that its gradients are those of the block as it is.
static void check_differences(bool norm, bool extra, bool relative)
{
	struct data d;
	struct td3_stats stats;
	struct crew *crew;
	struct td3 *t;
	double q_scale;

	make_data(&d, norm);
	d.with_extra = extra;
	d.conf.relative_q = relative;
	d.conf.reach = 0.2;
	d.conf.reach_weight = relative ? 0.5 : 0;
	d.conf.actor_rate = d.conf.critic_rate = d.conf.tau = d.conf.noise = 0;
	d.conf.momentum = 1;
	t = make(&d, 2, &crew);
	assert_int_equal(step(t, &d, &stats), 0);
	assert_true(fabs(stats.critic_loss[0] - critic_loss(td3_block(t), t, &d, "critic")) < 1e-4);
	assert_true(
		fabs(stats.critic_loss[1] - critic_loss(td3_block(t), t, &d, "critic2")) < 1e-4);
	assert_true(stats.extra_states == (extra ? EXTRA : 0));
	q_scale = relative ? 1 / fmax(1, stats.q_abs) : 1;
	check_gradients(t, &d, MODEL_CRITIC, 2, 1);
	check_gradients(t, &d, MODEL_CRITIC2, 3, 1);
	check_gradients(t, &d, MODEL_ACTOR, 0, q_scale);
	td3_free(t);
	crew_free(crew);
}

static void test_gradients(void **state)
{
	check_differences(true, false, false);
	check_differences(false, false, true);
}

static void test_gradients_with_extra_loss(void **state)
{
	check_differences(true, true, true);
	check_differences(false, true, false);
}

// Adam by the paper's formulas (with TensorFlow's epsilon), in double.
static void test_adam(void **state)
{
	float w[3] = {1, -2, 0}, m[3] = {0}, v[3] = {0}, g[3];
	double W[3] = {1, -2, 0}, M[3] = {0}, V[3] = {0};

	for (int t = 1; t <= 50; t++) {
		for (int i = 0; i < 3; i++)
			g[i] = (float)(i * sin(t + i));
		adam_step(w, m, v, g, 3, adam_rate(1e-2, t));
		for (int i = 0; i < 3; i++) {
			double mh, vh;

			M[i] = 0.9 * M[i] + 0.1 * g[i];
			V[i] = 0.999 * V[i] + 0.001 * g[i] * g[i];
			mh = M[i] / (1 - pow(0.9, t));
			vh = V[i] / (1 - pow(0.999, t));
			W[i] -= 1e-2 * mh / (sqrt(vh) + 1e-8 / sqrt(1 - pow(0.999, t)));
			assert_true(fabs(w[i] - W[i]) < 1e-5);
		}
	}
	assert_true(w[0] == 1);
}

// What an update moves besides gradients: running statistics, then targets by tau.
static void test_statistics_and_targets(void **state)
{
	struct data d;
	struct td3_stats stats;
	struct crew *crew;
	struct td3 *t;
	struct slow_net before, after, target0, target1;
	double y[BATCH];

	make_data(&d, true);
	d.conf.tau = 0.25;
	t = make(&d, 1, &crew);
	slow_load(&before, td3_tensors(t), td3_block(t), "actor");
	slow_load(&target0, td3_tensors(t), td3_block(t), "target_actor");
	slow_forward(&slow, &before, d.s0, NULL, BATCH, true, y);
	assert_int_equal(step(t, &d, &stats), 0);
	slow_load(&after, td3_tensors(t), td3_block(t), "actor");
	slow_load(&target1, td3_tensors(t), td3_block(t), "target_actor");
	for (int l = 0; l < 2; l++)
		for (int o = 0; o < after.out[l]; o++) {
			double mean = .99 * before.mean[l][o] + .01 * slow.mean[l][o],
			       var = .99 * before.var[l][o] + .01 * slow.var[l][o];

			assert_true(fabs(after.mean[l][o] - mean) < 1e-5);
			assert_true(fabs(after.var[l][o] - var) < 1e-5);
			assert_true(fabs(target1.var[l][o] - .75 * target0.var[l][o] -
					    .25 * after.var[l][o]) < 1e-6);
			assert_true(fabs(target1.w[l][o] - .75 * target0.w[l][o] -
					    .25 * after.w[l][o]) < 1e-6);
			assert_true(after.b[l][o] == before.b[l][o]);
			assert_true(after.beta[l][o] != before.beta[l][o]);
		}
	slow_free(&before);
	slow_free(&after);
	slow_free(&target0);
	slow_free(&target1);
	td3_free(t);
	crew_free(crew);
}

// The critics learn a bandit's reward and the actor its best action.
static void test_learns_a_bandit(void **state)
{
	struct data d;
	struct td3_stats stats = {.q = 0};
	struct crew *crew;
	struct td3 *t;
	struct rng rng;

	make_data(&d, true);
	d.conf.gamma = 0;
	d.conf.actor_rate = 3e-3;
	d.conf.critic_rate = 1e-2;
	t = make(&d, 2, &crew);
	rng_init(&rng, 8, 0);
	for (int u = 0; u < 1500; u++) {
		for (int i = 0; i < BATCH; i++) {
			d.a[i] = (float)(2 * rng_uniform(&rng) - 1);
			d.r[i] = 1 - 4 * (d.a[i] - 0.4f) * (d.a[i] - 0.4f);
		}
		assert_int_equal(step(t, &d, &stats), 0);
	}
	print_message("action %.3f, Q %.3f, loss %.4f\n", stats.action, stats.q_policy,
		stats.critic_loss[0]);
	assert_true(fabs(stats.action - 0.4) < 0.1 && fabs(stats.q_policy - 1) < 0.15);
	td3_free(t);
	crew_free(crew);
}

static void test_threads_do_not_matter(void **state)
{
	struct data d;
	struct td3_stats stats;
	struct crew *crew;
	float *first = NULL;

	make_data(&d, true);
	d.with_extra = true;
	for (int threads = 1; threads <= 3; threads++) {
		struct td3 *t = make(&d, threads, &crew);
		size_t bytes = td3_tensors(t)->size * sizeof(float);

		for (int u = 0; u < 20; u++)
			assert_int_equal(step(t, &d, &stats), 0);
		if (first)
			assert_memory_equal(first, td3_block(t), bytes);
		else
			first = memcpy(malloc(bytes), td3_block(t), bytes);
		td3_free(t);
		crew_free(crew);
	}
	free(first);
}

static void test_stops_when_not_finite(void **state)
{
	struct data d;
	struct td3_stats stats;
	struct crew *crew;
	struct td3 *t;

	make_data(&d, true);
	t = make(&d, 1, &crew);
	assert_int_equal(td3_check(t), 0);
	d.r[7] = INFINITY;
	log_set_level(-1);
	assert_int_equal(step(t, &d, &stats), -EDOM);
	assert_int_equal(td3_check(t), -EDOM);
	log_set_level(LOG_INFO);
	td3_free(t);
	crew_free(crew);
}

// A model goes out and comes in again as it was; its folded actor is the learner's policy; a longer
// state starts as if the new features were not there.
static void test_models(void **state)
{
	struct model *m = model_new(), *again = model_new();
	struct crew *crew;
	struct mlp *policy, *folded;
	struct td3 *t, *u;
	struct data d;
	float x[STATE_EXTENDED_SIZE] = {0}, y[2], *scratch;

	make_data(&d, true);
	d.conf.states = STATE_SIZE;
	assert_int_equal(crew_new(&crew, 1), 0);
	assert_int_equal(td3_new(&t, &d.conf, crew), 0);
	assert_int_equal(td3_export(t, m, true), 0);
	assert_int_equal(model_check(m, "m"), 0);
	folded = model_fold(m);
	policy = td3_policy_new(t);
	td3_policy(t, policy);
	scratch = malloc(mlp_scratch(policy) * sizeof(*scratch));
	for (int i = 0; i < STATE_SIZE; i++)
		x[i] = 0.01f * i;
	mlp_forward(folded, x, &y[0], 1, scratch);
	mlp_forward(policy, x, &y[1], 1, scratch);
	assert_true(y[0] == y[1]);
	d.conf.seed = 99;
	d.conf.states = STATE_EXTENDED_SIZE;
	assert_int_equal(td3_new(&u, &d.conf, crew), 0);
	assert_int_equal(td3_import(u, m, "m"), 0);
	mlp_free(policy);
	policy = td3_policy_new(u);
	td3_policy(u, policy);
	x[STATE_SIZE] = 5;
	mlp_forward(policy, x, &y[1], 1, scratch);
	assert_true(y[0] == y[1]);
	again->states = &state_extended;
	assert_int_equal(td3_export(u, again, true), 0);
	assert_int_equal(model_check(again, "again"), 0);
	assert_int_equal(again->net[MODEL_TARGET_CRITIC2].layer[1].in, 8);
	log_set_level(-1);
	assert_int_equal(td3_import(t, again, "again"), -EINVAL);
	log_set_level(LOG_INFO);
	free(scratch);
	mlp_free(policy);
	mlp_free(folded);
	model_free(m);
	model_free(again);
	td3_free(t);
	td3_free(u);
	crew_free(crew);
}

static void test_published_model_comes_in(void **state)
{
	struct td3_conf conf = td3_published;
	struct model *m, *out = model_new();
	struct crew *crew;
	struct td3 *t;

	need_file(SHARED "orca/model.ckpt-1283529.index");
	assert_int_equal(tf_import_file(&m, SHARED "orca/model.ckpt-1283529"), 0);
	conf.states = STATE_SIZE;
	assert_int_equal(crew_new(&crew, 1), 0);
	assert_int_equal(td3_new(&t, &conf, crew), 0);
	assert_int_equal(td3_import(t, m, "orca"), 0);
	assert_int_equal(td3_export(t, out, true), 0);
	model_digest(out);
	model_digest(m);
	assert_string_equal(out->sha256, m->sha256);
	model_free(m);
	model_free(out);
	td3_free(t);
	crew_free(crew);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gradients),
		cmocka_unit_test(test_gradients_with_extra_loss),
		cmocka_unit_test(test_adam),
		cmocka_unit_test(test_statistics_and_targets),
		cmocka_unit_test(test_learns_a_bandit),
		cmocka_unit_test(test_threads_do_not_matter),
		cmocka_unit_test(test_stops_when_not_finite),
		cmocka_unit_test(test_models),
		cmocka_unit_test(test_published_model_comes_in),
	};

	if (blas_load()) {
		print_message("skip: there is no OpenBLAS here\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
