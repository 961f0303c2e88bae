/*
 * A cellular-like link: a mean-reverting log-normal rate on three time scales, short grants, and
 * outages with heavy-tailed durations. The constants were fitted by eye to three LTE downlinks; the
 * comparison and the commands are in doc/experiments/cellular-generator.md.
 *
 *	rate(t) = mean * exp(x1 + x2 + x3), x_i Ornstein-Uhlenbeck with time constant TAU_S and
 * deviation SIGMA outages begin as a Poisson process, last min * u^(-1/alpha) seconds (Pareto), at
 * most max in each ms a grant comes with probability GRANT and empties the credit that the rate has
 * earned
 *
 * The rate is then scaled so that the round holds exactly floor(mean * seconds / 12000 bits)
 * opportunities.
 */
#ifndef TRACE_CELLULAR_H
#define TRACE_CELLULAR_H

#include <stdint.h>

#include "trace/build.h"

#define CELLULAR_SCALES 3

struct cellular {
	uint64_t seed;
	uint32_t mean_kbps;
	uint32_t duration_ms;
};

/* 0 or -ENOMEM, -EFBIG over TRACE_MADE_MAX. The same arguments give the same list (with the same
 * libm). */
int cellular_build(struct build *b, const struct cellular *c);

#endif
