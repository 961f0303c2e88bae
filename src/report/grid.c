/* Sorts runs into cells of schemes, traces and set-ups and takes their statistics. */
#include "report/grid.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const struct metric_info grid_metrics[METRICS] = {
	[M_UTIL] = {"util_pct", "Utilisation", "%", 1, 1},
	[M_QDELAY] = {"qdelay_mean_ms", "Mean delay", "ms", -1, 1},
	[M_QDELAY95] = {"qdelay_p95_ms", "95 % delay", "ms", -1, 1},
	[M_THROUGHPUT] = {"throughput_mbps", "Throughput", "Mbit/s", 1, 2},
	[M_DROPS] = {"drops", "Drops", "packets", -1, 0},
	[M_RETRANS] = {"retrans", "Retrans.", "packets", -1, 0},
	[M_JAIN] = {"jain", "Fairness", "Jain\342\200\231s index", 1, 3},
	[M_TRIGGERED] = {"triggered_pct", "Triggered", "% of decisions", 0, 1},
	[M_QC] = {"qc_mean", "QC", "share", 1, 3},
	[M_PROVEN] = {"proven_mean", "Proven", "share", 1, 3},
	[M_FALLBACK] = {"fallback_pct", "Fallback", "% of decisions", 0, 1},
	[M_SHIELD] = {"shield_pct", "Shield", "% of decisions moved", 0, 1},
};

// --- Finding what there is: each run gets the number of its scheme, trace and set-up ---

struct place {
	int setup, trace, scheme, run;
	int64_t seed;
};

static bool same_setup(const struct run_result *a, const struct run_result *b)
{
	return a->buffer_bdp == b->buffer_bdp && !strcmp(a->queue, b->queue) &&
	       a->delay_ms == b->delay_ms && a->loss == b->loss &&
	       a->noise == b->noise && !strcmp(a->queue_args, b->queue_args) && a->ecn == b->ecn &&
	       !strcmp(a->loss_burst, b->loss_burst) && !strcmp(a->flow_args, b->flow_args);
}

static int setup_of(struct grid *g, const struct run_result *run)
{
	int i;

	for (i = 0; i < g->nsetups && !same_setup(g->setups[i].like, run); i++)
		;
	if (i == g->nsetups)
		g->setups[g->nsetups++].like = run;
	return i;
}

static int trace_of(struct grid *g, const struct run_result *run)
{
	int i;

	for (i = 0; i < g->ntraces && strcmp(g->traces[i], run->trace); i++)
		;
	if (i == g->ntraces)
		g->traces[g->ntraces++] = run->trace;
	return i;
}

static int scheme_of(struct grid *g, const struct run_result *run)
{
	struct scheme *s;
	char name[RESULTS_SHOWN];
	int i;

	results_show(run, name);
	for (i = 0; i < g->nschemes; i++)
		if (!strcmp(g->schemes[i].name, name) && !strcmp(g->schemes[i].model, run->model) &&
			!strcmp(g->schemes[i].kernel, run->kernel))
			return i;
	s = &g->schemes[g->nschemes++];
	snprintf(s->name, sizeof(s->name), "%s", name);
	s->model = run->model;
	s->kernel = run->kernel;
	return i;
}

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->setup != y->setup)
		return x->setup < y->setup ? -1 : 1;
	if (x->trace != y->trace)
		return x->trace < y->trace ? -1 : 1;
	if (x->scheme != y->scheme)
		return x->scheme < y->scheme ? -1 : 1;
	if (x->seed != y->seed)
		return x->seed < y->seed ? -1 : 1;
	return x->run < y->run ? -1 : 1;
}

// --- Labels ---

// Is that scheme called as another, whose name may have been added to?
static bool named_twice(const struct grid *g, int scheme)
{
	const char *name = g->schemes[scheme].name;
	size_t len = strlen(name);

	for (int j = 0; j < g->nschemes; j++)
		if (j != scheme && !strncmp(g->schemes[j].name, name, len) &&
			(!g->schemes[j].name[len] ||
				(!strncmp(g->schemes[j].name + len, " (", 2) &&
					strncmp(g->schemes[j].name + len, " (kernel", 8))))
			return true;
	return false;
}

// Names shared by two models get the start of their digests, by two kernels their releases.
static void tell_schemes_apart(struct grid *g)
{
	for (int i = 0; i < g->nschemes; i++) {
		struct scheme *s = &g->schemes[i];
		size_t len = strlen(s->name);

		if (!named_twice(g, i))
			continue;
		if (s->model[0])
			snprintf(s->name + len, sizeof(s->name) - len, " (%.8s)", s->model);
		else if (s->kernel[0])
			snprintf(s->name + len, sizeof(s->name) - len, " (%s)", s->kernel);
	}
}

