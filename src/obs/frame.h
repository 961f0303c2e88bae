/*
 * Observations: a report becomes a frame of seven features, ten frames are the state a policy sees.
 *
 * With M the largest thr of the flow so far, this report's included:
 *
 *   0 thr           thr / M                       [0, 1]
 *   1 pacing        min(pacing_rate / M, 10)      [0, 10]
 *   2 loss          5 * loss_rate / M             [0, inf)
 *   3 samples       samples / cwnd                [0, inf)
 *   4 dt            delta_t                       (0, inf)
 *   5 inv_rtt       min_rtt / srtt                (0, 1], not clamped; small means a long queue
 *   6 delay_metric  min(1, 1.25 * inv_rtt)        (0, 1]
 *
 * M = 0 gives features 0 to 2 and the reward the value 0. The table below is the only place where
 * names, order and ranges are written down.
 */
#ifndef OBS_FRAME_H
#define OBS_FRAME_H

#include <stdint.h>

#include "base/rng.h"
#include "obs/monitor.h"

#define FRAME_FEATURES 7
#define FRAME_HISTORY 10
#define FRAME_DELAY_TOLERANCE 1.25 /* of delay_metric and the published reward */
#define FRAME_DROP_PRICE 5.0 /* of feature loss and the published reward */
#define STATE_SIZE (FRAME_FEATURES * FRAME_HISTORY)

enum frame_feature {
	FRAME_THR,
	FRAME_PACING,
	FRAME_LOSS,
	FRAME_SAMPLES,
	FRAME_DT,
	FRAME_INV_RTT,
	FRAME_DELAY
};

struct feature {
	const char *name;
	double lo, hi; /* closed hull of the values; hi may be INFINITY */
};

/* Feature i is frame_features[i]. The table as a whole is called "published" in model files. */
extern const struct feature frame_features[FRAME_FEATURES];
#define FRAME_TABLE "published"

/* Index of a feature by name, -1 if there is none. */
int frame_find(const char *name);

enum frame_noise_kind { FRAME_NOISE_NONE, FRAME_NOISE_UNIFORM, FRAME_NOISE_NORMAL };

/* Relative noise on one feature of each new frame: times 1 + uniform(-size, size) or 1 + N(0,
 * size). */
struct frame_noise {
	enum frame_noise_kind kind;
	enum frame_feature feature; /* not FRAME_DELAY, which stays clean */
	double size;
};

struct obs {
	double max_thr;		  /* M, bytes/s */
	double state[STATE_SIZE]; /* oldest frame first; the newest is state[63..69]; missing
				     history is 0 */
};

void obs_init(struct obs *o);

/* The seven features of r given M. */
void frame_make(double frame[FRAME_FEATURES], const struct report *r, double max_thr);

/*
 * Raises M to r->thr, then appends r's frame. noise may be NULL; it draws once from rng when its
 * kind is not NONE. delay_metric and M stay clean.
 */
void frame_push(
	struct obs *o, const struct report *r, const struct frame_noise *noise, struct rng *rng);

/* What the raw reward makes of queues and losses; 0: as published. */
struct frame_taste {
	double delay_tolerance; /* FRAME_DELAY_TOLERANCE; less than this - 1 minimum RTTs of queue cost nothing */
	double drop_price;	/* FRAME_DROP_PRICE; packets that a lost one costs */
};

/*
 * (thr - price * loss_rate) / M * min(1, tolerance * min_rtt / srtt): the raw reward of the decision
 * before r. M is that after r. At the published tolerance the last factor is delay_metric.
 */
double frame_reward(const struct report *r, double max_thr, const struct frame_taste *taste);

#endif
