/*
 * What a run's counters say in a record and its time series, whoever made them: the simulator and
 * the emulator call the same functions. doc/formats.md has the definitions.
 */
#ifndef EVAL_MEASURE_H
#define EVAL_MEASURE_H

#include "eval/run.h"
#include "eval/series.h"
#include "sim/link.h"

/* Mbit/s of bytes in ns. */
double measure_mbps(uint64_t bytes, uint64_t ns);

/* Zeroes out and fills in what conf says of the run, and its flows (calloc'ed): controllers. What a
 * run may lack is NaN. 0 or -ENOMEM. */
int measure_begin(struct run_result *out, const struct run_conf *conf);

/* The columns on the bottleneck, from its counters at now_ns. */
void measure_link(struct run_result *out, const struct link_stats *l, uint64_t now_ns);

/* What is known of a flow at now_ns. */
struct flow_count {
	uint64_t start_ns, stop_ns; /* stop 0: it did not */
	uint64_t bytes;		    /* of payload handed to the receiving application */
	double rtt_sum_ms;
	uint64_t rtts; /* samples in that sum */
	double rtt_min_ms;
	int64_t retrans, rtos;
};

/* Flow i of out; then all of them, counts of [nflows], for the run's sums and means. */
void measure_flow(struct run_result *out, int i, const struct flow_count *f, uint64_t now_ns);
void measure_flows(struct run_result *out, const struct flow_count *f, uint64_t now_ns);

/* The link's columns of a row: the bin that began with the counters `then`, len_ns ago. */
void measure_bin(double *row, const struct link_stats *now, const struct link_stats *then,
	uint64_t now_ns, uint64_t len_ns);

#endif
