/* Training runs in a report: what came of them, and their curves against transitions, overlaid. */
#ifndef REPORT_TRAINING_H
#define REPORT_TRAINING_H

#include <stdio.h>

#include "learn/history.h"
#include "report/plot.h"

#define TRAINING_MAX_RUNS 64
#define TRAINING_LINES 6 /* scalars of a panel, or patterns of them */

struct training_run {
	char *name; /* the folder's, without .run; all of its path where that is not unique */
	char *dir;
	char *spec; /* lines of its options as its models have them, NULL without a model */
	struct history h;
};

struct training {
	struct training_run run[TRAINING_MAX_RUNS];
	int n;
};

/* Is it the folder of a training run? */
bool training_is(const char *dir);

/* Adds a run's folder; one that is there already is left out with a warning. 0 or -errno, printed.
 */
int training_add(struct training *t, const char *dir);

void training_free(struct training *t);

/* Names of the runs with their colours. */
void training_legend(FILE *out, const struct training *t);

/* A row a run: how far it came, its best held-out score and what else was measured there, beside
 * CUBIC's; and how runs differ. */
void training_table(FILE *out, const struct training *t);

/* The runs' specs. */
void training_metadata(FILE *out, const struct training *t);

/*
 * A panel is a few scalars of all runs in one plot. They come in groups, whose first panel has the
 * group's title.
 */
enum training_how {
	TRAINING_EACH = 1,    /* a plot a run instead, its scalars stacked as shares of a whole */
	TRAINING_LOG = 2,     /* logarithmic where all values are positive and far apart */
	TRAINING_NONZERO = 4, /* left out where all is 0 */
};
struct training_panel {
	const char *group, *slug, *title;
	unsigned how;
	struct training_line {
		const char *scalar, *label; /* a scalar ending in * is all that begin so */
	} line[TRAINING_LINES];
};
extern const struct training_panel training_panels[];
int training_npanels(void);

/* Is there a curve to draw? run is -1 but for TRAINING_EACH. */
bool training_has(const struct training *t, int panel, int run);

/*
 * The plot: runs by colour, a panel's scalars by dash, or by colour where there is one run. A
 * circle is at the best score's step, a grey line CUBIC. 0; 1 where there is nothing to draw (and
 * nothing was written); or -ENOMEM.
 */
int training_plot(FILE *f, const struct training *t, int panel, int run, const struct look *look);

#endif
