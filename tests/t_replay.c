/* Replay: what is drawn equals what was added, whatever frames, restarts and silences came between;
 * uniformity; memory; checkpoints of it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "learn/replay.h"

#define STREAMS 7
#define EACH 60
#define STEPS 1000

// Everything that was ever added, plainly.
struct plain {
	float state[STATE_SIZE];
	float action, raw, qc;
	uint32_t w, p;
	int nchanges;
	int64_t changes[POLICY_CHANGES];
	bool waits, follows; // the one after it follows from it
};

struct world {
	struct rng rng;
	struct plain (*log)[STEPS]; // [STREAMS]
	struct plain now[STREAMS];
	float action[STREAMS], raw[STREAMS], qc[STREAMS], states[STREAMS * STATE_SIZE];
	bool follows[STREAMS], waits[STREAMS];
	uint32_t w[STREAMS], p[STREAMS];
	int32_t nchanges[STREAMS];
};

// The next decision of a stream: some frames on, or in another episode.
static void go_on(struct world *g, struct plain *d, bool restart)
{
	int frames = rng_uniform(&g->rng) < 0.8 ? 1 : (int)rng_below(&g->rng, 13);
	uint32_t installed = 4 + (uint32_t)rng_below(&g->rng, 100);

	if (restart) {
		memset(d, 0, sizeof(*d));
		frames = 1 + (int)rng_below(&g->rng, 3);
	} else if (d->p) {
		memmove(d->changes, d->changes + 1, (POLICY_CHANGES - 1) * sizeof(int64_t));
		d->changes[POLICY_CHANGES - 1] = (int64_t)installed - d->p;
		d->nchanges += d->nchanges < POLICY_CHANGES;
	}
	d->p = restart ? 0 : installed;
	d->w = 4 + (uint32_t)rng_below(&g->rng, 100);
	for (int i = 0; i < frames; i++) {
		memmove(d->state, d->state + FRAME_FEATURES,
			(STATE_SIZE - FRAME_FEATURES) * sizeof(float));
		for (int k = 1; k <= FRAME_FEATURES; k++) // few values: frames may look alike
			d->state[STATE_SIZE - k] = (float)rng_below(&g->rng, 2);
	}
	d->waits = true;
}

static void add(struct world *g, struct replay *r, int t)
{
	for (int i = 0; i < STREAMS; i++) {
		struct plain *d = &g->now[i];
		double u = rng_uniform(&g->rng);
		bool idle = u < 0.02, restart = !d->waits || u < 0.05;

		g->action[i] = (float)(t * STREAMS + i); // tells which one it is
		g->raw[i] = (float)rng_uniform(&g->rng);
		g->qc[i] = u > 0.5 ? NAN : (float)u;
		g->follows[i] = !restart;
		g->waits[i] = !idle;
		if (t) {
			g->log[i][t - 1].action = g->action[i];
			g->log[i][t - 1].raw = g->raw[i];
			g->log[i][t - 1].qc = g->qc[i];
			g->log[i][t - 1].follows = d->waits && !restart && !idle;
		}
		if (idle)
			memset(d, 0, sizeof(*d));
		else
			go_on(g, d, restart);
		g->log[i][t] = *d;
		memcpy(g->states + i * STATE_SIZE, d->state, sizeof(d->state));
		g->w[i] = d->w;
		g->p[i] = d->p;
		g->nchanges[i] = d->nchanges;
	}
	replay_add(r, &(struct replay_step){g->action, g->raw, g->qc, g->follows, g->waits,
			      g->states, g->w, g->p, g->nchanges});
}

static void make(struct world *g, struct replay **r)
{
	memset(g, 0, sizeof(*g));
	rng_init(&g->rng, 4, 0);
	g->log = calloc(STREAMS, sizeof(*g->log));
	assert_int_equal(replay_new(r, STREAMS, STREAMS * EACH), 0);
	assert_int_equal(replay_capacity(*r), STREAMS * EACH);
}

// The logged decision that a drawn one is: actions are all different.
static const struct plain *find(const struct world *g, float action, int t)
{
	for (int i = 0; i < STREAMS; i++)
		for (int k = 0; k < t; k++)
			if (g->log[i][k].action == action)
				return &g->log[i][k];
	return NULL;
}

static void check_one(const struct world *g, const struct replay *r, uint64_t at, int t)
{
	float s0[STATE_SIZE_MAX], s1[STATE_SIZE_MAX], action, got, tail[STATE_TAIL_MAX];
	const struct replay_reward reward = {0.25, 0.5};
	struct replay_decision d;
	const struct plain *want;
	double raw;

	replay_fetch(r, &at, 1, &state_windowed, &reward, s0, &action, &got, s1);
	want = find(g, action, t);
	assert_non_null(want);
	assert_true(want->follows);
	assert_memory_equal(s0, want[0].state, sizeof(want->state));
	assert_memory_equal(s1, want[1].state, sizeof(want->state));
	for (int k = 0; k < 2; k++) {
		tail[0] = want[k].p ? (float)(log2((double)want[k].w / want[k].p) / 2) : 0;
		for (int j = 1; j <= 3; j++) {
			int64_t c = want[k].changes[POLICY_CHANGES - j];

			tail[4 - j] = c > 0 ? 1 : c < 0 ? -1 : 0;
		}
		tail[4] = want[k].w ? (float)(log2((double)want[k].w) / 2 / 8) : 0;
		assert_memory_equal((k ? s1 : s0) + STATE_SIZE, tail, sizeof(tail));
	}
	raw = want->raw < 0.5 ? 0.5 : want->raw;
	assert_true(got == (float)(isnan(want->qc) ? raw : 0.75 * raw + 0.25 * want->qc));
	replay_decision(r, at, &d);
	assert_memory_equal(d.state, want->state, sizeof(d.state));
	assert_true(d.w == want->w && d.p == want->p && d.nchanges == want->nchanges);
	assert_memory_equal(d.changes, want->changes, sizeof(d.changes));
}

static void test_drawn_equals_added(void **state)
{
	struct world g;
	struct replay *r;
	struct rng rng;
	uint64_t at[64];

	make(&g, &r);
	rng_init(&rng, 1, 1);
	for (int t = 0; t < STEPS; t++) {
		add(&g, r, t);
		if (t < 20 || t % 10)
			continue;
		replay_draw(r, &rng, 64, at);
		for (int i = 0; i < 64; i++)
			check_one(&g, r, at[i], t);
	}
	replay_free(r);
	free(g.log);
}

// As many as the capacity are remembered, but for what does not follow.
static void test_count(void **state)
{
	struct world g;
	struct replay *r;

	make(&g, &r);
	assert_int_equal(replay_count(r), 0);
	for (int t = 0; t < STEPS; t++)
		add(&g, r, t);
	print_message("%zu of %d\n", replay_count(r), STREAMS * EACH);
	assert_true(replay_count(r) <= STREAMS * EACH && replay_count(r) > STREAMS * EACH * 0.8);
	replay_free(r);
	free(g.log);
}

// Chi-square over all transitions, 99.9 % at most.
static void test_draws_are_uniform(void **state)
{
	enum { DRAWS = 200000 };
	static uint64_t at[DRAWS];
	static int hits[STREAMS * (EACH + 64)];
	struct world g;
	struct replay *r;
	struct rng rng;
	size_t n;
	double chi = 0, expected;
	int different = 0;

	make(&g, &r);
	rng_init(&rng, 1, 2);
	for (int t = 0; t < STEPS; t++)
		add(&g, r, t);
	n = replay_count(r);
	expected = (double)DRAWS / n;
	replay_draw(r, &rng, DRAWS, at);
	for (int i = 0; i < DRAWS; i++)
		hits[at[i]]++;
	for (size_t i = 0; i < sizeof(hits) / sizeof(hits[0]); i++)
		if (hits[i]) {
			different++;
			chi += (hits[i] - expected) * (hits[i] - expected) / expected;
		}
	assert_int_equal(different, n);
	// Wilson and Hilferty's approximation of the 99.9 % point
	assert_true(chi < n * pow(1 - 2.0 / (9 * n) + 3.09 * sqrt(2.0 / (9 * n)), 3));
	replay_free(r);
	free(g.log);
}

static void test_memory_at_full_size(void **state)
{
	size_t bytes = replay_bytes(256, 880000);
	struct replay *r;

	print_message("880,000 transitions of 256 environments: %.1f MB\n", bytes * 1e-6);
	assert_true(bytes < 300e6);
	assert_int_equal(replay_new(&r, 256, 880000), 0);
	assert_true(replay_capacity(r) >= 880000);
	replay_free(r);
}

// What a checkpoint brings back draws the same, and goes on the same.
static void test_checkpoint(void **state)
{
	char dir[] = "/tmp/canopy-replay-XXXXXX", path[64], cmd[64];
	struct world g;
	struct replay *r, *back;
	static struct checkpoint c;
	struct rng a, b;
	uint64_t at[2][50];

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/c.safetensors", dir);
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	make(&g, &r);
	for (int t = 0; t < 100; t++)
		add(&g, r, t);
	replay_pause(r);
	for (int i = 0; i < STREAMS; i++)
		g.now[i].waits = g.log[i][99].follows = false;
	replay_parts(r, &c);
	assert_int_equal(checkpoint_save(&c, path, "spec"), 0);
	assert_int_equal(replay_new(&back, STREAMS, STREAMS * EACH), 0);
	c.n = 0;
	replay_parts(back, &c);
	assert_int_equal(checkpoint_load(&c, path, "spec"), 0);
	rng_init(&a, 3, 3);
	b = a;
	for (int t = 100; t < 200; t++) {
		add(&g, r, t);
		replay_add(back, &(struct replay_step){g.action, g.raw, g.qc, g.follows, g.waits,
					 g.states, g.w, g.p, g.nchanges});
		replay_draw(r, &a, 50, at[0]);
		replay_draw(back, &b, 50, at[1]);
		assert_memory_equal(at[0], at[1], sizeof(at[0]));
		check_one(&g, back, at[1][0], t);
	}
	replay_free(r);
	replay_free(back);
	free(g.log);
	assert_int_equal(system(cmd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drawn_equals_added),
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_draws_are_uniform),
		cmocka_unit_test(test_memory_at_full_size),
		cmocka_unit_test(test_checkpoint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
