/* The certified loss against slow versions, and by what it teaches. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flows_fixture.h"
#include "learn/certified.h"
#include "nn/blas.h"

#define DECISIONS 40

struct fixture {
	struct replay *replay;
	struct crew *crew;
	struct certified_conf conf;
	uint64_t at[DECISIONS];
	const struct state_table *table;
};

static void make_fixture(
	struct fixture *x, const char *set, const struct state_table *table, bool box)
{
	struct flows f = {.waits = {false}};
	float action[FLOWS] = {0}, raw[FLOWS] = {0}, qc[FLOWS];
	bool follows[FLOWS], ready[FLOWS] = {false};
	struct rng rng;

	for (int i = 0; i < FLOWS; i++)
		qc[i] = NAN;
	rng_init(&f.rng, 9, 0);
	assert_int_equal(replay_new(&x->replay, FLOWS, FLOWS * STEPS), 0);
	assert_int_equal(crew_new(&x->crew, 2), 0);
	for (int s = 0; s < STEPS; s++) {
		go_on(&f, &state_published);
		for (int i = 0; i < FLOWS; i++) {
			follows[i] = ready[i] && f.p[i];
			ready[i] = f.waits[i] = true;
		}
		replay_add(x->replay, &(struct replay_step){action, raw, qc, follows, f.waits,
					      f.states, f.w, f.p, f.nchanges});
	}
	rng_init(&rng, 10, 0);
	replay_draw(x->replay, &rng, DECISIONS, x->at);
	x->table = table;
	x->conf = (struct certified_conf){.properties = load(set),
		.table = table,
		.box = box,
		.slices = 5,
		.decisions = DECISIONS,
		.nweights = 1,
		.weights = {2},
		.updates = 10,
		.seed = 1};
}

static void free_fixture(struct fixture *x)
{
	property_free(x->conf.properties);
	replay_free(x->replay);
	crew_free(x->crew);
}

static int count_triggered(
	const struct fixture *x, const struct actor *a, double *sum, float *scratch)
{
	int parts = 0;

	*sum = 0;
	for (int i = 0; i < DECISIONS; i++) {
		struct replay_decision d;
		double s[REGION_INPUTS];
		float tail[STATE_TAIL_MAX];
		int64_t changes[POLICY_CHANGES];
		struct cert_decision c = {.x = s, .nin = x->table->size, .changes = changes};

		replay_decision(x->replay, x->at[i], &d);
		state_tail(x->table, tail, d.w, d.p, d.nchanges, d.changes + POLICY_CHANGES);
		for (int k = 0; k < x->table->size; k++)
			s[k] = k < STATE_SIZE ? d.state[k] : tail[k - STATE_SIZE];
		for (int k = 0; k < POLICY_CHANGES; k++)
			changes[k] = d.changes[POLICY_CHANGES - 1 - k];
		c.w = d.w;
		c.p = d.p;
		c.nchanges = d.nchanges;
		c.clean = part_window(actor_run(a, s, scratch), d.w);
		for (int k = 0; k < x->conf.properties->n; k++) {
			struct part part;
			double lo = INFINITY, hi = -INFINITY, margin;

			assert_int_equal(part_make(&part, &x->conf.properties->property[k], &c), 0);
			if (part.status != PART_TRIGGERED || band_empty(&part.band))
				continue;
			parts++;
			for (int g = 0; g <= 2000; g++) { // a slow look at the range
				const struct region_dim *dim = &part.region.dim[0];
				double t = dim->lo + (dim->hi - dim->lo) * g / 2000,
				       at[REGION_INPUTS], y;

				region_state(&part.region, &t, at);
				mlp_forward_ref(a->mlp, at, &y, 1);
				lo = fmin(lo, y);
				hi = fmax(hi, y);
			}
			margin = fmin(0.15 * (part.band.hi - part.band.lo), 0.02);
			*sum += fmax(0, part.band.lo + margin - lo) +
				fmax(0, hi - part.band.hi + margin);
		}
	}
	return parts;
}

// Exact, on regions of one dimension: the loss is what the range, looked at slowly, says; its
// derivatives are those of the points asked for.
static void test_exact_loss(void **state)
{
	const char *const sets[] = {"deep-buffer", "safety", "robustness"};

	for (int i = 0; i < 3; i++) {
		struct fixture x;
		struct mlp *m = state_net(&state_extended, 11);
		struct certified *c;
		struct td3_extra extra;
		struct actor *a;
		float *points, *y, *dy, *scratch = malloc(mlp_scratch(m) * sizeof(float));
		double slow, loss, slope, push = 1e-3;
		int n, parts;

		make_fixture(&x, sets[i], &state_extended, false);
		assert_int_equal(actor_new(&a, m), 0);
		assert_int_equal(certified_new(&c, &x.conf, m, x.crew), 0);
		extra = certified_extra(c);
		n = certified_states(&x.conf);
		points = calloc((size_t)n * x.table->size, sizeof(float));
		y = calloc(n, sizeof(float));
		dy = calloc(n, sizeof(float));
		certified_batch(c, x.replay, x.at, 0);
		n = extra.states(extra.arg, m, points);
		parts = count_triggered(&x, a, &slow, scratch);
		assert_true(parts > 10);
		assert_int_equal(n, parts * (i == 2 ? 3 : 2));
		for (int k = 0; k < n; k++)
			mlp_forward(m, points + (size_t)k * x.table->size, y + k, 1, scratch);
		loss = extra.loss(extra.arg, n, y, dy);
		assert_true(slow > 0);
		assert_float_equal(loss, 2 * slow / parts, 1e-4 * (1 + loss));
		for (int k = 0; k < n;
			k++) { // not the concrete states of robustness: the target is given
			float unused[3 * DECISIONS * 4];

			if (i == 2 && k % 3 == 0)
				continue;
			y[k] += (float)push;
			slope = (extra.loss(extra.arg, n, y, unused) - loss) / push;
			y[k] -= (float)push;
			assert_true(fabs(slope - dy[k]) <= 2.0 / parts + 1e-6); // a kink at most
		}
		certified_free(c);
		actor_free(a);
		mlp_free(m);
		free(points);
		free(y);
		free(dy);
		free(scratch);
		free_fixture(&x);
	}
}

// Only the action 1 gives four times the window, and no finite y gives that: nothing to push to.
static void test_unreachable_targets(void **state)
{
	static const uint32_t p[] = {1000, 800, 600, 400, 400}, w[] = {1000, 800, 600, 100, 100};
	float states[STATE_SIZE] = {0}, zero = 0, none = NAN, x[64 * STATE_SIZE];
	struct certified_conf conf = {.properties = load("deep-buffer"),
		.table = &state_published,
		.decisions = 1,
		.nweights = 1,
		.weights = {1},
		.updates = 1};
	struct mlp *m = state_net(&state_published, 3);
	struct replay_decision d = {.p = 0};
	struct td3_extra extra;
	struct certified *c;
	struct replay *r;
	struct crew *crew;
	struct rng rng;
	uint64_t at;

	rng_init(&rng, 1, 0);
	assert_int_equal(replay_new(&r, 1, 10), 0);
	for (int32_t i = 0; i < 5; i++) {
		bool yes = true, follows = i > 0;

		replay_add(r, &(struct replay_step){&zero, &zero, &none, &follows, &yes, states,
				      &w[i], &p[i], &i});
	}
	while (d.p != 400)
		replay_decision(r, (replay_draw(r, &rng, 1, &at), at), &d);
	assert_true(d.nchanges == 3 && d.changes[POLICY_CHANGES - 1] == -200);
	assert_int_equal(crew_new(&crew, 1), 0);
	assert_int_equal(certified_new(&c, &conf, m, crew), 0);
	assert_true(certified_states(&conf) <= 64);
	extra = certified_extra(c);
	certified_batch(c, r, &at, 0);
	assert_int_equal(extra.states(extra.arg, m, x), 0);
	certified_free(c);
	mlp_free(m);
	property_free(conf.properties);
	replay_free(r);
	crew_free(crew);
}

// The box loss is its own derivative's integral: along the gradient it falls as fast as that says.
static void test_box_loss(void **state)
{
	const char *const sets[] = {"deep-buffer", "shallow-buffer", "robustness"};

	for (int i = 0; i < 3; i++) {
		struct fixture x;
		struct mlp *m = state_net(&state_extended, 12);
		struct certified *c;
		struct td3_extra extra;
		struct td3_folded g;
		double loss, moved, square = 0, step;
		int count;

		make_fixture(&x, sets[i], &state_extended, true);
		assert_int_equal(certified_new(&c, &x.conf, m, x.crew), 0);
		extra = certified_extra(c);
		certified_batch(c, x.replay, x.at, 0);
		loss = extra.folded(extra.arg, m, &g, &count);
		assert_true(loss > 0 && count > 50);
		for (int l = 0; l < m->n; l++)
			for (int k = 0; k < m->layer[l].in * m->layer[l].out; k++)
				square += (double)g.w[l][k] * g.w[l][k];
		step = 1e-3 * loss / square;
		for (int l = 0; l < m->n; l++)
			for (int k = 0; k < m->layer[l].in * m->layer[l].out; k++)
				m->layer[l].w[k] -= step * g.w[l][k];
		mlp_pack(m);
		moved = extra.folded(extra.arg, m, &g, &count);
		// robustness: targets are whole windows, they move with the policy by jumps
		if (i < 2)
			assert_float_equal((loss - moved) / (1e-3 * loss), 1, 0.05);
		certified_free(c);
		mlp_free(m);
		free_fixture(&x);
	}
}

// States that batch norm can live with, and nothing to learn from them.
static void nothing(void *arg, const struct td3_batch *b, int from, int to)
{
	struct rng rng;

	rng_init(&rng, 15, from);
	for (int i = from * STATE_EXTENDED_SIZE; i < to * STATE_EXTENDED_SIZE; i++)
		b->s0[i] = b->s1[i] = (float)rng_uniform(&rng);
	memset(b->a + from, 0, (to - from) * sizeof(float));
	memset(b->r + from, 0, (to - from) * sizeof(float));
}

// What it is for: a policy that learns by the loss alone is certified on decisions where it was not
// before.
static double taught(const char *set, bool box, bool norm, int threads, double *before)
{
	struct fixture x;
	struct td3_conf conf = td3_published;
	const struct td3_source from = {nothing, NULL};
	struct td3_stats stats;
	struct td3_extra extra;
	struct certified *c;
	struct td3 *t;
	struct mlp *m;
	struct actor *a;
	double sum, now = 0;
	float *scratch;

	make_fixture(&x, set, &state_extended, box);
	conf.states = x.table->size;
	conf.hidden[0] = conf.hidden[1] = 32;
	conf.batch = 64;
	conf.batch_norm = norm;
	conf.extra_max = certified_states(&x.conf);
	conf.actor_rate = 3e-3;
	conf.extra_first = 1000;
	assert_int_equal(td3_new(&t, &conf, x.crew), 0);
	m = td3_policy_new(t);
	scratch = malloc(mlp_scratch(m) * sizeof(float));
	assert_int_equal(certified_new(&c, &x.conf, m, x.crew), 0);
	extra = certified_extra(c);
	for (int i = 0; i <= 300; i++) {
		certified_batch(c, x.replay, x.at, i);
		assert_int_equal(td3_update(t, &from, &extra, &stats), 0);
		if (!i)
			*before = stats.extra;
		now = stats.extra;
	}
	td3_policy(t, m);
	assert_int_equal(actor_new(&a, m), 0);
	if (!box) {
		count_triggered(&x, a, &sum, scratch);
		assert_true(sum < 0.2 * DECISIONS);
	}
	actor_free(a);
	certified_free(c);
	td3_free(t);
	mlp_free(m);
	free(scratch);
	free_fixture(&x);
	return now;
}

static void test_loss_teaches(void **state)
{
	double before, after;

	for (int norm = 0; norm < 2; norm++) {
		after = taught("deep-buffer", false, norm, 2, &before);
		assert_true(after < 0.25 * before);
		after = taught("deep-buffer", true, norm, 2, &before);
		assert_true(after < 0.25 * before);
	}
}

// Forced histories: other parts trigger than recorded, and again from update to update.
static void test_forced(void **state)
{
	struct fixture x;
	struct mlp *m = state_net(&state_extended, 13);
	struct certified *c;
	struct td3_extra extra;
	float *points, *tail;
	int n, zeros = 0;

	make_fixture(&x, "deep-buffer", &state_extended, false);
	x.conf.forced = 1;
	assert_int_equal(certified_new(&c, &x.conf, m, x.crew), 0);
	extra = certified_extra(c);
	points = calloc((size_t)certified_states(&x.conf) * x.table->size, sizeof(float));
	certified_batch(c, x.replay, x.at, 0);
	n = extra.states(extra.arg, m, points);
	assert_true(n > 0);
	for (int i = 0; i < n; i++) { // the state shows the signs that made it trigger
		tail = points + (size_t)i * x.table->size + STATE_SIZE + 1;
		assert_true((tail[0] <= 0 && tail[1] <= 0 && tail[2] <= 0) ||
			    (tail[0] >= 0 && tail[1] >= 0 && tail[2] >= 0));
		zeros += !tail[0] && !tail[1] && !tail[2];
	}
	assert_true(zeros < n);
	certified_free(c);
	free(points);
	mlp_free(m);
	free_fixture(&x);
}

static void test_schedule(void **state)
{
	struct fixture x;
	struct mlp *m = state_net(&state_extended, 14);
	struct certified *c;
	struct td3_extra extra;
	struct td3_folded g;
	double loss[3];
	int count;

	make_fixture(&x, "deep-buffer", &state_extended, true);
	x.conf.nweights = 3;
	x.conf.weights[0] = 0;
	x.conf.weights[1] = 4;
	x.conf.weights[2] = 2;
	assert_int_equal(certified_new(&c, &x.conf, m, x.crew), 0);
	extra = certified_extra(c);
	for (int i = 0; i < 3; i++) {
		certified_batch(c, x.replay, x.at, (uint64_t[]){0, 5, 10}[i]);
		loss[i] = extra.folded(extra.arg, m, &g, &count);
	}
	assert_true(loss[0] == 0 && loss[1] > 0);
	assert_float_equal(loss[2], loss[1] / 2, 1e-12);
	certified_free(c);
	mlp_free(m);
	free_fixture(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact_loss),
		cmocka_unit_test(test_unreachable_targets),
		cmocka_unit_test(test_box_loss),
		cmocka_unit_test(test_forced),
		cmocka_unit_test(test_schedule),
		cmocka_unit_test(test_loss_teaches),
	};

	if (blas_load())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
