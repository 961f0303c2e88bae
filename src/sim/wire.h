/*
 * The inside of a world: links, one pair of delay lines for each distinct delay, one timer for each
 * flow, and what happens between them. Inside src/sim only; world.c sets it up, wire.c runs it.
 */
#ifndef SIM_WIRE_H
#define SIM_WIRE_H

#include "sim/flow.h"

/* A process of the emulator that delays packets one way. */
struct line {
	struct ring q;
	struct link_wakeup wakeup; /* from this sleep */
};

struct path {
	uint64_t delay_ns;
	struct line data, acks;
};

/* Packets that a link's process has not read yet; they are read when it wakes. */
struct inlet {
	struct ring q;
	uint32_t src;
	struct link *link;
};

/* Sources of events, in the order in which those of one instant run: links first, because mahimahi
 * uses all opportunities up to now before it queues an arrival; then arrivals, then timers. */
enum { SRC_UP, SRC_DOWN, SRC_PATHS };

#define JIFFIES_0 1000u /* at time 0; CUBIC takes 0 for "no epoch" */

struct world {
	struct world_conf conf;
	struct link down, up;
	struct inlet into_down, into_up;
	struct flow *flows;
	struct path *paths;
	int npaths, room;      /* room: flows and paths that there is memory for */
	uint64_t min_delay_ns; /* of the paths */
	struct clock clock;
	struct rng rng; /* of the delay lines' lateness */
	struct sources src;
	struct blocks blocks; /* memory of all rings */
	int paused;	      /* flow whose controller paused, -1 none */
};

static inline uint32_t src_data(const struct flow *f)
{
	return SRC_PATHS + 2 * f->path;
}

static inline uint32_t src_timer(const struct world *w, uint32_t flow)
{
	return SRC_PATHS + 2 * w->npaths + flow;
}

/* Behind the links (link_deliver_fn): the receivers, and the delay lines back to the senders. */
void wire_at_receiver(void *arg, const struct pkt *k, uint64_t now_ns);
void wire_at_sender_side(void *arg, const struct pkt *k, uint64_t now_ns);

#endif
