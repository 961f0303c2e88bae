/*
 * Files of recorded decisions: a policy flow's reports in order, one row each, as safetensors.
 * doc/formats.md describes them. Written by evaluation, read by whatever judges decisions afterwards.
 */
#ifndef POLICY_DECISION_FILE_H
#define POLICY_DECISION_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "model/safetensors.h"
#include "obs/frame.h"
#include "policy/policy.h"

#define DECISION_REPORT 8 /* numbers of a report */
#define DECISION_STATE 96 /* most numbers in a state */

struct decision_row {
	int64_t t_ns, w, p, installed, percent, ndeltas;
	int64_t deltas[POLICY_CHANGES]; /* newest first, [ndeltas], then 0 */
	double action, reward, report[DECISION_REPORT];
	double qc, proven, refuted; /* of the properties it was judged by; NAN: not judged, or none triggered */
	uint8_t open, fallback;	    /* fallback: CUBIC's window was kept */
	uint8_t shield;		    /* the shield moved the window */
	float state[DECISION_STATE]; /* [nstate] */
};

struct decision_file {
	size_t n;
	int nstate; /* STATE_SIZE to DECISION_STATE */
	struct decision_row *rows; /* [n] */
	struct st_file *st;	   /* its metadata: st_get(st, "model") */
};

/* Writes n rows whose states have nstate numbers; meta beside format and version. Prints; 0 or -errno. */
int decision_file_write(const char *path, const struct decision_row *rows, size_t n, int nstate,
	const struct st_meta *meta, int nmeta);

/*
 * Reads and checks a file: every column there and of one length; in open rows finite states, w, p and
 * installed that are windows, changes that are differences of windows. Prints file, column and row of
 * what is wrong. 0 or -errno.
 */
int decision_file_read(struct decision_file **out, const char *path);

/* As decision_file_read, from memory: data is malloc'ed and taken over, also when it fails. */
int decision_file_parse(struct decision_file **out, char *data, size_t len, const char *path);
void decision_file_free(struct decision_file *f);

#endif
