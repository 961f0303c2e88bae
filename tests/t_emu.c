/* The emulator in virtual time: delay line, on/off, queues as text, frames, paths, replayed logs. */
#include <errno.h>
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
#include "emu/delay.h"
#include "emu/onoff.h"
#include "emu/packet.h"
#include "emu/path.h"
#include "emu/pool.h"
#include "emu/quality.h"
#include "emu/queue.h"
#include "eval/log_metrics.h"
#include "golden.h"
#include "replay.h"
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

/* --- Delay --- */

static uint64_t pop(struct delay *d, uint32_t *seq)
{
	uint64_t due = delay_due(d);

	*seq = ring_head(&d->line)->seq;
	d->line.head++;
	return due;
}

static void delay_follows_its_schedule(void **state)
{
	static const char text[] = "# s ms\n0 10\n1 30 # longer\n\n2.5 0.5\n";
	struct delay_schedule s;
	struct delay d;
	uint32_t seq;

	assert_int_equal(delay_parse(&s, text, strlen(text), "t"), 0);
	assert_int_equal(s.n, 3);
	delay_init(&d, &s, 0, 1, 1);
	assert_true(delay_due(&d) == UINT64_MAX);
	delay_push(&d, &(struct pkt){.seq = 1}, 999999999);
	delay_push(&d, &(struct pkt){.seq = 2}, 1000000000);
	delay_push(&d, &(struct pkt){.seq = 3}, 2499 * MS_NS);
	delay_push(&d, &(struct pkt){.seq = 4}, 2500 * MS_NS); // shorter, but not before the third
	delay_push(&d, &(struct pkt){.seq = 5}, 3000 * MS_NS);
	assert_int_equal(pop(&d, &seq), 1009999999);
	assert_int_equal(pop(&d, &seq), 1030 * MS_NS);
	assert_int_equal(pop(&d, &seq), 2529 * MS_NS);
	assert_int_equal(pop(&d, &seq), 2529 * MS_NS);
	assert_int_equal(seq, 4);
	assert_int_equal(pop(&d, &seq), 3000500000);
	delay_free(&d);
	delay_schedule_free(&s);
}

static void jitter_stays_within_its_bounds_and_in_order(void **state)
{
	enum { N = 20000, GAP = 30 };
	struct delay_schedule s;
	struct delay d;
	uint64_t last = 0, lo = UINT64_MAX, hi = 0;
	double sum = 0;

	delay_constant(&s, 20 * MS_NS);
	delay_init(&d, &s, 5 * MS_NS, 7, 1);
	for (int i = 0; i < N; i++) {
		uint64_t at = i * GAP * MS_NS, due;
		uint32_t seq;

		delay_push(&d, &(struct pkt){.seq = i}, at);
		due = pop(&d, &seq);
		assert_true(due >= last);
		last = due;
		lo = due - at < lo ? due - at : lo;
		hi = due - at > hi ? due - at : hi;
		sum += due - at;
	}
	assert_in_range(lo, 15 * MS_NS, 15.1 * MS_NS);
	assert_in_range(hi, 24.9 * MS_NS, 25 * MS_NS);
	assert_in_range(sum / N, 19.9 * MS_NS, 20.1 * MS_NS);
	// packets at once: none overtakes
	for (int i = 0; i < 100; i++)
		delay_push(&d, &(struct pkt){.seq = i}, last);
	for (uint32_t i = 0, seq; i < 100; i++) {
		uint64_t due = pop(&d, &seq);

		assert_int_equal(seq, i);
		assert_true(due >= last);
		last = due;
	}
	delay_free(&d);
	delay_schedule_free(&s);
}

static void bad_schedules_are_refused(void **state)
{
	static const char *const bad[] = {"", "# nothing\n", "1 10\n", "0\n", "0 10 3\n", "0 -1\n",
		"0 ten\n", "0 10\n0 20\n", "0 10\n2 20\n1 10\n", "0 1e9\n", "nan 3\n",
		"0 111111111111111111111111111111111111111111111111111111111111111111\n"};
	struct delay_schedule s = {.n = 77};

	for (int i = 0; i < COUNT(bad); i++)
		assert_int_equal(delay_parse(&s, bad[i], strlen(bad[i]), "bad"), -EINVAL);
	assert_int_equal(delay_parse(&s, "0 1\0", 4, "bad"), -EINVAL);
	assert_int_equal(s.n, 77);
}

/* --- On and off --- */

static void onoff_changes_when_it_should(void **state)
{
	struct onoff_conf always = {.on_ns = 0}, periodic = {2 * MS_NS, 3 * MS_NS, true},
			  random = {30 * MS_NS, 10 * MS_NS, false};
	struct onoff o;
	int on = 0;

	onoff_init(&o, &always, 1, 1);
	assert_true(onoff_at(&o, UINT64_MAX - 1));
	onoff_init(&o, &periodic, 1, 1);
	for (uint64_t ms = 0; ms < 50; ms++)
		assert_int_equal(onoff_at(&o, ms * MS_NS), ms % 5 < 2);
	onoff_init(&o, &random, 3, 1);
	for (int ms = 0; ms < 400000; ms++)
		on += onoff_at(&o, ms * MS_NS);
	assert_in_range(on, 290000, 310000); // 3/4; 10000 cycles: 1 % is over three sigma
}

