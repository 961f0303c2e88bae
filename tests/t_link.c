/* The simulator's link against a slow obvious mm-link; quantiles of delays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "sim/link.h"
#include "sim_fixture.h"

enum { ARRIVALS = 3000, MAX_RUN = 12 };

struct event {
	uint64_t t_ns;
	uint32_t seq, flags;
};

struct sink {
	struct event *e;
	int n;
};

static void collect(void *arg, const struct pkt *k, uint64_t now_ns)
{
	struct sink *s = arg;

	for (uint32_t i = 0; i <= k->more; i++) {
		uint32_t flags = k->flags & ((i ? 0 : PKT_CWR) | (i < k->more ? 0 : PKT_PSH));

		s->e[s->n++] = (struct event){now_ns, k->seq + i, flags};
	}
}

/*
 * mm-link transcribed the slow way: millisecond after millisecond, first every opportunity of that
 * millisecond, then its arrivals. Fills out with departures, drops with the numbers dropped.
 */
struct slow {
	uint32_t limit_pkts, limit_bytes;
	bool head;
	struct pkt q[4096];
	int n, drops;
	uint32_t left;
	struct pkt part;
	uint64_t capacity;
};

static void slow_opportunity(struct slow *s, uint64_t ms, struct sink *out)
{
	int quantum = TRACE_QUANTUM;

	s->capacity += TRACE_QUANTUM;
	while (quantum > 0) {
		int take;

		if (!s->left) {
			if (!s->n)
				return;
			s->part = s->q[0];
			s->left = s->part.bytes;
			memmove(s->q, s->q + 1, --s->n * sizeof(s->q[0]));
		}
		take = (int)s->left < quantum ? (int)s->left : quantum;
		s->left -= take;
		quantum -= take;
		if (!s->left)
			collect(out, &s->part, ms * 1000000);
	}
}

static bool slow_fits(const struct slow *s)
{
	uint32_t bytes = 0;

	for (int i = 0; i < s->n; i++)
		bytes += s->q[i].bytes;
	return (!s->limit_pkts || s->n <= (int)s->limit_pkts) &&
	       (!s->limit_bytes || bytes <= s->limit_bytes);
}

static void slow_arrival(struct slow *s, const struct pkt *k)
{
	s->q[s->n++] = *k;
	while (!slow_fits(s)) {
		s->drops++;
		if (s->head)
			memmove(s->q, s->q + 1, (s->n - 1) * sizeof(s->q[0]));
		s->n--;
	}
}

static void check_link(
	uint32_t *ms, size_t n, enum queue_kind kind, uint32_t pkts, uint32_t bytes, uint64_t seed)
{
	struct trace t = grid(ms, n);
	struct link_conf conf = {.trace = &t,
		.queue = kind,
		.limit_pkts = pkts,
		.limit_bytes = bytes,
		.stats = true};
	struct event *fast_e = calloc(ARRIVALS, sizeof(*fast_e)),
		     *slow_e = calloc(ARRIVALS, sizeof(*slow_e));
	struct sink fast = {fast_e, 0}, slow_out = {slow_e, 0};
	struct slow *slow = calloc(1, sizeof(*slow));
	uint64_t at = 0, ms_done = 0, op = 0, base = 0;
	struct link l;
	struct rng r;

	slow->limit_pkts = kind == QUEUE_INFINITE ? 0 : pkts;
	slow->limit_bytes = kind == QUEUE_INFINITE ? 0 : bytes;
	slow->head = kind == QUEUE_DROPHEAD;
	rng_init(&r, seed, 1);
	assert_int_equal(link_init(&l, &conf, 1, collect, &fast), 0);
	for (int i = 0; i < ARRIVALS; i++) {
		struct pkt k = {
			.seq = i, .bytes = rng_below(&r, 3) ? 1504 : 1 + rng_below(&r, 3000)};

		at += rng_below(&r, 4) ? rng_below(&r, 1500000) : rng_below(&r, 30) * 1000000;
		for (; ms_done <= at / 1000000; ms_done++)
			while (base + ms[op] <= ms_done) {
				slow_opportunity(slow, base + ms[op], &slow_out);
				if (++op == n) {
					base += ms[n - 1];
					op = 0;
				}
			}
		slow_arrival(slow, &k);
		while (l.next_ns <= at)
			link_serve(&l, l.next_ns);
		link_arrive(&l, &k, at);
	}
	assert_int_equal(l.stats.drops, slow->drops);
	assert_int_equal(fast.n, slow_out.n);
	assert_memory_equal(fast_e, slow_e, fast.n * sizeof(*fast_e));
	assert_int_equal(l.stats.capacity_bytes, slow->capacity);
	assert_int_equal(l.stats.arrivals,
		l.stats.departures + l.stats.drops + l.stats.queue_pkts + (l.wire_left > 0));
	link_free(&l);
	free(fast_e);
	free(slow_e);
	free(slow);
}

