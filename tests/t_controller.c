/* The controller handle: beside the simulator, in recovery, with bad input. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "canopy/controller.h"
#include "cc/cc.h"
#include "plans.h"
#include "sim/world.h"

#define PACKETS 65536

static struct canopy_packet packets[PACKETS];

/* --- Beside the simulator --- */

// What a controller met in the simulator: its start, then every ACK before the window moves.
struct met {
	uint64_t now_ns;
	uint32_t una, nxt, cwnd, ssthresh, srtt_us8;
	uint64_t pacing_rate;
};

static struct tape {
	const struct cc_ops *inner;
	struct met met[PACKETS];
	int n;
	uint32_t rtt_us; // of the handshake
} tape;

static void note(const struct cc *cc)
{
	assert_true(tape.n < PACKETS);
	tape.met[tape.n++] = (struct met){cc->now_ns, cc->snd_una, cc->snd_nxt, cc->cwnd,
		cc->ssthresh, cc->srtt_us8, cc->pacing_rate};
}

static void tape_init(struct cc *cc, const void *arg)
{
	tape.rtt_us = cc->min_rtt_us;
	note(cc);
	tape.inner->init(cc, arg);
}

static bool tape_pkts_acked(struct cc *cc, const struct cc_ack *ack)
{
	note(cc);
	return tape.inner->pkts_acked ? tape.inner->pkts_acked(cc, ack) : false;
}

static uint32_t one_packet(struct cc *cc)
{
	return 1;
}

// Records `inner` over a link with room for all: slow start, then avoidance, no loss; and so slow
// that Linux bundles no packets.
static void record(const struct cc_ops *inner, double secs)
{
	struct trace link = {.name = "smooth", .rate_bps = 5000000};
	struct cc_ops ops = *inner;
	struct flow_conf flow = {.cc = &ops, .delay_ms = 40};
	struct world_conf conf = {.seed = 1,
		.nflows = 1,
		.flows = &flow,
		.down = {.trace = &link},
		.up = {.trace = &link}};
	struct world *w;

	ops.init = tape_init;
	ops.pkts_acked = tape_pkts_acked;
	ops.min_tso_segs = one_packet;
	tape.inner = inner;
	tape.n = 0;
	w = world_new(&conf);
	assert_non_null(w);
	world_run(w, secs * SEC);
	assert_int_equal(world_down(w)->drops, 0);
	world_free(w);
}

// The same packets and ACKs through a handle: the same windows, thresholds and rates at every ACK.
static void replay(const char *name)
{
	const struct canopy_controller_conf conf = {.packet_bytes = 1448,
		.wire_bytes = 1500,
		.initial_rtt_ns = tape.rtt_us * 1000ull};
	struct canopy_controller *c;
	struct canopy_packet *acked[64];
	uint32_t sent = 0;

	memset(packets, 0, sizeof(packets));
	assert_int_equal(canopy_controller_new(&c, name, &conf, tape.met[0].now_ns), 0);
	for (int i = 1; i < tape.n; i++) {
		const struct met *m = &tape.met[i], *before = m - 1;
		struct canopy_ack ack = {.now_ns = m->now_ns, .acked = acked};

		// The handle lets go exactly what the simulator sent.
		while (canopy_controller_next_send(c, before->now_ns) <= before->now_ns &&
			sent < PACKETS)
			assert_int_equal(canopy_controller_on_packet_sent(
						 c, before->now_ns, &packets[sent++]),
				0);
		assert_int_equal(sent, m->nxt);
		assert_int_equal(canopy_controller_window(c), m->cwnd);
		assert_int_equal(canopy_controller_ssthresh(c), m->ssthresh);
		assert_true(canopy_controller_pacing_rate(c) == m->pacing_rate);
		for (uint32_t seq = before->una; seq < m->una; seq++)
			acked[ack.nacked++] = &packets[seq];
		assert_true(ack.nacked > 0 && ack.nacked < 64);
		assert_int_equal(canopy_controller_on_ack(c, &ack), 0);
	}
	canopy_controller_free(c);
}

