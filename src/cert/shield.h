/*
 * The shield: moves a policy's window to the nearest one that the properties allow in the state the
 * flow really is in.
 *
 * A property of a file's main set applies to a decision when it triggers on the history and the
 * actual state lies in its region: every input that it varies is within the stated interval, cut
 * off at the feature's range; of a relative interval, when its factors include 1. What is not named
 * may be anything, delay_metric too. Of all that apply the targets are intersected, and the
 * installed window is that of the intersection which is nearest to the policy's. If no window meets
 * them all, it is one of those that meet the most; then the nearest, the smaller of two. So where a
 * target can be met at all, it is.
 *
 * Windows: any whole number of packets from 4 to that of 400 percent, 4 w. Not only those of
 * percents, which are whole percents of w and miss small targets of large windows; what is installed
 * is snd_cwnd itself. Not above 4 w, so that a shield undoes no timeout further than a policy could;
 * but below w / 4, since a smaller window harms nobody.
 *
 * Relational properties, whose target or conditions have cwnd(clean), what the policy installs in
 * the observed state, are not enforced: in the actual state the two are the same and they hold
 * whatever the window is.
 *
 * Execution: the state is seen rounded to float, as the network sees it, and so are the ends of
 * intervals. Rounding is monotone, so every state of a closed region, double or float, is found in
 * it, at its ends too.
 */
#ifndef CERT_SHIELD_H
#define CERT_SHIELD_H

#include <stdbool.h>
#include <stdint.h>

#include "cert/part.h"

/* An input at whose value `at` what applies may change: below it, or from it on. */
struct shield_edge {
	int input;
	float at;
};

/* A property that is enforced. */
struct shield_rule {
	const struct property *property;
	int nedges;
	struct shield_edge *edges; /* [nedges] */
};

struct shield {
	const struct property_file *file;
	int n;
	struct shield_rule rule[PROPERTY_MAX]; /* [n] in the file's order */
};

/* Windows from lo to hi, packets; lo > hi: none. */
struct shield_target {
	int64_t lo, hi;
};

/* Enforces what f's main set uses; f outlives it. 0 or -ENOMEM. Nothing changes afterwards: threads
 * may share it. */
int shield_new(struct shield **out, const struct property_file *f);
void shield_free(struct shield *s);

/* Whether the property, of whatever file, is one of those enforced. */
bool shield_enforces(const struct shield *s, const struct property *p);

/*
 * What is installed where the policy wants c packets: c itself where nothing applies, or the state
 * is not finite. d->clean is ignored. Takes no memory.
 */
uint32_t shield_window(const struct shield *s, const struct cert_decision *d, uint32_t c);

/* --- Of which the steps, for certificates --- */

/* Whether the rule's conditions on history and windows hold, and then its target. One whose
 * arithmetic fails does not apply. */
bool shield_wants(struct shield_target *out, const struct shield_rule *r,
	const struct cert_decision *d);

/* Whether the rule's region and its conditions on features hold in a state, every input i of which
 * lies in [lo[i], hi[i]]: in all such states, in none, or in some for all that is known. */
enum shield_answer { SHIELD_NO, SHIELD_MAYBE, SHIELD_YES };
enum shield_answer shield_covers(const struct shield_rule *r, const float *lo, const float *hi);

/* The window installed for c when the n targets apply; monotone in c. */
uint32_t shield_nearest(const struct shield_target *t, int n, uint32_t w, uint32_t c);

#endif
