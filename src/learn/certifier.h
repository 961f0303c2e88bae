/*
 * Quantitative certificates of many flows at once, as they run under one policy that changes: the
 * part of the reward that a verifier gives.
 *
 * A decision's QC is that of cert/qc.h: the value of the main set over the parts that trigger. Sets
 * that look back ("min over last n") see each flow's own decisions since its episode began.
 */
#ifndef LEARN_CERTIFIER_H
#define LEARN_CERTIFIER_H

#include "base/crew.h"
#include "cert/qc.h"
#include "nn/mlp.h"
#include "obs/state.h"
#include "policy/policy.h"

struct certifier_conf {
	struct property_file *properties; /* borrowed */
	struct qc_conf qc;
};

/* Decisions that wait, one of each flow; arrays of n. */
struct certifier_decisions {
	const struct state_table *table;
	const float *states; /* (n, table->size) */
	const bool *waits;   /* others mean nothing */
	const uint32_t *w, *p;
	const int32_t *nchanges;
	const int64_t *changes; /* (n, POLICY_CHANGES) newest last */
};

/* Of one property over the decisions taken in since the sums were last asked for. */
struct certifier_sum {
	double triggered, qc; /* decisions that triggered, and the sum of their QC */
};

struct certifier;

/* Of n flows; the policy and the crew outlive it. 0 or -errno, printed. */
int certifier_new(struct certifier **out, const struct certifier_conf *conf,
	const struct mlp *policy, int n, struct crew *crew);
void certifier_free(struct certifier *c);

/* Certifies the policy as it is now: qc[n], NAN where nothing triggers or waits. 0 or -errno,
 * printed. */
int certifier_run(struct certifier *c, const struct certifier_decisions *d, float *qc);

/* Every flow's earlier decisions are forgotten. */
void certifier_restart(struct certifier *c);

/* Takes a flow's decision, which was just certified, into the sums. */
void certifier_add(struct certifier *c, int flow);

/* The sums of every property of the file, [properties->n], which begin anew. */
void certifier_tell(struct certifier *c, struct certifier_sum *sums);

#endif
