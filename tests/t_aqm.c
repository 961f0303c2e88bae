/* CoDel, PIE and loss in bursts against the RFCs written out slowly and closed forms; packets are
 * conserved. */
#include <math.h>
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

#define US 1000ull

static const enum queue_kind kinds[] = {
	QUEUE_INFINITE, QUEUE_DROPTAIL, QUEUE_DROPHEAD, QUEUE_CODEL, QUEUE_PIE};

static struct aqm_conf conf_of(enum queue_kind kind)
{
	return kind == QUEUE_CODEL ? AQM_CODEL_CONF : AQM_PIE_CONF;
}

/* --- CoDel --- */

/*
 * A head every millisecond that has always waited 50 ms: after an interval above target the first
 * drop, then one each interval / sqrt(count), at the first millisecond not before it.
 */
static void codel_spaces_drops_by_the_square_root(void **state)
{
	const struct aqm_conf conf = AQM_CODEL_CONF;
	double next = 0;
	int drops = 0;
	struct aqm a;

	aqm_init(&a, AQM_CODEL, &conf, 1);
	for (uint64_t ms = 1000; ms < 4000; ms++) {
		struct pkt k = {.t_ns = (ms - 50) * MS, .bytes = 1504};
		bool again = false;

		while (aqm_head(&a, &k, 10 * 1504, ms * MS, again) == AQM_DROP) {
			if (!drops)
				assert_int_equal(ms, 1100);
			else
				assert_int_equal(ms, ceil(next / 1e6));
			drops++;
			next = (drops == 1 ? 1100e6 : next) + floor(1e8 / sqrt(drops));
			again = true;
		}
	}
	// 100 ms / sqrt(k) summed for k below n, about 200 sqrt(n) - 146 ms, fits into 2900 ms
	assert_in_range(drops, 231, 233);
	assert_int_equal(a.codel.count, drops);
	// One head below target ends it; coming back soon it resumes near the old rate.
	assert_int_equal(
		aqm_head(&a, &(struct pkt){.t_ns = 3997 * MS}, 15040, 4000 * MS, false), AQM_PASS);
	assert_false(a.codel.dropping);
	for (uint64_t ms = 4001; ms < 4102; ms++)
		aqm_head(&a, &(struct pkt){.t_ns = (ms - 50) * MS}, 15040, ms * MS, false);
	assert_true(a.codel.dropping);
	assert_int_equal(a.codel.count, drops - 1);
}

// The last packet and what leaves a full packet or less behind are never dropped.
static void codel_spares_the_last_packet(void **state)
{
	const struct aqm_conf conf = AQM_CODEL_CONF;
	struct aqm a;

	aqm_init(&a, AQM_CODEL, &conf, 1);
	for (uint64_t ms = 1000; ms < 3000; ms++)
		assert_int_equal(
			aqm_head(&a, &(struct pkt){.t_ns = (ms - 500) * MS}, 1504, ms * MS, false),
			AQM_PASS);
}

// RFC 8289's dequeue over an array, line by line.
struct slow_codel {
	struct pkt q[4096];
	int head, tail, dropped;
	uint64_t first_above, drop_next, bytes;
	uint32_t count, lastcount;
	bool dropping;
};

static struct pkt slow_dodequeue(struct slow_codel *s, uint64_t now, bool *ok)
{
	struct pkt p = s->q[s->head++ % 4096];

	s->bytes -= p.bytes;
	*ok = false;
	if (now - p.t_ns < 5 * MS || s->bytes <= 1504)
		s->first_above = 0;
	else if (!s->first_above)
		s->first_above = now + 100 * MS;
	else if (now >= s->first_above)
		*ok = true;
	return p;
}

static struct pkt slow_dequeue(struct slow_codel *s, uint64_t now)
{
	bool ok;
	struct pkt p = slow_dodequeue(s, now, &ok);

	if (s->dropping) {
		if (!ok)
			s->dropping = false;
		while (now >= s->drop_next && s->dropping) {
			s->dropped++;
			s->count++;
			p = slow_dodequeue(s, now, &ok);
			if (!ok)
				s->dropping = false;
			else
				s->drop_next += (uint64_t)(1e8 / sqrt(s->count));
		}
	} else if (ok) {
		uint32_t delta;

		s->dropped++;
		p = slow_dodequeue(s, now, &ok);
		s->dropping = true;
		delta = s->count - s->lastcount;
		s->count =
			delta > 1 && (int64_t)(now - s->drop_next) < 1600 * (int64_t)MS ? delta : 1;
		s->drop_next = now + (uint64_t)(1e8 / sqrt(s->count));
		s->lastcount = s->count;
	}
	return p;
}