static void test_handle_equals_simulator(void **state)
{
	static const char *const names[] = {"cubic", "reno", "vegas"};

	for (int i = 0; i < 3; i++) {
		const struct met *last;

		record(cc_find(names[i]), 40);
		last = &tape.met[tape.n - 1];
		print_message("%s: %d ACKs, window %u, ssthresh %u\n", names[i], tape.n, last->cwnd,
			last->ssthresh);
		assert_true(tape.n > 5000 && last->cwnd > 30);
		// Reno without loss only slow-starts; the others have left it.
		assert_true(i == 1 || last->ssthresh <= last->cwnd);
		replay(names[i]);
	}
}

/* --- Loss, by hand: a round trip of 20 ms, packets sent and acknowledged one by one --- */

struct hand {
	struct canopy_controller *c;
	uint64_t now_ns;
	uint32_t sent;
};

static void hand_send(struct hand *h)
{
	while (canopy_controller_next_send(h->c, h->now_ns) <= h->now_ns)
		assert_int_equal(
			canopy_controller_on_packet_sent(h->c, h->now_ns, &packets[h->sent++]), 0);
}

// Acknowledges packet n, lost ones with it.
static void hand_ack(struct hand *h, uint32_t n, uint32_t lost_from, uint32_t lost_to)
{
	struct canopy_packet *acked = &packets[n], *lost[PACKETS / 64];
	struct canopy_ack ack = {
		.now_ns = h->now_ns += 20000, .acked = &acked, .nacked = 1, .lost = lost};

	for (uint32_t i = lost_from; i < lost_to; i++)
		lost[ack.nlost++] = &packets[i];
	assert_int_equal(canopy_controller_on_ack(h->c, &ack), 0);
}

// A window of n packets in flight after some clean round trips.
static void hand_init(struct hand *h, const char *name, uint32_t n)
{
	const struct canopy_controller_conf conf = {.initial_window = n, .pacing = -1};

	memset(packets, 0, sizeof(packets));
	*h = (struct hand){.now_ns = 5000000000};
	assert_int_equal(canopy_controller_new(&h->c, name, &conf, h->now_ns), 0);
	hand_send(h);
	assert_int_equal(h->sent, n);
	h->now_ns += 20000000;
}

static struct canopy_controller_stats stats(const struct hand *h)
{
	struct canopy_controller_stats s;

	assert_int_equal(canopy_controller_stats(h->c, &s), 0);
	return s;
}

static void test_recovery(void **state)
{
	struct hand h;
	uint32_t window, high, target;

	hand_init(&h, "cubic", 100);
	hand_ack(&h, 0, 0, 0);
	window = canopy_controller_window(h.c);
	assert_int_equal(window, 101);
	hand_send(&h);
	high = h.sent;
	hand_ack(&h, 4, 1, 4); // three lost
	target = window * 717 / 1024;
	assert_int_equal(stats(&h).state, CANOPY_RECOVERY);
	assert_int_equal(canopy_controller_ssthresh(h.c), target);
	hand_send(&h);
	assert_true(h.sent > high); // the repair leaves at once
	for (uint32_t i = 5; i < high; i++) {
		assert_true(canopy_controller_in_flight(h.c) <= window);
		hand_ack(&h, i, 0, 0);
		hand_send(&h);
	}
	assert_int_equal(stats(&h).state, CANOPY_RECOVERY);
	assert_in_range(canopy_controller_in_flight(h.c), target - 2, target);
	hand_ack(&h, high, 0, 0); // sent after it began
	assert_int_equal(stats(&h).state, CANOPY_OPEN);
	assert_int_equal(canopy_controller_window(h.c), target);
	assert_true(stats(&h).recoveries == 1 && stats(&h).lost == 3 && stats(&h).undone == 0);
	canopy_controller_free(h.c);
}

static void test_late_arrival_undoes(void **state)
{
	struct hand h;

	hand_init(&h, "reno", 50);
	hand_ack(&h, 2, 0, 2);
	assert_int_equal(canopy_controller_ssthresh(h.c), 25);
	hand_ack(&h, 0, 0, 0);
	assert_int_equal(stats(&h).state, CANOPY_RECOVERY);
	hand_ack(&h, 1, 0, 0); // both came after all
	assert_true(stats(&h).state == CANOPY_OPEN && stats(&h).undone == 1);
	assert_true(canopy_controller_window(h.c) >= 50);
	assert_true(canopy_controller_ssthresh(h.c) > 1000);
	assert_int_equal(canopy_controller_in_flight(h.c), 47);
	canopy_controller_free(h.c);
}