static void link_matches_slow_mm_link(void **state)
{
	uint32_t bursts[] = {0, 0, 3, 3, 3, 9, 40}, one[] = {2};

	for (int seed = 0; seed < 20; seed++) {
		check_link(every_ms, 1, QUEUE_DROPTAIL, 10, 0, seed);
		check_link(bursts, COUNT(bursts), QUEUE_DROPTAIL, 3, 0, seed);
		check_link(bursts, COUNT(bursts), QUEUE_DROPHEAD, 5, 6000, seed);
		check_link(bursts, COUNT(bursts), QUEUE_DROPTAIL, 0, 4000, seed);
		check_link(one, 1, QUEUE_INFINITE, 0, 0, seed);
		check_link(one, 1, QUEUE_DROPTAIL, 1, 0, seed);
	}
}

// A run does what its packets do that arrive one after the other.
static void check_runs(const struct link_conf *conf, uint64_t seed)
{
	struct event *e[2];
	struct sink out[2];
	struct link l[2];
	uint64_t at = 0;
	struct rng r;

	rng_init(&r, seed, 1);
	for (int i = 0; i < 2; i++) {
		e[i] = calloc(ARRIVALS * MAX_RUN, sizeof(*e[i]));
		out[i] = (struct sink){e[i], 0};
		assert_int_equal(link_init(&l[i], conf, 1, collect, &out[i]), 0);
	}
	for (uint32_t arrival = 0, seq = 0; arrival < ARRIVALS; arrival++) {
		struct pkt run = {.seq = seq,
			.bytes = 1504,
			.flags = PKT_CWR | PKT_PSH,
			.more = rng_below(&r, MAX_RUN)};

		at += rng_below(&r, 4) ? rng_below(&r, 4000000) : rng_below(&r, 30) * 1000000;
		for (int i = 0; i < 2; i++)
			while (l[i].next_ns <= at)
				link_serve(&l[i], l[i].next_ns);
		link_arrive(&l[0], &run, at);
		for (uint32_t i = 0; i <= run.more; i++) {
			struct pkt k = {.seq = seq + i,
				.bytes = 1504,
				.flags = (i ? 0 : PKT_CWR) | (i < run.more ? 0 : PKT_PSH)};

			link_arrive(&l[1], &k, at);
		}
		seq += run.more + 1;
		assert_memory_equal(&l[0].stats, &l[1].stats, sizeof(l[0].stats));
	}
	assert_true(out[0].n > ARRIVALS && l[0].stats.drops + l[0].stats.lost > 0);
	assert_int_equal(out[0].n, out[1].n);
	assert_memory_equal(e[0], e[1], out[0].n * sizeof(*e[0]));
	for (int i = 0; i < 2; i++) {
		link_free(&l[i]);
		free(e[i]);
	}
}

static void runs_are_their_packets(void **state)
{
	uint32_t bursts[] = {0, 0, 3, 3, 3, 3, 3, 3, 9, 9, 9, 11};
	struct trace grid_t = grid(bursts, COUNT(bursts)), smooth_t = smooth(13000000);

	for (int seed = 0; seed < 10; seed++)
		for (int i = 0; i < 8; i++) {
			struct link_conf conf = {.trace = i % 2 ? &grid_t : &smooth_t,
				.queue = QUEUE_DROPTAIL,
				.limit_pkts = 20,
				.poll_ns = seed % 2 ? 50000 : 0};

			if (i / 2 == 1)
				conf.limit_bytes = 10000;
			else if (i / 2 == 2)
				conf.queue = QUEUE_DROPHEAD;
			else if (i / 2 == 3)
				conf.loss = 0.01;
			check_runs(&conf, seed);
		}
}

// A packet that finds the link idle departs its own serialisation time later, to the nanosecond.
static void smooth_link_is_exact(void **state)
{
	struct trace t = smooth(7 * 1000000);
	struct link_conf conf = {.trace = &t, .queue = QUEUE_DROPTAIL, .limit_pkts = 100};
	struct event e[64];
	struct sink s = {e, 0};
	struct link l;

	assert_int_equal(link_init(&l, &conf, 1, collect, &s), 0);
	for (int i = 0; i < 50; i++)
		link_arrive(&l, &(struct pkt){.seq = i, .bytes = 1504}, 1000);
	while (l.next_ns != LINK_NEVER)
		link_serve(&l, l.next_ns);
	assert_int_equal(s.n, 50);
	for (int i = 0; i < 50; i++) {
		double due = 1000 + (i + 1) * 1504 * 8e9 / 7e6;

		assert_true(e[i].t_ns >= due && e[i].t_ns < due + 1.001);
	}
	link_free(&l);
}

