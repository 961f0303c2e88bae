/* The vectorised environment: determinism, the decisions of an evaluation, episodes, silence, bad
 * input, memory. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/log.h"
#include "canopy/env.h"
#include "model/safetensors.h"
#include "plans.h"

#define OBS CANOPY_ENV_OBS
#define MANY 12

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COUNTS_MALLOC
// Every allocation of the process passes here and is counted.
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t m);
extern void *__libc_realloc(void *p, size_t n);
static atomic_long allocations;

void *malloc(size_t n)
{
	atomic_fetch_add(&allocations, 1);
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t m)
{
	atomic_fetch_add(&allocations, 1);
	return __libc_calloc(n, m);
}

void *realloc(void *p, size_t n)
{
	atomic_fetch_add(&allocations, 1);
	return __libc_realloc(p, n);
}
#endif

static void mixed(struct canopy_env_conf *confs, int n)
{
	for (int i = 0; i < n; i++)
		confs[i] = (struct canopy_env_conf){.rate_mbps = 6 * (1 + i % 5),
			.delay_ms = 5 + 10 * (i % 4),
			.buffer_bdp = i % 3 ? 0.5 : 5,
			.noise = i % 2 ? 0.05 : 0,
			.loss = i % 6 == 5 ? 0.001 : 0,
			.emulator = i % 3,
			.seed = 7 + i,
			.steps = i % 4 == 1 ? 50 : 0,
			.duration_s = i % 4 == 2 ? 3 : 0,
			.shield = i % 5 == 3 ? "safety" : NULL};
	confs[n - 1].trace = "cellular:3";
}

// A policy that depends on what it sees and differs between environments.
static float act(const float *obs, int i, int t)
{
	return 0.6f * (obs[OBS - 2] - 0.7f) + 0.2f * sinf(0.1f * t + i);
}

// All that steps steps return, as a digest; their rewards and flags summed up.
static void play(char hex[HASH_HEX], int threads, int steps, double *reward, int counts[3])
{
	static struct canopy_env_conf confs[MANY];
	static float obs[MANY][OBS], actions[MANY], rewards[MANY];
	static struct {
		uint32_t flags[MANY], w[MANY], p[MANY], installed[MANY], wanted[MANY];
		uint64_t episode[MANY];
		int64_t changes[MANY][CANOPY_ENV_CHANGES];
		double time_s[MANY], max_thr[MANY], report[MANY][CANOPY_ENV_REPORT];
		int32_t nchanges[MANY], percent[MANY];
	} o;
	const struct canopy_env_info info = {o.flags, o.episode, o.time_s, o.w, o.p, o.nchanges,
		o.changes[0], o.max_thr, o.report[0], o.percent, o.installed, o.wanted};
	struct canopy_env *e;
	char all[HASH_HEX] = "";

	mixed(confs, MANY);
	*reward = counts[0] = counts[1] = counts[2] = 0;
	assert_int_equal(canopy_env_new(&e, confs, sizeof(confs[0]), MANY, threads), 0);
	assert_int_equal(canopy_env_count(e), MANY);
	assert_int_equal(canopy_env_reset(e, obs[0], &info), 0);
	for (int t = 0; t < steps; t++) {
		const struct hash_part parts[] = {{all, strlen(all)}, {obs, sizeof(obs)},
			{rewards, sizeof(rewards)}, {&o, sizeof(o)}};

		for (int i = 0; i < MANY; i++)
			actions[i] = act(obs[i], i, t);
		assert_int_equal(canopy_env_step(e, actions, obs[0], rewards, &info), 0);
		hash_sha256(hex, parts, 4);
		strcpy(all, hex);
		for (int i = 0; i < MANY; i++) {
			*reward += rewards[i];
			for (int f = 0; f < 3; f++)
				counts[f] += (o.flags[i] >> f) & 1;
			assert_true(rewards[i] <= 1);
			assert_true(o.w[i] > 0 && o.installed[i] >= 4);
			assert_true(o.percent[i] >= 25 && o.percent[i] <= 400);
			assert_true(!o.p[i] || o.report[i][4] == o.w[i]);
		}
	}
	canopy_env_free(e);
}

static void test_threads_do_not_matter(void **state)
{
	static const int threads[] = {1, 2, 4, 1};
	char hex[4][HASH_HEX];
	double reward;
	int counts[3];

	for (int i = 0; i < 4; i++)
		play(hex[i], threads[i], 400, &reward, counts);
	print_message("mean reward %.3f, %d of %d rewarded, %d restarts\n", reward / counts[0],
		counts[0], 400 * MANY, counts[1]);
	for (int i = 1; i < 4; i++)
		assert_string_equal(hex[i], hex[0]);
	assert_int_equal(counts[2], 0);
	assert_true(counts[1] > 3 * 7 && counts[1] < 100); // 50 steps, 3 s
	assert_true(counts[0] > 400 * MANY - 100);
	assert_true(reward / counts[0] > 0.3);
}

// Only what an evaluation of the same set-up records: states, windows, changes, rewards.
static void compare(const struct st_file *f, struct canopy_env *e, const struct mlp *net)
{
	const float *states = st_find(f, "state")->data;
	const int64_t *w = st_find(f, "w")->data, *p = st_find(f, "p")->data,
		      *nd = st_find(f, "ndeltas")->data;
	const int64_t *deltas = st_find(f, "deltas")->data,
		      *installed = st_find(f, "installed")->data;
	const double *action = st_find(f, "action")->data, *reward = st_find(f, "reward")->data;
	const uint8_t *open = st_find(f, "open")->data;
	uint64_t n = st_find(f, "w")->shape[0], decisions = 0, last = n - 1;
	float *scratch = malloc(mlp_scratch(net) * sizeof(float)), obs[OBS], y, a, r;
	uint32_t ew, ep, ei;
	int32_t en;
	int64_t ec[CANOPY_ENV_CHANGES];
	const struct canopy_env_info info = {
		.w = &ew, .p = &ep, .nchanges = &en, .changes = ec, .installed = &ei};

	while (last && !open[last])
		last--;
	assert_int_equal(canopy_env_reset(e, obs, &info), 0);
	for (uint64_t i = 0; i <= last; i++) {
		if (!open[i])
			continue;
		assert_memory_equal(obs, states + i * OBS, sizeof(obs));
		assert_true(ew == w[i] && ep == p[i] && en == nd[i]);
		for (int j = 0; j < en; j++)
			assert_int_equal(
				ec[CANOPY_ENV_CHANGES - 1 - j], deltas[i * CANOPY_ENV_CHANGES + j]);
		mlp_forward(net, obs, &y, 1, scratch);
		a = mlp_action(y);
		assert_true(a == action[i]);
		assert_int_equal(canopy_env_step(e, &a, obs, &r, &info), 0);
		assert_int_equal(ei, installed[i]);
		if (i < last)
			assert_true(r == (float)reward[i]);
		decisions++;
	}
	print_message("%d decisions equal\n", (int)decisions);
	assert_true(decisions > 400);
	free(scratch);
}

static void check_against_eval(const struct canopy_env_conf *conf, const char *const *settings)
{
	struct run_result r;
	struct st_file *f;
	struct canopy_env *e;
	struct plan g;
	char *cmd = file_path("mkdir -p '%s/logs' '%s/decisions'", dir, dir), *path;

	assert_int_equal(system(cmd), 0);
	assert_int_equal(make_plan(&g, settings), 0);
	assert_int_equal(
		run_one(&r, &g.runs[0], &(struct run_io){.dir = dir, .decisions = true}), 0);
	path = file_path("%s/decisions/%s-1.safetensors", dir, r.id);
	assert_int_equal(st_read(&f, path), 0);
	assert_int_equal(canopy_env_new(&e, conf, sizeof(*conf), 1, 1), 0);
	compare(f, e, scheme_model(g.runs[0].scheme)->mlp);
	canopy_env_free(e);
	st_free(f);
	free(path);
	free(cmd);
	free(r.flows);
	plan_free(&g);
}

static void test_decisions_equal_eval(void **state)
{
	char *controllers = file_path("controllers=%s", model);
	const struct canopy_env_conf wired = {.rate_mbps = 12,
					     .delay_ms = 20,
					     .emulator = CANOPY_GRID,
					     .seed = 5},
				     cellular = {.trace = "cellular:3",
					     .uplink = "wired192",
					     .delay_ms = 10,
					     .buffer_bdp = 0.5,
					     .noise = 0.05,
					     .loss = 0.0005,
					     .emulator = CANOPY_IDEAL,
					     .seed = 11};
	struct canopy_env_conf late;

	check_against_eval(&wired,
		(const char *[]){controllers, "traces=wired12", "delays=20", "uplink=wired48",
			"buffers=2", "emulator=grid", "seed=5", "duration=20", NULL});
	check_against_eval(
		&cellular, (const char *[]){controllers, "traces=cellular:3", "delays=10",
				   "buffers=0.5", "noise=0.05", "loss=0.0005", "emulator=ideal",
				   "seed=11", "duration=20", NULL});
	late = wired;
	late.emulator = CANOPY_MAHIMAHI;
	check_against_eval(
		&late, (const char *[]){controllers, "traces=wired12", "delays=20",
			       "uplink=wired48", "buffers=2", "seed=5", "duration=20", NULL});
	free(controllers);
}

// Neither steps nor restarts allocate once the traffic of the episodes has been seen.
static void test_steps_allocate_nothing(void **state)
{
#ifdef COUNTS_MALLOC
	float obs[MANY][OBS], actions[MANY], rewards[MANY];
	struct canopy_env_conf confs[MANY] = {{.trace = NULL}};
	uint64_t episodes[MANY];
	const struct canopy_env_info info = {.episode = episodes};
	struct canopy_env *e;
	long before = 0;

	mixed(confs, MANY);
	assert_int_equal(canopy_env_new(&e, confs, sizeof(confs[0]), MANY, 2), 0);
	for (int round = 0; round < 2; round++) {
		before = allocations;
		assert_int_equal(canopy_env_reset(e, obs[0], &info), 0);
		for (int t = 0; t < 1000; t++) {
			for (int i = 0; i < MANY; i++)
				actions[i] = act(obs[i], i, t);
			assert_int_equal(canopy_env_step(e, actions, obs[0], rewards, &info), 0);
		}
		assert_true(episodes[1] >= 15 && episodes[2] >= 1);
		assert_true(round || allocations > before);
	}
	assert_int_equal(allocations, before);
	canopy_env_free(e);
#else
	print_message("skip: a sanitizer owns malloc\n");
	skip();
#endif
}

// Episodes end by steps and by time, begin again with other seeds, and reset goes back to the
// first.
static void test_episodes(void **state)
{
	const struct canopy_env_conf conf = {
		.rate_mbps = 12, .delay_ms = 10, .loss = 0.001, .seed = 3, .steps = 20};
	float obs[OBS], first[OBS], second[OBS], a = 0, r;
	uint64_t episode;
	uint32_t flags, p;
	struct canopy_env *e;
	const struct canopy_env_info info = {.flags = &flags, .episode = &episode, .p = &p};

	assert_int_equal(canopy_env_new(&e, &conf, sizeof(conf), 1, 1), 0);
	assert_int_equal(canopy_env_reset(e, first, &info), 0);
	assert_true(episode == 0 && p == 0 && flags == 0);
	for (int round = 0; round < 2; round++) {
		for (int t = 1; t <= 60; t++) {
			assert_int_equal(canopy_env_step(e, &a, obs, &r, &info), 0);
			assert_int_equal(episode, t / 20);
			assert_int_equal((flags & CANOPY_ENV_RESTARTED) != 0, t % 20 == 0);
			assert_true(flags & CANOPY_ENV_REWARDED);
			assert_int_equal(p == 0, t % 20 == 0);
			if (t == 20 && !round)
				memcpy(second, obs, sizeof(second));
			else if (t == 20)
				assert_memory_equal(second, obs, sizeof(second));
		}
		assert_int_equal(canopy_env_reset(e, obs, &info), 0);
		assert_memory_equal(obs, first, sizeof(obs));
	}
	assert_memory_not_equal(first, second, sizeof(first));
	canopy_env_free(e);
}

// A path so slow that no decision ever comes, and episodes too short for one: idle, not stuck.
static void test_silence_does_not_hang(void **state)
{
	const struct canopy_env_conf confs[2] = {
		{.rate_mbps = 0.01, .delay_ms = 1000, .seed = 1, .patience_s = 5},
		{.rate_mbps = 12, .delay_ms = 500, .seed = 1, .duration_s = 1},
	};
	float obs[2][OBS], a[2] = {1, 1}, r[2];
	uint32_t flags[2], installed[2], w[2];
	uint64_t episode[2];
	struct canopy_env *e;
	const struct canopy_env_info info = {
		.flags = flags, .installed = installed, .w = w, .episode = episode};

	assert_int_equal(canopy_env_new(&e, confs, sizeof(confs[0]), 2, 2), 0);
	assert_int_equal(canopy_env_reset(e, obs[0], &info), 0);
	for (int t = 0; t < 3; t++) {
		for (int i = 0; i < 2; i++) {
			assert_int_equal(flags[i], CANOPY_ENV_RESTARTED | CANOPY_ENV_IDLE);
			assert_true(obs[i][OBS - 2] == 0 && !w[i] && !installed[i]);
			assert_int_equal(episode[i], 5 * (t + 1));
		}
		assert_int_equal(canopy_env_step(e, a, obs[0], r, &info), 0);
		assert_true(r[0] == 0 && r[1] == 0);
	}
	canopy_env_free(e);
}

// A tolerance of queues changes the rewards alone, and in its bounds.
static void test_delay_tolerance(void **state)
{
	struct canopy_env_conf confs[2] = {
		{.rate_mbps = 12, .delay_ms = 10, .buffer_bdp = 5, .seed = 4}};
	float obs[2][OBS], a[2] = {0.05f, 0.05f}, r[2];
	struct canopy_env *e;
	int more = 0;

	confs[1] = confs[0];
	confs[1].delay_tolerance = 3;
	assert_int_equal(canopy_env_new(&e, confs, sizeof(confs[0]), 2, 1), 0);
	assert_int_equal(canopy_env_reset(e, obs[0], NULL), 0);
	for (int t = 0; t < 300; t++) {
		assert_int_equal(canopy_env_step(e, a, obs[0], r, NULL), 0);
		assert_memory_equal(obs[0], obs[1], sizeof(obs[0]));
		more += r[1] > r[0];
		assert_true(fabsf(r[1]) >= fabsf(r[0]));
		assert_true(fabsf(r[1]) <= 3 / 1.25 * fabsf(r[0]) + 1e-6);
	}
	assert_true(more > 0);
	canopy_env_free(e);
}

// So does the price of a lost packet, where packets are lost.
static void test_drop_price(void **state)
{
	struct canopy_env_conf confs[2] = {
		{.rate_mbps = 12, .delay_ms = 10, .buffer_bdp = 0.5, .seed = 4}};
	float obs[2][OBS], a[2] = {0.3f, 0.3f}, r[2];
	struct canopy_env *e;
	int less = 0, same = 0;

	confs[1] = confs[0];
	confs[1].drop_price = 20;
	assert_int_equal(canopy_env_new(&e, confs, sizeof(confs[0]), 2, 1), 0);
	assert_int_equal(canopy_env_reset(e, obs[0], NULL), 0);
	for (int t = 0; t < 300; t++) {
		assert_int_equal(canopy_env_step(e, a, obs[0], r, NULL), 0);
		assert_memory_equal(obs[0], obs[1], sizeof(obs[0]));
		less += r[1] < r[0];
		same += r[1] == r[0];
	}
	assert_true(less > 0 && same > 0 && less + same == 300);
	canopy_env_free(e);
}

static void test_bad_input(void **state)
{
	const struct canopy_env_conf
		good = {.rate_mbps = 12, .delay_ms = 10},
		bad[] = {
			{.delay_ms = 10},
			{.rate_mbps = NAN, .delay_ms = 10},
			{.rate_mbps = -1, .delay_ms = 10},
			{.rate_mbps = 12},
			{.rate_mbps = 12, .delay_ms = NAN},
			{.rate_mbps = 12, .delay_ms = INFINITY},
			{.trace = "no-such-trace", .delay_ms = 10},
			{.rate_mbps = 12, .uplink = "no-such-trace", .delay_ms = 10},
			{.rate_mbps = 12, .delay_ms = 10, .buffer_bdp = -1},
			{.rate_mbps = 12, .delay_ms = 10, .nominal_mbps = NAN},
			{.rate_mbps = 10000, .delay_ms = 10000, .buffer_bdp = 10000},
			{.rate_mbps = 12, .delay_ms = 10, .loss = 2},
			{.rate_mbps = 12, .delay_ms = 10, .noise = NAN},
			{.rate_mbps = 12, .delay_ms = 10, .noise_feature = "delay_metric"},
			{.rate_mbps = 12, .delay_ms = 10, .noise_feature = "colour"},
			{.rate_mbps = 12, .delay_ms = 10, .emulator = 7},
			{.rate_mbps = 12, .delay_ms = 10, .duration_s = 1e-9},
			{.rate_mbps = 12, .delay_ms = 10, .patience_s = -3},
			{.rate_mbps = 12, .delay_ms = 10, .delay_tolerance = 0.5},
			{.rate_mbps = 12, .delay_ms = 10, .drop_price = -1},
		};
	struct canopy_env *e = NULL;
	float obs[OBS], a = 0, r;

	log_set_level(-1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_true(canopy_env_new(&e, &bad[i], sizeof(bad[0]), 1, 1) < 0);
	assert_int_equal(canopy_env_new(NULL, &good, sizeof(good), 1, 1), -EINVAL);
	assert_int_equal(canopy_env_new(&e, NULL, sizeof(good), 1, 1), -EINVAL);
	assert_int_equal(canopy_env_new(&e, &good, sizeof(good) - 8, 1, 1), -EINVAL);
	assert_int_equal(canopy_env_new(&e, &good, sizeof(good), 0, 1), -EINVAL);
	assert_int_equal(canopy_env_new(&e, &good, sizeof(good), 1, 0), -EINVAL);
	assert_null(e);
	log_set_level(LOG_INFO);
	assert_int_equal(canopy_env_new(&e, &good, sizeof(good), 1, 8), 0);
	assert_int_equal(canopy_env_step(e, &a, obs, &r, NULL), -EINVAL); // not reset
	assert_int_equal(canopy_env_reset(e, NULL, NULL), -EINVAL);
	assert_int_equal(canopy_env_reset(e, obs, NULL), 0);
	assert_int_equal(canopy_env_step(e, NULL, obs, &r, NULL), -EINVAL);
	a = NAN;
	assert_int_equal(canopy_env_step(e, &a, obs, &r, NULL), -EINVAL);
	a = INFINITY; // clipped
	assert_int_equal(canopy_env_step(e, &a, obs, &r, NULL), 0);
	canopy_env_free(e);
	canopy_env_free(NULL);
	assert_int_equal(canopy_env_count(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads_do_not_matter),
		cmocka_unit_test(test_decisions_equal_eval),
		cmocka_unit_test(test_steps_allocate_nothing),
		cmocka_unit_test(test_episodes),
		cmocka_unit_test(test_silence_does_not_hang),
		cmocka_unit_test(test_delay_tolerance),
		cmocka_unit_test(test_drop_price),
		cmocka_unit_test(test_bad_input),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
