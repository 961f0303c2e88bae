/* Certificates while a flow runs. */
#include "eval/guard.h"

#include <errno.h>

int guard_init(struct guard *g, const struct guard_conf *c, const struct actor *a, bool fallback)
{
	*g = (struct guard){.qc = qc_new(c->properties, a, &c->qc), .threshold = fallback ? c->threshold : NAN};
	return g->qc ? 0 : -ENOMEM;
}

void guard_free(struct guard *g)
{
	qc_free(g->qc);
	g->qc = NULL;
}

bool guard_veto(struct guard *g, const struct decision *d)
{
	int64_t changes[POLICY_CHANGES];
	struct cert_decision c = {.x = d->state, .nin = d->nstate, .w = d->w, .p = d->p,
		.nchanges = d->nchanges, .changes = changes};
	bool keep;

	for (int i = 0; i < d->nchanges; i++)
		changes[i] = d->changes[POLICY_CHANGES - 1 - i];
	if (qc_decide(g->qc, &c, &g->share))
		g->share = (struct qc_share){.triggered = true, .exact = NAN};
	keep = g->share.triggered && g->share.proven < g->threshold;
	g->decisions++;
	g->fallbacks += keep;
	if (g->share.triggered) {
		g->triggered++;
		g->qc_sum += g->share.qc;
		g->proven_sum += g->share.proven;
		g->refuted_sum += g->share.refuted;
	}
	return keep;
}
