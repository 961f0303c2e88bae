/* Recorded decisions as the certificates take them: the open rows of one or more decision files. */
#ifndef CERT_RECORDED_H
#define CERT_RECORDED_H

#include "cert/part.h"

struct recorded {
	struct cert_decision *decisions; /* [n] flow by flow; clean is 0, qc fills it in */
	long n;
	int nin; /* numbers in every state */
	int nfiles;
	struct recorded_file {
		char *path;
		long first, n; /* its decisions */
		char *run, *controller, *model, *trace; /* metadata, "" where absent */
	} *files; /* [nfiles] by name */
	double *states; /* (n, nin) */
	int64_t *changes; /* (n, POLICY_CHANGES) */
};

/*
 * Reads a decision file, or every one of a folder: DIR/decisions/NAME.safetensors (a result folder), else
 * DIR/NAME.safetensors. Prints; 0 or -errno (-ENOENT: no such file, or no decision in any).
 */
int recorded_load(struct recorded **out, const char *path);
void recorded_free(struct recorded *r);

#endif
