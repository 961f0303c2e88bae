/* ECN, CoDel, PIE and loss in bursts as flows meet them: delays, marks, one reduction a round trip.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/ecn.h"
#include "sim_fixture.h"

static const enum queue_kind kinds[] = {
	QUEUE_INFINITE, QUEUE_DROPTAIL, QUEUE_DROPHEAD, QUEUE_CODEL, QUEUE_PIE};

static struct aqm_conf conf_of(enum queue_kind kind)
{
	return kind == QUEUE_CODEL ? AQM_CODEL_CONF : AQM_PIE_CONF;
}

struct outcome {
	struct link_stats down;
	struct flow_stats flow;
	struct cc cc;
};

struct setup {
	const char *cc;
	enum queue_kind queue;
	bool ecn, grid;
	double secs;
	uint64_t seed;
	struct loss_conf burst;
	uint32_t limit;
};

static struct outcome simulate(const struct setup *s)
{
	struct flow_conf f = {.cc = cc_find(s->cc), .delay_ms = 20, .pacing = -1, .ecn = s->ecn};
	struct trace down = s->grid ? grid(every_ms, 1) : smooth(12032000), up = smooth(100000000);
	struct world_conf conf = {.down = {.trace = &down,
					  .queue = s->queue,
					  .limit_pkts = s->limit,
					  .aqm = conf_of(s->queue),
					  .burst_loss = s->burst},
		.up = {.trace = &up},
		.ms_delay = s->grid,
		.seed = s->seed,
		.nflows = 1,
		.flows = &f};
	struct world *w = world_new(&conf);
	struct outcome o;

	assert_non_null(w);
	assert_int_equal(world_run(w, s->secs * SEC), -1);
	o = (struct outcome){*world_down(w), *world_flow(w, 0), *world_cc(w, 0)};
	o.cc.ops = NULL;
	o.cc.priv = o.cc.rng = NULL;
	world_free(w);
	return o;
}

static double delay_ms(const struct outcome *o)
{
	return o->down.delay_sum_ns * 1e-6 / o->down.departures;
}

// What droptail would let stand for hundreds of milliseconds is held near the target.
static void aqm_holds_a_standing_queue(void **state)
{
	static const char *const ccs[] = {"reno", "cubic"};

	for (int i = 0; i < 2; i++)
		for (int on_grid = 0; on_grid < 2; on_grid++) {
			struct setup s = {.cc = ccs[i],
				.queue = QUEUE_DROPTAIL,
				.limit = 400,
				.grid = on_grid,
				.secs = 60};
			struct outcome tail = simulate(&s), codel, pie;

			s.queue = QUEUE_CODEL;
			codel = simulate(&s);
			s.queue = QUEUE_PIE;
			pie = simulate(&s);
			assert_true(delay_ms(&tail) > 100);
			assert_true(delay_ms(&codel) < 10 && codel.down.drops > 20);
			assert_true(
				delay_ms(&pie) > 7.5 && delay_ms(&pie) < 30 && pie.down.drops > 20);
			assert_true(codel.down.bytes_out > .75 * codel.down.capacity_bytes);
			assert_true(pie.down.bytes_out > .93 * pie.down.capacity_bytes);
			assert_int_equal(codel.down.marks + pie.down.marks, 0);
			assert_int_equal(codel.flow.eces + pie.flow.cwrs, 0);
		}
}

static void ecn_marks_instead_of_dropping(void **state)
{
	static const char *const ccs[] = {"reno", "cubic", "vegas"};

	for (int i = 0; i < COUNT(ccs); i++) {
		struct setup s = {
			.cc = ccs[i], .queue = QUEUE_CODEL, .limit = 1000, .ecn = true, .secs = 60};
		struct outcome o = simulate(&s);

		assert_int_equal(o.down.drops, 0);
		assert_int_equal(
			o.flow.retrans + o.flow.rtos + o.flow.recoveries + o.flow.undos, 0);
		assert_true(o.down.marks > 0 && o.flow.cwrs > 0);
		assert_true(o.flow.cwrs <= o.down.marks);
		assert_true(o.flow.eces >= o.flow.cwrs);
		assert_true(i == 2 || delay_ms(&o) < 10);
	}
}

// Linux's bbr version 1 goes on as if nothing had been said; a queue that only marks cannot hold
// it.
static void bbr_ignores_marks(void **state)
{
	struct setup s = {.cc = "bbr",
		.queue = QUEUE_CODEL,
		.limit = 1000,
		.ecn = true,
		.grid = true,
		.secs = 30};
	struct outcome marked = simulate(&s), plain;

	s.queue = QUEUE_INFINITE;
	plain = simulate(&s);
	assert_true(marked.down.marks > 100);
	assert_int_equal(marked.flow.retrans, 0);
	assert_true(fabs((double)marked.flow.in_order / plain.flow.in_order - 1) < .02);
}

struct ssthresh_log {
	int n;
	uint64_t at[4096], edge[4096]; /* snd_una when the window was reduced, and its snd_nxt */
	uint32_t cwnd[4096];
} reductions;