struct order {
	uint32_t seq[100000];
	int n;
};

static void collect(void *arg, const struct pkt *k, uint64_t now_ns)
{
	struct order *o = arg;

	o->seq[o->n++ % 100000] = k->seq;
}

// The link drops just what the RFC's pseudocode drops, on mahimahi's clock under random load.
static void link_matches_slow_codel(void **state)
{
	struct trace t = grid(every_ms, 1);
	struct link_conf conf = {.trace = &t, .queue = QUEUE_CODEL, .aqm = AQM_CODEL_CONF};
	struct slow_codel *s = calloc(1, sizeof(*s));
	struct order *o = calloc(1, sizeof(*o));
	uint32_t seq = 0;
	struct link l;
	struct rng r;

	rng_init(&r, 4, 4);
	assert_int_equal(link_init(&l, &conf, 1, collect, o), 0);
	for (uint64_t ms = 1; ms < 40000; ms++) {
		int n = rng_below(
			&r, 1 + 2 * (ms / 4000 % 3)); // none, 1 and 2 a millisecond on average

		if (l.next_ns <= ms * MS)
			link_serve(&l, ms * MS);
		if (s->tail > s->head) // all packets are full: one an opportunity
			assert_int_equal(slow_dequeue(s, ms * MS).seq, o->seq[(o->n - 1) % 100000]);
		for (; n && s->tail - s->head < 4000; n--) {
			struct pkt k = {.seq = seq++, .bytes = 1504};

			link_arrive(&l, &k, ms * MS);
			k.t_ns = ms * MS;
			s->bytes += k.bytes;
			s->q[s->tail++ % 4096] = k;
		}
	}
	assert_true(s->dropped > 100);
	assert_int_equal(l.stats.drops, s->dropped);
	link_free(&l);
	free(s);
	free(o);
}

/* --- PIE --- */

// Section 5.2's table as a chain of conditions, in the RFC's order.
static double slow_pie(double prob, double cur, double old, double ref)
{
	double p = 0.125 * (cur - ref) + 1.25 * (cur - old);

	if (prob < 0.000001)
		p = p / 2048;
	else if (prob < 0.00001)
		p = p / 512;
	else if (prob < 0.0001)
		p = p / 128;
	else if (prob < 0.001)
		p = p / 32;
	else if (prob < 0.01)
		p = p / 8;
	else if (prob < 0.1)
		p = p / 2;
	if (prob >= 0.1 && p > 0.02)
		p = 0.02;
	prob = prob + p;
	if (cur == 0 && old == 0)
		prob = prob * 0.98;
	if (prob < 0)
		prob = 0;
	if (prob > 1)
		prob = 1;
	return prob;
}

// Step by step with delays that climb, hover, leap and vanish: every row of the table and both
// bounds are met.
static void pie_follows_the_rfc(void **state)
{
	const struct aqm_conf conf = AQM_PIE_CONF;
	double prob = 0, old = 0, highest = 0;
	bool row[8] = {false};
	struct aqm a;
	struct rng r;

	rng_init(&r, 2, 2);
	aqm_init(&a, AQM_PIE, &conf, 1);
	for (int i = 0; i < 20000; i++) {
		int phase = i / 500 % 4;
		uint64_t us = phase == 0   ? 20000 + rng_below(&r, 1000)
			      : phase == 1 ? 15000 + rng_below(&r, 60000)
			      : phase == 2 ? 800000 + rng_below(&r, 1000)
					   : 0;

		if (i % 50 == 0 && phase < 2)
			a.pie.drop_prob = prob = pow(10, -7 * rng_uniform(&r));
		a.pie.delay_ns = us * US;
		aqm_pie_update(&a);
		prob = slow_pie(prob, us * 1e-6, old, 0.015);
		old = us * 1e-6;
		assert_true(fabs(a.pie.drop_prob - prob) <= 1e-9 * (1e-3 + prob));
		a.pie.drop_prob = prob; // rounding does not add up
		highest = fmax(highest, prob);
		row[prob == 0 ? 7 : (int)fmin(6, fmax(0, -floor(log10(prob))))] = true;
	}
	for (int i = 1; i < 8; i++)
		assert_true(row[i]);
	assert_true(highest == 1);
}

