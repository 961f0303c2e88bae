/*
 * A simulated dumbbell in virtual time: flows with their senders and receivers, a bottleneck in
 * each direction that delivers as mahimahi's link does, one-way delays. Deterministic: the same
 * configuration gives the same packets.
 *
 * Data:  sender -> delay -> [random loss] -> down queue and link -> receiver
 * ACKs:  receiver -> [random loss] -> up queue and link -> delay -> sender
 *
 * which is `mm-delay D mm-link UP DOWN` with the sender outside and the receiver inside. Time is in
 * nanoseconds since the start of the world.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cc/cc.h"
#include "sim/link.h"

/* Raise it when the simulator, the monitor or the metrics change what a run gives: ids of runs change
 * with it, training does not go on from a checkpoint of another. */
#define SIM_VERSION 11

#define MS 1000000ull /* ns */
#define SEC 1000000000ull

#define WORLD_POLL_NS 50000

struct spare; /* sim/spare.h */
struct pcap; /* sim/pcap.h: where packets go, as a capture */

struct flow_conf {
	const struct cc_ops *cc;
	const void *cc_arg;	    /* handed to cc->init; kept by the caller */
	double delay_ms;	    /* one-way, each direction */
	uint64_t start_ns, stop_ns; /* stop 0: never; stopping means no new data */
	uint64_t app_bps;	    /* application limit in bit/s of payload, 0 none */
	uint32_t rcv_wnd_pkts;	    /* receive window, 0: large enough not to matter */
	bool ecn;		    /* the connection uses ECN (RFC 3168) */
	int pacing;		    /* -1 as the controller asks, 0 off, 1 on */
};

struct world_conf {
	struct link_conf down, up;
	bool ms_delay; /* delays on mm-delay's millisecond grid: released at floor(now) + d */
	/*
	 * How late the emulator's processes act, 0 for an ideal one. mahimahi's processes read a
	 * clock floored to milliseconds and then poll() for a whole number of milliseconds from
	 * that moment, so each wakes the fraction of the millisecond it went to sleep at too late,
	 * plus the timer slack of poll_ns, plus the time to be scheduled (struct wakeup). A packet
	 * wakes it too, and is read when it has been scheduled. Packets are handed on when it runs;
	 * the log has the schedule. WORLD_POLL_NS is Linux's default slack. With ms_delay.
	 */
	uint32_t poll_ns;
	uint64_t seed;
	uint32_t hz; /* kernel ticks a second, 0: 250 */
	int nflows;
	const struct flow_conf *flows;
	struct pcap *pcap; /* kept by the caller, NULL: none */
	/* Memory shared with other worlds, outlives them all, the same at every reset; NULL: the
	   world keeps what it once needed. */
	struct spare *spare;
};

/* Counters of one flow since the start. */
struct flow_stats {
	uint64_t sent, retrans; /* packets, first transmissions and others */
	uint64_t delivered;	/* distinct packets that reached the receiver */
	uint64_t in_order;	/* ... and were handed to the application */
	uint64_t acks, rtos, recoveries, undos, tlps;
	uint64_t eces, cwrs;	   /* ACKs with ECE, window reductions for them */
	uint64_t rtt_sum_us, rtts; /* ca_rtt samples */
	uint32_t min_rtt_us;
	uint64_t first_send_ns;
};

struct world;

/* Copies conf (not the traces or cc_args it points to). NULL when memory is out. */
struct world *world_new(const struct world_conf *conf);

/*
 * Makes it the world that world_new would make of conf, in the memory it has: a world that was as
 * large before allocates nothing. 0 or -ENOMEM, after which it is to be reset again or freed.
 */
int world_reset(struct world *w, const struct world_conf *conf);
void world_free(struct world *w);

/*
 * With spare memory. Trimming lets go of what the packets in flight do not need now, halving arrays
 * that are far too large; the others can have it after world_share, called while none of them runs.
 */
void world_trim(struct world *w);
void world_share(struct world *w);

/*
 * Runs to until_ns. Returns -1 when that time is reached, or the index of a flow whose controller
 * paused (cc_ops.pkts_acked returned true): decide, then call again with the same until_ns to go
 * on.
 */
int world_run(struct world *w, uint64_t until_ns);

uint64_t world_now(const struct world *w);
struct cc *world_cc(struct world *w, int flow);
const struct flow_stats *world_flow(const struct world *w, int flow);
const struct link_stats *world_down(const struct world *w);
const struct link_stats *world_up(const struct world *w);

#endif
