/* Results made up from formulas, for tests of what stores and shows them. */
#ifndef TESTS_SYNTHETIC_H
#define TESTS_SYNTHETIC_H

#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "base/rng.h"
#include "eval/results.h"
#include "eval/series.h"

/* What tells a made-up controller from another. */
struct synthetic {
	const char *controller;
	bool policy;
	double util, fill; /* utilisation in %; share of the queue that it keeps full */
};

static inline void synthetic_id(struct run_result *r)
{
	char text[512], hex[HASH_HEX];

	snprintf(text, sizeof(text), "%s|%s|%s|%g|%g|%g|%lld", r->controller, r->model, r->trace,
		r->buffer_bdp, r->delay_ms, r->noise, (long long)r->seed);
	hash_sha256(hex, &(struct hash_part){text, strlen(text)}, 1);
	memcpy(r->id, hex, 16);
	r->id[16] = 0;
}

static inline double synthetic_capacity(double mbps, double t_s)
{
	return mbps * (1 + 0.5 * (fmod(t_s, 10) < 5) + 0.2 * sin(t_s));
}

/* A run with one flow in *flow. */
static inline struct run_result synthetic_run(const struct synthetic *c, const char *trace,
	double mbps, double buffer_bdp, int64_t seed, struct flow_result *flow)
{
	struct rng rng;
	struct run_result r = {.on = "sim",
		.nominal_mbps = mbps,
		.buffer_bdp = buffer_bdp,
		.queue = "droptail",
		.delay_ms = 10,
		.seed = seed,
		.duration_s = 30,
		.nflows = 1,
		.flows = flow,
		.header = -1};

	rng_init(&rng, seed, (uint64_t)(mbps * 10 + c->fill * 1000));
	snprintf(r.controller, sizeof(r.controller), "%s", c->controller);
	snprintf(r.trace, sizeof(r.trace), "%s", trace);
	if (c->policy)
		snprintf(r.model, sizeof(r.model), "%064x", (unsigned)(c->fill * 1e6));
	r.capacity_mbps = 1.25 * mbps;
	r.util_pct = fmin(99.9, c->util * (buffer_bdp < 1 ? 0.93 : 1) + rng_normal(&rng));
	r.throughput_mbps = r.capacity_mbps * r.util_pct / 100;
	r.goodput_mbps = r.throughput_mbps * 1448 / 1504;
	r.qdelay_mean_ms = 20 * buffer_bdp * c->fill * (1 + 0.05 * rng_normal(&rng));
	r.qdelay_p50_ms = 0.9 * r.qdelay_mean_ms;
	r.qdelay_p95_ms = r.qdelay_mean_ms * 1.8;
	r.qdelay_max_ms = r.qdelay_mean_ms * 2.2;
	r.queue_pkts = (int64_t)(mbps * buffer_bdp);
	r.arrivals = (int64_t)(r.throughput_mbps * 1e6 / 12032 * 30);
	r.drops = (int64_t)(r.arrivals * 0.004 * c->fill / buffer_bdp);
	r.departures = r.arrivals - r.drops;
	r.drop_pct = 100.0 * r.drops / r.arrivals;
	r.retrans = r.drops + 3;
	r.rtt_min_ms = 20;
	r.rtt_mean_ms = 20 + r.qdelay_mean_ms;
	r.decisions = c->policy ? 1490 : 0;
	r.acted_pct = c->policy ? 99.5 : NAN;
	r.reward_mean = c->policy ? 0.7 : NAN;
	r.jain = 1;
	r.triggered_pct = r.qc_mean = r.proven_mean = r.refuted_mean = r.fallback_pct = r.shield_pct = NAN;
	r.jain_1s_mean = r.jain_1s_min = r.converge_s = r.friendliness = NAN;
	r.trusted = r.late_p50_us = r.late_p99_us = r.late_max_us = r.device_drops = NAN;
	r.emulator_cpu_pct = r.foreign_cpu_pct = r.window_limited_pct = NAN;
	synthetic_id(&r);
	*flow = (struct flow_result){.goodput_mbps = r.goodput_mbps,
		.rtt_mean_ms = r.rtt_mean_ms,
		.retrans = r.retrans,
		.stop_s = 30,
		.decisions = r.decisions,
		.policy_start_s = c->policy ? 0.12 : NAN,
		.share = NAN,
		.join_converge_s = NAN,
		.leave_converge_s = NAN};
	snprintf(flow->controller, sizeof(flow->controller), "%s", c->controller);
	return r;
}

/* Its time series: a sawtooth of the window over a square wave of capacity. */
static inline int synthetic_series(
	const char *dir, const struct run_result *r, const struct synthetic *c)
{
	struct series s;
	struct rng rng;
	int err = 0;

	series_init(&s, 1);
	rng_init(&rng, r->seed, 77);
	for (int i = 1; i <= 300 && !err; i++) {
		double t = 0.1 * i, cap = synthetic_capacity(r->nominal_mbps, t),
		       phase = fmod(t / (2 + 4 * c->fill), 1);
		double *row = series_row(&s);

		if (!row)
			return -1;
		row[SERIES_T] = t;
		row[SERIES_CAPACITY] = cap;
		row[SERIES_THROUGHPUT] = cap * fmin(1, r->util_pct / 100 + 0.05 * rng_normal(&rng));
		row[SERIES_QDELAY] = i % 50 ? r->qdelay_mean_ms * (0.4 + 1.2 * phase) : NAN;
		row[SERIES_QUEUE] = floor(r->queue_pkts * c->fill * (0.4 + 1.2 * phase));
		row[SERIES_DROPS] = phase > 0.98;
		row[SERIES_FLOW(0, SERIES_RATE)] = row[SERIES_THROUGHPUT] * 0.96;
		row[SERIES_FLOW(0, SERIES_CWND)] =
			floor(r->nominal_mbps * (1 + c->fill * phase) * 2);
		row[SERIES_FLOW(0, SERIES_SRTT)] = 20 + r->qdelay_mean_ms * (0.4 + 1.2 * phase);
	}
	err = series_write(&s, dir, r);
	series_free(&s);
	return err;
}

#endif
