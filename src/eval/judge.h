/*
 * A policy flow judged as it runs: the quantitative certificate of every decision, and the fallback, which keeps
 * CUBIC's window where less than a threshold of the properties' regions is proven. A decision on which
 * nothing triggers is never held back; one that cannot be judged (states that are not finite) counts as
 * proven nowhere.
 */
#ifndef EVAL_JUDGE_H
#define EVAL_JUDGE_H

#include <math.h>
#include <stdbool.h>

#include "cert/qc.h"
#include "policy/policy.h"

struct judge_conf {
	struct property_file *properties; /* NULL: nothing is judged */
	struct qc_conf qc;
	double threshold; /* fallback where proven is below */
};

struct judge {
	struct qc *qc; /* NULL: does not judge */
	double threshold; /* of this flow, NAN: never falls back */
	struct qc_share share; /* of the latest decision */
	long decisions, triggered, fallbacks;
	double qc_sum, proven_sum, refuted_sum; /* over triggered decisions */
};

/* The actor and what conf points to outlive it. 0 or -ENOMEM. */
int judge_init(struct judge *j, const struct judge_conf *conf, const struct actor *a, bool fallback);
void judge_free(struct judge *j);

/* Judges a decision before it is installed: whether to keep CUBIC's window. */
bool judge_veto(struct judge *j, const struct decision *d);

#endif
