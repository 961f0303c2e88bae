/* Certificates while a flow runs. */
#include "eval/judge.h"

#include <errno.h>

int judge_init(struct judge *j, const struct judge_conf *c, const struct actor *a, bool fallback)
{
	*j = (struct judge){.qc = qc_new(c->properties, a, &c->qc), .threshold = fallback ? c->threshold : NAN};
	return j->qc ? 0 : -ENOMEM;
}

void judge_free(struct judge *j)
{
	qc_free(j->qc);
	j->qc = NULL;
}

bool judge_veto(struct judge *j, const struct decision *d)
{
	int64_t changes[POLICY_CHANGES];
	struct cert_decision c = {.x = d->state, .nin = STATE_SIZE, .w = d->w, .p = d->p,
		.nchanges = d->nchanges, .changes = changes};
	bool keep;

	for (int i = 0; i < d->nchanges; i++)
		changes[i] = d->changes[POLICY_CHANGES - 1 - i];
	if (qc_decide(j->qc, &c, &j->share, NULL, NULL))
		j->share = (struct qc_share){.triggered = true, .exact = NAN};
	keep = j->share.triggered && j->share.proven < j->threshold;
	j->decisions++;
	j->fallbacks += keep;
	if (j->share.triggered) {
		j->triggered++;
		j->qc_sum += j->share.qc;
		j->proven_sum += j->share.proven;
		j->refuted_sum += j->share.refuted;
	}
	return keep;
}
