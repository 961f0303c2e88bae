/* A report's tables in HTML. */
#include "report/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/html.h"

struct row {
	int scheme, traces, runs;
	struct summary m[METRICS];
};

// The scheme's swatch and name, as the first cell.
static void put_scheme(FILE *out, const struct grid *g, int scheme)
{
	html_printf(out, "<td title=\"%s\">", g->schemes[scheme].name);
	html_key(out, scheme);
	html_printf(out, "%s</td>", g->schemes[scheme].name);
}

// Best as shown: values that print alike are equally good.
static double best_of(const struct row *rows, int n, enum metric m)
{
	double scale = pow(10, grid_metrics[m].decimals), best = NAN;

	for (int i = 0; i < n; i++) {
		double x = round(rows[i].m[m].mean * scale) / scale;

		if (isnan(best) || (x - best) * grid_metrics[m].better > 0)
			best = x;
	}
	return best;
}

static void put_head(FILE *out, const struct grid *g, bool overall)
{
	fputs("<div class=\"scroll\"><table class=\"sort\"><thead><tr><th>Controller</th>", out);
	for (int m = 0; m < METRICS; m++)
		if (g->shown[m])
			html_printf(out, "<th>%s<small>%s</small></th>", grid_metrics[m].title,
				grid_metrics[m].unit);
	fputs(overall ? "<th>Traces</th><th>Runs</th></tr></thead>\n<tbody>\n"
		      : "<th>Runs</th></tr></thead>\n<tbody>\n",
		out);
}

static void put_rows(FILE *out, const struct grid *g, const struct row *rows, int n, bool overall)
{
	double best[METRICS];

	for (int m = 0; m < METRICS; m++)
		best[m] = n > 1 && grid_metrics[m].better ? best_of(rows, n, m) : NAN;
	put_head(out, g, overall);
	for (int i = 0; i < n; i++) {
		fputs("<tr>", out);
		put_scheme(out, g, rows[i].scheme);
		for (int m = 0; m < METRICS; m++) {
			double scale = pow(10, grid_metrics[m].decimals);
			bool is_best = false;

			if (!g->shown[m])
				continue;
			is_best = round(rows[i].m[m].mean * scale) / scale == best[m];

			fputs(is_best ? "<td class=\"best\">" : "<td>", out);
			html_summary(out, rows[i].m[m], grid_metrics[m].decimals);
			fputs("</td>", out);
		}
		if (overall)
			html_printf(out, "<td>%d</td>", rows[i].traces);
		html_printf(out, "<td>%d</td></tr>\n", rows[i].runs);
	}
	fputs("</tbody></table></div>\n", out);
}

static int overall_row(struct row *row, const struct grid *g, int setup, int scheme)
{
	*row = (struct row){.scheme = scheme};
	for (int t = 0; t < g->ntraces; t++) {
		const struct cell *c = grid_cell(g, setup, t, scheme);

		row->traces += c != NULL;
		row->runs += c ? c->count : 0;
	}
	for (int m = 0; m < METRICS; m++)
		row->m[m] = grid_overall(g, setup, scheme, m, NULL);
	return row->runs > 0;
}

void table_overall(FILE *out, const struct grid *g, int setup)
{
	struct row *rows = calloc(g->nschemes, sizeof(*rows));
	int n = 0;

	for (int s = 0; rows && s < g->nschemes; s++)
		n += overall_row(&rows[n], g, setup, s);
	if (rows)
		put_rows(out, g, rows, n, true);
	free(rows);
}

void table_trace(FILE *out, const struct grid *g, int setup, int trace)
{
	struct row *rows = calloc(g->nschemes, sizeof(*rows));
	int n = 0;

	for (int s = 0; rows && s < g->nschemes; s++) {
		const struct cell *c = grid_cell(g, setup, trace, s);

		if (!c)
			continue;
		rows[n] = (struct row){.scheme = s, .traces = 1, .runs = c->count};
		memcpy(rows[n++].m, c->m, sizeof(c->m));
	}
	if (rows)
		put_rows(out, g, rows, n, false);
	free(rows);
}

// --- Metadata ---

static void put_json(FILE *out, const json_t *v)
{
	char *text = json_is_string(v) ? NULL : json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);

	html_text(out, json_is_string(v) ? json_string_value(v) : text ? text : "");
	free(text);
}

static void put_pair(FILE *out, const char *key, const json_t *v)
{
	html_printf(out, "<tr><th>%s</th><td>", key);
	put_json(out, v);
	fputs("</td></tr>\n", out);
}

// The seeds of a header's runs as "0, 1, 2", the first few.
static void put_seeds(FILE *out, const struct grid *g, int header, const char **dir, int *runs)
{
	int64_t seen[24];
	int n = 0;

	*runs = 0;
	for (size_t i = 0; i < g->set->n; i++) {
		const struct run_result *r = &g->set->runs[i];
		int k;

		if (r->header != header)
			continue;
		(*runs)++;
		*dir = g->set->dirs[r->dir];
		for (k = 0; k < n && seen[k] != r->seed; k++)
			;
		if (k == n && n < 24) {
			fprintf(out, "%s%lld", n ? ", " : "", (long long)r->seed);
			seen[n++] = r->seed;
			if (n == 24)
				fputs(", \342\200\246", out);
		}
	}
}

static void put_header(FILE *out, const struct grid *g, int i)
{
	json_t *h = json_array_get(g->set->headers, i), *spec = json_object_get(h, "spec"), *v;
	const json_t *m = json_object_get(h, "machine");
	const char *key, *dir = "";
	char *seeds = NULL;
	size_t len;
	FILE *f = open_memstream(&seeds, &len);
	int runs = 0;

	if (!f)
		return;
	put_seeds(f, g, i, &dir, &runs);
	fclose(f);
	if (runs) {
		html_printf(out,
			"<h4>%s: %d runs</h4>\n<div class=\"scroll\"><table "
			"class=\"keys\"><tbody>\n",
			dir, runs);
		put_pair(out, "canopy", json_object_get(h, "canopy"));
		put_pair(out, "processor", json_object_get(m, "cpu"));
		put_pair(out, "cores", json_object_get(m, "cores"));
		put_pair(out, "kernel", json_object_get(m, "kernel"));
		html_printf(
			out, "<tr><th>seeds</th><td>%s</td></tr>\n</tbody></table></div>\n", seeds);
		fputs("<details><summary>The whole spec</summary><table class=\"keys\"><tbody>\n",
			out);
		json_object_foreach(spec, key, v) put_pair(out, key, v);
		fputs("</tbody></table></details>\n", out);
	}
	free(seeds);
}

void table_metadata(FILE *out, const struct grid *g)
{
	bool models = false;

	for (int s = 0; s < g->nschemes; s++)
		models |= g->schemes[s].model[0] != 0;
	if (models)
		fputs("<h4>Models</h4>\n<div class=\"scroll\"><table class=\"keys\"><tbody>\n",
			out);
	for (int s = 0; s < g->nschemes; s++)
		if (g->schemes[s].model[0])
			html_printf(out, "<tr><th>%s</th><td><code>%s</code></td></tr>\n",
				g->schemes[s].name, g->schemes[s].model);
	if (models)
		fputs("</tbody></table></div>\n", out);
	for (size_t i = 0; i < json_array_size(g->set->headers); i++)
		put_header(out, g, i);
}
