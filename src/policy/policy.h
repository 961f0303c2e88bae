/*
 * The policy as a congestion controller: CUBIC, whose window a network multiplies about every 20
 * ms.
 *
 * Every callback is CUBIC's own; pkts_acked then feeds the monitor, and on a report pushes a frame
 * and, in the Open state, decides: percent m, installed window max(4, floor(m * w / 100)), written
 * to cc->cwnd alone. The policy starts when ssthresh < cwnd first holds, for good; until then the
 * flow is plain CUBIC without reports. Outside Open (Disorder, Recovery, CWR, Loss) frames go on
 * and nothing is decided. The order in one ACK is CUBIC's pkts_acked (HyStart), the policy, then
 * CUBIC's growth, as in the kernel.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "cc/cc.h"
#include "nn/mlp.h"
#include "obs/frame.h"
#include "obs/monitor.h"
#include "obs/state.h"

#define POLICY_CHANGES 10 /* installed changes remembered */

enum policy_mode {
	POLICY_MODEL,	 /* the network decides */
	POLICY_TCP_ONLY, /* a = 0, states recorded; the window still becomes at least 4 */
	POLICY_DRIFT,	 /* a is a slow random drift around 0 (policy_drift): many states, none's own policy */
	POLICY_OUTSIDE,	 /* pkts_acked pauses the transport; the driver calls policy_apply, then
			    resumes it */
};

/* One report, and the decision made on it if open. */
struct decision {
	uint64_t now_us;
	const struct report *report;
	const double *state; /* [nstate], this report's frame included */
	int nstate;	     /* as the flow's table has it */
	double max_thr;	     /* M */
	double reward;	     /* raw reward of this report */
	bool rewards;	     /* ... which is that of the latest decision: none was rewarded since */
	bool open;	     /* a decision; the rest is set only then */
	uint32_t w;	     /* packets: the window the decision is based on */
	uint32_t p;	     /* packets: previously installed window, 0 for none */
	int nchanges; /* installed changes known before this decision, at most POLICY_CHANGES */
	int64_t changes[POLICY_CHANGES]; /* installed - p, newest last; the last nchanges are set */
	double action;			 /* in [-1, 1] */
	int percent;			 /* of the action */
	uint32_t wanted;		 /* packets: the window of that percent */
	uint32_t installed;		 /* packets: that, or what revise made of it */
};

/* A flow's configuration, given as cc->init's arg; it and what it points to outlive the flow. */
struct policy_conf {
	enum policy_mode mode;
	const struct mlp *mlp; /* inputs as in states; needed by POLICY_MODEL */
	const struct state_table *states; /* what mlp sees; NULL: published */
	float *scratch;	       /* [mlp_scratch(mlp)], may be shared by the flows of one thread */
	struct frame_noise noise;
	uint64_t noise_seed, noise_stream;
	struct frame_taste taste; /* of the reward */
	uint64_t drift_stream; /* of noise_seed, POLICY_DRIFT only */
	/* Runs on every report, after the window was installed if one was. The pointers in d last
	 * for the call. NULL for none. */
	void (*record)(void *arg, const struct decision *d);
	/* Before a decision is installed: the window to install instead of d->wanted. NULL for
	 * none. */
	uint32_t (*revise)(void *arg, const struct decision *d);
	void *arg;
};

/* Counters of a flow. */
struct policy_stats {
	uint64_t start_us; /* when the policy started, 0 if it has not */
	uint64_t reports, decisions;
	double reward_sum; /* of raw rewards of decisions ... */
	uint64_t rewards;  /* ... that had one */
};

/*
 * POLICY_DRIFT: a[t + 1] = (1 - 1/50) a[t] + N(0, s), s such that a has the standard deviation 0.02 in
 * the long run. A decision moves the window by some 3 %, a second of them (50) by a factor of about 3 up or
 * down. So does a flow pass through states that CUBIC alone, or one policy, would not visit.
 */
#define POLICY_DRIFT_DECISIONS 50
#define POLICY_DRIFT_SIZE 0.02

/*
 * "canopy"; needs a struct policy_conf. Plain CUBIC until slow start ends, then it asks for pacing: paced from
 * the first packet, HyStart sees no trains of ACKs, and slow start ends in several times the drops.
 */
extern const struct cc_ops cc_policy;

/* The decision a paused flow waits for: everything but action, percent, wanted, installed. NULL if it does
 * not wait. */
const struct decision *policy_pending(const struct cc *cc);

/* Answers it: installs and records. a is clipped to [-1, 1]; NaN counts as 0. */
void policy_apply(struct cc *cc, double a);

const struct policy_stats *policy_stats(const struct cc *cc);

#endif
