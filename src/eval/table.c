/* Groups runs that differ only in their seed and prints the groups' means. */
#include "eval/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/stats.h"

enum { UTIL, MEAN_MS, P95_MS, DROPS, QC, FALLBACK, SHIELD, COLUMNS };

static const struct column {
	const char *title;
	int width, digits;
} columns[COLUMNS] = {{"util %", 7, 2}, {"delay ms", 9, 2}, {"p95 ms", 9, 1}, {"drops", 9, 1},
	{"QC", 7, 3}, {"fallback %", 10, 1}, {"shield %", 8, 1}};

struct group {
	const struct run_result *first; /* names the group */
	struct summary col[COLUMNS];
	double dev[COLUMNS]; /* sums of squared deviations, while runs are added */
	int runs;
};

struct groups {
	struct group *g;
	int n;
	bool repeats; /* some group has several runs */
	bool shown[COLUMNS];
};

// Welford's update of a summary and its squared deviations.
static void add(struct summary *s, double *dev, double x)
{
	double step;

	if (isnan(x))
		return;
	if (!s->n)
		*s = (struct summary){0, 0, NAN, NAN, NAN};
	step = x - s->mean;
	s->n++;
	s->mean += step / s->n;
	*dev += step * (x - s->mean);
	if (s->n < 2)
		return;
	s->df = s->n - 1;
	s->std = sqrt(*dev / s->df);
	s->se = s->std / sqrt(s->n);
}

static void add_run(struct group *g, const struct run_result *r)
{
	const double x[] = {r->util_pct, r->qdelay_mean_ms, r->qdelay_p95_ms, r->drops, r->qc_mean,
		r->fallback_pct, r->shield_pct};

	g->runs++;
	for (int c = 0; c < COLUMNS; c++)
		add(&g->col[c], &g->dev[c], x[c]);
}

static bool same_place(const struct run_result *a, const struct run_result *b)
{
	return !strcmp(a->trace, b->trace) && a->buffer_bdp == b->buffer_bdp &&
	       a->delay_ms == b->delay_ms && a->loss == b->loss && !strcmp(a->queue, b->queue) &&
	       a->nominal_mbps == b->nominal_mbps && !strcmp(a->queue_args, b->queue_args) &&
	       a->ecn == b->ecn && !strcmp(a->loss_burst, b->loss_burst) && !strcmp(a->flow_args, b->flow_args);
}

static bool same_scheme(const struct run_result *a, const struct run_result *b)
{
	return a->noise == b->noise && !strcmp(a->controller, b->controller) &&
	       !strcmp(a->on, b->on) && !strcmp(a->traffic, b->traffic);
}

static bool same_cell(const struct run_result *a, const struct run_result *b)
{
	return same_place(a, b) && same_scheme(a, b);
}

// Adds r to its group, most likely a late one; a new group otherwise.
static void put(struct groups *gs, const struct run_result *r,
	bool (*same)(const struct run_result *a, const struct run_result *b))
{
	int i = 0;

	while (i < gs->n && !same(gs->g[i].first, r))
		i++;
	if (i == gs->n)
		gs->g[gs->n++] = (struct group){.first = r};
	add_run(&gs->g[i], r);
	gs->repeats |= gs->g[i].runs > 1;
	for (int c = 0; c < COLUMNS; c++)
		gs->shown[c] |= c <= DROPS || gs->g[i].col[c].n > 0;
}

// "93.10 +-0.12": the mean and half its confidence interval, which takes no room where nothing
// repeats.
static void print_mean(FILE *out, const struct summary *m, const struct column *c, bool repeats)
{
	double half = m->n ? summary_half_width(m, STATS_LEVEL) : NAN;

	if (m->n)
		fprintf(out, " %*.*f", c->width, c->digits, m->mean);
	else
		fprintf(out, " %*s", c->width, "-");
	if (repeats && !isnan(half))
		fprintf(out, " \302\261%-6.*f", c->digits, half);
	else if (repeats)
		fprintf(out, " %7s", "");
}

