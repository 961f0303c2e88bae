#include "sim/wakeup.h"

#include <math.h>

enum { OTHER_EVERY_NS = 110000000, OTHER_NS = 800000 }; // on average, and by how much

// An exponential of mean 1 to within 1 %, from random bits: -ln(u) of u = (1 + f) / 2^k, with
// log2(1 + f) = f + 0.34 f (1 - f). Each event of a late emulator draws one.
static double rough_exp(uint64_t bits)
{
	int k = __builtin_clzll(bits | 1) + 1;
	uint64_t rest = bits << (k - 1) << 1;
	// by halves: a conversion of all 64 bits branches on the first
	double f = ((double)(int64_t)(rest >> 32) * 0x1p32 + (double)(int64_t)(uint32_t)rest) *
		   0x1p-64;

	return M_LN2 * (k - f - 0.34 * f * (1 - f));
}

void wakeup_draw(struct wakeup *u, struct rng *r, uint64_t now_ns)
{
	double e = rough_exp(rng_u64(r));

	u->timer_ns = 20e3 + 35e3 * e;
	u->packet_ns = 2e3 + 11e3 * e;
	if (now_ns < u->other_at_ns)
		return;
	u->other_at_ns = now_ns + OTHER_EVERY_NS * rng_exp(r);
	u->other_ns = OTHER_NS * rng_exp(r);
}
