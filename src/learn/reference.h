/*
 * Reference decisions: what flows of CUBIC, whose window drifts slowly, would ask a policy;
 * recorded once over held-out environments, the same for every policy. The QC there cannot be
 * gained by behaving so that nothing triggers.
 */
#ifndef LEARN_REFERENCE_H
#define LEARN_REFERENCE_H

#include "learn/rollout.h"

#define REFERENCE_DRIFT 0.05 /* standard deviation of the actions */

struct reference;

/*
 * Records over conf's environments, `steps` decisions of each, of which REFERENCE_BLOCKS times
 * REFERENCE_RUN in a row are kept; certifies as conf->certify says. The policy outlives it. 0 or
 * -errno, printed.
 */
int reference_new(struct reference **out, const struct rollout_conf *conf, const struct mlp *policy,
	int steps);
void reference_free(struct reference *r);
#define REFERENCE_BLOCKS 4
#define REFERENCE_RUN 16

/* Of the policy as it is now: the main set's QC, NAN if it never triggers, and every property's,
 * into property[properties->n]. 0 or -errno, printed. */
int reference_run(struct reference *r, double *qc, double *property);

#endif
