/*
 * Random numbers: xoshiro256** (Blackman and Vigna, 2018), seeded by SplitMix64.
 *
 * Every stream owns its own struct rng, derived from the run's seed and a stream index, so results do not
 * depend on which thread runs what. The generator and every distribution below use only integer and basic
 * IEEE arithmetic plus sqrt and log, so a stream is the same on every machine with the same libm.
 */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

struct rng {
	uint64_t s[4];
};

/* Stream number `stream` of `seed`. Different pairs give independent streams. */
void rng_init(struct rng *r, uint64_t seed, uint64_t stream);

uint64_t rng_u64(struct rng *r);

/* Uniform in [0, 1), 53 bits. */
double rng_uniform(struct rng *r);

/* Uniform integer in [0, n), n > 0, without bias. */
uint64_t rng_below(struct rng *r, uint64_t n);

/* Standard normal (Marsaglia's polar method; one of the pair is thrown away so that streams stay simple). */
double rng_normal(struct rng *r);

/* Exponential with mean 1. */
double rng_exp(struct rng *r);

#endif
