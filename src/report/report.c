/* Puts a report's page together. */
#include "report/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/gnuplot.h"
#include "base/log.h"
#include "report/figure.h"
#include "report/html.h"
#include "report/svg.h"
#include "report/table.h"

static void put_figure(FILE *out, const struct figures *f, enum figure_kind kind, int setup,
	int trace, int scheme, const char *caption)
{
	const struct figure *fig = figures_find(f, kind, setup, trace, scheme);
	char *label;

	if (!fig)
		return;
	label = figure_label(f, fig);
	fputs("<figure>", out);
	if (caption)
		html_printf(out, "<figcaption>%s</figcaption>", caption);
	svg_inline(out, fig->svg, fig->len, label);
	fputs("</figure>\n", out);
	free(label);
}

static void put_legend(FILE *out, const struct grid *g)
{
	fputs("<ul class=\"legend\">", out);
	for (int s = 0; s < g->nschemes; s++) {
		fputs("<li>", out);
		html_key(out, s);
		html_printf(out, "%s</li>", g->schemes[s].name);
	}
	fputs("</ul>\n", out);
}

static void put_contents(FILE *out, const struct grid *g, bool drawn)
{
	fputs("<nav><ul><li><a class=\"top\" href=\"#summary\">Summary</a></li>\n", out);
	if (drawn)
		fputs("<li><a class=\"top\" href=\"#per-trace\">Utilisation and delay per "
		      "trace</a></li>\n",
			out);
	fputs("<li><a class=\"top\" href=\"#traces\">Traces</a><ul>\n", out);
	for (int t = 0; t < g->ntraces; t++)
		html_printf(out, "<li><a href=\"#trace-%d\">%s</a></li>\n", t + 1, g->traces[t]);
	fputs("</ul></li>\n<li><a class=\"top\" href=\"#runs\">How it was "
	      "run</a></li></ul></nav>\n",
		out);
}

static void put_warnings(FILE *out, const struct grid *g)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	int n = f ? table_warnings(f, g) : 0;

	if (f)
		fclose(f);
	if (n)
		fprintf(out,
			"<div class=\"warn\" id=\"warnings\"><strong>Be "
			"wary</strong><ul>\n%s</ul></div>\n",
			text);
	free(text);
}

static void put_summary(FILE *out, const struct figures *f)
{
	const struct grid *g = f->grid;

	fputs("<h2 id=\"summary\">Summary</h2>\n<p class=\"note\">Means over all traces and runs. "
	      "Delays are packets\342\200\231 "
	      "waiting times in the bottleneck\342\200\231s queue; \342\200\234"
	      "95 % delay\342\200\235 is their 95th percentile. Where every trace was run with "
	      "several seeds, \302\261 is half "
	      "the 95 % confidence interval of the mean over seeds, of these traces; canopy compare "
	      "tests differences.</p>\n",
		out);
	if (!f->ntext)
		fputs("<p class=\"note\">No figures: gnuplot was not installed where this page was "
		      "made.</p>\n",
			out);
	else
		fputs("<p class=\"note\">Each mark stands at a controller\342\200\231s mean "
		      "queueing delay, the bar reaches to the 95th percentile; up and left is "
		      "better. A shaded box is the 95 % confidence interval of both means over "
		      "seeds.</p>\n",
			out);
	fputs("<div class=\"pair\">\n", out);
	for (int s = 0; s < g->nsetups; s++)
		put_figure(out, f, FIG_OVERALL, s, -1, -1, g->setups[s].label);
	fputs("</div>\n", out);
	for (int s = 0; s < g->nsetups; s++) {
		html_printf(out, "<h4>%s</h4>\n", g->setups[s].label);
		table_overall(out, g, s);
	}
}

