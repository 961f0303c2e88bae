/*
 * An evaluation: the runs of a grid on all cores, into a result folder that can be resumed and extended.
 *
 * Records are added in the grid's order whatever the number of threads, so the folder's bytes depend only on
 * the grid (and on what the folder held before). Runs that the folder has are not made again, except where a
 * log, capture, time series or decision file that is asked for is missing: then only the files are.
 */
#ifndef EVAL_EVAL_H
#define EVAL_EVAL_H

#include <jansson.h>

#include "eval/plan.h"

struct eval_conf {
	const char *dir;
	int threads;
	json_t *spec; /* borrowed: the resolved options, for the header */
	bool series, logs, decisions, pcap;
};

/*
 * Runs what is missing. Returns 0, -EINTR after work_stop (what is finished is kept; said in one line) or
 * another -errno with the error printed; the folder is usable in every case.
 */
int eval_run(const struct plan *g, const struct eval_conf *c);

#endif
