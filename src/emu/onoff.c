/* A link that goes away and comes back. */
#include "emu/onoff.h"

#define LEAST_S 1e-6

bool onoff_times(struct onoff_conf *out, double on_s, double off_s, bool periodic)
{
	struct onoff_conf c = {on_s * 1e9, off_s * 1e9, periodic};

	if (on_s + off_s < LEAST_S)
		return false;
	if (!c.on_ns)
		c.on_ns = 1;
	if (off_s <= 0)
		c.on_ns = 0;
	*out = c;
	return true;
}

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
