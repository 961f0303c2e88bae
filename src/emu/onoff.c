/* A link that goes away and comes back. */
#include "emu/onoff.h"

static uint64_t stay_ns(struct onoff *o)
{
	uint64_t mean = o->on ? o->conf.on_ns : o->conf.off_ns;

	return 1 + (o->conf.periodic ? mean - !!mean : (uint64_t)(mean * rng_exp(&o->rng)));
}

void onoff_init(struct onoff *o, const struct onoff_conf *conf, uint64_t seed, uint64_t stream)
{
	o->conf = *conf;
	o->on = true;
	rng_init(&o->rng, seed, stream);
	o->until_ns = conf->on_ns ? stay_ns(o) : UINT64_MAX;
}

bool onoff_at(struct onoff *o, uint64_t now_ns)
{
	while (o->until_ns <= now_ns) {
		o->on = !o->on;
		o->until_ns += stay_ns(o);
	}
	return o->on;
}