/* --- Queues as text --- */

static void queues_are_read_and_shown(void **state)
{
	static const struct {
		const char *text, *shown;
	} row[] = {{"100", "droptail [packets=100]"}, {"infinite", "infinite"},
		{"droptail:packets=7,bytes=9000", "droptail [bytes=9000, packets=7]"},
		{"drophead:bytes=3000", "drophead [bytes=3000]"},
		{"codel", "codel [target=5, interval=100]"},
		{"codel:target=2.5,packets=50", "codel [packets=50, target=2.5, interval=100]"},
		{"pie:update=30,burst=0", "pie [target=15, update=30, burst=0]"}};
	char buf[QUEUE_TEXT];
	struct queue_conf q;

	for (int i = 0; i < COUNT(row); i++) {
		assert_int_equal(queue_parse(&q, row[i].text, "--queue"), 0);
		assert_string_equal(queue_text(&q, buf), row[i].shown);
	}
}

static void bad_queues_are_refused(void **state)
{
	static const char *const bad[] = {"", "0", "-1", "1.5", "1e10", "droptail", "droptial:packets=1",
		"droptail:", "droptail:packets", "droptail:packets=", "droptail:packets=0",
		"droptail:target=5", "codel:burst=1", "codel:target=0", "infinite:packets=3",
		"pie:interval=3", "codel:target=5,", "codel:,", "codel:=", "100,bytes=5",
		"droptailxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx:packets=1"};
	struct queue_conf q = {.limit_pkts = 77};

	for (int i = 0; i < COUNT(bad); i++) {
		if (queue_parse(&q, bad[i], "--queue") != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
		assert_int_equal(q.limit_pkts, 77);
	}
}

/* --- Frames --- */

// The header's sum, as RFC 791 has it: 0xffff when it is right.
static unsigned sum4(const uint8_t *ip)
{
	unsigned sum = 0;

	for (int i = 0; i < 20; i += 2)
		sum += ip[i] << 8 | ip[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void marks_keep_the_checksum(void **state)
{
	uint8_t f[PACKET_ETH + 20] = {[12] = 8, [13] = 0}, *ip = f + PACKET_ETH;
	struct rng r;
	bool ect;

	rng_init(&r, 5, 5);
	for (int i = 0; i < 20000; i++) {
		unsigned sum;

		for (int k = 0; k < 20; k++)
			ip[k] = rng_u64(&r);
		ip[0] = 0x45;
		ip[1] = (ip[1] & ~3) | (1 + (i & 1));
		ip[16] = 10;
		ip[10] = ip[11] = 0;
		sum = ~sum4(ip);
		ip[10] = sum >> 8;
		ip[11] = sum;
		assert_int_equal(sum4(ip), 0xffff);
		assert_int_equal(packet_look(f, sizeof(f), &ect), 24);
		assert_true(ect);
		packet_mark(f);
		assert_int_equal(ip[1] & 3, 3);
		assert_int_equal(sum4(ip), 0xffff);
	}
}

static void frames_are_told_apart(void **state)
{
	uint8_t f[PACKET_ETH + 40] = {[12] = 0x86, [13] = 0xdd};
	uint8_t *ip = f + PACKET_ETH;
	bool ect;

	ip[0] = 0x60;
	ip[24] = 0xfd;
	assert_int_equal(packet_look(f, sizeof(f), &ect), 44);
	assert_false(ect);
	ip[1] = 2 << 4;
	assert_int_equal(packet_look(f, sizeof(f), &ect), 44);
	assert_true(ect);
	packet_mark(f);
	assert_int_equal(ip[1], 3 << 4);
	assert_int_equal(packet_look(f, sizeof(f) - 1, &ect), 0); // cut
	ip[24] = 0xff, ip[25] = 0x02;				   // link-local multicast
	assert_int_equal(packet_look(f, sizeof(f), &ect), 0);
	ip[24] = 0xfe, ip[25] = 0x80;
	assert_int_equal(packet_look(f, sizeof(f), &ect), 0);
	f[12] = 0x08, f[13] = 0x06; // ARP
	assert_int_equal(packet_look(f, sizeof(f), &ect), 0);
	f[13] = 0, ip[0] = 0x45, ip[16] = 224, ip[17] = ip[18] = 0;
	assert_int_equal(packet_look(f, sizeof(f), &ect), 0);
	ip[18] = 1; // multicast that is routed
	assert_int_equal(packet_look(f, sizeof(f), &ect), 44);
	assert_int_equal(packet_look(f, 0, &ect), 0);
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
	enum queue_kind queue;
	uint64_t every_ns; /* path_serve is called so often */
};

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
		.delay_first = how->delay_first,
		.delay = &d,
		.jitter_ns = 2 * MS_NS,
		.onoff = {200 * MS_NS, 20 * MS_NS, false},
		.seed = 9,
		.out = take_out,
		.gone = take_gone,
		.arg = s};
	struct link_log_conf lc = {.direction = "Downlink",
		.trace = "t",
		.command = "c",
		.queue = "q",
		.shown = "shown"};
	uint64_t at = 0, serve = 0;
	struct path p;
	struct rng r;

	memset(s, 0, sizeof(*s));
	if (how->queue == QUEUE_PIE)
		c.link.aqm = AQM_PIE_CONF;
	delay_constant(&d, 5 * MS_NS);
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
	assert_int_equal(path_packets(&p), 0);
	assert_true(path_next(&p) == PATH_NEVER);
	assert_int_equal(s->nout + s->ngone, N);
	assert_int_equal(p.link.stats.departures, s->nout);
	assert_int_equal(p.link.stats.drops + p.link.stats.lost + p.off_drops, s->ngone);
	assert_true(p.off_drops && p.link.stats.lost && p.link.stats.drops);
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

	for (int i = 0; i < COUNT(kinds) * 4; i++) {
		struct late how = {i & 1, i & 2, kinds[i / 4], 50000};
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
		struct path_conf c = {.link = {.trace = &g},
			.delay_first = first,
			.delay = &d,
			.out = take_out,
			.gone = take_gone,
			.arg = &s};
		struct path p;

		memset(&s, 0, sizeof(s));
		delay_constant(&d, 10300000); // 10.3 ms
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

static void slots_are_reused_and_run_out(void **state)
{
	struct pool p;
	uint32_t a, b;

	assert_int_equal(pool_init(&p, 100, 1024), 0);
	assert_int_equal(p.n, 8); // of 128 bytes
	a = pool_get(&p);
	b = pool_get(&p);
	assert_int_not_equal(a, b);
	pool_put(&p, a);
	assert_int_equal(pool_get(&p), a);
	for (int i = 2; i < 8; i++)
		assert_int_not_equal(pool_get(&p), POOL_NONE);
	assert_true(pool_get(&p) == POOL_NONE);
	memset(pool_at(&p, 7), 1, 100);
	pool_free(&p);
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
	for (uint64_t ms = 1, t, size, delay; ms <= 20000; ms++) {
		double at;

		assert_int_equal(sscanf(p, " %lu - %lu %lu %lf", &t, &size, &delay, &at), 4);
		assert_int_equal(t, ms);
		assert_int_equal(size, 1504);
		assert_true(at > ms + 0.1229 && at < ms + 0.1231);
		p = strchr(p + 1, '\n');
		assert_int_equal(sscanf(p, " %lu - %lu %lu %lf", &t, &size, &delay, &at), 4);
		assert_true(size == 60 && at > ms + 0.9999 && at < ms + 1.0001);
		for (int skip = 0; skip < 3; skip++)
			p = strchr(p + 1, '\n');
	}
	free(text);
	free(path);
}

static void a_run_is_judged(void **state)
{
	struct quality q;

	assert_int_equal(quality_init(&q), 0);
	quality_start(&q);
	for (int i = 0; i < 1000; i++)
		quality_late(&q, i < 985 ? 40000 : 2000000);
	q.ring_drops = 3;
	quality_end(&q);
	assert_false(q.trusted);
	assert_non_null(strstr(q.reason, "3 packets lost"));
	assert_non_null(strstr(q.reason, "1 % of the packets left over 2.0 ms late"));
	assert_true(quality_late_us(&q, 0.5) == 40);
	quality_free(&q);
	assert_int_equal(quality_init(&q), 0);
	quality_start(&q);
	quality_late(&q, -5);
	quality_end(&q);
	q.foreign_pct = 0;
	assert_null(strstr(q.reason, "late"));
	assert_null(strstr(q.reason, "lost"));
	quality_free(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(delay_follows_its_schedule),
		cmocka_unit_test(jitter_stays_within_its_bounds_and_in_order),
		cmocka_unit_test(bad_schedules_are_refused),
		cmocka_unit_test(onoff_changes_when_it_should),
		cmocka_unit_test(queues_are_read_and_shown),
		cmocka_unit_test(bad_queues_are_refused),
		cmocka_unit_test(marks_keep_the_checksum),
		cmocka_unit_test(frames_are_told_apart),
		cmocka_unit_test(how_often_a_path_is_served_changes_nothing),
		cmocka_unit_test(delay_and_link_are_in_order),
		cmocka_unit_test(slots_are_reused_and_run_out),
		cmocka_unit_test(mahimahi_logs_replay_droptail),
		cmocka_unit_test(mahimahi_logs_replay_cellular),
		cmocka_unit_test(actual_times_are_a_further_column),
		cmocka_unit_test(a_run_is_judged),
	};

	log_set_level(-1);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
