/* All figures of a report: listed once, drawn in few gnuplot processes for the page, or saved one
 * by one. */
#ifndef REPORT_FIGURE_H
#define REPORT_FIGURE_H

#include "report/grid.h"
#include "report/training.h"

enum figure_kind { FIG_OVERALL, FIG_TRACE, FIG_CURVES, FIG_FLOWS, FIG_TRAINING };

struct figure {
	enum figure_kind kind;
	int setup, trace,
		scheme;	 /* trace < 0: over all; scheme < 0: all. Of training: panel, -1, run */
	const char *svg; /* one SVG document inside figures.text, NULL before it is drawn */
	size_t len;
};

struct figures {
	const struct grid *grid;
	const struct training *training;
	struct figure *fig;
	int n;
	char **text; /* gnuplot's output, one a process */
	int ntext;
};

/* Lists what can be drawn. 0 or -ENOMEM. */
int figures_init(struct figures *f, const struct grid *g, const struct training *t);
void figures_free(struct figures *f);

/* Draws them all as SVG in memory. Prints the error. */
int figures_draw(struct figures *f);

/* Saves them as DIR/NAME.FORMAT, sized for a paper's column. formats: svg, png, pdf. Prints the
 * error. */
int figures_save(const struct figures *f, const char *dir, char *const *formats, int nformats);

/* The drawn figure, NULL when there is none. */
const struct figure *figures_find(
	const struct figures *f, enum figure_kind kind, int setup, int trace, int scheme);

/* What it shows, in words, malloc'ed. */
char *figure_label(const struct figures *f, const struct figure *fig);

#endif
