/* The emulator's parts: delay line, on/off, queues as text, frames, slots, the verdict. */
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

#include "base/log.h"
#include "base/rng.h"
#include "emu/delay.h"
#include "emu/onoff.h"
#include "emu/packet.h"
#include "emu/pool.h"
#include "emu/quality.h"
#include "emu/queue.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof(*(a))))
#define MS_NS 1000000ull

/* --- Delay --- */

static uint64_t pop(struct delay *d, uint32_t *seq)
{
	uint64_t due = delay_due(d);

	*seq = delay_pop(d).seq;
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

// Due at floor(t) + 10 ms; let go when the process acts, which an arrival makes it do as well.
static void a_polling_line_acts_late(void **state)
{
	struct delay_schedule s;
	struct delay d;
	uint32_t seq;
	uint64_t at;

	delay_constant(&s, 10 * MS_NS);
	delay_init(&d, &s, 0, 1, 1);
	d.poll_ns = 50000;
	delay_push(&d, &(struct pkt){.seq = 1}, 5300000);
	assert_in_range(delay_due(&d), 15370000, 20 * MS_NS);
	delay_push(&d, &(struct pkt){.seq = 2}, 5600000); // asleep from then on
	assert_in_range(delay_due(&d), 15670000, 20 * MS_NS);
	delay_push(&d, &(struct pkt){.seq = 3}, 15100000);
	assert_int_equal(pop(&d, &seq), 15100000);
	assert_int_equal(seq, 1);
	assert_int_equal(pop(&d, &seq), 15100000);
	assert_int_equal(seq, 2);
	at = pop(&d, &seq);
	assert_in_range(at, 25170000, 30 * MS_NS);
	assert_true(delay_due(&d) == UINT64_MAX);
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
	static const char *const bad[] = {"", "0", "-1", "1.5", "1e10", "droptail",
		"droptial:packets=1", "droptail:", "droptail:packets",
		"droptail:packets=", "droptail:packets=0", "droptail:target=5", "codel:burst=1",
		"codel:target=0", "infinite:packets=3", "pie:interval=3", "codel:target=5,",
		"codel:,", "codel:=", "100,bytes=5",
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
	ip[24] = 0xff, ip[25] = 0x02;				  // link-local multicast
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

static void ports_are_found(void **state)
{
	uint8_t f[PACKET_ETH + 48] = {[12] = 0x08};
	uint8_t *ip = f + PACKET_ETH;
	uint16_t a, b;

	ip[0] = 0x46; // a header of 24 bytes
	ip[9] = 6;
	ip[24] = 0x14, ip[25] = 0x51, ip[26] = 0x27, ip[27] = 0x10;
	assert_true(packet_ports(f, PACKET_ETH + 28, &a, &b));
	assert_int_equal(a, 5201);
	assert_int_equal(b, 10000);
	assert_false(packet_ports(f, PACKET_ETH + 27, &a, &b)); // cut
	ip[7] = 1;						// a later fragment
	assert_false(packet_ports(f, sizeof(f), &a, &b));
	ip[7] = 0, ip[9] = 1; // ICMP
	assert_false(packet_ports(f, sizeof(f), &a, &b));
	ip[0] = 0x60, ip[6] = 17;
	ip[40] = 1, ip[41] = 2, ip[42] = 3, ip[43] = 4;
	assert_true(packet_ports(f, sizeof(f), &a, &b));
	assert_int_equal(a, 0x102);
	assert_int_equal(b, 0x304);
	assert_false(packet_ports(f, PACKET_ETH + 43, &a, &b));
}

/* --- Memory, the verdict --- */

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

// What was not idle and not ours, or what other processes say they had, if that is more.
static void others_have_what_is_left(void **state)
{
	static const struct cpu_times from = {100, 50, 20, 5, 3};
	struct cpu_times to = {140, 80, 26, 9, 5};
	double self, others;

	cpu_shares(&from, &to, &self, &others);
	assert_true(self == 100.0 * 2 * sysconf(_SC_NPROCESSORS_ONLN) / 40);
	assert_true(others == 100.0 * (40 - 30 - 4) / 40);
	to.processes_s = 32;
	cpu_shares(&from, &to, &self, &others);
	assert_true(others == 100.0 * (12 - 4) / 40);
	to.processes_s = 20, to.idle_s = 95;
	cpu_shares(&from, &to, &self, &others);
	assert_true(others == 0);
}

// All that ran on a processor since boot, ours at least, was not idle.
static void processors_are_read(void **state)
{
	struct cpu_times a, b;

	cpu_read(&a);
	for (volatile long i = 0; i < 100000000; i++)
		;
	cpu_read(&b);
	assert_true(a.idle_s > 0 && b.idle_s >= a.idle_s);
	assert_true(b.all_s > a.all_s && b.self_s > a.self_s);
	assert_true(b.all_s - a.all_s >= b.self_s - a.self_s);
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
		cmocka_unit_test(a_polling_line_acts_late),
		cmocka_unit_test(bad_schedules_are_refused),
		cmocka_unit_test(onoff_changes_when_it_should),
		cmocka_unit_test(queues_are_read_and_shown),
		cmocka_unit_test(bad_queues_are_refused),
		cmocka_unit_test(marks_keep_the_checksum),
		cmocka_unit_test(frames_are_told_apart),
		cmocka_unit_test(ports_are_found),
		cmocka_unit_test(slots_are_reused_and_run_out),
		cmocka_unit_test(others_have_what_is_left),
		cmocka_unit_test(processors_are_read),
		cmocka_unit_test(a_run_is_judged),
	};

	log_set_level(-1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