static void put_multiples(FILE *out, const struct figures *f)
{
	const struct grid *g = f->grid;

	fputs("<h2 id=\"per-trace\">Utilisation and delay per trace</h2>\n"
	      "<p class=\"note\">Utilisation (%) against queueing delay (ms), a panel a trace; the "
	      "axes differ.</p>\n",
		out);
	put_legend(out, g);
	for (int s = 0; s < g->nsetups; s++) {
		html_printf(out, "<h4>%s</h4>\n<div class=\"many\">\n", g->setups[s].label);
		for (int t = 0; t < g->ntraces; t++)
			put_figure(out, f, FIG_TRACE, s, t, -1, NULL);
		fputs("</div>\n", out);
	}
}

static void put_trace(FILE *out, const struct figures *f, int trace)
{
	const struct grid *g = f->grid;

	html_printf(out, "<h3 id=\"trace-%d\">%s</h3>\n", trace + 1, g->traces[trace]);
	for (int s = 0; s < g->nsetups; s++) {
		bool any = false;

		for (int i = 0; i < g->nschemes && !any; i++)
			any = grid_cell(g, s, trace, i) != NULL;
		if (!any)
			continue;
		html_printf(out, "<h4>%s</h4>\n", g->setups[s].label);
		table_trace(out, g, s, trace);
		if (figures_find(f, FIG_CURVES, s, trace, -1))
			put_legend(out, g);
		put_figure(out, f, FIG_CURVES, s, trace, -1, NULL);
		table_fairness(out, g, s, trace);
		for (int i = 0; i < g->nschemes; i++)
			put_figure(out, f, FIG_FLOWS, s, trace, i, g->schemes[i].name);
	}
}

static void put_count(FILE *out, int n, const char *what, const char *after)
{
	fprintf(out, "%d %s%s%s", n, what, n == 1 ? "" : "s", after);
}

static void put_page(FILE *out, const struct figures *f)
{
	const struct grid *g = f->grid;

	html_begin(out, "Canopy report");
	for (int i = 0; i < f->n; i++)
		if (f->fig[i].svg) {
			svg_defs(out, f->fig[i].svg, f->fig[i].len);
			break;
		}
	put_contents(out, g, f->ntext > 0);
	fputs("<main>\n<h1>Congestion controllers compared</h1>\n", out);
	fputs("<p class=\"sub\">", out);
	put_count(out, g->nschemes, "controller", ", ");
	put_count(out, g->ntraces, "trace", ", ");
	put_count(out, g->nsetups, "set-up", ", ");
	put_count(out, (int)g->set->n, "run", "</p>\n");
	put_warnings(out, g);
	put_summary(out, f);
	if (f->ntext)
		put_multiples(out, f);
	fprintf(out,
		"<h2 id=\"traces\">Traces</h2>\n<p class=\"note\">Mean \302\261 standard deviation "
		"over seeds, the best of each column marked.%s</p>\n",
		f->ntext ? " The curves are of the first seed; the filled area is the "
			   "link\342\200\231s capacity."
			 : "");
	for (int t = 0; t < g->ntraces; t++)
		put_trace(out, f, t);
	fputs("<h2 id=\"runs\">How it was run</h2>\n", out);
	table_metadata(out, g);
	fputs("</main>\n", out);
	html_end(out);
}

static int write_page(const struct figures *f, const char *path)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int err = out ? 0 : -ENOMEM;

	if (out)
		put_page(out, f);
	if (out && fclose(out))
		err = -ENOMEM;
	if (!err)
		err = file_write(path, text, len);
	free(text);
	return err;
}

int report_write(const struct result_set *set, const struct report_conf *conf)
{
	struct grid g = {0};
	struct figures f = {0};
	int err = grid_init(&g, set);

	if (!err)
		err = figures_init(&f, &g);
	if (err)
		goto out;
	if (!gnuplot_have()) {
		pr_warn("gnuplot is not installed (package gnuplot-nox): tables only, no "
			"figures\n");
	} else {
		err = figures_draw(&f);
		if (!err && conf->nformats)
			err = figures_save(&f, conf->figures_dir, conf->formats, conf->nformats);
	}
	if (!err)
		err = write_page(&f, conf->page);
out:
	figures_free(&f);
	grid_free(&g);
	return err;
}
