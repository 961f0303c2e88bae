/*
 * Quantitative certificates: what a network provably does, as shares, per part, decision and model.
 *
 * A part's QC is exact where the engine has it, else proven. A property has one part on a decision. A
 * set's value is the mean or the minimum over its members that trigger, member by member (proven and
 * exact likewise; refuted of a minimum is the maximum, so that proven <= exact <= 1 - refuted stays);
 * "min over last n" is the minimum over the flow's last n decisions, and triggers where its member
 * triggers on each of them. A decision's QC is the main set's value, a model's the mean over the
 * decisions that trigger.
 */
#ifndef CERT_QC_H
#define CERT_QC_H

#include <stdbool.h>

#include "cert/engine.h"
#include "cert/part.h"

struct qc_conf {
	enum engine_kind engine;
	int slices;  /* as in struct engine_ask */
	long budget; /* as in struct engine_ask */
	bool witness;
};
#define QC_SLICES 5	/* as published */
#define QC_BUDGET 1000 /* cells of the linear engine a part */

struct qc_share {
	bool triggered; /* the rest is 0 if not */
	double proven, refuted;
	double exact; /* NAN: some part has none */
	double qc;
};

/* --- One flow, decision after decision --- */
struct qc;

/* The actor and the file outlive it. NULL: out of memory. One thread's. */
struct qc *qc_new(const struct property_file *f, const struct actor *a, const struct qc_conf *conf);
void qc_free(struct qc *q);

/* Forgets earlier decisions: another flow begins. */
void qc_restart(struct qc *q);

/*
 * Judges the flow's next decision; d->clean and d->nth are ignored, the actor says what it installs at
 * d->x. Gives the main set's share, and in part (or NULL) [f->n] every property's part and in answer
 * (or NULL) [f->n] its engine's; those of properties not used or not triggered are untouched but for
 * part.status. 0 or -errno, as part_make and engine_run; then the decision counts as not seen.
 */
int qc_decide(struct qc *q, const struct cert_decision *d, struct qc_share *out,
	struct part *part, struct engine_answer *answer);

/* --- A model over recorded decisions --- */
#define QC_BUCKETS 6
extern const uint32_t qc_bucket_from[QC_BUCKETS]; /* least w of each bucket, packets */

/* Means are over the decisions that trigger, NAN where none does. */
struct qc_total {
	long decisions, triggered;
	double proven, refuted, exact, qc;
	double nothing; /* QC of a policy that always answers a = 0 */
	double hold;	/* ... of one that takes the percent whose window is nearest to p */
	double ceiling; /* ... if each part were met wherever some percent meets it */
	long full;	/* triggered decisions with proven = 1 */
	long floor;	/* decisions at which the policy installs the smallest window */
	long refuted_some; /* triggered decisions with refuted > 0 */
	double y_width;	   /* mean width of the bound on y, properties only */
	double slack;	   /* largest, properties only */
};

struct qc_model {
	struct qc_total all;		     /* the main set */
	struct qc_total bucket[QC_BUCKETS];  /* the main set, by the report's window */
	struct qc_total property[PROPERTY_MAX]; /* as in the file */
};

struct qc_run {
	const struct property_file *file;
	const struct actor *actor;
	struct qc_conf conf;
	const struct cert_decision *decisions; /* [n] flow by flow */
	long n;
	int threads;
	/* Called in the order of decisions and properties for every triggered part, never two at a
	 * time; NULL for none. 0 or -errno, which ends the run. */
	int (*each)(void *arg, long decision, const struct part *part,
		const struct engine_answer *answer);
	void *arg;
};

/* The same result for any number of threads. Prints; 0 or -errno. */
int qc_measure(struct qc_model *out, const struct qc_run *run);

#endif
