/* The event loop: who drives it, and what travels together, change nothing; a late link. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sim/wire.h"
#include "sim/world.h"
#include "sim_fixture.h"

static uint32_t four[] = {1, 1, 1, 1}; // in a millisecond

struct setup {
	struct trace down, up;
	uint32_t queue;
	double loss;
	bool late;
};

struct outcome {
	struct flow_stats flow[2];
	uint64_t departures, drops;
	int pauses;
};

// Two flows for 20 s. Padding is compared, too.
static void simulate(struct outcome *o, const struct cc_ops *cc, const struct setup *s)
{
	struct flow_conf f[2] = {{.cc = cc, .delay_ms = 10, .pacing = -1},
		{.cc = cc, .delay_ms = 10, .start_ns = 3 * MS, .pacing = -1}};
	struct world_conf conf = {.down = {.trace = &s->down,
					  .queue = QUEUE_DROPTAIL,
					  .limit_pkts = s->queue,
					  .loss = s->loss},
		.up = {.trace = &s->up, .queue = QUEUE_INFINITE, .loss = s->loss},
		.ms_delay = true,
		.poll_ns = s->late ? WORLD_POLL_NS : 0,
		.nflows = 2,
		.flows = f};
	struct world *w = world_new(&conf);

	assert_non_null(w);
	memset(o, 0, sizeof(*o));
	while (world_run(w, 20 * SEC) >= 0)
		o->pauses++;
	for (int i = 0; i < 2; i++)
		memcpy(&o->flow[i], world_flow(w, i), sizeof(o->flow[i]));
	o->departures = world_down(w)->departures;
	o->drops = world_down(w)->drops;
	world_free(w);
}

static bool pausing_acked(struct cc *cc, const struct cc_ack *ack)
{
	cc_cubic.pkts_acked(cc, ack);
	return true;
}

// A controller that pauses at every ACK changes nothing but who drives.
static void pausing_changes_nothing(void **state)
{
	struct cc_ops pausing = cc_cubic;

	pausing.pkts_acked = pausing_acked;
	for (int i = 0; i < 4; i++) {
		struct setup s = {.down = grid(four, 4), // runs of ACKs
			.up = i & 1 ? smooth(96000000) : grid(every_ms, 1),
			.queue = 120,
			.late = i & 2};
		struct outcome plain, paused;

		simulate(&plain, &cc_cubic, &s);
		simulate(&paused, &pausing, &s);
		assert_true(plain.pauses == 0 && paused.pauses > 1000);
		paused.pauses = 0;
		assert_memory_equal(&plain, &paused, sizeof(plain));
	}
}

// Packets and ACKs that travel in runs fare as they do one by one, which a link that might lose some
// makes them do.
static void runs_change_nothing(void **state)
{
	static const char *const ccs[] = {"cubic", "reno", "bbr", "vegas"};

	for (int i = 0; i < 16; i++) {
		struct setup s = {.down = grid(four, 4),
			.up = smooth(i & 1 ? 192000000 : 1200000), // the slow one bends the ACK clock
			.queue = i & 2 ? 20 : 400};
		struct outcome runs, ones;

		simulate(&runs, cc_find(ccs[i / 4]), &s);
		s.loss = 1e-300;
		simulate(&ones, cc_find(ccs[i / 4]), &s);
		assert_true(runs.departures > 1000);
		assert_memory_equal(&runs, &ones, sizeof(runs));
	}
}

// Two packets wait for a link's process whose turn ends at 2.3 ms: one read before the opportunity at
// 2 ms, which takes it from a queue of one, the other after.
static void late_link_reads_packets_in_their_time(void **state)
{
	struct trace down = grid(every_ms, 1), up = smooth(96000000);
	struct flow_conf f = {.cc = &cc_cubic, .delay_ms = 10, .start_ns = SEC};
	struct world_conf conf = {
		.down = {.trace = &down, .queue = QUEUE_DROPTAIL, .limit_pkts = 1},
		.up = {.trace = &up, .queue = QUEUE_INFINITE},
		.ms_delay = true,
		.poll_ns = WORLD_POLL_NS,
		.nflows = 1,
		.flows = &f};
	struct world *w = world_new(&conf);
	const struct pkt syn = {.bytes = 1504, .flags = PKT_SYN};

	assert_non_null(w);
	assert_true(w->into_down.late);
	ring_push(&w->into_down.q, &syn)->t_ns = 1200000;
	ring_push(&w->into_down.q, &syn)->t_ns = 2100000;
	sources_set(&w->src, SRC_DOWN, 2300000);
	assert_true(world_run(w, 2400000) < 0);
	assert_int_equal(world_down(w)->arrivals, 2);
	assert_int_equal(world_down(w)->departures, 1);
	assert_int_equal(world_down(w)->drops, 0);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pausing_changes_nothing),
		cmocka_unit_test(runs_change_nothing),
		cmocka_unit_test(late_link_reads_packets_in_their_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