static void label_setup(struct grid *g, struct setup *s)
{
	const struct run_result *r = s->like, *first = g->setups[0].like;
	bool queue = false;
	char *w = s->slug;
	size_t n;

	for (int i = 1; i < g->nsetups; i++)
		queue |= strcmp(g->setups[i].like->queue, first->queue) != 0;
	n = snprintf(s->label, sizeof(s->label), "buffer %g BDP, delay %g ms", r->buffer_bdp,
		r->delay_ms);
	if (queue || (strcmp(r->queue, "droptail") && r->queue[0]))
		n += snprintf(s->label + n, sizeof(s->label) - n, ", %s%s%s%s", r->queue,
			*r->queue_args ? " (" : "", r->queue_args, *r->queue_args ? ")" : "");
	if (r->ecn)
		n += snprintf(s->label + n, sizeof(s->label) - n, ", ECN");
	if (r->loss > 0)
		n += snprintf(s->label + n, sizeof(s->label) - n, ", %g %% loss", 100 * r->loss);
	if (*r->loss_burst)
		n += snprintf(s->label + n, sizeof(s->label) - n, ", loss in bursts (%s)", r->loss_burst);
	if (*r->flow_args)
		n += snprintf(s->label + n, sizeof(s->label) - n, ", flows %s", r->flow_args);
	if (r->noise > 0)
		snprintf(s->label + n, sizeof(s->label) - n, ", noise \302\261%g %%",
			100 * r->noise);
	for (const char *p = s->label; *p && w < s->slug + sizeof(s->slug) - 1; p++)
		if (isalnum((unsigned char)*p) || *p == '.')
			*w++ = *p;
		else if (w > s->slug && w[-1] != '-')
			*w++ = '-';
	*w = 0;
}

// --- Cells ---

static void fill_cell(struct grid *g, struct cell *c, double *x)
{
	for (int m = 0; m < METRICS; m++) {
		const struct col *col = results_col(grid_metrics[m].column);

		for (int i = 0; i < c->count; i++)
			x[i] = results_value(col, grid_run(g, c, i));
		c->m[m] = summary_of(x, c->count);
	}
}

static int fill_cells(struct grid *g, const struct place *p, int n)
{
	double *x = malloc(n * sizeof(*x));
	struct cell *c = NULL;

	if (!x)
		return -ENOMEM;
	for (int i = 0; i < n; i++) {
		g->order[i] = p[i].run;
		if (!c || c->setup != p[i].setup || c->trace != p[i].trace ||
			c->scheme != p[i].scheme) {
			c = &g->cells[g->ncells++];
			*c = (struct cell){.setup = p[i].setup,
				.trace = p[i].trace,
				.scheme = p[i].scheme,
				.first = i};
		}
		c->count++;
	}
	for (int i = 0; i < g->ncells; i++)
		fill_cell(g, &g->cells[i], x);
	free(x);
	return 0;
}

int grid_init(struct grid *g, const struct result_set *set)
{
	int n = (int)set->n, err = -ENOMEM;
	struct place *p = malloc(n * sizeof(*p));

	*g = (struct grid){.set = set};
	g->schemes = calloc(n, sizeof(*g->schemes));
	g->traces = calloc(n, sizeof(*g->traces));
	g->setups = calloc(n, sizeof(*g->setups));
	g->order = calloc(n, sizeof(*g->order));
	g->cells = calloc(n, sizeof(*g->cells));
	if (!p || !g->schemes || !g->traces || !g->setups || !g->order || !g->cells)
		goto out;
	for (int i = 0; i < n; i++) {
		const struct run_result *r = &set->runs[i];

		for (int m = 0; m < METRICS; m++)
			g->shown[m] |= m == M_JAIN ? r->nflows > 1
						   : !isnan(results_value(results_col(grid_metrics[m].column), r));
		p[i] = (struct place){setup_of(g, r), trace_of(g, r), scheme_of(g, r), i, r->seed};
	}
	tell_schemes_apart(g);
	for (int i = 0; i < g->nsetups; i++)
		label_setup(g, &g->setups[i]);
	qsort(p, n, sizeof(*p), compare_places);
	err = fill_cells(g, p, n);
out:
	free(p);
	if (err)
		grid_free(g);
	return err;
}

void grid_free(struct grid *g)
{
	free(g->schemes);
	free(g->traces);
	free(g->setups);
	free(g->order);
	free(g->cells);
	memset(g, 0, sizeof(*g));
}

const struct cell *grid_cell(const struct grid *g, int setup, int trace, int scheme)
{
	int lo = 0, hi = g->ncells;

	while (lo < hi) {
		int mid = (lo + hi) / 2;
		const struct cell *c = &g->cells[mid];
		int order = c->setup != setup	? c->setup - setup
			    : c->trace != trace ? c->trace - trace
						: c->scheme - scheme;

		if (!order)
			return c;
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

struct summary grid_overall(const struct grid *g, int setup, int scheme, enum metric m, int *traces)
{
	struct summary s = {0, NAN, NAN, NAN, NAN}, *cells = calloc(g->ntraces, sizeof(*cells));
	int n = 0;

	for (int t = 0; cells && t < g->ntraces; t++) {
		const struct cell *c = grid_cell(g, setup, t, scheme);

		if (c && c->m[m].n)
			cells[n++] = c->m[m];
	}
	if (cells)
		s = summary_pool(cells, n);
	if (traces)
		*traces = n;
	free(cells);
	return s;
}
