/*
 * How several flows share a bottleneck, from a run's time series; doc/formats.md has the definitions.
 *
 * A change is one or more flows joining or leaving, each within 0.1 s of the one before. Between
 * two changes the same n flows are active, and the fair share of each is 1 / n of what they deliver
 * together. Only whole bins of the series between two changes count.
 */
#ifndef EVAL_FAIRNESS_H
#define EVAL_FAIRNESS_H

#include "eval/series.h"

/* Converged: all 1 s windows of 5 s within 25 % of the fair share, as PCC defines it (NSDI 2015). */
#define FAIRNESS_BAND 0.25
#define FAIRNESS_HOLD_S 5
#define FAIRNESS_WINDOW_S 1
#define FAIRNESS_MERGE_S 0.1

/* The yardstick of friendliness. */
#define FAIRNESS_BASE "cubic"

/*
 * Fills out's columns on fairness and those of its flows from the first bins of s, each bin_s long
 * (a divisor of 1 s), up to the end of the metrics at out->duration_s. Takes the flows' controller,
 * start_s and stop_s. 0 or -ENOMEM.
 */
int fairness_measure(struct run_result *out, const struct series *s, double bin_s);

#endif
