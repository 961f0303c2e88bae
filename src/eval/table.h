/* The evaluation as text: utilisation, delays and drops per trace and buffer, then per controller. */
#ifndef EVAL_TABLE_H
#define EVAL_TABLE_H

#include <stdio.h>

#include "eval/results.h"

/*
 * Prints the means over seeds, with 95 % confidence intervals where seeds repeat, of the runs that
 * keep(arg, run) wants (all when keep is NULL), in the order of
 * the set, then the mean over all of them per controller. Values that are absent do not count in a mean.
 */
void table_print(FILE *out, const struct result_set *s, bool (*keep)(void *arg, const struct run_result *r),
	void *arg);

#endif
