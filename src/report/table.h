/* Tables of a report: what schemes achieved, what was run, what to be wary of. */
#ifndef REPORT_TABLE_H
#define REPORT_TABLE_H

#include <stdio.h>

#include "report/grid.h"

/* One row a scheme with the means over all traces and runs of a set-up, and their confidence intervals over seeds. */
void table_overall(FILE *out, const struct grid *g, int setup);

/* The same for one trace. */
void table_trace(FILE *out, const struct grid *g, int setup, int trace);

/* One row a scheme with several flows: Jain's index, each controller's share, convergence; means over runs. Writes
 * nothing where there is none. */
void table_fairness(FILE *out, const struct grid *g, int setup, int trace);

/* Spec, version and machine of every header, models' digests, seeds. */
void table_metadata(FILE *out, const struct grid *g);

/* <li> for each warning; returns how many. */
int table_warnings(FILE *out, const struct grid *g);

#endif
