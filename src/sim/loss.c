/* The Gilbert-Elliott chain, a step a packet. */
#include "sim/loss.h"

#define LOSS_STREAM 3 /* of the link's seed */

void loss_init(struct loss_chain *c, const struct loss_conf *conf, uint64_t seed)
{
	c->conf = *conf;
	c->in_bad = false;
	rng_init(&c->rng, seed, LOSS_STREAM);
	if (conf->p > 0)
		c->in_bad = rng_uniform(&c->rng) * (conf->p + conf->r) < conf->p;
}

bool loss_next(struct loss_chain *c)
{
	const struct loss_conf *conf = &c->conf;
	bool lost = rng_uniform(&c->rng) < (c->in_bad ? conf->bad : conf->good);

	if (rng_uniform(&c->rng) < (c->in_bad ? conf->r : conf->p))
		c->in_bad = !c->in_bad;
	return lost;
}

double loss_mean(const struct loss_conf *conf)
{
	return (conf->r * conf->good + conf->p * conf->bad) / (conf->p + conf->r);
}
