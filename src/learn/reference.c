/* Steps of a drifting rollout, copied as it goes, and certified when asked. */
#include "learn/reference.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PAGES (REFERENCE_BLOCKS * REFERENCE_RUN)

// The decisions of one step.
struct page {
	float *states;
	bool *waits;
	uint32_t *w, *p;
	int32_t *nchanges;
	int64_t *changes;
};

struct reference {
	const struct state_table *table;
	const struct property_file *properties;
	struct certifier *certifier;
	int n, steps, step, pages;
	struct page page[PAGES];
	float *qc; // [n]
	struct certifier_sum *sums;
};

static void *copy(const void *from, size_t items, size_t size)
{
	void *to = malloc(items * size);

	if (to)
		memcpy(to, from, items * size);
	return to;
}

static bool is_kept(const struct reference *r)
{
	int stride = r->steps / REFERENCE_BLOCKS;

	return r->pages < PAGES &&
	       (stride <= REFERENCE_RUN || r->step % stride >= stride - REFERENCE_RUN);
}

static void watch(void *arg, const struct certifier_decisions *d)
{
	struct reference *r = arg;
	size_t n = r->n;

	if (is_kept(r))
		r->page[r->pages++] = (struct page){
			copy(d->states, n * d->table->size, sizeof(float)),
			copy(d->waits, n, sizeof(bool)),
			copy(d->w, n, sizeof(uint32_t)),
			copy(d->p, n, sizeof(uint32_t)),
			copy(d->nchanges, n, sizeof(int32_t)),
			copy(d->changes, n * POLICY_CHANGES, sizeof(int64_t)),
		};
	r->step++;
}

// Drives a policy of one weightless layer, which does not act.
static int record(struct reference *r, const struct rollout_conf *conf)
{
	struct rollout_conf drifting = *conf;
	const int dims[] = {conf->table->size, 1};
	struct mlp *nothing = mlp_new(1, dims, 0);
	struct experience e = {.block = NULL};
	struct rollout *flows = NULL;
	int err = nothing ? experience_init(&e, r->n) : -ENOMEM;

	drifting.exploration = 0;
	drifting.drift = REFERENCE_DRIFT;
	drifting.certify = NULL;
	drifting.shield = NULL;
	drifting.watch = watch;
	drifting.watcher = r;
	if (!err)
		err = rollout_new(&flows, &drifting, nothing);
	if (err) {
		mlp_free(nothing);
		experience_free(&e);
		return err;
	}
	rollout_drift(flows, true);
	err = rollout_begin(flows, 0, &e);
	for (int i = 0; i < r->steps && !err; i++)
		err = rollout_step(flows, &e);
	rollout_free(flows);
	experience_free(&e);
	for (int i = 0; i < r->pages && !err; i++) {
		const struct page *p = &r->page[i];

		if (!p->states || !p->waits || !p->w || !p->p || !p->nchanges || !p->changes)
			err = -ENOMEM;
	}
	return err;
}

int reference_new(struct reference **out, const struct rollout_conf *conf, const struct mlp *policy,
	int steps)
{
	struct reference *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->table = conf->table;
	r->properties = conf->certify->properties;
	r->n = conf->setups->n;
	r->steps = steps;
	r->qc = malloc(r->n * sizeof(*r->qc));
	r->sums = calloc(r->properties->n, sizeof(*r->sums));
	err = r->qc && r->sums ? record(r, conf) : -ENOMEM;
	if (!err)
		err = certifier_new(&r->certifier, conf->certify, policy, r->n, conf->crew);
	if (err)
		reference_free(r);
	else
		*out = r;
	return err;
}

void reference_free(struct reference *r)
{
	if (!r)
		return;
	for (int i = 0; i < r->pages; i++) {
		free(r->page[i].states);
		free(r->page[i].waits);
		free(r->page[i].w);
		free(r->page[i].p);
		free(r->page[i].nchanges);
		free(r->page[i].changes);
	}
	certifier_free(r->certifier);
	free(r->qc);
	free(r->sums);
	free(r);
}

int reference_run(struct reference *r, double *qc, double *property)
{
	double sum = 0, triggered = 0;
	int err = 0;

	for (int i = 0; i < r->pages && !err; i++) {
		const struct page *p = &r->page[i];
		const struct certifier_decisions d = {
			r->table, p->states, p->waits, p->w, p->p, p->nchanges, p->changes};

		if (i % REFERENCE_RUN == 0)
			certifier_restart(r->certifier);
		err = certifier_run(r->certifier, &d, r->qc);
		for (int k = 0; k < r->n && !err; k++) {
			if (p->waits[k])
				certifier_add(r->certifier, k);
			if (!isnan(r->qc[k])) {
				sum += r->qc[k];
				triggered++;
			}
		}
	}
	if (err)
		return err;
	*qc = sum / triggered;
	certifier_tell(r->certifier, r->sums);
	for (int i = 0; i < r->properties->n; i++)
		property[i] = r->sums[i].qc / r->sums[i].triggered;
	return 0;
}