static void test_timeout_and_congestion(void **state)
{
	struct hand h;
	struct canopy_packet *lost[100], *acked;
	struct canopy_ack ce = {.acked = &acked, .nacked = 1, .congestion = true};

	hand_init(&h, "cubic", 40);
	for (int i = 0; i < 40; i++)
		lost[i] = &packets[i];
	assert_int_equal(canopy_controller_on_timeout(h.c, h.now_ns += SEC, lost, 40), 0);
	assert_true(stats(&h).state == CANOPY_TIMED_OUT && stats(&h).timeouts == 1);
	assert_int_equal(canopy_controller_window(h.c), 1);
	assert_int_equal(canopy_controller_ssthresh(h.c), 40 * 717 / 1024);
	hand_send(&h);
	hand_ack(&h, 40, 0, 0);
	assert_int_equal(stats(&h).state, CANOPY_OPEN);
	assert_int_equal(canopy_controller_window(h.c), 2); // slow start
	canopy_controller_free(h.c);

	hand_init(&h, "cubic", 100);
	acked = &packets[0];
	ce.now_ns = h.now_ns;
	assert_int_equal(canopy_controller_on_ack(h.c, &ce), 0);
	assert_true(stats(&h).state == CANOPY_REDUCING && stats(&h).lost == 0);
	assert_int_equal(canopy_controller_ssthresh(h.c), 70);
	for (int i = 1; i < 100; i++)
		hand_ack(&h, i, 0, 0);
	hand_send(&h);
	hand_ack(&h, 100, 0, 0);
	assert_true(stats(&h).state == CANOPY_OPEN && canopy_controller_window(h.c) == 70);
	canopy_controller_free(h.c);
}

// Two RTOs and a bit without a packet: halved for each RTO past the first.
static void test_idle(void **state)
{
	struct hand h;
	uint32_t window;

	hand_init(&h, "reno", 10);
	for (int i = 0; i < 400; i++) {
		hand_ack(&h, i, 0, 0);
		hand_send(&h);
	}
	assert_true(canopy_controller_window(h.c) > 300);
	while (canopy_controller_in_flight(h.c))
		hand_ack(&h, h.sent - canopy_controller_in_flight(h.c), 0, 0);
	window = canopy_controller_window(h.c);
	h.now_ns += stats(&h).rto_ns * 5 / 2;
	assert_int_equal(canopy_controller_on_packet_sent(h.c, h.now_ns, &packets[h.sent++]), 0);
	assert_int_equal(canopy_controller_window(h.c), window / 2 / 2);
	assert_true(canopy_controller_ssthresh(h.c) >= window * 3 / 4 - 1);
	canopy_controller_free(h.c);
}

static void test_pacing(void **state)
{
	const struct canopy_controller_conf conf = {
		.pacing = 1, .slack_ns = 1, .initial_window = 100, .initial_rtt_ns = 100000000};
	struct hand h = {.now_ns = SEC};
	uint64_t at;
	double rate;

	memset(packets, 0, sizeof(packets));
	assert_int_equal(canopy_controller_new(&h.c, "cubic", &conf, h.now_ns), 0);
	rate = canopy_controller_pacing_rate(h.c); // two windows a round trip
	assert_true(rate == 100 * 1200 * 2 / 0.1);
	while ((at = canopy_controller_next_send(h.c, h.now_ns)) != CANOPY_NEVER) {
		h.now_ns = at > h.now_ns ? at : h.now_ns;
		assert_int_equal(
			canopy_controller_on_packet_sent(h.c, h.now_ns, &packets[h.sent++]), 0);
	}
	assert_int_equal(h.sent, 100);
	assert_in_range(h.now_ns - SEC, 40000000, 50000000); // the first ten at once
	canopy_controller_free(h.c);
}

/* --- A policy --- */

static void test_policy_decides(void **state)
{
	struct hand h;

	hand_init(&h, model, 200);
	for (uint32_t i = 0; i < 20000 && i < h.sent; i++) {
		hand_ack(&h, i + (i == 300), i == 300 ? 300 : 0, i == 300 ? 301 : 0);
		i += i == 300;
		if (h.sent < PACKETS - 5000)
			hand_send(&h);
	}
	print_message("%d decisions, window %u\n", (int)stats(&h).decisions,
		canopy_controller_window(h.c));
	assert_true(stats(&h).decisions > 10);
	canopy_controller_free(h.c);
}

