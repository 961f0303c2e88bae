/*
 * One direction of the emulated path, without clock or network: the simulator's link (sim/link.h)
 * with stages before and behind it, in the order in which packets meet them.
 *
 *	before[0] -> before[1] ... -> queue and link -> after[0] -> after[1] ...
 *
 * A stage delays packets, loses them at random, or loses them while it is off. Towards the receiver
 * `mm-delay D mm-link UP DOWN` is a delay before the link (data sees delay, then queue), towards
 * the sender one behind it (ACKs see queue, then delay).
 *
 * Everything happens at the time it is due, in the order of due times, however seldom path_serve is
 * called: the same arrivals give the same departures, drops and log on any machine at any load.
 */
#ifndef EMU_PATH_H
#define EMU_PATH_H

#include "base/rng.h"
#include "emu/delay.h"
#include "emu/onoff.h"
#include "sim/link.h"

#define PATH_NEVER UINT64_MAX
#define PATH_STAGES 16 /* on each side of the link */

enum path_kind { PATH_DELAY, PATH_LOSS, PATH_ONOFF };

struct path_stage {
	enum path_kind kind;
	const struct delay_schedule *delay; /* [ndelay] of PATH_DELAY; kept by the caller */
	int ndelay; /* flow f has delay[f % ndelay], and no order with those of another; 0 is 1 */
	uint64_t jitter_ns;
	double loss; /* of PATH_LOSS: the probability */
	struct onoff_conf onoff;
};

struct path_stages {
	struct path_stage stage[PATH_STAGES];
	int n;
};

/* Adds a stage behind the others. False when there is no place. */
bool path_add(struct path_stages *s, const struct path_stage *stage);

/* A packet leaves the path, due at due_ns, or is gone for good. */
typedef void path_fn(void *arg, const struct pkt *k, uint64_t due_ns);

struct path_conf {
	struct link_conf link;
	struct path_stages before, after;
	uint32_t poll_ns; /* 0: all on time; else links of a trace and delays are as late as
			     mahimahi's processes, see sim/world.h */
	uint64_t seed;
	path_fn *out, *gone;
	void *arg;
};

/* What a stage remembers. */
struct path_state {
	struct delay *lines; /* [nlines] of PATH_DELAY */
	int nlines;
	struct onoff onoff;
	struct rng rng;
};

struct path {
	struct path_conf conf;
	struct link link;
	struct path_state before[PATH_STAGES], after[PATH_STAGES];
	uint64_t lost;	    /* packets that a stage lost at random, those of the link are its own */
	uint64_t off_drops; /* packets that came while a stage was off */
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

/* Whether a packet that crosses the link leaves the path at once. */
bool path_ends_at_link(const struct path *p);

/* Packets in it now, waiting or under way. */
uint64_t path_packets(const struct path *p);

#endif
