/*
 * Metrics of a mahimahi link log, as mm-throughput-graph and the published scripts take them: events with
 * t - base <= 0 do not count; the duration is last minus first event; capacity sums the opportunities,
 * throughput the departures; delays are those of the departures and p95 = sorted[int(.95 n)].
 *
 * Reads plain text only (not .gz), line by line, so logs may be of any size. `d` lines and columns after the
 * known ones are fine; anything else that is not mahimahi's format is an error naming file and line.
 */
#ifndef EVAL_LOG_METRICS_H
#define EVAL_LOG_METRICS_H

#include <stdint.h>
#include <stdio.h>

struct log_metrics {
	double duration_s;
	double capacity_mbps, throughput_mbps, util_pct;
	double qdelay_mean_ms;
	uint64_t qdelay_p50_ms, qdelay_p95_ms, qdelay_max_ms;
	uint64_t opportunities, arrivals, departures, drops; /* packets */
};

/* Metrics of the file without its last cut_end_s seconds. Prints the error. 0 or -errno. */
int log_metrics_read(struct log_metrics *m, const char *path, double cut_end_s);

/* As log_metrics_read on a seekable stream; path is for messages. */
int log_metrics_stream(struct log_metrics *m, FILE *f, const char *path, double cut_end_s);

#endif
