/*
 * How good a policy is where it was not trained: runs over held-out environments, without
 * exploration, always the same; and its certificates there, and on reference decisions.
 */
#ifndef LEARN_HELD_OUT_H
#define LEARN_HELD_OUT_H

#include "learn/reference.h"

/* Means over decisions; throughput and queueing delay also as shares of plain CUBIC's there. */
struct held_out_score {
	double raw;	  /* reward */
	double qc;	  /* of decisions that trigger, NAN if none or without certificates */
	double reference; /* the same on reference decisions */
	double reference_property[PROPERTY_MAX]; /* of each property there, NAN where it never
						    triggers */
	struct {
		double qc, triggered;
	} property[PROPERTY_MAX]; /* of each where it runs: QC as above, share of decisions */
	double score;		 /* (1 - weight) raw + weight reference, raw without certificates */
	double triggered, floor; /* shares of decisions: certified, NAN without certificates;
				  * installed at the least window ... */
	double moved;		 /* ... whose window the shield moved */
	double mbps, qdelay_ms;	 /* throughput of a flow, queueing delay, over time */
	double mbps_share, qdelay_share;
};

struct held_out;

/* Takes the policy over; measures CUBIC. weight: of certificates in the score. 0 or -errno. */
int held_out_new(struct held_out **out, const struct rollout_conf *conf, struct mlp *policy,
	int decisions, double weight);
void held_out_free(struct held_out *h);

/* The policy to measure, to be filled. */
struct mlp *held_out_policy(struct held_out *h);

int held_out_run(struct held_out *h, struct held_out_score *out);

/* CUBIC's own. */
const struct held_out_score *held_out_cubic(const struct held_out *h);

#endif