static void print_group(FILE *out, const struct groups *gs, const struct group *g, int width)
{
	char name[RESULTS_SHOWN + 32], shown[RESULTS_SHOWN];

	snprintf(name, sizeof(name), g->first->noise > 0 ? "%s (noise %g)" : "%s",
		results_show(g->first, shown), g->first->noise);
	fprintf(out, "  %-*s", width, name);
	for (int c = 0; c < COLUMNS; c++)
		if (gs->shown[c])
			print_mean(out, &g->col[c], &columns[c], gs->repeats);
	fprintf(out, " %5d\n", g->runs);
}

// "wired12, 0.5 BDP (10 packets)" and what is not usual about it.
static void print_place(FILE *out, const struct run_result *r)
{
	fprintf(out, "%s", r->trace);
	if (r->queue_pkts)
		fprintf(out, ", %g BDP (%lld packets)", r->buffer_bdp, (long long)r->queue_pkts);
	if (strcmp(r->queue, "droptail"))
		fprintf(out, ", %s", r->queue);
	if (*r->queue_args)
		fprintf(out, " (%s)", r->queue_args);
	if (r->ecn)
		fprintf(out, ", ECN");
	fprintf(out, ", %g ms", r->delay_ms);
	if (r->loss > 0)
		fprintf(out, ", loss %g", r->loss);
	if (*r->loss_burst)
		fprintf(out, ", bursts of loss (%s)", r->loss_burst);
	if (*r->flow_args)
		fprintf(out, ", flows %s", r->flow_args);
	fputc('\n', out);
}

static int name_width(const struct groups *gs)
{
	int width = 12;

	for (int i = 0; i < gs->n; i++) {
		const struct run_result *r = gs->g[i].first;
		char shown[RESULTS_SHOWN];
		int n = strlen(results_show(r, shown)) + (r->noise > 0 ? 13 : 0);

		width = n > width ? n : width;
	}
	return width;
}

static void print_cells(FILE *out, const struct groups *cells, int width)
{
	bool *shown = calloc(cells->n + 1, sizeof(*shown));

	for (int i = 0; shown && i < cells->n; i++) {
		if (shown[i])
			continue;
		print_place(out, cells->g[i].first);
		for (int k = i; k < cells->n; k++) {
			if (shown[k] || !same_place(cells->g[i].first, cells->g[k].first))
				continue;
			print_group(out, cells, &cells->g[k], width);
			shown[k] = true;
		}
	}
	free(shown);
}

// A scheme's runs over all cells: errors are those of the seeds, since places differ by design.
static void pool(struct group *all, const struct groups *cells, struct summary *room)
{
	for (int c = 0; c < COLUMNS; c++) {
		int n = 0;

		for (int i = 0; i < cells->n; i++)
			if (same_scheme(cells->g[i].first, all->first))
				room[n++] = cells->g[i].col[c];
		all->col[c] = summary_pool(room, n);
	}
}

static void print_head(FILE *out, const struct groups *gs, int width)
{
	fprintf(out, "  %-*s", width, "controller");
	for (int c = 0; c < COLUMNS; c++)
		if (gs->shown[c])
			fprintf(out, " %*s%*s", columns[c].width, columns[c].title, gs->repeats ? 8 : 0, "");
	fprintf(out, " %5s\n", "runs");
}

void table_print(FILE *out, const struct result_set *s,
	bool (*keep)(void *arg, const struct run_result *r), void *arg)
{
	struct groups cells = {.g = calloc(s->n + 1, sizeof(struct group))};
	struct groups all = {.g = calloc(s->n + 1, sizeof(struct group))};
	struct summary *room = calloc(s->n + 1, sizeof(*room));
	int width;

	if (!cells.g || !all.g || !room)
		goto out;
	for (size_t i = 0; i < s->n; i++) {
		if (keep && !keep(arg, &s->runs[i]))
			continue;
		put(&cells, &s->runs[i], same_cell);
		put(&all, &s->runs[i], same_scheme);
	}
	if (!cells.n)
		goto out;
	width = name_width(&all);
	print_head(out, &cells, width);
	print_cells(out, &cells, width);
	fprintf(out, "mean over all\n");
	for (int i = 0; i < all.n; i++) {
		pool(&all.g[i], &cells, room);
		print_group(out, &cells, &all.g[i], width);
	}
	if (cells.repeats)
		fprintf(out,
			"\302\261 half the 95 %% confidence interval of the mean over seeds\n");
out:
	free(cells.g);
	free(all.g);
	free(room);
}
