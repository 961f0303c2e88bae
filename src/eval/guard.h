/*
 * A policy flow judged as it runs: the quantitative certificate of every decision, and the fallback, which keeps
 * CUBIC's window where less than a threshold of the properties' regions is proven. A decision on which
 * nothing triggers is never held back; one that cannot be judged (states that are not finite) counts as
 * proven nowhere.
 */
#ifndef EVAL_GUARD_H
#define EVAL_GUARD_H

#include <math.h>
#include <stdbool.h>

#include "cert/qc.h"
#include "policy/policy.h"

struct guard_conf {
	struct property_file *properties; /* NULL: nothing is judged */
	struct qc_conf qc;
	double threshold; /* fallback where proven is below */
};

struct guard {
	struct qc *qc; /* NULL: does not judge */
	double threshold; /* of this flow, NAN: never falls back */
	struct qc_share share; /* of the latest decision */
	long decisions, triggered, fallbacks;
	double qc_sum, proven_sum, refuted_sum; /* over triggered decisions */
};

/* The actor and what conf points to outlive it. 0 or -ENOMEM. */
int guard_init(struct guard *j, const struct guard_conf *conf, const struct actor *a, bool fallback);
void guard_free(struct guard *j);

/* Judges a decision before it is installed: whether to keep CUBIC's window. */
bool guard_veto(struct guard *j, const struct decision *d);

#endif
