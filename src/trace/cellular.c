/* The cellular-like link process; see the header for the model. */
#include "trace/cellular.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/rng.h"

static const struct {
	double tau_s, sigma;
} scales[CELLULAR_SCALES] = {
	{0.1, 0.35}, // fading and scheduling against other users
	{0.8, 0.25}, // shadowing on foot or in a street
	{5.0, 0.60}, // place and load of the cell
};

#define GRANT 0.28	    // share of ms in which something may be delivered
#define OUTAGES_PER_S 0.2   // while up
#define OUTAGE_MIN_MS 100.0 // Pareto's scale
#define OUTAGE_ALPHA 1.6    // Pareto's shape
#define OUTAGE_MAX_MS 3000.0

enum { STREAM_RATE, STREAM_OUTAGE, STREAM_GRANT };

static void make_rates(float *rate, const struct cellular *c)
{
	double x[CELLULAR_SCALES], keep[CELLULAR_SCALES], push[CELLULAR_SCALES];
	struct rng r;

	rng_init(&r, c->seed, STREAM_RATE);
	for (int i = 0; i < CELLULAR_SCALES; i++) {
		keep[i] = exp(-1e-3 / scales[i].tau_s);
		push[i] = scales[i].sigma * sqrt(1 - keep[i] * keep[i]);
		x[i] = scales[i].sigma * rng_normal(&r); // stationary from the start
	}
	for (uint32_t t = 0; t < c->duration_ms; t++) {
		double sum = 0;

		for (int i = 0; i < CELLULAR_SCALES; i++) {
			sum += x[i];
			x[i] = keep[i] * x[i] + push[i] * rng_normal(&r);
		}
		rate[t] = (float)exp(sum);
	}
}

// Silences the rate during outages; the first ms is up, so that a short round is never all silent.
static void cut_outages(float *rate, const struct cellular *c)
{
	struct rng r;
	double t = 0;

	rng_init(&r, c->seed, STREAM_OUTAGE);
	for (;;) {
		double begin = t + 1 + rng_exp(&r) * (1e3 / OUTAGES_PER_S);
		double ms = OUTAGE_MIN_MS * pow(1 - rng_uniform(&r), -1 / OUTAGE_ALPHA);

		t = begin + fmin(ms, OUTAGE_MAX_MS);
		if (begin >= c->duration_ms)
			return;
		for (uint32_t i = (uint32_t)begin; i < t && i < c->duration_ms; i++)
			rate[i] = 0;
	}
}

int cellular_build(struct build *b, const struct cellular *c)
{
	uint64_t total = (uint64_t)c->mean_kbps * c->duration_ms / TRACE_OPPORTUNITY_BITS;
	float *rate = malloc(c->duration_ms * sizeof(*rate));
	double sum = 0, earned = 0;
	struct rng r;
	int err = 0;

	if (!rate || total > TRACE_MADE_MAX) {
		free(rate);
		return rate ? -EFBIG : -ENOMEM;
	}
	make_rates(rate, c);
	cut_outages(rate, c);
	for (uint32_t t = 0; t < c->duration_ms; t++)
		sum += rate[t];
	rng_init(&r, c->seed, STREAM_GRANT);
	for (uint32_t t = 0; t + 1 < c->duration_ms && !err; t++) {
		earned += rate[t] / sum * (double)total;
		if (rng_uniform(&r) < GRANT && rate[t] > 0)
			err = build_reach(
				b, t + 1, (size_t)earned < total ? (size_t)earned : total);
	}
	if (!err && (b->n < total || !b->n)) // what is left ends the round at its full length
		err = build_reach(b, c->duration_ms, total ? total : 1);
	else if (!err)
		b->t_ms[b->n - 1] = c->duration_ms;
	free(rate);
	return err;
}
