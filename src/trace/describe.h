/*
 * What a trace offers, in numbers.
 *
 * Rates count 1504 bytes an opportunity, as mahimahi's logs do; a smooth rate counts as it is. All
 * of them are of the trace as the link plays it, in an endless loop: bin i holds the opportunities
 * in (i * bin, (i + 1) * bin].
 */
#ifndef TRACE_DESCRIBE_H
#define TRACE_DESCRIBE_H

#include <stdint.h>

#include "trace/trace.h"

#define DESCRIBE_BIN_MS 100    /* the rates are of bins this long */
#define DESCRIBE_OUTAGE_MS 100 /* a gap at least this long is an outage */
#define DESCRIBE_LAG_MAX 600   /* longest autocorrelation lag looked at, in bins */
#define DESCRIBE_BINS_MAX (1u << 20)

struct trace_facts {
	double duration_s;	/* one round; 0 for a smooth rate */
	uint64_t opportunities; /* of one round */
	double mean_mbps;
	double p5_mbps, p25_mbps, p50_mbps, p75_mbps,
		p95_mbps; /* of the bins: sorted[floor(q n)] */
	double peak_mbps;
	double cv;	      /* standard deviation over mean of the bins */
	double coherence_s;   /* first lag whose autocorrelation is under 1/e; 0 for a constant, -1
				 for longer */
	double outage_max_ms; /* longest gap between opportunities, over the loop's seam too */
	uint64_t outages;     /* gaps of at least DESCRIBE_OUTAGE_MS */
	double outage_pct;    /* their share of the time */
	double nominal_mbps;  /* promised by the name, 0 for nothing; in 1500-byte opportunities */
	double promised_mbps; /* mean of the generated trace of that name, else the nominal rate;
				 1500 bytes */
	double real_mbps;     /* mean in 1500-byte opportunities, to compare with them */
};

/* 0 or -ENOMEM. */
int trace_describe(struct trace_facts *f, const struct trace *t);

/* Rates in Mbit/s of n bins from the start of the looped trace. */
void trace_rates(const struct trace *t, uint32_t bin_ms, uint32_t n, double *mbps);

#endif
