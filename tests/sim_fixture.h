/* Traces for the simulator's tests. */
#ifndef TESTS_SIM_FIXTURE_H
#define TESTS_SIM_FIXTURE_H

#include "trace/trace.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof(*(a))))

// mahimahi's 12 Mbit/s: an opportunity every millisecond
static uint32_t every_ms[] = {1};

static inline struct trace grid(uint32_t *ms, size_t n)
{
	return (struct trace){.name = "test", .t_ms = ms, .n = n};
}

static inline struct trace smooth(uint64_t bps)
{
	return (struct trace){.name = "smooth", .rate_bps = bps};
}

#endif