/* --- Anything that may happen, in any order --- */

static void happen(struct hand *h, struct rng *rng, uint32_t *flying)
{
	struct canopy_packet *some[4];
	uint32_t flight = canopy_controller_in_flight(h->c), all = flight < 4 ? flight : 4, what;
	uint32_t n = all && !rng_below(rng, 100) ? rng_below(rng, all) : all;
	struct canopy_ack ack = {.acked = some, .nacked = n, .lost = some + n, .nlost = all - n};

	h->now_ns += rng_below(rng, rng_below(rng, 1000) ? 2000000 : 3 * SEC);
	ack.now_ns = h->now_ns;
	while (h->sent < PACKETS && canopy_controller_next_send(h->c, h->now_ns) <= h->now_ns) {
		flying[canopy_controller_in_flight(h->c)] = h->sent;
		assert_int_equal(
			canopy_controller_on_packet_sent(h->c, h->now_ns, &packets[h->sent++]), 0);
	}
	for (uint32_t i = 0, left = canopy_controller_in_flight(h->c); i < all; i++) {
		uint32_t k = rng_below(rng, left), number = flying[k];

		some[i] = &packets[number];
		flying[k] = flying[--left];
	}
	what = rng_below(rng, 2000);
	ack.congestion = what < 2;
	if (what == 3)
		assert_int_equal(canopy_controller_on_timeout(h->c, h->now_ns, some, all), 0);
	else if (what == 4)
		assert_int_equal(canopy_controller_on_forget(h->c, h->now_ns, some, all), 0);
	else if (what == 5)
		assert_int_equal(canopy_controller_on_loss(h->c, h->now_ns, some, all), 0);
	else
		assert_int_equal(canopy_controller_on_ack(h->c, &ack), 0);
	if (what == 5 && ack.nlost) // lost already
		assert_int_equal(canopy_controller_on_ack(h->c, &ack), -EINVAL);
}

static void test_anything_may_happen(void **state)
{
	const char *names[] = {"cubic", "reno", "vegas", "bbr", model};
	const struct canopy_controller_conf conf = {.max_window = 500, .seed = 3};
	static uint32_t flying[PACKETS];
	struct rng rng;

	for (int i = 0; i < 5; i++) {
		struct hand h = {.now_ns = SEC};
		struct canopy_controller_stats s;

		rng_init(&rng, i, 0);
		memset(packets, 0, sizeof(packets));
		assert_int_equal(canopy_controller_new(&h.c, names[i], &conf, h.now_ns), 0);
		for (int step = 0; step < 100000 && h.sent < PACKETS; step++) {
			happen(&h, &rng, flying);
			assert_in_range(canopy_controller_window(h.c), 1, 500);
			assert_true(canopy_controller_in_flight(h.c) <= 500);
			assert_true(canopy_controller_pacing_rate(h.c) > 0);
		}
		s = stats(&h);
		print_message("%s: %lu sent, %lu delivered, %lu lost, %lu timeouts\n", names[i],
			(unsigned long)s.sent, (unsigned long)s.delivered, (unsigned long)s.lost,
			(unsigned long)s.timeouts);
		assert_true(s.delivered + s.lost <= s.sent && s.delivered > 1000);
		canopy_controller_free(h.c);
	}
}

/* --- Bad input --- */