// Feeds heads that waited delay and, behind each, an arrival; counts what is dropped in [from, to).
static int pie_drops(struct aqm *a, uint64_t from_ms, uint64_t to_ms, uint64_t delay_ms,
	uint16_t flags, int *marks)
{
	int drops = 0;

	for (uint64_t ms = from_ms; ms < to_ms; ms++) {
		struct pkt head = {.t_ns = (ms - delay_ms) * MS, .bytes = 1504},
			   k = {.bytes = 1504, .flags = flags};
		enum aqm_verdict v;

		assert_int_equal(aqm_head(a, &head, delay_ms * 1504, ms * MS, false), AQM_PASS);
		v = aqm_arrive(a, &k, delay_ms * 1504, ms * MS);
		drops += v == AQM_DROP;
		*marks += v == AQM_MARK;
	}
	return drops;
}

static void pie_lets_bursts_pass(void **state)
{
	struct aqm_conf conf = AQM_PIE_CONF;
	struct aqm a;
	int marks = 0;

	aqm_init(&a, AQM_PIE, &conf, 1);
	assert_int_equal(pie_drops(&a, 1000, 1140, 400, 0, &marks), 0);
	assert_true(a.pie.drop_prob > 0); // it would have
	assert_true(a.pie.burst_ns > 0);
	assert_true(pie_drops(&a, 1140, 8000, 400, 0, &marks) > 1000);
	// An idle queue earns a new allowance.
	aqm_arrive(&a, &(struct pkt){.bytes = 1504}, 0, 8001 * MS);
	a.pie.delay_ns = 0;
	aqm_arrive(&a, &(struct pkt){.bytes = 1504}, 0, 100000 * MS);
	assert_true(a.pie.drop_prob == 0);
	assert_int_equal(a.pie.burst_ns, conf.burst_ns);
	conf.burst_ns = 0;
	aqm_init(&a, AQM_PIE, &conf, 1);
	pie_drops(&a, 1000, 1140, 400, 0, &marks);
	assert_true(a.pie.accu_prob > 0); // counts from the start
	assert_int_equal(marks, 0);
}

// Drops come at drop_prob, evenly; ECN-capable packets are marked up to 10 % and dropped above.
static void pie_drops_at_its_probability(void **state)
{
	static const double probs[] = {0.02, 0.08, 0.3};
	struct aqm_conf conf = AQM_PIE_CONF;

	conf.interval_ns = 1000000 * MS; // no update: the probability is the test's
	for (int i = 0; i < COUNT(probs) * 2; i++) {
		double p = probs[i / 2], gap;
		bool ect = i % 2;
		int marks = 0, drops;
		struct aqm a;

		aqm_init(&a, AQM_PIE, &conf, 7);
		a.pie.burst_ns = 0;
		a.pie.drop_prob = p;
		a.pie.old_delay_ns = 20 * MS;
		drops = pie_drops(&a, 1000, 201000, 20, ect ? PKT_ECT : 0, &marks);
		if (ect && p <= 0.1)
			assert_int_equal(drops, 0);
		else
			assert_int_equal(marks, 0);
		// none until the probabilities sum up to 0.85, then each packet with p
		gap = ceil(.85 / p) - 1 + 1 / p;
		assert_in_range(drops + marks, 200000 / gap * .95, 200000 / gap * 1.05);
		assert_true(a.pie.delay_ns == 20 * MS);
	}
}

/* --- Conservation --- */

