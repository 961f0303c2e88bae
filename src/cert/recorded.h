/* Recorded decisions as certificates take them: the open rows of one or more decision files. */
#ifndef CERT_RECORDED_H
#define CERT_RECORDED_H

#include "cert/part.h"

struct recorded_file {
	char *path;
	long first, n;				/* its decisions */
	char *run, *controller, *model, *trace; /* metadata, "" where absent */
};

struct recorded {
	struct cert_decision
		*decisions; /* [n] flow by flow; clean is 0: what it is, a model says */
	long n;
	int nin;		     /* numbers in every state */
	struct recorded_file *files; /* [nfiles] by name */
	int nfiles;
	void *block; /* states and changes */
};

/*
 * Reads a decision file, or all in a folder: those in DIR/decisions if there is such a folder (a
 * result folder), else in DIR; names end in .safetensors. Prints; 0 or -errno (-ENODATA: no
 * decision in any).
 */
int recorded_load(struct recorded **out, const char *path);
void recorded_free(struct recorded *r);

#endif
