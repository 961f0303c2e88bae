/* The report on result folders and training runs: one self-contained HTML page, and figures for a
 * paper. */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H

#include "eval/results.h"
#include "report/training.h"

struct report_conf {
	const char *page;     /* where the page goes */
	char *const *formats; /* of figures to save: svg, png, pdf */
	int nformats;
	const char *figures_dir; /* where they go */
};

/*
 * Writes the report on set and t, of which one holds a run. Without gnuplot it says so in one line
 * and leaves the figures out of the page. Prints the error; 0 or -errno.
 */
int report_write(
	const struct result_set *set, const struct training *t, const struct report_conf *conf);

#endif
