/* Shares, Jain's index and convergence of a run's flows. */
#include "eval/fairness.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EPS 1e-6 // s: times that are equal but for rounding

// The time between two changes: the last instant of one to the first of the next.
struct epoch {
	double since, from, to; // since: the first instant of the change that begins it
	size_t first, last;	// whole bins [first, last)
	int n;			// active flows
	const int *active;	// [n]
};

struct fairness {
	struct run_result *out;
	const struct series *s;
	double bin_s;
	size_t rows, window; // whole bins; bins of a window
	double *times;	     // [ntimes] joins and leaves in order
	int ntimes;
	int *active;	   // [flows] of the epoch at hand
	double *got, *due; // [flows] sums over the bins shared with others
	double jain_sum, converge_sum;
	int windows;
};

static int by_time(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double rate_at(const struct fairness *f, size_t row, int flow)
{
	double x = series_at(f->s, row)[SERIES_FLOW(flow, SERIES_RATE)];

	return isnan(x) ? 0 : x;
}

// A flow's sum over the window that begins with a bin.
static double window_sum(const struct fairness *f, size_t row, int flow)
{
	double sum = 0;

	for (size_t i = 0; i < f->window; i++)
		sum += rate_at(f, row + i, flow);
	return sum;
}

// Joins and leaves before the end of the metrics, sorted.
static void list_times(struct fairness *f)
{
	const struct run_result *r = f->out;

	for (int i = 0; i < r->nflows; i++) {
		double start = r->flows[i].start_s, stop = r->flows[i].stop_s;

		if (start >= r->duration_s || start >= stop)
			continue;
		f->times[f->ntimes++] = start;
		if (stop < r->duration_s - EPS)
			f->times[f->ntimes++] = stop;
	}
	qsort(f->times, f->ntimes, sizeof(*f->times), by_time);
}

// The epoch that begins with the change at times[*at]; *at moves to the next change.
static struct epoch next_epoch(struct fairness *f, int *at)
{
	struct epoch e = {.since = f->times[*at], .active = f->active};

	while (*at + 1 < f->ntimes && f->times[*at + 1] - f->times[*at] <= FAIRNESS_MERGE_S)
		++*at;
	e.from = f->times[(*at)++];
	e.to = *at < f->ntimes ? f->times[*at] : f->out->duration_s;
	e.first = ceil((e.from - EPS) / f->bin_s);
	e.last = fmin(floor((e.to + EPS) / f->bin_s), f->rows);
	for (int i = 0; i < f->out->nflows; i++) {
		const struct flow_result *flow = &f->out->flows[i];

		if (flow->start_s <= e.from + EPS && flow->stop_s >= e.to - EPS)
			f->active[e.n++] = i;
	}
	return e;
}

static void add_shares(struct fairness *f, const struct epoch *e)
{
	for (size_t row = e->first; row < e->last; row++) {
		double all = 0;

		for (int i = 0; i < e->n; i++)
			all += rate_at(f, row, e->active[i]);
		for (int i = 0; i < e->n; i++) {
			f->got[e->active[i]] += rate_at(f, row, e->active[i]);
			f->due[e->active[i]] += all / e->n;
		}
	}
}

static void add_jain(struct fairness *f, const struct epoch *e)
{
	size_t row = (e->first + f->window - 1) / f->window * f->window;

	for (; row + f->window <= e->last; row += f->window) {
		double sum = 0, squares = 0, jain;

		for (int i = 0; i < e->n; i++) {
			double x = window_sum(f, row, e->active[i]);

			sum += x;
			squares += x * x;
		}
		if (squares <= 0)
			continue;
		jain = sum * sum / (e->n * squares);
		f->jain_sum += jain;
		f->windows++;
		f->out->jain_1s_min = fmin(f->out->jain_1s_min, jain);
	}
}

static bool window_is_fair(const struct fairness *f, const struct epoch *e, size_t row)
{
	double all = 0;

	for (int i = 0; i < e->n; i++)
		all += window_sum(f, row, e->active[i]);
	for (int i = 0; i < e->n; i++) {
		double off = window_sum(f, row, e->active[i]) * e->n - all;

		if (all <= 0 || fabs(off) > FAIRNESS_BAND * all * (1 + 1e-12))
			return false;
	}
	return true;
}

// Seconds from the change to the earliest time after which FAIRNESS_HOLD_S are fair; NaN if there is none.
static double converge_time(const struct fairness *f, const struct epoch *e)
{
	size_t need = (FAIRNESS_HOLD_S / FAIRNESS_WINDOW_S - 1) * f->window + 1, held = 0;

	for (size_t row = e->first; row + f->window <= e->last; row++) {
		held = window_is_fair(f, e, row) ? held + 1 : 0;
		if (held == need)
			return fmax(0, (row + 1 - need) * f->bin_s - e->from);
	}
	return NAN;
}

static void add_convergence(struct fairness *f, const struct epoch *e)
{
	double t = converge_time(f, e);

	f->out->changes++;
	if (isnan(t))
		return;
	f->out->converged++;
	f->converge_sum += t;
	for (int i = 0; i < f->out->nflows; i++) {
		struct flow_result *flow = &f->out->flows[i];

		if (flow->start_s >= e->since && flow->start_s <= e->from)
			flow->join_converge_s = t;
		if (flow->stop_s >= e->since && flow->stop_s <= e->from)
			flow->leave_converge_s = t;
	}
}

// Mean share over the flows of flow i's controller; NaN without one. *first: i is the first of them.
static double mean_share(const struct run_result *r, int i, bool *first)
{
	double sum = 0;
	int n = 0;

	*first = true;
	for (int j = 0; j < r->nflows; j++) {
		if (strcmp(r->flows[j].controller, r->flows[i].controller))
			continue;
		*first = *first && j >= i;
		if (isnan(r->flows[j].share))
			continue;
		sum += r->flows[j].share;
		n++;
	}
	return n ? sum / n : NAN;
}

// The run's text of shares, and friendliness where it is FAIRNESS_BASE and one other.
static void sum_up_shares(struct run_result *r)
{
	size_t len = 0;
	int bases = 0, others = 0;
	double other = NAN;

	for (int i = 0; i < r->nflows; i++) {
		char one[RESULTS_NAME + 16];
		bool first;
		double share = mean_share(r, i, &first);

		if (!first || isnan(share))
			continue;
		snprintf(one, sizeof(one), "%s%s=%.3f", len ? " " : "", r->flows[i].controller, share);
		if (len + strlen(one) < sizeof(r->shares))
			len += snprintf(r->shares + len, sizeof(r->shares) - len, "%s", one);
		if (!strcmp(r->flows[i].controller, FAIRNESS_BASE)) {
			bases++;
		} else {
			others++;
			other = share;
		}
	}
	r->friendliness = bases == 1 && others == 1 ? other : NAN;
}

static void finish(struct fairness *f)
{
	struct run_result *r = f->out;

	for (int i = 0; i < r->nflows; i++)
		r->flows[i].share = f->due[i] > 0 ? f->got[i] / f->due[i] : NAN;
	r->jain_1s_mean = f->windows ? f->jain_sum / f->windows : NAN;
	r->converge_s = r->converged ? f->converge_sum / r->converged : NAN;
	sum_up_shares(r);
}

int fairness_measure(struct run_result *out, const struct series *s, double bin_s)
{
	int n = out->nflows, err = 0;
	struct fairness f = {.out = out,
		.s = s,
		.bin_s = bin_s,
		.rows = fmin(s->rows, floor((out->duration_s + EPS) / bin_s)),
		.window = lround(FAIRNESS_WINDOW_S / bin_s),
		.times = calloc(2 * n + 1, sizeof(double)),
		.active = calloc(n + 1, sizeof(int)),
		.got = calloc(n + 1, sizeof(double)),
		.due = calloc(n + 1, sizeof(double))};

	if (!f.times || !f.active || !f.got || !f.due) {
		err = -ENOMEM;
		goto out;
	}
	out->jain_1s_min = NAN;
	out->changes = out->converged = 0;
	out->shares[0] = 0;
	for (int i = 0; i < n; i++)
		out->flows[i].join_converge_s = out->flows[i].leave_converge_s = NAN;
	list_times(&f);
	for (int at = 0; at < f.ntimes;) {
		struct epoch e = next_epoch(&f, &at);

		if (e.n < 2)
			continue;
		add_shares(&f, &e);
		add_jain(&f, &e);
		add_convergence(&f, &e);
	}
	finish(&f);
out:
	free(f.times);
	free(f.active);
	free(f.got);
	free(f.due);
	return err;
}
