#include "sim/wakeup.h"

#include <math.h>

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

struct wakeup wakeup_draw(struct rng *r)
{
	uint64_t bits = rng_u64(r);
	double e = rough_exp(bits << 6), other_ns = 0;

	if (!(bits >> 58))
		other_ns = 800e3 * rng_exp(r);
	return (struct wakeup){20e3 + 35e3 * e + other_ns, 2e3 + 11e3 * e + other_ns};
}
