/* Progress of long work on stderr: a live line on a terminal, a plain line now and then elsewhere. */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <stdbool.h>

struct progress {
	const char *what; /* unit, plural: "runs" */
	double total, start_s, shown_s;
	bool tty, on;
};

/* Monotonic wall time in seconds. */
double progress_clock(void);

/* Silent below LOG_INFO. */
void progress_start(struct progress *p, const char *what, double total);

/* done units of total are finished; extra is more to show, or NULL. Cheap: shows at most 5 times a second. */
void progress_update(struct progress *p, double done, const char *extra);

/* Clears the live line. */
void progress_end(struct progress *p);

#endif
