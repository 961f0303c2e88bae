/*
 * Parts: a property on a concrete decision. Triggered or not; and if so the region of states, the
 * target [lo, hi] of installed windows, and its band of pre-activations.
 */
#ifndef CERT_PART_H
#define CERT_PART_H

#include <stdint.h>

#include "cert/band.h"
#include "cert/property.h"
#include "cert/region.h"
#include "policy/policy.h"

#define PART_FAR ((int64_t)1 << 40) /* |end| of a target without a limit on that side */

struct cert_decision {
	const double *x; /* [nin] the state, frames first */
	int nin;	 /* at least STATE_SIZE, at most REGION_INPUTS */
	uint32_t w;	 /* packets: the report's window */
	uint32_t p;	 /* packets: previously installed window, 0 for none */
	uint32_t clean;	 /* packets: what the policy installs at x: part_window(actor_run) */
	int nchanges;
	const int64_t *changes; /* [nchanges] installed changes, newest first */
	int nth; /* decisions of the same flow before it; in a list they come right before it */
};

/* A policy's decision, its newest change first in changes. */
static inline struct cert_decision cert_decision_of(
	const struct decision *d, int64_t changes[POLICY_CHANGES])
{
	for (int i = 0; i < d->nchanges; i++)
		changes[i] = d->changes[POLICY_CHANGES - 1 - i];
	return (struct cert_decision){.x = d->state,
		.nin = d->nstate,
		.w = d->w,
		.p = d->p,
		.nchanges = d->nchanges,
		.changes = changes};
}

enum part_status {
	PART_TRIGGERED,
	PART_SHORT, /* no p, or fewer changes than the property speaks of */
	PART_GIVEN, /* a condition does not hold */
	PART_EMPTY, /* nothing of the region is within the features' ranges */
};

struct part {
	const struct property *property;
	enum part_status status;
	struct region region; /* the rest is set when triggered */
	int64_t lo, hi;	      /* target, packets; lo > hi: no window hits it */
	struct band band;
};

/*
 * 0, -EINVAL (a decision that makes no sense: nin, w = 0, numbers that are not finite) or what the
 * target's or a condition's arithmetic fails with (-EDOM, -EOVERFLOW); part_error says it in words.
 * out is untouched on failure.
 */
int part_make(struct part *out, const struct property *p, const struct cert_decision *d);

/* Of which the two steps: whether it triggers, region left out; and the target alone. One of the
 * conditions of the first, for a decision that makes sense. */
int part_status(enum part_status *out, const struct property *p, const struct cert_decision *d);
int part_given(bool *holds, const struct property_given *g, const struct cert_decision *d);
int part_target(int64_t *lo, int64_t *hi, const struct property *p, const struct cert_decision *d);

/* The window that the executed pre-activation y installs. */
uint32_t part_window(float y, uint32_t w);

const char *part_error(int err);

/* "triggered", "too few changes", ... */
const char *part_status_name(enum part_status s);

#endif
