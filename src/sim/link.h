/*
 * A bottleneck: a queue served at the opportunities of a trace, exactly as mahimahi's mm-link, or at a smooth
 * constant rate. mm-link's rules: the clock is whole milliseconds; all opportunities up to now are used before
 * an arrival is queued; an opportunity carries 1504 bytes of one or more packets, or part of one; what is left
 * when the queue runs empty is lost; a partly sent packet no longer counts in the queue limit.
 */
#ifndef SIM_LINK_H
#define SIM_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "trace/trace.h"

enum queue_kind { QUEUE_INFINITE, QUEUE_DROPTAIL, QUEUE_DROPHEAD };

struct link_log; /* sim/link_log.h: where events go, in mahimahi's format */

struct link_conf {
	const struct trace *trace;
	enum queue_kind queue;
	uint32_t limit_pkts, limit_bytes; /* inclusive, 0 none; both must hold */
	double loss;                      /* Bernoulli, before the queue */
	struct link_log *log;             /* NULL: none */
	bool stats;                       /* keep the delay histogram */
};

/*
 * What passed, by mahimahi's definitions: capacity counts every opportunity, used or not; the delay of a
 * packet is its departure minus its arrival at the queue.
 */
struct link_stats {
	uint64_t arrivals, departures, drops, lost;      /* packets; lost = random loss */
	uint64_t bytes_in, bytes_out, capacity_bytes;
	uint64_t delay_sum_ns, delay_max_ns;
	uint64_t queue_pkts, queue_bytes;                /* now */
	struct hist *delays;                             /* of departures, in hist units; NULL without stats */
};

/* Delay below which a share q of the departures lies, in ms: sorted[floor(q n)], as mahimahi's scripts. */
double link_delay_quantile_ms(const struct link_stats *s, double q);

#endif
