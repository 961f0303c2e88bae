/*
 * A policy flow of a run: its configuration, and its reports and decisions, kept when asked and written as
 * policy/decision_file.h has it.
 */
#ifndef EVAL_DECISIONS_H
#define EVAL_DECISIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "eval/run.h"
#include "policy/policy.h"

struct decisions {
	struct policy_conf policy; /* what the controller is given; points back here */
	struct guard guard;        /* its qc NULL: the properties are not asked for, or the policy does not act */
	struct decision_row *rows; /* [n], reports in order */
	size_t n, cap;
	int err;                   /* -ENOMEM: rows were lost */
};

/* Prepares zeroed d for flow `flow` of the run, which is one of sender s. d must stay where it is. 0 or -ENOMEM. */
int decisions_init(struct decisions *d, const struct run_conf *conf, const struct sender *s, int flow, bool keep);
void decisions_free(struct decisions *d);

/* Writes DIR/decisions/ID-FLOW.safetensors, flow counted from 1. Prints the error. 0 or -errno. */
int decisions_write(const struct decisions *d, const struct run_conf *conf, int flow, const char *dir);

#endif