// A turn from 1.1 to 2.3 ms in which two packets are read: the first has left a queue of one by the
// opportunity at 2 ms when the second comes; it is handed on when the turn is over.
static void turns_read_packets_in_their_time(void **state)
{
	struct trace t = grid(every_ms, COUNT(every_ms));
	struct link_conf conf = {
		.trace = &t, .queue = QUEUE_DROPTAIL, .limit_pkts = 1, .poll_ns = 50000};
	struct event e[2];
	struct sink s = {e, 0};
	struct link l;

	(void)state;
	assert_int_equal(link_init(&l, &conf, 1, collect, &s), 0);
	link_woken(&l, 2300000);
	link_arrive(&l, &(struct pkt){.seq = 1, .bytes = 1504}, 1200000);
	link_arrive(&l, &(struct pkt){.seq = 2, .bytes = 1504}, 2100000);
	link_serve(&l, 2300000);
	assert_int_equal(s.n, 1);
	assert_int_equal(e[0].seq, 1);
	assert_int_equal(e[0].t_ns, 2300000);
	assert_int_equal(l.stats.drops, 0);
	assert_true(l.next_ns > 3300000 && l.next_ns < 4000000);
	link_free(&l);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void quantiles_match_sorting(void **state)
{
	enum { N = 5000 };
	static const double qs[] = {0, .05, .5, .95, .999, 1};
	struct hist *h = calloc(1, sizeof(*h));
	uint64_t v[N];
	struct rng r;

	h->unit_ns = 1000000;
	rng_init(&r, 5, 5);
	for (int i = 0; i < N; i++) {
		v[i] = (uint64_t)(rng_exp(&r) * (i % 2 ? 50 : 20000)) * 1000000;
		hist_add(h, v[i], 1);
	}
	qsort(v, N, sizeof(v[0]), by_value);
	for (int i = 0; i < COUNT(qs); i++) {
		int rank = qs[i] * N < N ? qs[i] * N : N - 1;
		double exact = v[rank], got = hist_quantile_ns(h, qs[i]);

		if (exact < HIST_EXACT * 1e6)
			assert_true(got == exact);
		else
			assert_true(got <= exact && got >= exact * (1 - 1. / HIST_STEPS));
	}
	free(h);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

// wakeup_draw has the quantiles that wakeup.h states, to a tenth, and late wakes come by the time
// asleep, not by the number of sleeps.
static void processes_wake_as_measured(void **state)
{
	enum { N = 100000, PER_S = 1000000000, OFTEN_S = 1000 };
	static double timer_us[N], packet_us[N];
	struct wakeup k = {.other_at_ns = UINT64_MAX};
	struct rng r;

	(void)state;
	rng_init(&r, 1, 1);
	for (int i = 0; i < N; i++) {
		wakeup_draw(&k, &r, 0);
		timer_us[i] = (50000 + k.timer_ns) * 1e-3;
		packet_us[i] = k.packet_ns * 1e-3;
	}
	qsort(timer_us, N, sizeof(timer_us[0]), by_size);
	qsort(packet_us, N, sizeof(packet_us[0]), by_size);
	assert_in_range(timer_us[N / 10], 71, 81);
	assert_in_range(timer_us[N / 2], 94, 105);
	assert_in_range(timer_us[N * 9 / 10], 140, 160);
	assert_in_range(packet_us[N / 10], 3, 4);
	assert_in_range(packet_us[N / 2], 9, 12);
	assert_in_range(packet_us[N * 9 / 10], 25, 29);
	for (uint64_t sleep_ns = 250000; sleep_ns <= 4000000; sleep_ns *= 4) {
		uint64_t now_ns = 0;
		double late = 0, late_ns = 0;

		k = (struct wakeup){0};
		while (now_ns < (uint64_t)OFTEN_S * PER_S) {
			uint64_t due_ns = now_ns + sleep_ns, by_ns;

			wakeup_draw(&k, &r, now_ns);
			now_ns = wakeup_by_timer(&k, due_ns);
			by_ns = now_ns - due_ns - k.timer_ns;
			late += by_ns > 0;
			late_ns += by_ns;
		}
		// one in 110 ms and the sleep that it waits for the end of
		assert_float_equal(OFTEN_S / late, 0.110 + sleep_ns * 1e-9 + 0.0008, 0.005);
		assert_float_equal(late_ns / late, 800000, 40000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(link_matches_slow_mm_link),
		cmocka_unit_test(runs_are_their_packets),
		cmocka_unit_test(smooth_link_is_exact),
		cmocka_unit_test(turns_read_packets_in_their_time),
		cmocka_unit_test(quantiles_match_sorting),
		cmocka_unit_test(processes_wake_as_measured),
	};

	return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
