/*
 * The learning environment: n independent simulated networks, each with one TCP flow whose window
 * a learner decides. For a learner in any language: all arrays belong to the caller, C order, and
 * are written in place.
 *
 *	canopy_env_new(&e, confs, sizeof(confs[0]), n, threads);
 *	canopy_env_reset(e, obs, NULL);                          // obs is (n, 70)
 *	for (;;) {
 *		choose actions[n] from obs;
 *		canopy_env_step(e, actions, obs, rewards, &info);
 *	}
 *
 * The flow is CUBIC. About every 20 ms of simulated time, out of slow start and outside recovery,
 * it stops for a decision: an action a in [-1, 1] sets its window to max(4, floor(m * w / 100))
 * packets with m = floor(100 * 4^a) percent and w CUBIC's window, unless a shield moves it. A step
 *answers the decision that waits in each environment and runs each to its next one.
 *
 * Observation: ten frames, oldest first, of seven features: thr, pacing, loss, samples, dt,
 * inv_rtt, delay_metric; missing history is 0. Reward: (thr - 5 * loss_rate) / M * delay_metric of
 * the report that follows the decision, M the largest thr of the episode; at most 1.
 *
 * Determinism: the same configuration and actions give the same bytes for any number of threads;
 * episode 0 with seed s meets the decisions of `canopy eval --decisions` with that seed, trace,
 * uplink, delay, buffer and emulator.
 *
 * Memory: neither a step nor a restart allocates once windows have reached their size.
 */
#ifndef CANOPY_ENV_H
#define CANOPY_ENV_H

#include <stddef.h>
#include <stdint.h>

#include "canopy/canopy.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CANOPY_ENV_OBS 70     /* numbers in an observation */
#define CANOPY_ENV_REPORT 8   /* numbers in a report */
#define CANOPY_ENV_CHANGES 10 /* changes remembered */
#define CANOPY_ENV_MAX 65536  /* environments */

struct canopy_env;

/*
 * How punctual the emulated path is: as late as mahimahi's processes, on its millisecond grid, or
 * exact.
 */
enum canopy_emulator { CANOPY_MAHIMAHI, CANOPY_GRID, CANOPY_IDEAL };

/*
 * One environment. Zeroed fields mean the default in brackets; texts are needed during
 * canopy_env_new only.
 */
struct canopy_env_conf {
	const char *trace;   /* trace file or generated trace (`canopy trace gen`), or NULL */
	double rate_mbps;    /* without trace: constant rate, 0.01 to 10000; smooth if ideal */
	const char *uplink;  /* trace of the ACKs' link [wired48] */
	double delay_ms;     /* one-way, 0.01 to 10000: needed */
	double buffer_bdp;   /* max(1, floor(this * floor(2 * Mbit/s * ms / 12))) packets [2] */
	double nominal_mbps; /* ... of this rate [what the trace's name says, else 30] */
	double loss;	     /* random loss in each direction, 0 to 0.5 */
	double noise;	     /* relative noise on one feature of each new frame, 0 to 1 */
	const char *noise_feature; /* ... [inv_rtt]: thr, pacing, loss, samples, dt or inv_rtt */
	int32_t noise_gaussian;	   /* N(0, noise) instead of uniform(-noise, noise) */
	int32_t emulator;	   /* enum canopy_emulator */
	uint64_t seed;		   /* of episode 0; episode k > 0 has one drawn from (seed, k) */
	double duration_s;	   /* simulated time of an episode, at least 1 [no end] */
	uint64_t steps;		   /* decisions of an episode [no end] */
	double patience_s; /* an episode without a decision for so long ends, 0.1 to 1e5 [30] */
	/* Receive window as a multiple of what the path holds, queue included: bounds what a
	   runaway window sends, 1 to 1e6 [large enough not to matter] */
	double receive_window;
	/* Property file or shipped name: the window installed is the nearest to the action's that
	   these allow in the state that the decision is made in [the action's] */
	const char *shield;
	/* The reward's delay factor is min(1, this * min_rtt / srtt), 1 to 1000 [1.25, as
	   published] */
	double delay_tolerance;
	double drop_price; /* packets that a lost one costs in the reward, 0.01 to 10000 [5, as published] */
};

enum canopy_env_flag {
	/* The reward is that of the action; else no report followed it and the reward is 0. */
	CANOPY_ENV_REWARDED = 1,
	/*
	 * The episode ended and the observation is the first of another: the reward belongs to the
	 * old one, and this is no transition to learn from.
	 */
	CANOPY_ENV_RESTARTED = 2,
	/*
	 * No episode came to a decision (say, on a path that never leaves slow start): the
	 * observation is zeros, the next action is ignored and another try made.
	 */
	CANOPY_ENV_IDLE = 4,
};

/*
 * More about the decisions that wait. Arrays of n or NULL, the caller's; written by reset and
 * step.
 */
struct canopy_env_info {
	uint32_t *flags;   /* canopy_env_flag, of this step */
	uint64_t *episode; /* from 0 */
	double *time_s;	   /* simulated time in the episode */
	uint32_t *w;	   /* packets: CUBIC's window, which the decision is based on */
	uint32_t *p;	   /* packets: the window installed before, 0 none */
	int32_t *nchanges; /* known changes of the installed window, 0 to 10 */
	int64_t *changes;  /* (n, 10) packets, newest last; unknown ones are 0 */
	double *max_thr;   /* bytes/s: M */
	/* (n, 8) thr, pacing_rate, loss_rate in bytes/s; samples; cwnd in packets; delta_t in s;
	   srtt_ms; min_rtt_ms */
	double *report;
	int32_t *percent;    /* of the action just taken; 0 after a reset or when it was ignored */
	uint32_t *installed; /* packets: the window that it installed; 0 likewise */
	uint32_t *wanted;    /* packets: the action's own window, from which a shield may have
				moved installed; 0 likewise */
};

/*
 * n environments whose stepping is shared by `threads` threads (1 to 1024, the caller's included).
 * conf_size is sizeof(struct canopy_env_conf) as the caller knows it. -EINVAL: a size, count or
 * field out of range (printed); -ENOENT and others: a trace that cannot be read; -ENOMEM.
 */
CANOPY_API int canopy_env_new(struct canopy_env **out, const struct canopy_env_conf *conf,
	size_t conf_size, size_t n, int threads);
CANOPY_API void canopy_env_free(struct canopy_env *e);

/*
 * Begins episode 0 everywhere and runs to the first decisions. obs: (n, 70). info may be NULL. 0,
 * -EINVAL for NULL, -ENOMEM.
 */
CANOPY_API int canopy_env_reset(
	struct canopy_env *e, float *obs, const struct canopy_env_info *info);

/*
 * One decision each. actions: [n], clipped to [-1, 1]; obs: (n, 70); rewards: [n]; info may be
 * NULL. 0; -EINVAL, with nothing changed, for NULL, NaN among the actions, or before the first
 * reset; -ENOMEM, after which only reset and free are possible.
 */
CANOPY_API int canopy_env_step(struct canopy_env *e, const float *actions, float *obs,
	float *rewards, const struct canopy_env_info *info);

/* Environments; 0 for NULL. */
CANOPY_API size_t canopy_env_count(const struct canopy_env *e);

#ifdef __cplusplus
}
#endif

#endif
