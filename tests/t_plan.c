/* Tests of plans: order, queue sizes, ids, and what makes one impossible. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "plans.h"

#define assert_near(a, b, eps) assert_true((a) - (b) <= (eps) && (b) - (a) <= (eps))

static void test_order(void **state)
{
	struct plan g;

	assert_int_equal(PLAN(&g, "controllers=cubic,reno", "traces=wired12,wired24",
				 "buffers=0.5,5", "runs=2", "seed=7", "delays=10,20"),
		0);
	assert_int_equal(g.n, 32);
	assert_string_equal(g.runs[0].scheme->name, "cubic");
	assert_string_equal(g.runs[1].scheme->name, "reno");
	assert_near(g.runs[2].buffer_bdp, 5, 0);
	assert_string_equal(g.runs[4].down->trace->name, "wired24");
	assert_near(g.runs[8].delay_ms, 20, 0);
	assert_int_equal(g.runs[15].seed, 7);
	assert_int_equal(g.runs[16].seed, 8);
	for (int i = 0; i < g.n; i++)
		for (int k = 0; k < i; k++)
			assert_string_not_equal(g.runs[i].id, g.runs[k].id);
	plan_free(&g);
}

static void test_queue_formula(void **state)
{
	struct plan g;

	assert_int_equal(PLAN(&g, "traces=wired12,cellular:1", "buffers=0.5,5,0"), 0);
	assert_int_equal(g.runs[0].queue_pkts, 10);
	assert_int_equal(g.runs[1].queue_pkts, 100);
	assert_int_equal(g.runs[2].queue_pkts, 1);
	assert_near(g.runs[3].nominal_mbps, 30, 0);
	assert_int_equal(g.runs[3].queue_pkts, 25);
	plan_free(&g);
	assert_int_equal(PLAN(&g, "traces=wired12,cellular:1", "nominal=24", "queue=infinite"), 0);
	assert_int_equal(g.n, 2); // the buffer means nothing to an infinite queue
	assert_near(g.runs[0].nominal_mbps, 24, 0);
	assert_int_equal(g.runs[0].queue_pkts, 0);
	plan_free(&g);
}

// A classic controller observes nothing, so noise does not multiply its runs.
static void test_noise_is_for_policies(void **state)
{
	char *both = file_path("controllers=cubic,%s,%s@zero", model, model);
	struct plan g;

	assert_int_equal(PLAN(&g, both, "traces=wired12", "buffers=1", "noise=0,0.05"), 0);
	assert_int_equal(g.n, 5);
	assert_string_equal(g.runs[1].scheme->name, "small");
	assert_string_equal(g.runs[2].scheme->name, "small@zero");
	assert_string_equal(g.runs[3].scheme->name, "small");
	assert_int_equal(g.runs[3].noise.kind, FRAME_NOISE_UNIFORM);
	assert_int_equal(g.schemes.nmodels, 1);
	plan_free(&g);
	free(both);
}

static void test_ids(void **state)
{
	static const char *const changes[] = {"controllers=reno", "traces=wired24", "buffers=2",
		"delays=11", "loss=0.1", "seed=2", "duration=61", "skip-end=1", "uplink=wired48",
		"queue=drophead", "nominal=13", "flows=2", "stagger=1", "flow-time=9",
		"extra-delays=1", "pacing=on", "hz=1000", "emulator=ideal", "queue=codel",
		"queue=pie", "ecn=yes", "loss-burst=0.01,0.2"};
	struct plan base, g;

	assert_int_equal(PLAN(&base, "traces=wired12", "buffers=1"), 0);
	assert_int_equal(PLAN(&g, "traces=wired48,wired12", "buffers=5,1", "runs=3",
				 "controllers=reno,cubic"),
		0);
	assert_string_equal(g.runs[7].id, base.runs[0].id); // whatever else is in the plan
	plan_free(&g);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		const char *key = changes[i];
		bool trace = !strncmp(key, "traces", 6), buffer = !strncmp(key, "buffers", 7);

		assert_int_equal(
			PLAN(&g, trace ? key : "traces=wired12", buffer ? key : "buffers=1",
				trace || buffer ? "seed=1" : key),
			0);
		assert_string_not_equal(g.runs[0].id, base.runs[0].id);
		plan_free(&g);
	}
	plan_free(&base);
}

// The parameters of a queue make a run its own only where that queue is used.
static void test_queue_parameters(void **state)
{
	static const char *const changes[] = {"codel-target=6", "codel-interval=50", "pie-target=20",
		"pie-update=30", "pie-burst=0"};
	static const char *const queues[] = {"queue=droptail", "queue=codel", "queue=pie"};
	char args[RESULTS_ARGS];
	struct plan base, g;

	for (int q = 0; q < 3; q++) {
		assert_int_equal(PLAN(&base, "traces=wired12", "buffers=1", queues[q]), 0);
		for (int i = 0; i < 5; i++) {
			bool its_own = q == 1 ? i < 2 : q == 2 && i >= 2;

			assert_int_equal(
				PLAN(&g, "traces=wired12", "buffers=1", queues[q], changes[i]), 0);
			assert_int_equal(strcmp(g.runs[0].id, base.runs[0].id) != 0, its_own);
			plan_free(&g);
		}
		plan_free(&base);
	}
	assert_int_equal(PLAN(&g, "traces=wired12", "buffers=1", "queue=pie", "pie-update=7.5",
				 "loss-burst=0.01,0.25,0.5"),
		0);
	assert_string_equal(run_queue_args(&g.runs[0], args), "target=15 update=7.5 burst=150");
	assert_string_equal(run_burst_args(&g.runs[0], args), "p=0.01 r=0.25 bad=0.5 good=0");
	plan_free(&g);
}

static void test_impossible(void **state)
{
	static const char *const bad[] = {"controllers=cubc", "controllers=cubic,cubic",
		"controllers=cubic+", "controllers=/nonexistent/m.safetensors", "traces=wird12",
		"traces=wired12,wired12", "uplink=/nonexistent", "buffers=1,1", "runs=0",
		"runs=100000", "duration=0", "skip-end=60", "flow-time=x", "queue=red", "loss=2",
		"stagger=-1", "loss-burst=0.1", "loss-burst=0,0.1", "loss-burst=0.1,0",
		"loss-burst=0.1,2", "loss-burst=0.1,1,1,0,0", "codel-target=0"};
	char *zero = file_path("controllers=%s@zer", model), *copy = file_path("%s/again", dir),
	     *both, *cmd;
	struct plan g;

	log_set_level(LOG_ERR - 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_true(
			PLAN(&g, bad[i],
				!strncmp(bad[i], "traces", 6) ? "seed=1" : "traces=wired12") < 0);
	assert_int_equal(PLAN(&g, "controllers=cubic"), -EINVAL); // no trace
	assert_int_equal(PLAN(&g, "traces=wired12", "controllers=cubic+reno", "flows=1"), -EINVAL);
	assert_int_equal(PLAN(&g, "traces=wired12", "flows=4", "stagger=20"), -EINVAL);
	assert_int_equal(PLAN(&g, "traces=wired12", "flows=2", "extra-delays=0,10,20"), -EINVAL);
	assert_int_equal(PLAN(&g, "traces=wired12", "buffers=10000", "nominal=1000000"), -EINVAL);
	assert_true(PLAN(&g, "traces=wired12", zero) < 0);
	// Two models of one name would be one in the results.
	cmd = file_path("mkdir '%s' && cp '%s' '%s'", copy, model, copy);
	both = file_path("controllers=%s,%s/small.safetensors", model, copy);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(PLAN(&g, "traces=wired12", both), -EINVAL);
	log_set_level(LOG_INFO);
	free(both);
	free(cmd);
	free(copy);
	free(zero);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_queue_formula),
		cmocka_unit_test(test_noise_is_for_policies),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_queue_parameters),
		cmocka_unit_test(test_impossible),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
