/*
 * Quantitative certificates: what a network provably does, as shares, per part, decision and model.
 *
 * A property has at most one part on a decision; its QC is exact where the engine has it, else
 * proven. A set's value is the mean or the minimum over its members that trigger, taken for proven,
 * exact and QC alike (refuted of a minimum is the maximum, so that proven <= exact <= 1 - refuted
 * stays). "min over last n" is the minimum over the flow's last n decisions, and triggers where its
 * member triggers on each of them. A decision's QC is the main set's value, a model's the mean over
 * the decisions on which the main set triggers.
 */
#ifndef CERT_QC_H
#define CERT_QC_H

#include <stdbool.h>

#include "cert/engine.h"
#include "cert/part.h"
#include "cert/shield.h"

#define QC_SLICES 5    /* as published */
#define QC_BUDGET 1000 /* cells of the linear engine, a part */

struct qc_conf {
	enum engine_kind engine;
	enum engine_kind wide; /* for regions of two dimensions or more; ENGINE_AUTO: as engine */
	int slices;  /* as in struct engine_ask */
	long budget; /* as in struct engine_ask */
	bool witness;
	const struct shield *shield; /* of the policy that is judged; NULL: the bare policy */
};

/* What is asked of the engine; region and band left out. */
static inline struct engine_ask qc_ask(const struct qc_conf *c)
{
	return (struct engine_ask){
		.slices = c->slices, .budget = c->budget, .witness = c->witness};
}

struct qc_share {
	bool triggered; /* the rest is meaningless if not */
	double proven, refuted;
	double exact; /* NAN: some part has none */
	double qc;
};

/* The share that an engine's answer stands for. */
struct qc_share qc_share_of(const struct engine_answer *a);

/*
 * The main set's share: rows[b] has the shares [f->n] of the flow's decision b before the one
 * judged, b < nrows; f->history rows are enough, fewer are known early in a flow.
 */
struct qc_share qc_combine(
	const struct property_file *f, const struct qc_share *const *rows, int nrows);

/* --- One flow, decision after decision --- */
struct qc;

/* The actor and the file outlive it. NULL: out of memory. One thread's. */
struct qc *qc_new(const struct property_file *f, const struct actor *a, const struct qc_conf *conf);
void qc_free(struct qc *q);

/* Forgets earlier decisions: another flow begins. */
void qc_restart(struct qc *q);

/*
 * Judges the flow's next decision and gives the main set's share; d->clean and d->nth are ignored:
 * the actor, and the shield, say what is installed at d->x. Prints what part_make or engine_run fails with and
 * returns it; the decision then counts as not seen, and out is untouched.
 */
int qc_decide(struct qc *q, const struct cert_decision *d, struct qc_share *out);

/* Property i's part of the latest decision, and its engine's answer if part->status says triggered.
 * NULL for a property that the main set does not use. */
const struct part *qc_part(const struct qc *q, int i, const struct engine_answer **answer);

/* --- A model over recorded decisions --- */
#define QC_BUCKETS 6
extern const uint32_t qc_bucket_from[QC_BUCKETS]; /* least w of each bucket, packets */

/* Means are over the triggered decisions, NAN where there are none. */
struct qc_total {
	long decisions, triggered;
	double proven, refuted, qc;
	double exact; /* over those that have it, which are ... */
	long exact_known;
	double nothing; /* QC of a policy that always answers a = 0 */
	double hold;	/* ... of one that takes the percent whose window is nearest to p */
	/* ... if every part were met that some percent in 25..400 meets; of a shielded policy, some
	 * window that its shield may install */
	double ceiling;
	long full;	/* triggered decisions with proven = 1 */
	long caught;	/* triggered decisions with refuted > 0 */
	long floor;	/* decisions on which the policy installs the smallest window */
	double y_width; /* mean width of the bound on y; properties only */
	double slack;	/* the largest; properties only */
};

struct qc_model {
	struct qc_total all;			/* the main set */
	struct qc_total bucket[QC_BUCKETS];	/* the main set, by the report's window */
	struct qc_total property[PROPERTY_MAX]; /* as in the file */
};

struct qc_run {
	const struct property_file *file;
	const struct actor *actor;
	struct qc_conf conf;
	const struct cert_decision *decisions; /* [n] flow by flow; clean is ignored */
	long n;
	int threads;
	/* Called in the order of decisions, then properties, for every triggered part, never two at
	 * a time; NULL for none. d has clean filled in. 0 or -errno, which ends the run. */
	int (*each)(void *arg, long i, const struct cert_decision *d, const struct part *part,
		const struct engine_answer *answer);
	void *arg;
};

/* The same result for any number of threads. Prints; 0 or -errno. */
int qc_measure(struct qc_model *out, const struct qc_run *run);

#endif
