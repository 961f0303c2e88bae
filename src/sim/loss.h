/*
 * Loss in bursts: the Gilbert-Elliott chain (Gilbert 1960, Elliott 1963). Each packet is lost with
 * the probability of the chain's state, then the chain moves: good to bad with probability p, back
 * with r.
 *
 * It starts in its stationary distribution, so that any packet is lost with probability
 * (r good + p bad) / (p + r); a stay in the bad state lasts 1 / r packets on average.
 */
#ifndef SIM_LOSS_H
#define SIM_LOSS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"

struct loss_conf {
	double p, r;	  /* good to bad, bad to good; p 0: there is no chain */
	double bad, good; /* loss in each state */
};

struct loss_chain {
	struct loss_conf conf;
	struct rng rng;
	bool in_bad;
};

void loss_init(struct loss_chain *c, const struct loss_conf *conf, uint64_t seed);

/* Whether the next packet is lost. */
bool loss_next(struct loss_chain *c);

/* The closed forms above; r > 0. */
double loss_mean(const struct loss_conf *conf);

#endif
