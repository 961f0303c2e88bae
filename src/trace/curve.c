/* Straight-line rates to opportunities. kbit/s times ms is bits, and twice the integral of a line
 * is whole. */
#include "trace/curve.h"

#include <errno.h>

__extension__ typedef __int128 wide;

#define HALF_BITS (2 * (uint64_t)TRACE_OPPORTUNITY_BITS) // an opportunity in half bits

static uint64_t gcd(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t r = a % b;

		a = b;
		b = r;
	}
	return a;
}

// Half bits of the first x ms of a piece, rounded down (comparison with whole numbers loses
// nothing).
static uint64_t piece_half_bits(const struct piece *p, uint32_t x)
{
	wide slope = (wide)p->to_kbps - p->from_kbps;

	return (uint64_t)(((wide)2 * p->from_kbps * x * p->ms + slope * x * x) / p->ms);
}

static int build_period(struct build *b, const struct curve *c, uint64_t *half_bits, uint32_t *t_ms)
{
	int err = 0;

	for (int i = 0; i < c->n && !err; i++) {
		const struct piece *p = &c->piece[i];

		for (uint32_t x = 1; x <= p->ms && !err; x++)
			err = build_reach(
				b, *t_ms + x, (*half_bits + piece_half_bits(p, x)) / HALF_BITS);
		*half_bits += piece_half_bits(p, p->ms);
		*t_ms += p->ms;
	}
	return err;
}

int curve_build(struct build *b, const struct curve *c, uint32_t loop_ms)
{
	uint64_t period_ms = 0, period_half_bits = 0, periods, done = 0, half_bits = 0;
	uint32_t t_ms = 0;
	int err = 0;

	for (int i = 0; i < c->n; i++) {
		period_ms += c->piece[i].ms;
		period_half_bits += piece_half_bits(&c->piece[i], c->piece[i].ms);
	}
	periods = HALF_BITS / gcd(period_half_bits, HALF_BITS);
	if (periods * period_ms > loop_ms)
		periods = loop_ms > period_ms ? loop_ms / period_ms : 1;
	if (periods * period_half_bits / HALF_BITS >= TRACE_MADE_MAX)
		return -EFBIG;
	while (done++ < periods && !err)
		err = build_period(b, c, &half_bits, &t_ms);
	if (!err)
		err = build_reach(b, t_ms, (half_bits + HALF_BITS - 1) / HALF_BITS);
	return err;
}
