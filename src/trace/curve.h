/* Rates that are straight lines over time, turned into opportunities exactly, in integers. */
#ifndef TRACE_CURVE_H
#define TRACE_CURVE_H

#include <stdint.h>

#include "trace/build.h"

#define CURVE_PIECES 8

/* A rate from from_kbps (> 0) straight to to_kbps (> 0) within ms. */
struct piece {
	uint32_t ms, from_kbps, to_kbps;
};

struct curve {
	struct piece piece[CURVE_PIECES];
	int n;
};

/*
 * Opportunity k = 1, 2, ... of the endlessly repeated curve at the first whole millisecond t with
 * bits(0..t) >= 12000 k. Whole periods until the bits are a whole number of opportunities, at most
 * loop_ms (but one period): then the last one is rounded up. The list ends exactly at the end of a
 * period. 0, -ENOMEM, or -EFBIG over TRACE_MADE_MAX.
 */
int curve_build(struct build *b, const struct curve *c, uint32_t loop_ms);

#endif
