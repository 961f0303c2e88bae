/*
 * What every run of a policy has in common, whoever drives it (evaluation, learner): how large a
 * queue is, and what is drawn from the run's seed. The same numbers here make the same run there.
 */
#ifndef POLICY_SETUP_H
#define POLICY_SETUP_H

#include <math.h>
#include <stdint.h>

#include "base/rng.h"

#define SETUP_CELLULAR_MBPS 30 /* sizes the queue where the trace's name promises no rate */

#define SETUP_START_STREAM 0x7374617274ull /* of the seed: when flows start */
#define SETUP_NOISE_STREAM 0x6e6f697365ull /* + flow: what is added to its observations */
#define SETUP_DRIFT_STREAM 0x6472696674ull /* + flow: where a drifting policy goes */
#define SETUP_START_JITTER_NS 20000000.0

/* max(1, floor(mult * floor(2 * mbps * ms / 12))) packets: the published queue size. */
static inline double setup_queue_pkts(double mult, double mbps, double ms)
{
	return fmax(1, floor(mult * floor(2 * mbps * ms / 12)));
}

/* The next flow's lateness in ns: uniform in [0, 20 ms), flows in order. rng: SETUP_START_STREAM.
 */
static inline double setup_start_ns(struct rng *rng)
{
	return rng_uniform(rng) * SETUP_START_JITTER_NS;
}

#endif