static void test_bad_names(void **state)
{
	const struct canopy_controller_conf bad[] = {{.packet_bytes = 70000},
		{.packet_bytes = 1200, .wire_bytes = 1000},
		{.initial_window = 20, .max_window = 10}, {.max_window = UINT32_MAX}, {.pacing = 7},
		{.initial_rtt_ns = UINT64_MAX}};
	struct canopy_controller *c = NULL;
	char *broken = file_path("%s/broken.safetensors", dir);
	FILE *f = fopen(broken, "w");

	fputs("not a model", f);
	fclose(f);
	log_set_level(-1);
	assert_int_equal(canopy_controller_new(&c, "cubik", NULL, 0), -EINVAL);
	assert_int_equal(canopy_controller_new(&c, "", NULL, 0), -EINVAL);
	assert_int_equal(canopy_controller_new(&c, "/no/such/model", NULL, 0), -ENOENT);
	assert_true(canopy_controller_new(&c, broken, NULL, 0) < 0);
	assert_int_equal(canopy_controller_new(NULL, "cubic", NULL, 0), -EINVAL);
	assert_int_equal(canopy_controller_new(&c, NULL, NULL, 0), -EINVAL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(canopy_controller_new(&c, "cubic", &bad[i], 0), -EINVAL);
	log_set_level(LOG_INFO);
	assert_null(c);
	canopy_controller_free(NULL);
	assert_true(!canopy_controller_window(NULL) &&
		    canopy_controller_next_send(NULL, 0) == CANOPY_NEVER);
	free(broken);
}

static void test_bad_events(void **state)
{
	struct canopy_packet strange = {{0}}, other = {{0}}, *list[2] = {&strange, NULL};
	struct canopy_ack ack = {.acked = list, .nacked = 1};
	struct canopy_controller *second;
	struct hand h;
	struct canopy_controller_stats before, after;

	hand_init(&h, "cubic", 10);
	before = stats(&h);
	ack.now_ns = h.now_ns;
	assert_int_equal(
		canopy_controller_on_packet_sent(h.c, h.now_ns, &packets[3]), -EINVAL); // in flight
	assert_int_equal(canopy_controller_on_packet_sent(h.c, 1, &strange), -EINVAL);	// backwards
	assert_int_equal(canopy_controller_on_packet_sent(NULL, h.now_ns, &strange), -EINVAL);
	assert_int_equal(canopy_controller_on_packet_sent(h.c, h.now_ns, NULL), -EINVAL);
	assert_int_equal(canopy_controller_on_ack(h.c, &ack), -EINVAL); // never sent
	assert_int_equal(canopy_controller_on_ack(h.c, NULL), -EINVAL);
	ack.nacked = 2;
	list[0] = &packets[0];
	assert_int_equal(canopy_controller_on_ack(h.c, &ack), -EINVAL); // a NULL among them
	ack.acked = NULL;
	assert_int_equal(canopy_controller_on_ack(h.c, &ack), -EINVAL);
	assert_int_equal(canopy_controller_new(&second, "reno", NULL, h.now_ns), 0);
	assert_int_equal(canopy_controller_on_packet_sent(second, h.now_ns, &other), 0);
	list[1] = &other;
	assert_int_equal(canopy_controller_on_loss(h.c, h.now_ns, list, 2), -EINVAL); // another's
	assert_int_equal(canopy_controller_on_timeout(h.c, 0, list, 1), -EINVAL);
	after = stats(&h);
	assert_true(after.sent == before.sent && after.delivered == 0 && after.lost == 0 &&
		    after.state == CANOPY_OPEN);
	assert_int_equal(canopy_controller_in_flight(h.c), 10);
	list[1] = list[0]; // twice counts once
	assert_int_equal(canopy_controller_on_loss(h.c, h.now_ns, list, 2), 0);
	assert_true(stats(&h).lost == 1 && canopy_controller_in_flight(h.c) == 9);
	assert_int_equal(
		canopy_controller_on_loss(h.c, h.now_ns, list, 1), -EINVAL); // lost already
	list[0] = &packets[1];
	assert_int_equal(canopy_controller_on_forget(h.c, h.now_ns, list, 2), 0);
	assert_true(stats(&h).lost == 1 && canopy_controller_in_flight(h.c) == 8);
	assert_int_equal(canopy_controller_on_forget(h.c, h.now_ns, list, 1), -EINVAL);
	assert_int_equal(canopy_controller_on_app_limited(NULL, 0), -EINVAL);
	assert_int_equal(canopy_controller_stats(h.c, NULL), -EINVAL);
	canopy_controller_free(second);
	canopy_controller_free(h.c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handle_equals_simulator),
		cmocka_unit_test(test_recovery),
		cmocka_unit_test(test_late_arrival_undoes),
		cmocka_unit_test(test_timeout_and_congestion),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_pacing),
		cmocka_unit_test(test_policy_decides),
		cmocka_unit_test(test_anything_may_happen),
		cmocka_unit_test(test_bad_names),
		cmocka_unit_test(test_bad_events),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
