/*
 * A histogram of delays in whole units: exact below 4096 units, 1024 steps an octave above (0.1 %).
 * The unit is 1 ms on a link with mahimahi's clock, whose delays are whole milliseconds, and 10 us
 * on a smooth link.
 */
#ifndef SIM_HIST_H
#define SIM_HIST_H

#include <stdint.h>

#define HIST_EXACT 4096
#define HIST_STEPS 1024
#define HIST_OCTAVES 20

struct hist {
	uint64_t unit_ns, total;
	uint32_t n[HIST_EXACT + HIST_STEPS * HIST_OCTAVES];
};

/* n delays of ns. */
static inline void hist_add(struct hist *h, uint64_t ns, uint32_t n)
{
	uint64_t v = h->unit_ns == 1000000 ? ns / 1000000 : ns / h->unit_ns;
	uint32_t i = v;

	if (v >= HIST_EXACT) {
		int octave = 63 - __builtin_clzll(v) - 12;

		if (octave >= HIST_OCTAVES)
			octave = HIST_OCTAVES - 1, v = (1ull << (octave + 13)) - 1;
		i = HIST_EXACT + octave * HIST_STEPS + (uint32_t)((v >> (octave + 2)) - HIST_STEPS);
	}
	h->n[i] += n;
	h->total += n;
}

/* The value of rank floor(q * total) counted from 0, as sorted[int(q * n)], in ns; 0 when empty. */
uint64_t hist_quantile_ns(const struct hist *h, double q);

#endif
