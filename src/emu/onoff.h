/*
 * A link that goes away and comes back, as mm-onoff: it starts on, stays on and off for times that
 * are exponential with the given means, or always the same (mm-onoff's `intermittent`); what comes
 * while it is off is lost.
 */
#ifndef EMU_ONOFF_H
#define EMU_ONOFF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"

struct onoff_conf {
	uint64_t on_ns, off_ns; /* means; on_ns 0: always on */
	bool periodic;
};

struct onoff {
	struct onoff_conf conf;
	struct rng rng;
	bool on;
	uint64_t until_ns; /* when it changes */
};

/* The times in seconds; on_s 0: never on, off_s 0: always. False when both together are under a
 * microsecond, in which no clock could follow them. */
bool onoff_times(struct onoff_conf *out, double on_s, double off_s, bool periodic);

void onoff_init(struct onoff *o, const struct onoff_conf *conf, uint64_t seed, uint64_t stream);

/* Whether it is on at now_ns, which never falls. */
bool onoff_at(struct onoff *o, uint64_t now_ns);

#endif
