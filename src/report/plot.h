/*
 * The report's plots as gnuplot scripts, each for a page (colours told apart by a legend beside it)
 * or for a paper (small, direct labels, markers and dashes as well as colours).
 */
#ifndef REPORT_PLOT_H
#define REPORT_PLOT_H

#include <stdbool.h>
#include <stdio.h>

#include "report/grid.h"

/* The sentinel colours of plots: what they stand for depends on the page's theme (svg_inline). */
#define PLOT_INK "#000000"
#define PLOT_GRID "#dddddd"
#define PLOT_CAPACITY "#d9e2ea"

/* Marks of a scheme, the same on all of a page. */
const char *plot_colour(int scheme);
int plot_marker(int scheme); /* gnuplot pointtype */
const char *plot_dash(
	int scheme, bool paper); /* gnuplot dashtype; on a page solid while colours last */

/* How wide a text is in about that font, in the font's unit. */
double plot_text_width(const char *s, double font);

struct look {
	double width, height; /* in points */
	double font;	      /* in points */
	bool paper;
	bool labels; /* name the marks directly */
};

/*
 * Utilisation against queueing delay: a mark at each scheme's mean, a bar to its mean 95th
 * percentile, a shaded box for the 95 % confidence intervals of both means where seeds repeat. Over all traces of the set-up, or one where trace >= 0.
 */
void plot_scatter(FILE *f, const struct grid *g, int setup, int trace, const struct look *look);

/* Is there a scatter to draw? */
bool plot_has_scatter(const struct grid *g, int setup, int trace);

/*
 * Rate over capacity, queueing delay and window against time, all schemes of (setup, trace)
 * overlaid, first seed that has a series. Returns 0, 1 when there are no series (nothing was
 * written), or -errno after a message.
 */
int plot_curves(FILE *f, const struct grid *g, int setup, int trace, const struct look *look);

/* Rate and window of each flow against time, in means over 1 s; of the cell's first seed that has a series. As
 * plot_curves. */
int plot_flows(FILE *f, const struct grid *g, const struct cell *c, const struct look *look);

#endif
