/* The controllers against the equations of their papers and RFCs, driven by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cc/cc.h"

/* A transport with nothing but a clock: every round trip acknowledges the whole window. */
struct bench {
	struct cc cc;
	double t_s, rtt_s;
};

static void start(struct bench *b, const struct cc_ops *ops, uint32_t cwnd, double rtt_s)
{
	memset(b, 0, sizeof(*b));
	b->rtt_s = rtt_s;
	b->cc.ops = ops;
	b->cc.priv = calloc(1, ops->priv_size + 1);
	b->cc.hz = 1000;
	b->cc.jiffies = 1000;
	b->cc.cwnd = cwnd;
	b->cc.cwnd_clamp = UINT32_MAX;
	b->cc.ssthresh = CC_SSTHRESH_MAX;
	b->cc.cwnd_limited = true;
	ops->init(&b->cc, NULL);
}

static void stop(struct bench *b)
{
	free(b->cc.priv);
}

// One ACK of n packets after dt seconds.
static void ack(struct bench *b, uint32_t n, double dt)
{
	struct cc_ack a = {.rtt_us = b->rtt_s * 1e6, .pkts_acked = n};

	b->t_s += dt;
	b->cc.now_us = b->t_s * 1e6;
	b->cc.jiffies = 1000 + b->t_s * b->cc.hz;
	b->cc.snd_una += n;
	b->cc.snd_nxt = b->cc.snd_una + b->cc.cwnd;
	if (b->cc.ops->pkts_acked)
		b->cc.ops->pkts_acked(&b->cc, &a);
	b->cc.ops->cong_avoid(&b->cc, n);
}

static void round_trip(struct bench *b)
{
	uint32_t acks = b->cc.cwnd / 2 ? b->cc.cwnd / 2 : 1;

	for (uint32_t i = 0; i < acks; i++)
		ack(b, 2, b->rtt_s / acks);
}

static void lose(struct bench *b)
{
	b->cc.prior_cwnd = b->cc.cwnd;
	b->cc.ssthresh = b->cc.ops->ssthresh(&b->cc);
	b->cc.cwnd = b->cc.ssthresh;
	b->cc.cwnd_cnt = 0;
}

// RFC 5681: doubles each round trip, then one packet a round trip, half on loss.
static void reno_follows_rfc5681(void **state)
{
	struct bench b;

	start(&b, &cc_reno, 10, .05);
	for (int i = 0; i < 5; i++) {
		uint32_t before = b.cc.cwnd;

		round_trip(&b);
		assert_int_equal(b.cc.cwnd, 2 * before);
	}
	lose(&b);
	assert_int_equal(b.cc.cwnd, 160);
	for (int i = 0; i < 40; i++) {
		uint32_t before = b.cc.cwnd;

		round_trip(&b);
		assert_in_range(b.cc.cwnd, before, before + 1);
	}
	assert_in_range(b.cc.cwnd, 198, 201);
	b.cc.cwnd = 3;
	assert_int_equal(cc_reno.ssthresh(&b.cc), 2);
	b.cc.cwnd = 2;
	assert_int_equal(cc_reno.undo_cwnd(&b.cc), 320);
	stop(&b);
}

/*
 * RFC 9438: after a loss at W_max the window is 0.7 W_max, W(t) = 0.4 (t - K)^3 + W_max with
 * K = cbrt(0.3 W_max / 0.4), and W_max is regained at t = K. Linux aims at W(t + RTT) and reacts
 * within a round trip, so the window must lie between W(t - RTT) and W(t + RTT) (one packet of
 * rounding each).
 */
