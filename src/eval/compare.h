/*
 * Comparison of two collections of runs, A and B, set-up by set-up.
 *
 * A set-up is what the key columns say (controller, trace, nominal rate, buffer, delay, loss,
 * noise, queue, duration, simulator or emulator, number of flows); seeds repeat it. A filter names
 * values of columns; a column that either side's filter names does not have to agree, nor does
 * where the runs were made if that is the same for all of a side. Each metric of each set-up in
 * both collections is tested: pairs of equal seeds by Student's test, independent repeats by
 * Welch's (base/stats.h). Holm's correction is over the set-ups of a metric, so that with chance 1
 * - level no set-up of it is marked wrongly.
 *
 * The verdict over all set-ups is Wilcoxon's signed-rank test on their mean differences, Holm's
 * correction over the metrics: it asks whether A is more often and further on one side than set-ups
 * in which neither is better would make it. It needs no repeats, and takes set-ups as independent.
 */
#ifndef EVAL_COMPARE_H
#define EVAL_COMPARE_H

#include <stdbool.h>

#include "base/stats.h"
#include "eval/results.h"

#define COMPARE_FILTERS 16
#define COMPARE_METRICS 16

struct compare_filter {
	int n;
	struct {
		const struct col *col;
		const char *text; /* the caller's */
		double number;	  /* of a number column */
	} want[COMPARE_FILTERS];
};

enum compare_test {
	COMPARE_AUTO,
	COMPARE_PAIRED,
	COMPARE_WELCH
}; /* auto: paired where the seeds are the same */

struct compare_conf {
	const struct result_set *a, *b;
	const char *name_a, *name_b; /* for messages */
	struct compare_filter only_a, only_b;
	const struct col *metrics[COMPARE_METRICS];
	int nmetrics;
	enum compare_test test;
	double level;
};

struct compare_cell {
	struct stats_diff d; /* A - B */
	double p_holm;	     /* NaN with too few repeats */
};

struct compare_setup {
	const struct run_result *a, *b; /* a run of each */
	int na, nb;			/* runs used */
	bool paired;
	struct compare_cell cell[COMPARE_METRICS];
};

struct compare_overall {
	int setups, more, less;	     /* where A - B is known, over 0, under 0 */
	double mean_a, mean_b, diff; /* means over these set-ups */
	double p, p_holm;
};

struct compare {
	const struct compare_conf *conf;
	struct compare_setup *setups; /* [n], in the order of the key */
	int n;
	int only_a, only_b; /* set-ups that the other side lacks */
	int few;	    /* set-ups with too few repeats for a test */
	int doubted;	    /* runs among them that are not to be trusted */
	struct compare_overall overall[COMPARE_METRICS];
};

/*
 * Adds "VALUE" (of controller) or "COLUMN=VALUE" to f; text is kept. where ("--a") names it in
 * errors, which are printed. 0 or -EINVAL.
 */
int compare_filter_add(struct compare_filter *f, const char *text, const char *where);

/*
 * Compares. Prints why it cannot: no run passes a filter, no set-up is in both, several runs of one
 * set-up and seed, both sides the same runs. 0 or -errno; conf must outlive c.
 */
int compare_init(struct compare *c, const struct compare_conf *conf);
void compare_free(struct compare *c);

/* "wired12, 0.5 BDP, 10 ms" with the controllers, as far as the set-up's sides share them;
 * malloc'ed. */
char *compare_label(const struct compare *c, const struct compare_setup *s);

#endif
