/*
 * The decisions of one policy flow: counted always, kept and written as safetensors when asked. The file is
 * described in doc/formats.md.
 */
#ifndef EVAL_DECISIONS_H
#define EVAL_DECISIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "eval/run.h"
#include "policy/policy.h"

struct decisions {
	bool keep;
	int err;             /* first allocation that failed */
	int64_t n;           /* decisions so far */
	double reward_sum;   /* of the first `rewarded` of them */
	int64_t rewarded;
	uint64_t start_ns;   /* of the first report, UINT64_MAX before */
	struct policy_conf policy; /* what the controller is given: points back here */
	struct decision *rows;     /* [n] when kept */
	size_t cap;
};

/* Prepares d for flow number `flow` of the run, which is one of sender s. d must stay where it is. */
void decisions_init(struct decisions *d, const struct run_conf *conf, const struct sender *s, int flow, bool keep);
void decisions_free(struct decisions *d);

/* Writes DIR/decisions/ID-FLOW.safetensors, flow counted from 1. Prints the error. 0 or -errno. */
int decisions_write(const struct decisions *d, const struct run_conf *conf, int flow, const char *dir);

#endif
