/* Quantiles of the delay histogram. */
#include "sim/hist.h"

uint64_t hist_quantile_ns(const struct hist *h, double q)
{
	uint64_t rank = q * h->total, below = 0;
	uint32_t last = sizeof(h->n) / sizeof(h->n[0]);

	if (rank >= h->total)
		rank = h->total ? h->total - 1 : 0;
	for (uint32_t i = 0; i < last; i++) {
		below += h->n[i];
		if (below <= rank)
			continue;
		if (i < HIST_EXACT)
			return i * h->unit_ns;
		i -= HIST_EXACT;
		return ((uint64_t)(HIST_STEPS + i % HIST_STEPS) << (i / HIST_STEPS + 2)) *
		       h->unit_ns;
	}
	return 0;
}
