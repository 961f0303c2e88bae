/* Fairness: its definitions on series with known answers, and what is known of reno's. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/log.h"
#include "eval/fairness.h"
#include "eval/run.h"
#include "plans.h"

#define BIN 0.1
#define FLOWS 3
#define assert_near(a, b, eps) assert_true(fabs((a) - (b)) <= (eps))

struct hand {
	struct run_result run;
	struct flow_result flow[FLOWS];
	struct series s;
};

// A run of n flows over seconds, each at its rate while active.
static void hand_init(struct hand *h, int n, double seconds)
{
	memset(h, 0, sizeof(*h));
	h->run.nflows = n;
	h->run.flows = h->flow;
	h->run.duration_s = seconds;
	for (int i = 0; i < n; i++) {
		snprintf(h->flow[i].controller, sizeof(h->flow[i].controller), "cubic");
		h->flow[i].stop_s = seconds;
	}
	series_init(&h->s, n);
	for (int i = 0; i < lround(seconds / BIN); i++)
		series_row(&h->s)[SERIES_T] = (i + 1) * BIN;
}

// Flow i's rate from second a to second b.
static void hand_rate(struct hand *h, int i, double a, double b, double mbps)
{
	for (long k = lround(a / BIN); k < lround(b / BIN); k++)
		h->s.v[k * h->s.cols + SERIES_FLOW(i, SERIES_RATE)] = mbps;
}

static void hand_measure(struct hand *h)
{
	assert_int_equal(fairness_measure(&h->run, &h->s, BIN), 0);
	series_free(&h->s);
}

// 8 and 2 for 10 s, then 5 and 5: Jain 100 / 136 and 1; the first fair window holds one unfair bin in four.
static void test_known_series(void **state)
{
	struct hand h;

	hand_init(&h, 2, 30);
	hand_rate(&h, 0, 0, 10, 8);
	hand_rate(&h, 1, 0, 10, 2);
	hand_rate(&h, 0, 10, 30, 5);
	hand_rate(&h, 1, 10, 30, 5);
	snprintf(h.flow[1].controller, sizeof(h.flow[1].controller), "reno");
	hand_measure(&h);
	assert_near(h.run.jain_1s_min, 100. / 136, 1e-12);
	assert_near(h.run.jain_1s_mean, (10 * 100. / 136 + 20) / 30, 1e-12);
	assert_near(h.flow[0].share, 180. / 150, 1e-12);
	assert_near(h.flow[1].share, 120. / 150, 1e-12);
	assert_near(h.run.friendliness, 0.8, 1e-12);
	assert_string_equal(h.run.shares, "cubic=1.200 reno=0.800");
	assert_int_equal(h.run.changes, 1);
	assert_int_equal(h.run.converged, 1);
	// k of 10 bins at 8 of 10: 5 + 0.3 k <= 6.25, so k = 4
	assert_near(h.run.converge_s, 9.6, 1e-9);
	assert_near(h.flow[0].join_converge_s, 9.6, 1e-9);
	assert_true(isnan(h.flow[0].leave_converge_s));
}

// The band holds its edge, and what is over it does not converge; 4.9 s are too short and 5 enough.
static void test_band_and_hold(void **state)
{
	static const struct {
		double mbps, seconds;
		int converged;
	} cases[] = {{6.25, 20, 1}, {6.26, 20, 0}, {5, 4.9, 0}, {5, 5, 1}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hand h;

		hand_init(&h, 2, cases[i].seconds);
		hand_rate(&h, 0, 0, cases[i].seconds, cases[i].mbps);
		hand_rate(&h, 1, 0, cases[i].seconds, 10 - cases[i].mbps);
		hand_measure(&h);
		assert_int_equal(h.run.converged, cases[i].converged);
		assert_true(isnan(h.run.converge_s) == !cases[i].converged);
		assert_true(isnan(h.run.friendliness));
	}
}

// Flow 2 joins at 10 and gets its share at 13, leaves at 30; flow 3 is there from 20 and gets it at once.
static void test_joins_and_leaves(void **state)
{
	struct hand h;

	hand_init(&h, 3, 50);
	h.flow[1].start_s = 9.95;
	h.flow[1].stop_s = 30;
	h.flow[2].start_s = 20;
	hand_rate(&h, 0, 0, 10, 12);
	hand_rate(&h, 0, 10, 13, 12);
	hand_rate(&h, 0, 13, 20, 6);
	hand_rate(&h, 1, 13, 20, 6);
	for (int i = 0; i < 3; i++)
		hand_rate(&h, i, 20, 30, 4);
	hand_rate(&h, 0, 30, 40, 12);
	hand_rate(&h, 0, 40, 50, 6);
	hand_rate(&h, 2, 40, 50, 6);
	hand_measure(&h);
	assert_int_equal(h.run.changes, 3);
	assert_int_equal(h.run.converged, 3);
	assert_true(isnan(h.flow[0].join_converge_s)); // alone
	// 2 of 10 bins at 12 of 12: 7.2 and 4.8 are in the band, 3 are not
	assert_near(h.flow[1].join_converge_s, 12.8 - 9.95, 1e-9);
	assert_near(h.flow[2].join_converge_s, 0, 1e-9);
	assert_near(h.flow[1].leave_converge_s, 9.8, 1e-9);
	assert_near(h.run.converge_s, (2.85 + 0 + 9.8) / 3, 1e-9);
	assert_near(h.run.jain_1s_min, 0.5, 1e-12);
	// all it delivered over half of what 10 to 20 s gave and a third of 20 to 30 s
	assert_near(h.flow[1].share, (7 * 6 + 40) / (3 * 6 + 7 * 6 + 40.), 1e-12);
}

static void test_one_flow_is_no_question(void **state)
{
	struct hand h;

	hand_init(&h, 1, 10);
	hand_rate(&h, 0, 0, 10, 12);
	hand_measure(&h);
	assert_true(isnan(h.run.jain_1s_mean) && isnan(h.run.jain_1s_min));
	assert_true(isnan(h.run.converge_s) && isnan(h.flow[0].share));
	assert_int_equal(h.run.changes, 0);
	assert_string_equal(h.run.shares, "");
}

// What lies after the end of the metrics does not count, nor does a flow that starts then.
static void test_end_of_metrics(void **state)
{
	struct hand h;

	hand_init(&h, 3, 20);
	h.run.duration_s = 10;
	h.flow[2].start_s = 15;
	h.flow[0].stop_s = h.flow[1].stop_s = h.flow[2].stop_s = 10;
	hand_rate(&h, 0, 0, 10, 5);
	hand_rate(&h, 1, 0, 10, 5);
	hand_rate(&h, 0, 10, 20, 12);
	hand_measure(&h);
	assert_near(h.run.jain_1s_min, 1, 1e-12);
	assert_int_equal(h.run.changes, 1);
	assert_true(isnan(h.flow[2].share));
}

static void run_only(struct run_result *r, const struct plan *g)
{
	const struct run_io io = {.dir = dir};

	assert_int_equal(g->n, 1);
	assert_int_equal(run_one(r, &g->runs[0], &io), 0);
}

// N equal flows get equal shares in the long run, and mostly within a second.
static void test_equal_renos_converge(void **state)
{
	static const char *const flows[] = {"flows=2", "flows=4", "flows=8"};

	for (int i = 0; i < 3; i++) {
		struct run_result r;
		struct plan g;

		assert_int_equal(PLAN(&g, "controllers=reno", "traces=wired48", "buffers=1",
					 "duration=120", flows[i]),
			0);
		run_only(&r, &g);
		assert_true(r.jain > 0.97);
		assert_true(r.jain_1s_mean > 0.85);
		for (int k = 0; k < r.nflows; k++)
			assert_near(r.flows[k].share, 1, 0.25);
		free(r.flows);
		plan_free(&g);
	}
}

// Reno's rate goes as 1 / RTT or worse where losses are shared: the longer path gets less than its share.
static void test_longer_rtt_gets_less(void **state)
{
	struct run_result r;
	struct plan g;

	assert_int_equal(PLAN(&g, "controllers=reno", "traces=wired48", "buffers=1", "duration=120",
				 "flows=2", "extra-delays=0,30"),
		0);
	run_only(&r, &g);
	assert_true(r.flows[1].rtt_mean_ms > r.flows[0].rtt_mean_ms + 40);
	assert_true(r.flows[1].share < 0.75);
	assert_near(r.flows[0].share + r.flows[1].share, 2, 1e-9);
	free(r.flows);
	plan_free(&g);
}

// Three flows that come every 20 s and stay 60: three changes with company.
static void test_simulated_joins_and_leaves(void **state)
{
	struct run_result r;
	struct plan g;

	assert_int_equal(PLAN(&g, "controllers=cubic", "traces=wired24", "buffers=1", "duration=120",
				 "flows=3", "stagger=20", "flow-time=60"),
		0);
	run_only(&r, &g);
	assert_int_equal(r.changes, 3); // joins at 20 and 40, a leave at 60; at 80 one is left
	assert_true(isnan(r.flows[0].join_converge_s));
	assert_true(r.converged <= r.changes);
	for (int i = 0; i < 3; i++)
		assert_near(r.flows[i].stop_s - r.flows[i].start_s, 60, 1e-6);
	assert_true(r.jain_1s_mean > r.jain_1s_min && r.jain_1s_mean <= 1);
	free(r.flows);
	plan_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_series),
		cmocka_unit_test(test_band_and_hold),
		cmocka_unit_test(test_joins_and_leaves),
		cmocka_unit_test(test_one_flow_is_no_question),
		cmocka_unit_test(test_end_of_metrics),
		cmocka_unit_test(test_equal_renos_converge),
		cmocka_unit_test(test_longer_rtt_gets_less),
		cmocka_unit_test(test_simulated_joins_and_leaves),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
