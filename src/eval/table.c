/* Groups runs that differ only in their seed and prints the groups' means. */
#include "eval/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct mean {
	double sum;
	int n;
};

struct group {
	const struct run_result *first; /* names the group */
	struct mean util, mean_ms, p95_ms, drops;
	int runs;
};

struct groups {
	struct group *g;
	int n;
};

static void add(struct mean *m, double x)
{
	if (isnan(x))
		return;
	m->sum += x;
	m->n++;
}

static void add_run(struct group *g, const struct run_result *r)
{
	g->runs++;
	add(&g->util, r->util_pct);
	add(&g->mean_ms, r->qdelay_mean_ms);
	add(&g->p95_ms, r->qdelay_p95_ms);
	add(&g->drops, r->drops);
}

static bool same_place(const struct run_result *a, const struct run_result *b)
{
	return !strcmp(a->trace, b->trace) && a->buffer_bdp == b->buffer_bdp &&
	       a->delay_ms == b->delay_ms && a->loss == b->loss && !strcmp(a->queue, b->queue) &&
	       a->nominal_mbps == b->nominal_mbps && !strcmp(a->queue_args, b->queue_args) &&
	       a->ecn == b->ecn && !strcmp(a->loss_burst, b->loss_burst);
}

static bool same_cell(const struct run_result *a, const struct run_result *b)
{
	return same_place(a, b) && a->noise == b->noise && !strcmp(a->controller, b->controller);
}

static bool same_scheme(const struct run_result *a, const struct run_result *b)
{
	return a->noise == b->noise && !strcmp(a->controller, b->controller);
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
}

static void print_mean(FILE *out, const struct mean *m, int width, int digits)
{
	if (m->n)
		fprintf(out, " %*.*f", width, digits, m->sum / m->n);
	else
		fprintf(out, " %*s", width, "-");
}

static void print_group(FILE *out, const struct group *g, int width)
{
	char name[RESULTS_NAME + 32];

	snprintf(name, sizeof(name), g->first->noise > 0 ? "%s (noise %g)" : "%s",
		g->first->controller, g->first->noise);
	fprintf(out, "  %-*s", width, name);
	print_mean(out, &g->util, 7, 2);
	print_mean(out, &g->mean_ms, 9, 2);
	print_mean(out, &g->p95_ms, 9, 1);
	print_mean(out, &g->drops, 9, 1);
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
	fputc('\n', out);
}

static int name_width(const struct groups *gs)
{
	int width = 12;

	for (int i = 0; i < gs->n; i++) {
		int n = strlen(gs->g[i].first->controller) + (gs->g[i].first->noise > 0 ? 13 : 0);

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
			print_group(out, &cells->g[k], width);
			shown[k] = true;
		}
	}
	free(shown);
}

void table_print(FILE *out, const struct result_set *s,
	bool (*keep)(void *arg, const struct run_result *r), void *arg)
{
	struct groups cells = {.g = calloc(s->n + 1, sizeof(struct group))};
	struct groups all = {.g = calloc(s->n + 1, sizeof(struct group))};
	int width;

	if (!cells.g || !all.g)
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
	fprintf(out, "  %-*s %7s %9s %9s %9s %5s\n", width, "controller", "util %", "delay ms",
		"p95 ms", "drops", "runs");
	print_cells(out, &cells, width);
	fprintf(out, "mean over all\n");
	for (int i = 0; i < all.n; i++)
		print_group(out, &all.g[i], width);
out:
	free(cells.g);
	free(all.g);
}
