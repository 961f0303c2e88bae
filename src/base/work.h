/* Worker threads over a list of jobs, with results handed on in order whatever the number of threads. */
#ifndef BASE_WORK_H
#define BASE_WORK_H

#include <stdbool.h>

struct work {
	int threads; /* at least 1 */
	int jobs;
	void *arg;
	/* Does job i; runs on any thread, thread in [0, threads). 0 or -errno. */
	int (*job)(void *arg, int i, int thread);
	/* Takes the result of job i; called in the order of i, never two at a time. 0 or -errno. May be NULL. */
	int (*done)(void *arg, int i);
};

/*
 * Runs every job. The first error stops new jobs; results before the failed job are still handed on.
 * Returns 0, the first error, or -EINTR after work_stop. At most 4 * threads jobs run ahead of the oldest
 * unfinished one, which bounds the memory held by results that wait.
 */
int work_run(const struct work *w);

/* Asks every running work_run to stop after the jobs in hand; safe in a signal handler. */
void work_stop(void);
bool work_stopped(void);

/* Online processors, at least 1. */
int work_cpus(void);

#endif