static uint32_t spy_ssthresh(struct cc *cc)
{
	int i = reductions.n++ % 4096;

	reductions.at[i] = cc->snd_una;
	reductions.edge[i] = cc->snd_nxt;
	reductions.cwnd[i] = cc->cwnd;
	return cc_reno.ssthresh(cc);
}

// Even if every packet is marked the window is halved once a round trip, and never below two
// packets.
static void window_is_reduced_once_a_round_trip(void **state)
{
	struct cc_ops spy = cc_reno;
	struct trace t = smooth(12032000), up = smooth(100000000);
	struct flow_conf f = {.cc = &spy, .delay_ms = 20, .pacing = -1, .ecn = true};
	// a target of nothing and an interval of next to nothing: marks wherever two packets wait
	struct world_conf conf = {.down = {.trace = &t, .queue = QUEUE_CODEL, .aqm = {1, 1, 0}},
		.up = {.trace = &up},
		.nflows = 1,
		.flows = &f};
	struct world *w;

	spy.ssthresh = spy_ssthresh;
	reductions.n = 0;
	w = world_new(&conf);
	world_run(w, 20 * SEC);
	assert_int_equal(world_down(w)->drops, 0);
	assert_in_range(reductions.n, 10, 4096);
	assert_int_equal(world_flow(w, 0)->cwrs, reductions.n);
	assert_true(world_down(w)->marks > world_flow(w, 0)->cwrs);
	for (int i = 1; i < reductions.n; i++)
		assert_true(reductions.at[i] > reductions.edge[i - 1]);
	assert_true(world_cc(w, 0)->cwnd >= 2);
	world_free(w);
}

// From a mark to a CWR every ACK carries ECE.
static void receiver_echoes_until_cwr(void **state)
{
	struct flow f = {.conf = {.ecn = true}};
	struct pkt data = {.flags = PKT_ECT}, marked = {.flags = PKT_ECT | PKT_CE},
		   cwr = {.flags = PKT_ECT | PKT_CWR}, again = {.flags = PKT_RETRANS};

	f.r.quick = 0;
	ecn_data(&f, &data);
	assert_false(f.r.ece);
	assert_int_equal(f.r.quick, 0);
	ecn_data(&f, &marked);
	assert_true(f.r.ece);
	assert_int_equal(f.r.quick, ECN_QUICK_ACKS); // the sender should hear of it soon
	f.r.quick = 0;
	for (int i = 0; i < 10; i++) {
		assert_false(ecn_accept_cwr(&f, i % 2 ? &data : &marked));
		ecn_data(&f, i % 2 ? &data : &marked);
		assert_true(f.r.ece);
		assert_int_equal(f.r.quick, 0);
	}
	assert_true(ecn_accept_cwr(&f, &cwr)); // answered at once
	assert_false(f.r.ece);
	ecn_data(&f, &cwr);
	assert_false(f.r.ece);
	cwr.flags |= PKT_CE; // CWR on a packet that is itself marked starts over
	ecn_accept_cwr(&f, &cwr);
	ecn_data(&f, &cwr);
	assert_true(f.r.ece);
	f.r.quick = 0;
	ecn_data(&f, &again); // not ECN-capable after others that were: a retransmission
	assert_int_equal(f.r.quick, ECN_QUICK_ACKS);
}

// One CWR a reduction, on the first packet of new data only; an undone reduction takes it back.
static void sender_says_cwr_once(void **state)
{
	struct flow f = {.conf = {.ecn = true}}, deaf = {.conf = {.ecn = false}};

	assert_int_equal(ecn_new_data(&f), PKT_ECT);
	ecn_queue_cwr(&f);
	assert_int_equal(ecn_new_data(&f), PKT_ECT | PKT_CWR);
	assert_int_equal(ecn_new_data(&f), PKT_ECT);
	ecn_queue_cwr(&f);
	ecn_withdraw_cwr(&f);
	assert_int_equal(ecn_new_data(&f), PKT_ECT);
	ecn_queue_cwr(&deaf);
	assert_int_equal(ecn_new_data(&deaf), 0);
}

static void same_seed_same_packets(void **state)
{
	for (int i = 0; i < COUNT(kinds); i++) {
		struct setup s = {.cc = "cubic",
			.queue = kinds[i],
			.limit = 200,
			.ecn = i % 2,
			.secs = 20,
			.seed = 5,
			.burst = {.001, .3, 1, 0}};
		struct outcome a = simulate(&s), b = simulate(&s), c;

		s.seed = 6;
		c = simulate(&s);
		assert_memory_equal(&a.down, &b.down, sizeof(a.down));
		assert_memory_equal(&a.flow, &b.flow, sizeof(a.flow));
		assert_true(memcmp(&a.flow, &c.flow, sizeof(a.flow)) != 0);
		assert_true(a.down.lost > 5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(aqm_holds_a_standing_queue),
		cmocka_unit_test(ecn_marks_instead_of_dropping),
		cmocka_unit_test(bbr_ignores_marks),
		cmocka_unit_test(window_is_reduced_once_a_round_trip),
		cmocka_unit_test(receiver_echoes_until_cwr),
		cmocka_unit_test(sender_says_cwr_once),
		cmocka_unit_test(same_seed_same_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
