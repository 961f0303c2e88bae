/*
 * A policy flow judged and guarded as it runs: the quantitative certificate of every decision, and
 * what its window becomes. A fallback keeps CUBIC's window where less than a threshold of the
 * properties' regions is proven; a decision on which nothing triggers is never held back, one that
 * cannot be judged (states that are not finite) counts as proven nowhere. A shield (cert/shield.h)
 * moves the window to the nearest one that the properties allow; what is judged is then the shielded
 * policy.
 */
#ifndef EVAL_GUARD_H
#define EVAL_GUARD_H

#include <math.h>
#include <stdbool.h>

#include "cert/qc.h"
#include "policy/policy.h"

struct guard_conf {
	struct property_file *properties; /* NULL: nothing is judged */
	struct shield *shield;		  /* of these; NULL: no flow has one */
	struct qc_conf qc;
	double threshold; /* fallback where proven is below */
};

enum guard_kind { GUARD_JUDGES, GUARD_FALLBACK, GUARD_SHIELD };

struct guard {
	struct qc *qc; /* NULL: does not judge */
	enum guard_kind kind;
	const struct shield *shield; /* GUARD_SHIELD */
	double threshold;	     /* GUARD_FALLBACK */
	struct qc_share share;	     /* of the latest decision, as is ... */
	bool stepped_in;	     /* it fell back, or the shield moved the window */
	long decisions, triggered, steps_in;
	double qc_sum, proven_sum, refuted_sum; /* over triggered decisions */
};

/* The actor and what conf points to outlive it. 0 or -ENOMEM. */
int guard_init(struct guard *g, const struct guard_conf *conf, const struct actor *a,
	enum guard_kind kind);
void guard_free(struct guard *g);

/* Judges a decision before it is installed: the window to install. */
uint32_t guard_revise(struct guard *g, const struct decision *d);

#endif
