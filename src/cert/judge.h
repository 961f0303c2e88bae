/* One thread's means to judge decisions: each property's part, its engine's answer and share. */
#ifndef CERT_JUDGE_H
#define CERT_JUDGE_H

#include "cert/qc.h"

struct judge {
	const struct property_file *file;
	const struct actor *actor;
	struct qc_conf conf;
	struct engine *engine;
	float *scratch; /* mlp_scratch */
};

/* One decision judged; answer and share of properties without a part are not set, but for
 * triggered. */
struct judged {
	struct cert_decision d;	      /* clean filled in */
	struct part *part;	      /* [n] */
	struct engine_answer *answer; /* [n] */
	struct qc_share *share;	      /* [n] */
};

/* 0 or -ENOMEM; zeroed ones can be closed. */
int judge_open(struct judge *j, const struct property_file *f, const struct actor *a,
	const struct qc_conf *conf);
void judge_close(struct judge *j);
int judged_init(struct judged *out, int n);
void judged_free(struct judged *out);

/* Judges d by the properties that the main set uses. index names the decision in errors, -1: none
 * does. Prints; 0 or -errno. */
int judge_run(struct judge *j, const struct cert_decision *d, long index, struct judged *out);

#endif
