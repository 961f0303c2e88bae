/* The emulated path in virtual time: delay, loss and link together, recorded logs replayed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/log.h"
#include "base/rng.h"
#include "emu/path.h"
#include "eval/log_metrics.h"
#include "golden.h"
#include "replay.h"
#include "sim/world.h"
#include "sim_fixture.h"

#define MS_NS 1000000ull

static char dir[] = "/tmp/canopy-t_emu-XXXXXX";

static int set_up(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	char *cmd = file_path("rm -r '%s'", dir);
	int err = system(cmd);

	free(cmd);
	return err;
}

/* --- Paths --- */

struct sink {
	uint64_t out[4096], gone[4096];
	int nout, ngone;
};

static void take_out(void *arg, const struct pkt *k, uint64_t due_ns)
{
	struct sink *s = arg;

	s->out[s->nout++] = due_ns << 12 | k->seq;
}

static void take_gone(void *arg, const struct pkt *k, uint64_t now_ns)
{
	struct sink *s = arg;

	s->gone[s->ngone++] = now_ns << 12 | k->seq;
}

struct late {
	bool delay_first, smooth;
	uint32_t poll_ns;
	enum queue_kind queue;
	uint64_t every_ns; /* path_serve is called so often */
};

// Everything that came is out or gone, and each kind of loss has happened.
static void check_empty(const struct path *p, const struct sink *s)
{
	const struct link_stats *l = &p->link.stats;

	assert_int_equal(path_packets(p), 0);
	assert_true(path_next(p) == PATH_NEVER);
	if (!p->conf.after.n || p->conf.after.stage[0].kind == PATH_DELAY)
		assert_int_equal(l->departures, s->nout);
	assert_int_equal(l->drops + l->lost + p->lost + p->off_drops, s->ngone);
	assert_true(p->off_drops && p->lost && l->lost && l->drops);
}

// The same arrivals into a path that is looked after every so often.
static void run_path(const struct late *how, const char *log, struct sink *s)
{
	enum { N = 2000 };
	struct trace g = grid(every_ms, 1), sm = smooth(12000000);
	struct delay_schedule d;
	struct path_conf c = {.link = {.trace = how->smooth ? &sm : &g,
				      .queue = how->queue,
				      .limit_pkts = 20,
				      .aqm = AQM_CODEL_CONF,
				      .loss = 0.02,
				      .burst_loss = {.p = 0.01, .r = 0.3, .bad = 0.9}},
		.poll_ns = how->poll_ns,
		.seed = 9,
		.out = take_out,
		.gone = take_gone,
		.arg = s};
	struct path_stage delay = {.kind = PATH_DELAY, .delay = &d, .jitter_ns = 2 * MS_NS};
	struct path_stage onoff = {.kind = PATH_ONOFF, .onoff = {200 * MS_NS, 20 * MS_NS, false}};
	struct path_stage loss = {.kind = PATH_LOSS, .loss = 0.01};
	struct link_log_conf lc = {"Downlink", "t", "c", "q", .shown = "shown"};
	uint64_t at = 0, serve = 0;
	struct path p;
	struct rng r;

	memset(s, 0, sizeof(*s));
	if (how->queue == QUEUE_PIE)
		c.link.aqm = AQM_PIE_CONF;
	delay_constant(&d, 5 * MS_NS);
	path_add(how->delay_first ? &c.before : &c.after, &delay);
	path_add(&c.before, &onoff);
	path_add(how->delay_first ? &c.after : &c.before, &loss);
	rng_init(&r, 4, 4);
	assert_int_equal(link_log_open(&c.link.log, log, &lc), 0);
	assert_int_equal(path_init(&p, &c), 0);
	for (uint32_t i = 0; i < N; i++) {
		at += rng_below(&r, 100) ? rng_below(&r, 900000) : 60 * MS_NS;
		for (; serve < at; serve += how->every_ns)
			path_serve(&p, serve);
		path_arrive(&p, &(struct pkt){.seq = i, .bytes = 60 + rng_below(&r, 1445)}, at);
	}
	path_serve(&p, at + 1000 * MS_NS);
	link_count(&p.link, at + 1000 * MS_NS);
	assert_int_equal(s->nout + s->ngone, N);
	check_empty(&p, s);
	path_free(&p);
	delay_schedule_free(&d);
	assert_int_equal(link_log_close(c.link.log), 0);
}

