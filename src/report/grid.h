/*
 * What a set of runs covers: schemes x traces x set-ups, the runs of each cell and their
 * statistics. A scheme is a controller as named (two models of one name are two schemes, and a
 * controller simulated and the kernel's own are, see results_show); a set-up is everything about
 * the path but the trace; seeds repeat a cell. Schemes, traces and set-ups are
 * numbered in the order of first appearance.
 */
#ifndef REPORT_GRID_H
#define REPORT_GRID_H

#include "base/stats.h"
#include "eval/results.h"

/* What tables and plots show of a run; rows of grid_metrics. */
enum metric { M_UTIL, M_QDELAY, M_QDELAY95, M_THROUGHPUT, M_DROPS, M_RETRANS, M_JAIN, M_TRIGGERED, M_QC, M_PROVEN, M_FALLBACK, M_SHIELD,
	METRICS };
struct metric_info {
	const char *column;	  /* of results_cols */
	const char *title, *unit; /* for people */
	int better;		  /* 1 more, -1 less, 0 neither */
	int decimals;
};
extern const struct metric_info grid_metrics[METRICS];

struct cell {
	int setup, trace, scheme;
	int first, count; /* its runs: grid.order[first .. first + count), by seed */
	struct summary m[METRICS]; /* over the runs that have the value */
};

struct setup {
	const struct run_result *like; /* a run of it */
	char label[512];	       /* "5 BDP, 10 ms" and what else tells it from the others */
	char slug[160];		       /* the same for a file name */
};

struct scheme {
	char name[RESULTS_SHOWN + RESULTS_NAME]; /* with the start of the digest, or the kernel's
						    release, where the name alone is not unique */
	const char *model, *kernel;
};

struct grid {
	const struct result_set *set;
	int nschemes, ntraces, nsetups, ncells;
	struct scheme *schemes;
	const char **traces;
	struct setup *setups;
	bool shown[METRICS]; /* worth a column: some run has it, and for fairness several flows */
	int *order;	    /* [set->n] runs sorted by (setup, trace, scheme, seed) */
	struct cell *cells; /* sorted by (setup, trace, scheme) */
};

/* set must outlive the grid and hold at least one run. 0 or -ENOMEM. */
int grid_init(struct grid *g, const struct result_set *set);
void grid_free(struct grid *g);

/* NULL when there are no such runs. */
const struct cell *grid_cell(const struct grid *g, int setup, int trace, int scheme);

/* A metric over the traces of a set-up and all their runs (summary_pool: its error has the seeds'
 * scatter, not the traces'); *traces (may be NULL) counts the traces. */
struct summary grid_overall(
	const struct grid *g, int setup, int scheme, enum metric m, int *traces);

static inline const struct run_result *grid_run(const struct grid *g, const struct cell *c, int i)
{
	return &g->set->runs[g->order[c->first + i]];
}

#endif
