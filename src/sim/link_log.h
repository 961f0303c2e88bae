/*
 * Writes what happens at a link in mahimahi's log format (mm-link --downlink-log), which its tools
 * read:
 *
 *   # mahimahi mm-link (Downlink) [trace] > path     six header lines, the last one optional
 *   # command line: ...
 *   # queue: droptail [packets=10]
 *   # init timestamp: 0                              start of the log, ms since the epoch
 *   # base timestamp: 0                              ms; events at or before it do not count in
 * metrics # mahimahi config: [delay 10 ms] 7 # 1504 opportunity, used or not 7 + 1504 arrival,
 * before the decision to drop 9 - 1504 2                                       departure and its
 * delay, propagation excluded 7 d 1 1504                                       packets and bytes
 * dropped, right after a +, or, by CoDel, when the packet was to leave
 *
 * Times are whole milliseconds since the start, floored, also on a smooth link, which has no
 * opportunities. Sizes are those of the link: they include the 4-byte TUN header, so a full packet
 * is 1504.
 */
#ifndef SIM_LINK_LOG_H
#define SIM_LINK_LOG_H

#include <stdbool.h>
#include <stdint.h>

struct link_log;

struct link_log_conf {
	const char *direction; /* "Downlink" or "Uplink" */
	const char *trace;     /* name for the first line */
	const char *command; /* what made the run, on one line; ours names canopy's version and the
				seed */
	const char *queue;   /* "droptail [packets=10]", "infinite" */
	const char *config;  /* "[delay 10 ms]", or NULL */
	uint64_t init_ms, base_ms;
	const char *shown; /* the path that the first line shows, NULL: the one opened */
	bool actual;	   /* departures have one more column, see link_log_sent */
};

/* Creates the file with its header. Prints the error. 0 or -errno. */
int link_log_open(struct link_log **out, const char *path, const struct link_log_conf *conf);

/* Events, in the order of time. Buffered; a failed write is remembered and reported by
 * link_log_close. */
void link_log_opportunity(struct link_log *l, uint64_t t_ms);
void link_log_arrival(struct link_log *l, uint64_t t_ms, uint32_t size);
void link_log_departure(struct link_log *l, uint64_t t_ms, uint32_t size, uint64_t delay_ms);
void link_log_drop(struct link_log *l, uint64_t t_ms, uint32_t packets, uint32_t bytes);

/*
 * When the oldest departure without such a time really left, in ns since the start: the column of
 * conf.actual, in ms with three decimals. Nothing without conf.actual. At most LINK_LOG_UNSENT
 * departures may be without one; what has none when the log is closed shows 0.000.
 */
#define LINK_LOG_UNSENT 1024
void link_log_sent(struct link_log *l, uint64_t at_ns);

/* Writes the rest, closes and frees. Prints the first error, naming the file. NULL is fine. 0 or
 * -errno. */
int link_log_close(struct link_log *l);

#endif