static void cubic_follows_rfc9438(void **state)
{
	static const uint32_t w_max[] = {200, 1000, 5000};

	for (int i = 0; i < 3; i++) {
		double k, t0, w = w_max[i];
		struct bench b;

		start(&b, &cc_cubic, w_max[i], .1);
		b.cc.ssthresh = 10; // not in slow start
		ack(&b, 2, .001);
		b.cc.cwnd = w_max[i];
		lose(&b);
		assert_in_range(b.cc.cwnd, .7 * w - 2, .7 * w + 1);
		k = cbrt((w - b.cc.cwnd) / .4);
		t0 = b.t_s;
		while (b.t_s - t0 < 1.6 * k) {
			double t, lo, hi;

			round_trip(&b);
			t = b.t_s - t0;
			lo = .4 * pow(t - .1 - .1 - k, 3) + w;
			hi = .4 * pow(t + .1 - k, 3) + w;
			if (b.cc.cwnd < fmin(lo, w - 2) - 2 - .01 * w ||
				b.cc.cwnd > fmax(hi, w) + 2 + .01 * w)
				fail_msg("W_max %g, t %g of K %g: window %u outside [%g, %g]", w, t,
					k, b.cc.cwnd, lo, hi);
		}
		assert_true(b.cc.cwnd > w); // past the plateau it probes
		stop(&b);
	}
}

// Fast convergence: losing again below the old W_max remembers less than the window: W (1 + beta)
// / 2.
static void cubic_converges_fast(void **state)
{
	struct bench b;
	uint32_t w;

	start(&b, &cc_cubic, 1000, .1);
	b.cc.ssthresh = 10;
	lose(&b);
	w = b.cc.cwnd; // 700, lost again at once: plateau at 700 * 1.7 / 2 = 595
	lose(&b);
	assert_in_range(b.cc.cwnd, .7 * w - 1, .7 * w + 1);
	for (int i = 0; i < 3; i++)
		round_trip(&b);
	assert_true(b.cc.cwnd < 560); // the curve bends at 595, not at 700
	stop(&b);
}

// At small windows CUBIC grows at least as fast as a Reno with the same average: 3 (1-b)/(1+b) a
// round trip.
static void cubic_is_friendly_at_small_windows(void **state)
{
	struct bench b;
	uint32_t w0;

	start(&b, &cc_cubic, 20, .02);
	b.cc.ssthresh = 10;
	lose(&b);
	w0 = b.cc.cwnd;
	for (int i = 0; i < 40; i++)
		round_trip(&b);
	assert_in_range(b.cc.cwnd, w0 + .45 * 40, w0 + .65 * 40); // 3 * 0.3 / 1.7 = 0.529
	stop(&b);
}

// HyStart: a round trip whose first samples are 1/8 longer than the minimum ends slow start.
static void hystart_ends_slow_start_on_delay(void **state)
{
	struct bench b;

	start(&b, &cc_cubic, 20, .1);
	for (int i = 0; i < 20; i++)
		ack(&b, 1, .005); // no train: ACKs 5 ms apart
	assert_int_equal(b.cc.ssthresh, CC_SSTHRESH_MAX);
	b.rtt_s = .1 + .1 / 8 + .002;
	for (int i = 0; i < 80; i++)
		ack(&b, 1, .005);
	assert_true(b.cc.ssthresh <= 120);
	stop(&b);
}

// HyStart: a train of ACKs as long as half the minimum RTT ends it too (unpaced).
static void hystart_ends_slow_start_on_trains(void **state)
{
	struct bench b;

	start(&b, &cc_cubic, 100, .1);
	ack(&b, 1, .001);
	for (int i = 0; i < 45; i++)
		ack(&b, 1, .001);
	assert_int_equal(b.cc.ssthresh, CC_SSTHRESH_MAX);
	for (int i = 0; i < 8; i++)
		ack(&b, 1, .001);
	assert_true(b.cc.ssthresh < CC_SSTHRESH_MAX);
	stop(&b);
}

static void registry_knows_its_controllers(void **state)
{
	assert_ptr_equal(cc_find("reno"), &cc_reno);
	assert_ptr_equal(cc_find("cubic"), &cc_cubic);
	assert_null(cc_find("cubi"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reno_follows_rfc5681),
		cmocka_unit_test(cubic_follows_rfc9438),
		cmocka_unit_test(cubic_converges_fast),
		cmocka_unit_test(cubic_is_friendly_at_small_windows),
		cmocka_unit_test(hystart_ends_slow_start_on_delay),
		cmocka_unit_test(hystart_ends_slow_start_on_trains),
		cmocka_unit_test(registry_knows_its_controllers),
	};

	return cmocka_run_group_tests_name("cc", tests, NULL, NULL);
}
