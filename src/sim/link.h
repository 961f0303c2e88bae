/*
 * A bottleneck: a queue served at the opportunities of a trace, exactly as mahimahi's mm-link, or
 * at a smooth constant rate. mm-link's rules: the clock is whole milliseconds; all opportunities up
 * to now are used before an arrival is queued; an opportunity carries 1504 bytes of one or more
 * packets, or part of one; what is left when the queue runs empty is lost; a partly sent packet no
 * longer counts in the queue limit. A smooth link sends one packet after the other at its rate; the
 * packet on the wire does not count in the limit either. CoDel and PIE read the link's clock: on
 * mm-link's grid the schedule's milliseconds.
 */
#ifndef SIM_LINK_H
#define SIM_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "sim/aqm.h"
#include "sim/hist.h"
#include "sim/loss.h"
#include "sim/pkt.h"
#include "sim/wakeup.h"
#include "trace/trace.h"

#define LINK_NEVER UINT64_MAX

enum queue_kind { QUEUE_INFINITE, QUEUE_DROPTAIL, QUEUE_DROPHEAD, QUEUE_CODEL, QUEUE_PIE };

struct link_log; /* sim/link_log.h: where events go, in mahimahi's format */

struct link_conf {
	const struct trace *trace; /* kept by the caller */
	enum queue_kind queue;
	uint32_t limit_pkts, limit_bytes; /* inclusive, 0 none; both must hold */
	struct aqm_conf
		aqm; /* of CoDel and PIE, which drop at the tail when the limit is reached */
	double loss; /* Bernoulli, before the queue */
	struct loss_conf burst_loss; /* and in bursts */
	struct link_log *log;	     /* NULL: none */
	bool stats;		     /* keep the delay histogram */
	uint32_t poll_ns; /* 0: acts on time; else lateness of a polling process, see world.h */
	bool by_ms; /* who is behind a smooth link asks for the millisecond of departure only */
};

/*
 * What passed, by mahimahi's definitions: capacity counts every opportunity, used or not; the delay
 * of a packet is its departure minus its arrival at the queue.
 */
struct link_stats {
	uint64_t arrivals, departures, drops, lost; /* packets; lost = random loss */
	uint64_t marks;				    /* packets that got a CE mark */
	uint64_t bytes_in, bytes_out, capacity_bytes;
	uint64_t delay_sum_ns, delay_max_ns;
	uint64_t queue_pkts, queue_bytes; /* now, without what is on the wire */
	struct hist *delays;		  /* of departures; NULL without stats */
};

/* Hands packets that crossed the link to whoever is behind it, a run at once where they left
 * together, by_ms in the same millisecond. now_ns is the time of departure, of the last one's. */
typedef void link_deliver_fn(void *arg, const struct pkt *k, uint64_t now_ns);

struct link {
	struct link_conf conf;
	struct link_stats stats;
	struct ring q;	    /* what waits; its head may be on the wire already */
	uint32_t wire_left; /* bytes still to go of a head that is on the wire, 0: none is */
	struct rng rng;
	link_deliver_fn *deliver;
	link_deliver_fn *gone; /* told of what is dropped or lost, with the same arg; set it after
				  link_init, NULL: nobody */
	void *arg;
	bool grid;		      /* mahimahi's clock, not a smooth rate */
	bool runs;		      /* runs stay whole: nothing here looks at single packets */
	bool watched;		      /* departures go into a histogram or log */
	uint64_t max_pkts, max_bytes; /* what may wait */
	uint64_t next_ns; /* when the link acts next: an opportunity while there is work, else
			     LINK_NEVER */
	/* grid */
	uint64_t base_ms;	   /* start of this round of the trace */
	size_t next_op;		   /* index of the next opportunity */
	uint64_t op_ns;		   /* its time */
	uint32_t same_ops;	   /* opportunities left at that time, 0: not counted yet */
	struct wakeup wakeup;	   /* from this sleep of a polling process */
	uint64_t turn_ns;	   /* end of its turn: nothing is handed on before */
	/* smooth */
	double ns_per_byte;
	double free_at_ns; /* when the packet on the wire has left */
	/* seldom used */
	struct hist *hist; /* stats.delays, also when this run keeps none */
	struct aqm aqm;
	struct loss_chain chain;
};

/* Fills caller storage. 0 or -ENOMEM. */
int link_init(struct link *l, const struct link_conf *conf, uint64_t seed, link_deliver_fn *deliver,
	void *arg);

/* The same for a link that was in use, or is all zero: its memory serves on. */
int link_reset(struct link *l, const struct link_conf *conf, uint64_t seed,
	link_deliver_fn *deliver, void *arg);

void link_free(struct link *l);

/* A packet or run arrives. Opportunities up to now are used first. */
void link_arrive(struct link *l, const struct pkt *k, uint64_t now_ns);

/* Uses every opportunity up to now_ns; call at next_ns. A smooth link may be served for some time
 * ahead, during which nothing arrives: each packet departs when it is due. */
void link_serve(struct link *l, uint64_t now_ns);

/* A polling process has a turn that ends at now_ns: draws how long it will take to run when it is
 * woken next. What came in the turn arrives at times of its own, up to now_ns. */
static inline void link_woken(struct link *l, uint64_t now_ns)
{
	l->turn_ns = now_ns;
	wakeup_draw(&l->wakeup, &l->rng, now_ns);
}

/* Counts the capacity that went by unused up to now_ns; changes nothing else. */
void link_count(struct link *l, uint64_t now_ns);

/* Delay of rank floor(q n) among the departures sorted by delay, in ms, as mahimahi's scripts; 0
 * without any. */
double link_delay_quantile_ms(const struct link_stats *s, double q);

#endif
