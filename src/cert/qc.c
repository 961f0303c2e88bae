/* A flow's quantitative certificates, decision after decision. */
#include "cert/qc.h"

#include <stdlib.h>
#include <string.h>

#include "cert/judge.h"

struct qc {
	struct judge judge;
	struct judged judged;
	struct qc_share *past; // (history, n): decision s of the flow at row s % history
	long seen;
};

struct qc *qc_new(const struct property_file *f, const struct actor *a, const struct qc_conf *conf)
{
	struct qc *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->past = calloc((size_t)f->history * f->n, sizeof(*q->past));
	if (judge_open(&q->judge, f, a, conf) || judged_init(&q->judged, f->n) || !q->past) {
		qc_free(q);
		return NULL;
	}
	return q;
}

void qc_free(struct qc *q)
{
	if (!q)
		return;
	judge_close(&q->judge);
	judged_free(&q->judged);
	free(q->past);
	free(q);
}

void qc_restart(struct qc *q)
{
	q->seen = 0;
}

int qc_decide(struct qc *q, const struct cert_decision *d, struct qc_share *out)
{
	const struct property_file *f = q->judge.file;
	const struct qc_share *rows[PROPERTY_LAST];
	int err = judge_run(&q->judge, d, -1, &q->judged), n = 0;

	if (err)
		return err;
	memcpy(q->past + q->seen % f->history * f->n, q->judged.share, f->n * sizeof(*q->past));
	q->seen++;
	for (; n < f->history && n < q->seen; n++)
		rows[n] = q->past + (q->seen - 1 - n) % f->history * f->n;
	*out = qc_combine(f, rows, n);
	return 0;
}

const struct part *qc_part(const struct qc *q, int i, const struct engine_answer **answer)
{
	*answer = &q->judged.answer[i];
	return q->judge.file->property[i].used ? &q->judged.part[i] : NULL;
}