static void how_often_a_path_is_served_changes_nothing(void **state)
{
	static const enum queue_kind kinds[] = {
		QUEUE_DROPTAIL, QUEUE_DROPHEAD, QUEUE_CODEL, QUEUE_PIE};
	char *log[2] = {file_path("%s/often", dir), file_path("%s/seldom", dir)};
	static struct sink s[2];

	for (int i = 0; i < COUNT(kinds) * 8; i++) {
		struct late how = {i & 1, i & 2, i & 4 ? WORLD_POLL_NS : 0, kinds[i / 8], 50000};
		char *text[2];
		size_t len[2];

		run_path(&how, log[0], &s[0]);
		how.every_ns = 40 * MS_NS;
		run_path(&how, log[1], &s[1]);
		assert_memory_equal(&s[0], &s[1], sizeof(s[0]));
		for (int k = 0; k < 2; k++)
			assert_int_equal(file_read(log[k], 1 << 24, &text[k], &len[k]), 0);
		assert_int_equal(len[0], len[1]);
		assert_memory_equal(text[0], text[1], len[0]);
		free(text[0]);
		free(text[1]);
	}
	free(log[0]);
	free(log[1]);
}

// Times to the nanosecond: delay, then the next opportunity; the next opportunity, then delay.
static void delay_and_link_are_in_order(void **state)
{
	for (int first = 0; first < 2; first++) {
		struct trace g = grid(every_ms, 1);
		struct delay_schedule d;
		static struct sink s;
		struct path_stage delay = {.kind = PATH_DELAY, .delay = &d};
		struct path_conf c = {
			.link = {.trace = &g}, .out = take_out, .gone = take_gone, .arg = &s};
		struct path p;

		memset(&s, 0, sizeof(s));
		delay_constant(&d, 10300000); // 10.3 ms
		path_add(first ? &c.before : &c.after, &delay);
		assert_int_equal(path_init(&p, &c), 0);
		assert_true(path_idle(&p));
		path_arrive(&p, &(struct pkt){.seq = 1, .bytes = 1504}, 2500000);
		assert_int_equal(path_idle(&p), false);
		assert_int_equal(path_next(&p), first ? 12800000 : 3 * MS_NS);
		path_serve(&p, 100 * MS_NS);
		assert_int_equal(s.nout, 1);
		assert_int_equal(s.out[0] >> 12, first ? 13 * MS_NS : 13300000);
		path_free(&p);
		delay_schedule_free(&d);
	}
}

