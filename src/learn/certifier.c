/* Flows certified by a crew, each thread with engines of its own on one packed actor. */
#include "learn/certifier.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cert/judge.h"

#define SHARD 4 /* flows of a job */

struct thread {
	struct judge judge;
	struct judged judged;
};

struct certifier {
	struct certifier_conf conf;
	struct crew *crew;
	struct actor *actor;
	struct thread *threads;
	int n;
	long *seen;	       // [n] decisions of the episode
	struct qc_share *past; // (n, history, properties): decision s at row s % history
	struct certifier_sum *sums;
	// of the run under way
	const struct certifier_decisions *d;
	float *qc;
	int *errors; // [n]
};

int certifier_new(struct certifier **out, const struct certifier_conf *conf,
	const struct mlp *policy, int n, struct crew *crew)
{
	const struct property_file *f = conf->properties;
	struct certifier *c = calloc(1, sizeof(*c));
	int err = c ? actor_new(&c->actor, policy) : -ENOMEM;

	if (err) {
		free(c);
		return err;
	}
	c->conf = *conf;
	c->crew = crew;
	c->n = n;
	c->seen = calloc(n, sizeof(*c->seen));
	c->past = calloc((size_t)n * f->history * f->n, sizeof(*c->past));
	c->sums = calloc(f->n, sizeof(*c->sums));
	c->errors = calloc(n, sizeof(*c->errors));
	c->threads = calloc(crew_threads(crew), sizeof(*c->threads));
	if (!c->seen || !c->past || !c->sums || !c->errors || !c->threads)
		err = -ENOMEM;
	for (int i = 0; !err && i < crew_threads(crew); i++) {
		err = judge_open(&c->threads[i].judge, f, c->actor, &conf->qc);
		if (!err)
			err = judged_init(&c->threads[i].judged, f->n);
	}
	if (err)
		certifier_free(c);
	else
		*out = c;
	return err;
}

void certifier_free(struct certifier *c)
{
	if (!c)
		return;
	for (int i = 0; c->threads && i < crew_threads(c->crew); i++) {
		judge_close(&c->threads[i].judge);
		judged_free(&c->threads[i].judged);
	}
	actor_free(c->actor);
	free(c->threads);
	free(c->seen);
	free(c->past);
	free(c->sums);
	free(c->errors);
	free(c);
}

static struct qc_share *row(const struct certifier *c, int flow, long decision)
{
	const struct property_file *f = c->conf.properties;

	return c->past + ((size_t)flow * f->history + decision % f->history) * f->n;
}

// Judges the flow's decision into its row of shares.
static int judge(struct certifier *c, struct thread *t, int i)
{
	const struct certifier_decisions *d = c->d;
	const int size = d->table->size;
	const int64_t *end = d->changes + (size_t)(i + 1) * POLICY_CHANGES;
	double x[REGION_INPUTS];
	int64_t changes[POLICY_CHANGES];
	struct cert_decision decision = {
		.x = x, .nin = size, .w = d->w[i], .p = d->p[i], .changes = changes};
	int err;

	decision.nchanges = d->nchanges[i] < POLICY_CHANGES ? d->nchanges[i] : POLICY_CHANGES;
	for (int k = 0; k < size; k++)
		x[k] = d->states[(size_t)i * size + k];
	for (int k = 0; k < decision.nchanges; k++)
		changes[k] = end[-1 - k];
	err = judge_run(&t->judge, &decision, -1, &t->judged);
	if (err)
		return err;
	if (!d->p[i])
		c->seen[i] = 0;
	memcpy(row(c, i, c->seen[i]), t->judged.share,
		c->conf.properties->n * sizeof(struct qc_share));
	c->seen[i]++;
	return 0;
}

static float combine(const struct certifier *c, int i)
{
	const struct property_file *f = c->conf.properties;
	const struct qc_share *rows[PROPERTY_LAST];
	struct qc_share share;
	int n = 0;

	for (; n < f->history && n < c->seen[i]; n++)
		rows[n] = row(c, i, c->seen[i] - 1 - n);
	share = qc_combine(f, rows, n);
	return share.triggered ? (float)share.qc : NAN;
}

static void run_shard(void *arg, int shard, int thread)
{
	struct certifier *c = arg;

	for (int i = shard * SHARD; i < c->n && i < (shard + 1) * SHARD; i++) {
		c->errors[i] = c->d->waits[i] ? judge(c, &c->threads[thread], i) : 0;
		c->qc[i] = c->d->waits[i] && !c->errors[i] ? combine(c, i) : NAN;
	}
}

int certifier_run(struct certifier *c, const struct certifier_decisions *d, float *qc)
{
	int err = actor_fill(c->actor);

	if (err)
		return err;
	for (int i = 0; i < crew_threads(c->crew); i++)
		engine_renew(c->threads[i].judge.engine);
	c->d = d;
	c->qc = qc;
	crew_run(c->crew, (c->n + SHARD - 1) / SHARD, run_shard, c);
	for (int i = 0; i < c->n; i++)
		if (c->errors[i])
			return c->errors[i];
	return 0;
}

void certifier_add(struct certifier *c, int flow)
{
	const struct qc_share *share = row(c, flow, c->seen[flow] - 1);

	for (int i = 0; i < c->conf.properties->n; i++)
		if (c->conf.properties->property[i].used && share[i].triggered) {
			c->sums[i].triggered++;
			c->sums[i].qc += share[i].qc;
		}
}

void certifier_restart(struct certifier *c)
{
	memset(c->seen, 0, c->n * sizeof(*c->seen));
}

void certifier_tell(struct certifier *c, struct certifier_sum *sums)
{
	size_t bytes = c->conf.properties->n * sizeof(*sums);

	memcpy(sums, c->sums, bytes);
	memset(c->sums, 0, bytes);
}
