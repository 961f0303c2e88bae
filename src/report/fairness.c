/* A report's table of how flows shared the link. */
#include <math.h>
#include <string.h>

#include "report/html.h"
#include "report/table.h"

// Mean over the runs of a cell that have the value, as a table's cell.
static void put_mean(FILE *out, const struct grid *g, const struct cell *c, const char *column, int decimals)
{
	const struct col *col = results_col(column);
	double sum = 0;
	int n = 0;

	for (int i = 0; i < c->count; i++) {
		double x = results_value(col, grid_run(g, c, i));

		if (isnan(x))
			continue;
		sum += x;
		n++;
	}
	if (n)
		fprintf(out, "<td>%.*f</td>", decimals, sum / n);
	else
		fputs("<td>\342\200\223</td>", out);
}

// Each controller's share: "cubic 1.11, reno 0.89", means over its flows in all runs of the cell.
static void put_shares(FILE *out, const struct grid *g, const struct cell *c)
{
	const struct run_result *like = grid_run(g, c, 0);
	const char *comma = "";

	fputs("<td>", out);
	for (int i = 0; i < like->nflows; i++) {
		const char *name = like->flows[i].controller;
		double sum = 0;
		int n = 0, first = 0;

		while (strcmp(like->flows[first].controller, name))
			first++;
		if (first < i)
			continue;
		for (int k = 0; k < c->count; k++) {
			const struct run_result *r = grid_run(g, c, k);

			for (int j = 0; j < r->nflows; j++)
				if (!strcmp(r->flows[j].controller, name) && !isnan(r->flows[j].share)) {
					sum += r->flows[j].share;
					n++;
				}
		}
		if (!n)
			continue;
		html_printf(out, "%s%s", comma, name);
		fprintf(out, " %.2f", sum / n);
		comma = ", ";
	}
	fputs("</td>", out);
}

static void put_row(FILE *out, const struct grid *g, const struct cell *c)
{
	int changes = 0, converged = 0;

	html_printf(out, "<tr><td>%s</td>", g->schemes[c->scheme].name);
	put_mean(out, g, c, "jain_1s_mean", 3);
	put_mean(out, g, c, "jain_1s_min", 3);
	put_shares(out, g, c);
	for (int i = 0; i < c->count; i++) {
		changes += grid_run(g, c, i)->changes;
		converged += grid_run(g, c, i)->converged;
	}
	put_mean(out, g, c, "converge_s", 1);
	fprintf(out, "<td>%d of %d</td></tr>\n", converged, changes);
}

void table_fairness(FILE *out, const struct grid *g, int setup, int trace)
{
	bool any = false;

	for (int s = 0; s < g->nschemes; s++) {
		const struct cell *c = grid_cell(g, setup, trace, s);

		if (!c || grid_run(g, c, 0)->nflows < 2)
			continue;
		if (!any)
			fputs("<div class=\"scroll\"><table class=\"sort\"><thead><tr><th>Controller</th>"
			      "<th>Jain, 1 s<small>mean</small></th><th>Jain, 1 s<small>least</small></th>"
			      "<th>Goodput<small>over fair share</small></th><th>Convergence<small>s</small>"
			      "</th><th>Converged<small>after joins, leaves</small></th></tr></thead>\n"
			      "<tbody>\n",
				out);
		any = true;
		put_row(out, g, c);
	}
	if (any)
		fputs("</tbody></table></div>\n<p class=\"note\">While several flows are active. "
		      "Converged: for 5 s, every flow\342\200\231s goodput of each second is within 25 % "
		      "of its equal share.</p>\n",
			out);
}