// Each flow has the delay of its line, overtaking included, and what is due next is told.
static void flows_have_delays_of_their_own(void **state)
{
	static const uint64_t ms[3] = {30, 5, 12};
	struct delay_schedule d[3];
	struct trace g = grid(every_ms, 1);
	static struct sink s;
	const struct path_stage delay = {.kind = PATH_DELAY, .delay = d, .ndelay = 3};

	for (int i = 0; i < 3; i++)
		delay_constant(&d[i], ms[i] * MS_NS);
	for (int first = 0; first < 2; first++) {
		struct path_conf c = {
			.link = {.trace = &g}, .out = take_out, .gone = take_gone, .arg = &s};
		struct path p;
		uint64_t last = 0;

		memset(&s, 0, sizeof(s));
		path_add(first ? &c.before : &c.after, &delay);
		assert_int_equal(path_init(&p, &c), 0);
		for (uint32_t i = 0; i < 6; i++)
			path_arrive(&p, &(struct pkt){.seq = i, .flow = i, .bytes = 100}, 1000);
		assert_int_equal(path_packets(&p), 6);
		assert_false(path_idle(&p));
		assert_int_equal(path_next(&p), first ? 1000 + 5 * MS_NS : 1 * MS_NS);
		path_serve(&p, 100 * MS_NS);
		assert_int_equal(s.nout, 6);
		for (int i = 0; i < 6; i++) {
			// the opportunity after the delay; the first opportunity, then the delay
			uint64_t due = (1 + ms[(s.out[i] & 0xfff) % 3]) * MS_NS;

			assert_int_equal(s.out[i] >> 12, due);
			assert_true(due >= last);
			last = due;
		}
		assert_true(path_idle(&p));
		path_free(&p);
	}
	for (int i = 0; i < 3; i++)
		delay_schedule_free(&d[i]);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

// Lone packets at any fraction of a millisecond: each of two processes sleeps whole milliseconds
// from when it got the packet, floored, and wakes by its slack and what link_wakeup adds late.
static void late_paths_sleep_as_mahimahi_does(void **state)
{
	enum { N = 1000, LEAST_NS = WORLD_POLL_NS + 20000 };
	struct trace g = grid(every_ms, 1);
	struct delay_schedule d;
	static struct sink s;
	struct path_stage delay = {.kind = PATH_DELAY, .delay = &d};
	struct path_conf c = {.link = {.trace = &g},
		.poll_ns = WORLD_POLL_NS,
		.seed = 3,
		.out = take_out,
		.gone = take_gone,
		.arg = &s};
	static uint64_t over[N];
	struct path p;

	delay_constant(&d, 10 * MS_NS);
	path_add(&c.before, &delay);
	assert_int_equal(path_init(&p, &c), 0);
	for (uint64_t i = 0; i < N; i++) {
		uint64_t at = i * 50 * MS_NS + i * 997;

		path_arrive(&p, &(struct pkt){.seq = i, .bytes = 1504}, at);
		path_serve(&p, at + 49 * MS_NS);
		assert_int_equal(s.nout, i + 1);
		over[i] = (s.out[i] >> 12) - at - 11 * MS_NS;
	}
	path_free(&p);
	delay_schedule_free(&d);
	qsort(over, N, sizeof(*over), by_value);
	assert_true(over[0] >= 2 * LEAST_NS);
	// twice an exponential of 35 us more: its median is 1.68 times that
	assert_in_range(over[N / 2], 2 * LEAST_NS + 45000, 2 * LEAST_NS + 75000);
}

/* --- Logs --- */

static void replays(const char *gz, const char *trace, uint32_t packets)
{
	char *log = file_path("%s/theirs", dir), *ours = file_path("%s/ours", dir);
	char *cmd = file_path("gzip -dc '%s' >'%s'", gz, log);
	struct path_conf c = {.link = {.queue = QUEUE_DROPTAIL, .limit_pkts = packets}};
	struct replay_log a, b;
	struct trace *t;

	need_file(gz);
	need_file(trace);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(trace_load(&t, trace), 0);
	c.link.trace = t;
	replay_read(&a, log);
	assert_true(a.n > 10000);
	// before the base timestamp there is nothing but opportunities that had no place to go
	for (size_t skip = 0; skip < a.n && a.e[skip].t_ms == 0; skip++)
		assert_int_equal(a.e[skip].sign, '#');
	assert_int_equal(replay_run(&a, c, ours), 0);
	replay_read(&b, ours);
	assert_true(replay_same(&a, &b));
	free(a.e);
	free(b.e);
	trace_free(t);
	free(cmd);
	free(ours);
	free(log);
}

static void mahimahi_logs_replay_droptail(void **state)
{
	replays(SHARED "mahimahi-logs/cubic-wired12-0.5bdp-q1.log.gz", SHARED "traces/wired12", 10);
}

static void mahimahi_logs_replay_cellular(void **state)
{
	replays(SHARED "mahimahi-logs/bbr-ATT-LTE-driving-2016.down-5bdp-q1.log.gz",
		SHARED "traces/ATT-LTE-driving-2016.down", 250);
}

// The departure on the line that begins after p, in ms.
static void assert_departure(const char *p, uint64_t at, uint64_t bytes, double actual)
{
	uint64_t t, size, delay;
	double sent;

	assert_int_equal(sscanf(p, " %lu - %lu %lu %lf", &t, &size, &delay, &sent), 4);
	assert_int_equal(t, at);
	assert_int_equal(size, bytes);
	assert_true(sent > actual - 1e-6 && sent < actual + 1e-6);
}

static void actual_times_are_a_further_column(void **state)
{
	char *path = file_path("%s/actual", dir), *text, *p;
	struct link_log_conf c = {.direction = "Downlink",
		.trace = "t",
		.command = "c",
		.queue = "q",
		.actual = true};
	struct link_log *l;
	struct log_metrics m;
	size_t len;

	assert_int_equal(link_log_open(&l, path, &c), 0);
	for (uint64_t ms = 1; ms <= 20000; ms++) { // several buffers
		link_log_opportunity(l, ms);
		link_log_arrival(l, ms, 1504);
		link_log_departure(l, ms, 1504, 3);
		link_log_departure(l, ms, 60, 0);
		link_log_sent(l, ms * MS_NS + 123456);
		link_log_sent(l, ms * MS_NS + 1000999);
	}
	link_log_departure(l, 20001, 1504, 3);
	assert_int_equal(link_log_close(l), 0);
	assert_int_equal(log_metrics_read(&m, path, 0), 0);
	assert_int_equal(m.departures, 40001);
	assert_int_equal(file_read(path, 1 << 24, &text, &len), 0);
	p = strstr(text, "\n1 - 1504 3");
	assert_non_null(p);
	for (uint64_t ms = 1; ms <= 20000; ms++) {
		assert_departure(p, ms, 1504, ms + 0.123);
		p = strchr(p + 1, '\n');
		assert_departure(p, ms, 60, ms + 1.0);
		for (int skip = 0; skip < 3; skip++)
			p = strchr(p + 1, '\n');
	}
	free(text);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(how_often_a_path_is_served_changes_nothing),
		cmocka_unit_test(delay_and_link_are_in_order),
		cmocka_unit_test(flows_have_delays_of_their_own),
		cmocka_unit_test(late_paths_sleep_as_mahimahi_does),
		cmocka_unit_test(mahimahi_logs_replay_droptail),
		cmocka_unit_test(mahimahi_logs_replay_cellular),
		cmocka_unit_test(actual_times_are_a_further_column),
	};

	log_set_level(-1);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
