/*
 * One direction of the emulated path, without clock or network: the simulator's link (sim/link.h)
 * with a delay line before it (towards the receiver: data sees delay, then queue) or behind it
 * (towards the sender: ACKs see queue, then delay), as `mm-delay D mm-link UP DOWN` has it.
 *
 *	delay -> on/off -> random loss -> queue and link		down
 *	on/off -> random loss -> queue and link -> delay		up
 *
 * Everything happens at the time it is due, in the order of due times, however seldom path_serve is
 * called: the same arrivals give the same departures, drops and log on any machine at any load.
 */
#ifndef EMU_PATH_H
#define EMU_PATH_H

#include "emu/delay.h"
#include "emu/onoff.h"
#include "sim/link.h"

#define PATH_NEVER UINT64_MAX

/* A packet leaves the path, due at due_ns, or is gone for good. */
typedef void path_fn(void *arg, const struct pkt *k, uint64_t due_ns);

struct path_conf {
	struct link_conf link;
	bool delay_first;
	const struct delay_schedule *delay; /* [ndelay] kept by the caller; ndelay 0 is 1 */
	int ndelay; /* packets with flow f pass line f % ndelay: no order between lines */
	uint64_t jitter_ns;
	struct onoff_conf onoff;
	uint64_t seed;
	path_fn *out, *gone;
	void *arg;
};

struct path {
	struct path_conf conf;
	struct link link;
	struct delay *lines; /* [nlines] */
	int nlines;
	struct onoff onoff;
	uint64_t off_drops; /* packets that came while it was off */
	uint64_t now_ns;    /* everything up to here has happened */
	uint64_t
		clock_ns; /* the real clock, for the log's column of real times; set by the owner */
};

/* Fills caller storage. 0 or -ENOMEM. */
int path_init(struct path *p, const struct path_conf *conf);
void path_free(struct path *p);

/* A packet comes at t_ns; one before path_serve's last now_ns counts as come then. */
void path_arrive(struct path *p, const struct pkt *k, uint64_t t_ns);

/* Lets everything due up to now_ns happen. */
void path_serve(struct path *p, uint64_t now_ns);

/*
 * When path_serve must be called next: the first time something can leave the path, or, while
 * nothing is known to leave, something happens in it. PATH_NEVER when it is empty.
 */
uint64_t path_next(const struct path *p);

/* Whether a packet that is not known yet may have to leave before path_next. */
bool path_idle(const struct path *p);

/* Packets in it now, waiting or under way. */
uint64_t path_packets(const struct path *p);

#endif
