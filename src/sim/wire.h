/*
 * The inside of a world: links, one pair of delay lines for each distinct delay, one timer for each
 * flow, and what happens between them. Inside src/sim only; world.c sets it up, wire.c runs it.
 */
#ifndef SIM_WIRE_H
#define SIM_WIRE_H

#include "sim/flow.h"

/*
 * A late emulator's process takes 8 us for a packet: mahimahi's took 25.5 us of processor time for
 * a data packet with its ACKs, by least squares over the reference runs, in 3.1 turns of a process.
 * What it reads in one turn it hands on at the turn's end: the processors are shared with sender,
 * receiver and three others like it, so that one starts when another is done (`bench/poll`: median
 * 20, 30, 46 and 80 us a hop for bursts of 1, 2, 4 and 8). A turn ends after 1 ms in any case.
 */
#define TURN_PACKET_NS 8000
#define TURN_MAX_NS 1000000

struct turn {
	uint64_t begin_ns, end_ns; /* the end grows as packets come; in the past: asleep */
};

/* A process of the emulator that delays packets one way. */
struct line {
	struct ring q;
	struct wakeup wakeup; /* from this sleep */
	struct turn turn;
};

struct path {
	uint64_t delay_ns;
	struct line data, acks;
};

/* Packets that a link's process reads in its next turn. */
struct inlet {
	struct ring q;
	struct turn turn;
	uint32_t src;
	struct link *link;
	bool late; /* the link's process polls: on mahimahi's grid only */
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
	bool ack_runs;	      /* ACKs that leave together stay together */
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
