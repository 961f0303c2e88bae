/* Certificates while a flow runs. */
#include "eval/guard.h"

#include <errno.h>

int guard_init(
	struct guard *g, const struct guard_conf *c, const struct actor *a, enum guard_kind kind)
{
	struct qc_conf qc = c->qc;

	qc.shield = kind == GUARD_SHIELD ? c->shield : NULL;
	*g = (struct guard){.qc = qc_new(c->properties, a, &qc),
		.kind = kind,
		.shield = qc.shield,
		.threshold = c->threshold};
	return g->qc ? 0 : -ENOMEM;
}

void guard_free(struct guard *g)
{
	qc_free(g->qc);
	g->qc = NULL;
}

static void judge(struct guard *g, const struct cert_decision *d)
{
	if (qc_decide(g->qc, d, &g->share))
		g->share = (struct qc_share){.triggered = true, .exact = NAN};
	g->decisions++;
	if (!g->share.triggered)
		return;
	g->triggered++;
	g->qc_sum += g->share.qc;
	g->proven_sum += g->share.proven;
	g->refuted_sum += g->share.refuted;
}

uint32_t guard_revise(struct guard *g, const struct decision *d)
{
	int64_t changes[POLICY_CHANGES];
	const struct cert_decision c = cert_decision_of(d, changes);
	uint32_t installed = d->wanted;

	judge(g, &c);
	g->stepped_in = false;
	if (g->kind == GUARD_SHIELD) {
		installed = shield_window(g->shield, &c, d->wanted);
		g->stepped_in = installed != d->wanted;
	} else if (g->kind == GUARD_FALLBACK) {
		g->stepped_in = g->share.triggered && g->share.proven < g->threshold;
		installed = g->stepped_in ? d->w : d->wanted;
	}
	g->steps_in += g->stepped_in;
	return installed;
}