static void check_conservation(enum queue_kind kind, const struct trace *t, uint64_t seed)
{
	struct link_conf conf = {.trace = t,
		.queue = kind,
		.limit_pkts = seed % 3 ? 300 : 0,
		.limit_bytes = seed % 2 ? 200000 : 0,
		.aqm = conf_of(kind),
		.loss = .01,
		.burst_loss = {.01, .2, .9, .001}};
	struct order *o = calloc(1, sizeof(*o));
	uint64_t at = 0, sent = 0, bytes = 0;
	struct link l;
	struct rng r;

	rng_init(&r, seed, 9);
	assert_int_equal(link_init(&l, &conf, seed, collect, o), 0);
	for (int i = 0; i < 20000; i++) {
		uint64_t mean_us = i / 4000 % 2 ? 2000 : 700;
		struct pkt k = {.seq = i,
			.bytes = rng_below(&r, 3) ? 1504 : 60 + rng_below(&r, 1400),
			.flags = rng_below(&r, 2) ? PKT_ECT : 0};

		at += rng_exp(&r) * mean_us * 1000;
		while (l.next_ns <= at)
			link_serve(&l, l.next_ns);
		link_arrive(&l, &k, at);
		sent++;
		assert_int_equal(l.stats.arrivals + l.stats.lost, sent);
		assert_int_equal(l.stats.arrivals, l.stats.departures + l.stats.drops +
							   l.stats.queue_pkts + (l.wire_left > 0));
		bytes = 0;
		for (uint32_t q = l.q.head + (l.wire_left > 0); i % 64 == 0 && q != l.q.tail; q++)
			bytes += l.q.p[q & l.q.mask].bytes;
		if (i % 64 == 0)
			assert_int_equal(l.stats.queue_bytes, bytes);
		if (kind != QUEUE_INFINITE && conf.limit_pkts)
			assert_true(l.stats.queue_pkts <= conf.limit_pkts);
		if (kind != QUEUE_INFINITE && conf.limit_bytes)
			assert_true(l.stats.queue_bytes <= conf.limit_bytes);
	}
	while (l.next_ns != LINK_NEVER)
		link_serve(&l, l.next_ns);
	assert_int_equal(l.stats.arrivals, l.stats.departures + l.stats.drops);
	assert_int_equal(o->n, l.stats.departures);
	assert_true(kind >= QUEUE_CODEL ? l.stats.marks && l.stats.drops : !l.stats.marks);
	link_free(&l);
	free(o);
}

static void every_queue_conserves_packets(void **state)
{
	struct trace g = grid(every_ms, 1), s = smooth(12032000);

	for (int i = 0; i < COUNT(kinds); i++)
		for (int seed = 1; seed <= 6; seed++) {
			check_conservation(kinds[i], &g, seed);
			check_conservation(kinds[i], &s, seed);
		}
}

/* --- Loss in bursts --- */

static void bursts_match_the_closed_form(void **state)
{
	static const struct loss_conf confs[] = {
		{.01, .25, 1, 0}, {.05, .5, .6, .01}, {.001, .02, 1, 0}, {.5, .5, 1, 0}};
	enum { N = 4000000 };

	for (int i = 0; i < COUNT(confs); i++) {
		struct loss_chain c;
		double mean = loss_mean(&confs[i]), pi = confs[i].p / (confs[i].p + confs[i].r),
		       lost = 0, stays = 0, bad = 0;
		bool was = false;

		loss_init(&c, &confs[i], 11);
		for (int k = 0; k < N; k++) {
			stays += c.in_bad && !was;
			bad += c.in_bad;
			was = c.in_bad;
			lost += loss_next(&c);
		}
		assert_true(fabs(mean - (pi * confs[i].bad + (1 - pi) * confs[i].good)) < 1e-15);
		assert_true(fabs(lost / N / mean - 1) < .04);
		assert_true(fabs(bad / stays * confs[i].r - 1) < .04); // length of a burst: 1 / r
		assert_true(fabs(bad / N / pi - 1) < .04);
	}
}

// The state before the first packet is drawn from the stationary distribution.
static void bursts_start_anywhere(void **state)
{
	const struct loss_conf conf = {.01, .03, 1, 0};
	int bad = 0;

	for (int seed = 0; seed < 20000; seed++) {
		struct loss_chain c;

		loss_init(&c, &conf, seed);
		bad += c.in_bad;
	}
	assert_in_range(bad, 4800, 5200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codel_spaces_drops_by_the_square_root),
		cmocka_unit_test(codel_spares_the_last_packet),
		cmocka_unit_test(link_matches_slow_codel),
		cmocka_unit_test(pie_follows_the_rfc),
		cmocka_unit_test(pie_lets_bursts_pass),
		cmocka_unit_test(pie_drops_at_its_probability),
		cmocka_unit_test(every_queue_conserves_packets),
		cmocka_unit_test(bursts_match_the_closed_form),
		cmocka_unit_test(bursts_start_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
