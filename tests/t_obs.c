/* Monitor and observation: reports from literal ACKs, frames and rewards against reference vectors.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "golden.h"
#include "obs/frame.h"
#include "obs/monitor.h"

static const struct frame_taste published;

static void near(double got, double want, const char *what, int step)
{
	if (fabs(got - want) <= 1e-9 * fmax(fabs(want), 1e-12))
		return;
	print_error("%s at step %d: %.17g, want %.17g\n", what, step, got, want);
	fail();
}

static struct report report_of(const json_t *j)
{
	return (struct report){
		.thr = golden_number(j, "thr"),
		.pacing_rate = golden_number(j, "pacing_rate"),
		.loss_rate = golden_number(j, "loss_rate"),
		.samples = golden_number(j, "samples"),
		.cwnd = golden_number(j, "cwnd"),
		.delta_t = golden_number(j, "delta_t"),
		.srtt_ms = golden_number(j, "srtt_ms"),
		.min_rtt_ms = golden_number(j, "min_rtt_ms"),
	};
}

static void check_sequence(const json_t *seq)
{
	const json_t *final = json_object_get(seq, "final_state");
	struct obs o;
	size_t i;
	json_t *step;

	obs_init(&o);
	json_array_foreach(json_object_get(seq, "steps"), i, step)
	{
		struct report r = report_of(json_object_get(step, "report"));

		frame_push(&o, &r, NULL, NULL);
		for (int k = 0; k < FRAME_FEATURES; k++)
			near(o.state[STATE_SIZE - FRAME_FEATURES + k],
				json_number_value(
					json_array_get(json_object_get(step, "features"), k)),
				frame_features[k].name, (int)i);
		near(frame_reward(&r, o.max_thr, &published),
			golden_number(step, "raw_reward"), "reward", (int)i);
		near(o.max_thr, golden_number(step, "max_bw"), "M", (int)i);
	}
	assert_int_equal(json_array_size(final), STATE_SIZE);
	for (int k = 0; k < STATE_SIZE; k++)
		near(o.state[k], json_number_value(json_array_get(final, k)), "state", k);
}

static void test_rewards_match_reference(void **state)
{
	json_t *j, *seq;
	size_t i;

	need_file(GOLDEN "rewards.json");
	j = golden_json(GOLDEN "rewards.json");
	assert_non_null(j);
	assert_true(json_array_size(json_object_get(j, "sequences")) > 0);
	json_array_foreach(json_object_get(j, "sequences"), i, seq) check_sequence(seq);
	json_decref(j);
}

static void test_no_throughput_gives_zeros(void **state)
{
	struct report r = {.pacing_rate = 1e6,
		.loss_rate = 5,
		.samples = 3,
		.cwnd = 10,
		.delta_t = .02,
		.srtt_ms = 20,
		.min_rtt_ms = 10};
	struct obs o;

	obs_init(&o);
	frame_push(&o, &r, NULL, NULL);
	for (int k = 0; k < 3; k++)
		assert_true(o.state[STATE_SIZE - FRAME_FEATURES + k] == 0);
	assert_true(o.state[STATE_SIZE - 2] == 0.5 && o.state[STATE_SIZE - 1] == 0.625);
	assert_true(frame_reward(&r, o.max_thr, &published) == 0);
}

static double reward_at(double tolerance, double price)
{
	const struct report r = {.thr = 4e6, .loss_rate = 2e5, .srtt_ms = 40, .min_rtt_ms = 10};
	const struct frame_taste taste = {tolerance, price};

	return frame_reward(&r, 5e6, &taste);
}

static void test_taste(void **state)
{
	assert_true(reward_at(0, 0) == 0.6 * 0.3125);
	assert_true(reward_at(2, 0) == 0.6 * 0.5);
	assert_true(reward_at(4, 0) == 0.6);
	assert_true(reward_at(100, 0) == 0.6);
	assert_true(reward_at(4, 10) == 0.4);
	assert_true(reward_at(2, 25) == -0.2 * 0.5);
}

static void test_noise_touches_one_feature(void **state)
{
	struct report r = {.thr = 1e6,
		.pacing_rate = 1e6,
		.loss_rate = 5,
		.samples = 3,
		.cwnd = 10,
		.delta_t = .02,
		.srtt_ms = 20,
		.min_rtt_ms = 10};
	struct frame_noise noise = {FRAME_NOISE_UNIFORM, FRAME_INV_RTT, 0.05};
	double lo = 1, hi = 0, sum2 = 0;
	struct obs clean, noisy;
	struct rng rng;

	rng_init(&rng, 1, 0);
	obs_init(&clean);
	obs_init(&noisy);
	for (int i = 0; i < 20000; i++) {
		noise.kind = i < 10000 ? FRAME_NOISE_UNIFORM : FRAME_NOISE_NORMAL;
		frame_push(&clean, &r, NULL, NULL);
		frame_push(&noisy, &r, &noise, &rng);
		for (int k = STATE_SIZE - FRAME_FEATURES; k < STATE_SIZE; k++)
			if (k != STATE_SIZE - 2)
				assert_true(clean.state[k] == noisy.state[k]);
		if (noise.kind == FRAME_NOISE_UNIFORM) {
			lo = fmin(lo, noisy.state[STATE_SIZE - 2]);
			hi = fmax(hi, noisy.state[STATE_SIZE - 2]);
		} else {
			sum2 += pow(noisy.state[STATE_SIZE - 2] / 0.5 - 1, 2);
		}
	}
	assert_true(clean.max_thr == noisy.max_thr);
	assert_true(lo >= 0.475 && lo < 0.4752 && hi <= 0.525 && hi > 0.5248);
	assert_true(fabs(sqrt(sum2 / 10000) - 0.05) < 0.0015);
}

static void test_table_is_consistent(void **state)
{
	for (int i = 0; i < FRAME_FEATURES; i++) {
		assert_int_equal(frame_find(frame_features[i].name), i);
		assert_true(frame_features[i].lo < frame_features[i].hi);
	}
	assert_int_equal(frame_find("nonsense"), -1);
}

// An ACK at us with a standing rate sample of `delivered` packets over interval_us.
static bool ack(struct monitor *m, struct cc *cc, uint64_t us, int64_t rtt_us, int delivered,
	int64_t interval_us, struct report *r)
{
	cc->now_us = us;
	cc->rate_delivered = delivered;
	cc->rate_interval_us = interval_us;
	return monitor_ack(m, cc, rtt_us, r);
}

static void test_reports_from_literal_acks(void **state)
{
	struct cc cc = {.mss = 1448,
		.mtu = 1500,
		.cwnd = 40,
		.packets_out = 30,
		.srtt_us8 = 8 * 25000,
		.lost = 3};
	struct monitor m;
	struct report r;

	monitor_init(&m);
	assert_false(
		ack(&m, &cc, 1000000, 21000, 10, 10000, &r)); // before the start: minimum RTT only
	cc.now_us = 2000000;
	monitor_start(&m, &cc);
	assert_false(ack(&m, &cc, 2010000, 30000, 0, 0, &r)); // no sample stands: not in the mean
	assert_false(ack(&m, &cc, 2019999, 30000, 10, 10000, &r));
	cc.lost = 5;
	assert_true(ack(&m, &cc, 2020000, -1, 20, 10000, &r));
	assert_true(r.thr == (1448e3 + 2896e3) / 2 && r.samples == 2 && r.cwnd == 40);
	assert_true(r.delta_t == 0.02 && r.srtt_ms == 25 && r.min_rtt_ms == 21);
	assert_true(fabs(r.loss_rate - 2 * 1448 / 0.02) < 1e-6);
	assert_true(fabs(r.pacing_rate - 1500 * 40 / 0.025) < 1e-6);
	// no RTT sample: no report, however long
	assert_false(ack(&m, &cc, 2060000, -1, 20, 10000, &r));
	cc.packets_out = 50;
	assert_true(ack(&m, &cc, 2070000, 20000, 10, 10000, &r));
	assert_true(r.thr == (2896e3 + 1448e3) / 2 && r.samples == 1 && r.delta_t == 0.05);
	assert_true(r.loss_rate == 0 && r.min_rtt_ms == 20);
	assert_true(fabs(r.pacing_rate - 1500 * 50 / 0.025) < 1e-6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rewards_match_reference),
		cmocka_unit_test(test_no_throughput_gives_zeros),
		cmocka_unit_test(test_taste),
		cmocka_unit_test(test_noise_touches_one_feature),
		cmocka_unit_test(test_table_is_consistent),
		cmocka_unit_test(test_reports_from_literal_acks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
