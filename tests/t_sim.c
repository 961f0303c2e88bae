/* The simulator: the stack's invariants, the controllers' behaviour, determinism. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "sim/world.h"
#include "sim_fixture.h"

struct setup {
	const char *cc;
	struct trace down, up;
	uint32_t queue;
	double delay_ms, secs, loss;
	int flows;
	uint64_t seed;
	bool ms_delay;
};

struct outcome {
	struct link_stats down;
	struct flow_stats flow[64];
};

static struct outcome simulate(const struct setup *s)
{
	struct flow_conf f[64];
	struct world_conf conf = {.down = {.trace = &s->down,
					  .queue = QUEUE_DROPTAIL,
					  .limit_pkts = s->queue,
					  .loss = s->loss},
		.up = {.trace = &s->up, .queue = QUEUE_INFINITE, .loss = s->loss},
		.ms_delay = s->ms_delay,
		.seed = s->seed,
		.nflows = s->flows ? s->flows : 1,
		.flows = f};
	struct outcome o;
	struct world *w;

	for (int i = 0; i < conf.nflows; i++)
		f[i] = (struct flow_conf){.cc = cc_find(s->cc),
			.delay_ms = s->delay_ms,
			.start_ns = 1 + i * MS,
			.pacing = -1};
	w = world_new(&conf);
	assert_non_null(w);
	assert_int_equal(world_run(w, s->secs * SEC), -1);
	o.down = *world_down(w);
	for (int i = 0; i < conf.nflows; i++)
		o.flow[i] = *world_flow(w, i);
	world_free(w);
	return o;
}

// On a path that never drops, what is sent arrives once and in order, at the link's rate.
static void lossless_path_fills_the_link(void **state)
{
	struct setup s = {.cc = "cubic",
		.down = smooth(20000000),
		.up = smooth(100000000),
		.queue = 10000,
		.delay_ms = 10,
		.secs = 10};
	struct outcome o = simulate(&s);

	assert_int_equal(o.flow[0].retrans, 0);
	assert_int_equal(o.flow[0].rtos, 0);
	assert_int_equal(o.flow[0].delivered, o.flow[0].in_order);
	assert_true(o.down.bytes_out > .98 * o.down.capacity_bytes &&
		    o.down.bytes_out <= o.down.capacity_bytes);
	// two propagation delays and the serialisation of data and ACK
	assert_in_range(o.flow[0].min_rtt_us, 20000, 20000 + 1504 * 8 / 20 + 100);
}

// Every packet at the queue is a packet sent; every first transmission lost is sent again.
static void packets_are_conserved(void **state)
{
	static const char *const ccs[] = {"reno", "cubic"};

	for (int i = 0; i < COUNT(ccs); i++)
		for (int seed = 1; seed < 6; seed++) {
			struct setup s = {.cc = ccs[i],
				.down = grid(every_ms, 1),
				.up = smooth(50000000),
				.queue = 12,
				.delay_ms = 7 * seed,
				.secs = 20,
				.loss = .01 * (seed - 1),
				.seed = seed,
				.ms_delay = true};
			struct outcome o = simulate(&s);
			uint64_t sent = o.flow[0].sent + o.flow[0].retrans, limbo = 4096;

			assert_true(o.down.arrivals + o.down.lost <= sent + 2);
			assert_true(o.down.arrivals + o.down.lost + limbo >= sent);
			assert_int_equal(
				o.down.arrivals - o.down.drops - o.down.departures <= 13, 1);
			assert_true(o.flow[0].delivered <= o.flow[0].sent);
			assert_true(o.flow[0].in_order <= o.flow[0].delivered);
			assert_true(o.flow[0].retrans + limbo >= o.down.drops + o.down.lost);
			assert_true(o.flow[0].in_order > 100);
		}
}

// Retransmissions equal drops where nothing times out spuriously: SACK and RACK repair just what
// was lost.
static void repairs_only_what_was_lost(void **state)
{
	struct setup s = {.cc = "reno",
		.down = grid(every_ms, 1),
		.up = smooth(50000000),
		.queue = 60,
		.delay_ms = 10,
		.secs = 60,
		.ms_delay = true};
	struct outcome o = simulate(&s);

	assert_true(o.down.drops > 20);
	assert_int_equal(o.flow[0].rtos, 0);
	assert_in_range(o.flow[0].retrans, o.down.drops - 3, o.down.drops);
}

// Reno's throughput under random loss p: about sqrt(3/2p) packets a round trip (Mathis et al.
// 1997). Delayed ACKs do not slow it: Linux counts the packets an ACK covers.
static void reno_obeys_the_square_root_law(void **state)
{
	double p = .001, rtt = .1, model = 1.2247 / (rtt * .03162);
	struct setup s = {.cc = "reno",
		.down = smooth(1000000000),
		.up = smooth(1000000000),
		.queue = 100000,
		.delay_ms = 50,
		.secs = 400,
		.seed = 3};
	struct flow_conf f = {.cc = &cc_reno, .delay_ms = 50, .pacing = -1};
	struct world_conf conf = {.down = {.trace = &s.down, .queue = QUEUE_INFINITE, .loss = p},
		.up = {.trace = &s.up, .queue = QUEUE_INFINITE},
		.seed = 3,
		.nflows = 1,
		.flows = &f};
	struct world *w = world_new(&conf);
	double rate;

	world_run(w, s.secs * SEC);
	rate = world_flow(w, 0)->in_order / s.secs;
	world_free(w);
	assert_true(rate > .8 * model && rate < 1.2 * model);
}

static void same_seed_same_packets(void **state)
{
	struct setup s = {.cc = "cubic",
		.down = smooth(30000000),
		.up = smooth(30000000),
		.queue = 30,
		.delay_ms = 20,
		.secs = 10,
		.loss = .005,
		.flows = 4,
		.seed = 9};
	struct outcome a = simulate(&s), b = simulate(&s), c;

	s.seed = 10;
	c = simulate(&s);
	a.down.delays = b.down.delays = NULL;
	assert_memory_equal(&a.down, &b.down, sizeof(a.down));
	assert_memory_equal(a.flow, b.flow, 4 * sizeof(a.flow[0]));
	assert_true(memcmp(a.flow, c.flow, 4 * sizeof(a.flow[0])) != 0);
}

// How far each call of world_run goes changes nothing, on punctual and on late emulators.
static void slicing_changes_nothing(void **state)
{
	static uint32_t bursts[] = {0, 0, 3, 3, 3, 9, 40};
	struct trace t = grid(bursts, COUNT(bursts));

	for (int late = 0; late < 2; late++) {
		struct flow_stats got[3];

		for (int i = 0; i < 3; i++) {
			uint64_t slice = i == 0 ? 20 * SEC : i == 1 ? 100 * MS : 7 * MS;
			struct flow_conf f = {
				.cc = &cc_cubic, .delay_ms = 10, .pacing = -1, .app_bps = 800000};
			struct world_conf conf = {
				.down = {.trace = &t, .queue = QUEUE_DROPTAIL, .limit_pkts = 9},
				.up = {.trace = &t, .queue = QUEUE_INFINITE},
				.ms_delay = true,
				.poll_ns = late ? WORLD_POLL_NS : 0,
				.seed = 3,
				.nflows = 1,
				.flows = &f};
			struct world *w = world_new(&conf);

			for (uint64_t at = slice; at < 20 * SEC; at += slice)
				world_run(w, at);
			world_run(w, 20 * SEC);
			got[i] = *world_flow(w, 0);
			world_free(w);
		}
		assert_memory_equal(&got[0], &got[1], sizeof(got[0]));
		assert_memory_equal(&got[0], &got[2], sizeof(got[0]));
	}
}

// A world made anew in the memory of another is the one that world_new makes.
static void reset_makes_a_new_world(void **state)
{
	static const char *const names[] = {"bbr", "cubic", "vegas", "reno"};
	static uint32_t bursts[] = {0, 0, 3, 3, 3, 9, 40};
	struct trace t = grid(bursts, COUNT(bursts)), fast = smooth(20000000);
	struct world *w = NULL;

	for (int i = 0; i < 8; i++) {
		struct flow_conf f[6];
		struct world_conf conf = {.down = {.trace = i % 2 ? &t : &fast,
						  .queue = i % 3 ? QUEUE_DROPTAIL : QUEUE_PIE,
						  .aqm = AQM_PIE_CONF,
						  .limit_pkts = 10 + 90 * (i % 2),
						  .loss = i % 4 == 3 ? 0.01 : 0,
						  .stats = i % 3 == 1},
			.up = {.trace = &fast},
			.ms_delay = i % 2,
			.poll_ns = i == 5 ? WORLD_POLL_NS : 0,
			.seed = i,
			.nflows = 1 + i * 5 % 6,
			.flows = f};
		struct world *fresh;

		for (int j = 0; j < conf.nflows; j++)
			f[j] = (struct flow_conf){.cc = cc_find(names[(i + j) % 4]),
				.delay_ms = 10 + j % 2,
				.start_ns = j * 100 * MS,
				.pacing = -1};
		fresh = world_new(&conf);
		if (w)
			assert_int_equal(world_reset(w, &conf), 0);
		else
			w = world_new(&conf);
		assert_int_equal(world_now(w), 0);
		world_run(fresh, 5 * SEC);
		world_run(w, 5 * SEC);
		for (int j = 0; j < conf.nflows; j++)
			assert_memory_equal(
				world_flow(w, j), world_flow(fresh, j), sizeof(struct flow_stats));
		assert_memory_equal(
			world_up(w), world_up(fresh), offsetof(struct link_stats, delays));
		assert_memory_equal(
			world_down(w), world_down(fresh), offsetof(struct link_stats, delays));
		assert_true(world_down(w)->departures > 200);
		assert_true(link_delay_quantile_ms(world_down(w), .9) ==
			    link_delay_quantile_ms(world_down(fresh), .9));
		world_free(fresh);
	}
	world_free(w);
}

static void equal_flows_share_the_link(void **state)
{
	struct setup s = {.cc = "reno",
		.down = smooth(40000000),
		.up = smooth(100000000),
		.queue = 100,
		.delay_ms = 15,
		.secs = 120,
		.flows = 8,
		.seed = 2};
	struct outcome o = simulate(&s);
	double sum = 0, squares = 0;

	for (int i = 0; i < 8; i++) {
		sum += o.flow[i].in_order;
		squares += (double)o.flow[i].in_order * o.flow[i].in_order;
	}
	assert_true(sum * sum / (8 * squares) > .9); // Jain's index
}

struct watch {
	uint32_t min_cwnd, max_cwnd;
	uint64_t min_cwnd_at_ns;
	double queue_sum;
	int samples;
};

// One flow over a smooth link, its window and the queue watched every 10 ms from from_s on.
static struct watch watch(const struct cc_ops *cc, uint64_t bps, uint32_t queue, double loss,
	double from_s, double secs, struct outcome *o)
{
	struct trace t = smooth(bps), up = smooth(1000000000);
	struct flow_conf f = {.cc = cc, .delay_ms = 20, .pacing = -1};
	struct world_conf conf = {
		.down = {.trace = &t, .queue = QUEUE_DROPTAIL, .limit_pkts = queue, .loss = loss},
		.up = {.trace = &up, .queue = QUEUE_INFINITE},
		.seed = 4,
		.nflows = 1,
		.flows = &f};
	struct world *w = world_new(&conf);
	struct watch r = {.min_cwnd = UINT32_MAX};

	for (uint64_t at = 0; at < secs * SEC; at += 10 * MS) {
		world_run(w, at);
		if (at < from_s * SEC)
			continue;
		if (world_cc(w, 0)->cwnd < r.min_cwnd) {
			r.min_cwnd = world_cc(w, 0)->cwnd;
			r.min_cwnd_at_ns = at;
		}
		if (world_cc(w, 0)->cwnd > r.max_cwnd)
			r.max_cwnd = world_cc(w, 0)->cwnd;
		r.queue_sum += world_down(w)->queue_pkts;
		r.samples++;
	}
	o->down = *world_down(w);
	o->flow[0] = *world_flow(w, 0);
	world_free(w);
	return r;
}

// Vegas aims at 2 to 4 packets of its own in the queue.
static void vegas_keeps_a_short_queue(void **state)
{
	struct outcome o;
	struct watch r = watch(&cc_vegas, 20000000, 1000, 0, 10, 40, &o);

	assert_true(r.queue_sum / r.samples <
		    4 + 2); // it counts by the round's smallest RTT; ACKs free pairs
	assert_true(r.max_cwnd - r.min_cwnd <= 4);
	assert_int_equal(o.down.drops, 0);
	assert_true(o.down.bytes_out > .95 * o.down.capacity_bytes);
}

// BBR: fills the pipe with a short queue, cuts its window to 4 packets some 10 s after the last
// minimum RTT.
static void bbr_fills_probes_and_drains(void **state)
{
	struct outcome o;
	struct watch r = watch(&cc_bbr, 50000000, 5000, 0, 5, 25, &o);
	double bdp = 50e6 / 8 * .04 / 1504;

	assert_int_equal(r.min_cwnd, 4);
	assert_in_range(r.min_cwnd_at_ns, 9 * SEC, 13 * SEC);
	assert_true(r.max_cwnd < 2 * bdp + 40); // two BDP, quantisation and aggregation on top
	assert_true(r.queue_sum / r.samples < .5 * bdp);
	assert_true(o.down.bytes_out > .93 * o.down.capacity_bytes);
}

// BBR does not take random loss for congestion, CUBIC does: the point of the model (Cardwell et al.
// 2016, fig. 8).
static void bbr_shrugs_off_random_loss(void **state)
{
	struct outcome bbr, cubic;

	watch(&cc_bbr, 50000000, 5000, .01, 1, 30, &bbr);
	watch(&cc_cubic, 50000000, 5000, .01, 1, 30, &cubic);
	assert_true(bbr.down.bytes_out > .85 * bbr.down.capacity_bytes);
	assert_true(cubic.down.bytes_out < .3 * cubic.down.capacity_bytes);
}

// With everything lost only SYNs leave, at growing intervals; nothing spins.
static void total_loss(void **state)
{
	struct setup s = {.cc = "cubic",
		.down = smooth(10000000),
		.up = smooth(10000000),
		.queue = 50,
		.delay_ms = 10,
		.secs = 100,
		.loss = 1};
	struct outcome o = simulate(&s);

	assert_in_range(o.down.lost, 4, 8);
	assert_int_equal(o.flow[0].in_order, 0);
}

// A limited application is served at its own rate and its samples say so.
static void application_limit(void **state)
{
	struct trace t = smooth(50000000);
	struct flow_conf f = {.cc = &cc_cubic, .delay_ms = 10, .pacing = -1, .app_bps = 2000000};
	struct world_conf conf = {
		.down = {.trace = &t}, .up = {.trace = &t}, .nflows = 1, .flows = &f};
	struct world *w = world_new(&conf);

	world_run(w, 30 * SEC);
	assert_true(world_cc(w, 0)->app_limited > 0);
	assert_in_range(world_flow(w, 0)->in_order, .99 * 30 * 2000000 / (8 * 1448),
		30 * 2000000 / (8 * 1448));
	world_free(w);
}

// Linux since 6.18 waits for an ACK only if it comes within a millisecond: where they are further
// apart, the whole window is in flight; before, a packet more in the window waited for a second
// one.
static void far_acks_are_not_waited_for(void **state)
{
	struct trace t = smooth(3000000), up = smooth(100000000); // two packets take 8 ms
	struct flow_conf f = {.cc = &cc_cubic, .delay_ms = 40, .pacing = -1};
	struct world_conf conf = {
		.down = {.trace = &t, .queue = QUEUE_DROPTAIL, .limit_pkts = 1000},
		.up = {.trace = &up},
		.nflows = 1,
		.flows = &f};
	struct world *w = world_new(&conf);

	world_cc(w, 0)->cwnd_clamp = 31; // a round trip that does not change
	for (uint64_t at = 5 * SEC; at < 20 * SEC; at += 10 * MS) {
		world_run(w, at);
		assert_int_equal(cc_in_flight(world_cc(w, 0)), 31);
	}
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lossless_path_fills_the_link),
		cmocka_unit_test(packets_are_conserved),
		cmocka_unit_test(repairs_only_what_was_lost),
		cmocka_unit_test(reno_obeys_the_square_root_law),
		cmocka_unit_test(same_seed_same_packets),
		cmocka_unit_test(slicing_changes_nothing),
		cmocka_unit_test(reset_makes_a_new_world),
		cmocka_unit_test(equal_flows_share_the_link),
		cmocka_unit_test(vegas_keeps_a_short_queue),
		cmocka_unit_test(bbr_fills_probes_and_drains),
		cmocka_unit_test(bbr_shrugs_off_random_loss),
		cmocka_unit_test(total_loss),
		cmocka_unit_test(application_limit),
		cmocka_unit_test(far_acks_are_not_waited_for),
	};

	return cmocka_run_group_tests_name("sim", tests, NULL, NULL);
}
