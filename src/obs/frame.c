/* Reports to features, state and raw reward. */
#include "obs/frame.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define PACING_MAX 10.0

const struct feature frame_features[FRAME_FEATURES] = {
	[FRAME_THR] = {"thr", 0, 1},
	[FRAME_PACING] = {"pacing", 0, PACING_MAX},
	[FRAME_LOSS] = {"loss", 0, INFINITY},
	[FRAME_SAMPLES] = {"samples", 0, INFINITY},
	[FRAME_DT] = {"dt", 0, INFINITY},
	[FRAME_INV_RTT] = {"inv_rtt", 0, 1},
	[FRAME_DELAY] = {"delay_metric", 0, 1},
};

int frame_find(const char *name)
{
	for (int i = 0; i < FRAME_FEATURES; i++)
		if (!strcmp(frame_features[i].name, name))
			return i;
	return -1;
}

void obs_init(struct obs *o)
{
	memset(o, 0, sizeof(*o));
}

static double delay_factor(const struct report *r, double tolerance)
{
	return fmin(1, tolerance * (r->min_rtt_ms / r->srtt_ms));
}

void frame_make(double frame[FRAME_FEATURES], const struct report *r, double max_thr)
{
	bool any = max_thr > 0;

	frame[FRAME_THR] = any ? r->thr / max_thr : 0;
	frame[FRAME_PACING] = any ? fmin(r->pacing_rate / max_thr, PACING_MAX) : 0;
	frame[FRAME_LOSS] = any ? FRAME_DROP_PRICE * r->loss_rate / max_thr : 0;
	frame[FRAME_SAMPLES] = r->samples / r->cwnd;
	frame[FRAME_DT] = r->delta_t;
	frame[FRAME_INV_RTT] = r->min_rtt_ms / r->srtt_ms;
	frame[FRAME_DELAY] = delay_factor(r, FRAME_DELAY_TOLERANCE);
}

static double noise_factor(const struct frame_noise *noise, struct rng *rng)
{
	if (noise->kind == FRAME_NOISE_UNIFORM)
		return 1 + noise->size * (2 * rng_uniform(rng) - 1);
	return 1 + noise->size * rng_normal(rng);
}

void frame_push(
	struct obs *o, const struct report *r, const struct frame_noise *noise, struct rng *rng)
{
	double *newest = &o->state[STATE_SIZE - FRAME_FEATURES];

	o->max_thr = fmax(o->max_thr, r->thr);
	memmove(o->state, o->state + FRAME_FEATURES,
		(STATE_SIZE - FRAME_FEATURES) * sizeof(*o->state));
	frame_make(newest, r, o->max_thr);
	if (!noise || noise->kind == FRAME_NOISE_NONE)
		return;
	assert(noise->feature != FRAME_DELAY);
	newest[noise->feature] *= noise_factor(noise, rng);
}

double frame_reward(const struct report *r, double max_thr, const struct frame_taste *taste)
{
	const double price = taste->drop_price > 0 ? taste->drop_price : FRAME_DROP_PRICE;
	const double tolerance =
		taste->delay_tolerance > 0 ? taste->delay_tolerance : FRAME_DELAY_TOLERANCE;

	return max_thr > 0 ? (r->thr - price * r->loss_rate) / max_thr * delay_factor(r, tolerance)
			   : 0;
}
