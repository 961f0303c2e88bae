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

static void put_grid_contents(FILE *out, const struct grid *g, bool drawn)
{
	fputs("<li><a class=\"top\" href=\"#summary\">Summary</a></li>\n", out);
	if (drawn)
		fputs("<li><a class=\"top\" href=\"#per-trace\">Utilisation and delay per "
		      "trace</a></li>\n",
			out);
	fputs("<li><a class=\"top\" href=\"#traces\">Traces</a><ul>\n", out);
	for (int t = 0; t < g->ntraces; t++)
		html_printf(out, "<li><a href=\"#trace-%d\">%s</a></li>\n", t + 1, g->traces[t]);
	fputs("</ul></li>\n", out);
}

static void put_contents(FILE *out, const struct figures *f)
{
	fputs("<nav><ul>", out);
	if (f->grid->nschemes)
		put_grid_contents(out, f->grid, f->ntext > 0);
	if (f->training->n)
		fputs("<li><a class=\"top\" href=\"#training\">Training</a></li>\n", out);
	fputs("<li><a class=\"top\" href=\"#runs\">How it was run</a></li></ul></nav>\n", out);
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

static const char no_figures[] =
	"<p class=\"note\">No figures: gnuplot was not installed where this page was made.</p>\n";

static void put_summary(FILE *out, const struct figures *f)
{
	const struct grid *g = f->grid;

	fputs("<h2 id=\"summary\">Summary</h2>\n<p class=\"note\">Means over all traces and runs. "
	      "Delays are packets\342\200\231 "
	      "waiting times in the bottleneck\342\200\231s queue; \342\200\234"
	      "95 % delay\342\200\235 is their 95th percentile. Where every trace was run with "
	      "several seeds, \302\261 is half "
	      "the 95 % confidence interval of the mean over seeds, of these traces; canopy "
	      "compare "
	      "tests differences.</p>\n",
		out);
	if (!f->ntext)
		fputs(no_figures, out);
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

// The panels of a group, which begins with panel `from`; returns where it ends.
static int put_group(FILE *out, const struct figures *f, int from)
{
	bool begun = false;
	int p = from;

	do {
		const struct training_panel *panel = &training_panels[p];

		for (int r = -1; r < f->training->n; r++) {
			char *caption;

			if (!figures_find(f, FIG_TRAINING, p, -1, r))
				continue;
			if (!begun)
				html_printf(out, "<h3>%s</h3>\n<div class=\"pair\">\n",
					training_panels[from].group);
			begun = true;
			caption = file_path("%s%s%s", panel->title, r < 0 ? "" : ", ",
				r < 0 ? "" : f->training->run[r].name);
			put_figure(out, f, FIG_TRAINING, p, -1, r, caption);
			free(caption);
		}
	} while (++p < training_npanels() && !training_panels[p].group);
	if (begun)
		fputs("</div>\n", out);
	return p;
}

static void put_training(FILE *out, const struct figures *f)
{
	fputs("<h2 id=\"training\">Training</h2>\n<p class=\"note\">Held-out set-ups are run "
	      "without exploration; the model with the best score is kept, and its step is circled "
	      "in the curves. The table has what was measured there: means over decisions, the "
	      "share of windows at the floor, throughput and queueing delay of a flow. Long curves "
	      "are means "
	      "over intervals; values far outside of all others are cut off.</p>\n",
		out);
	if (!f->ntext && !f->grid->nschemes)
		fputs(no_figures, out);
	training_table(out, f->training);
	training_legend(out, f->training);
	for (int p = 0; p < training_npanels();)
		p = put_group(out, f, p);
}

static void put_grid(FILE *out, const struct figures *f)
{
	const struct grid *g = f->grid;

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
}

static void put_title(FILE *out, const struct figures *f)
{
	const struct grid *g = f->grid;

	fprintf(out, "<main>\n<h1>%s</h1>\n<p class=\"sub\">",
		g->nschemes ? "Congestion controllers compared" : "Policies in training");
	if (g->nschemes) {
		put_count(out, g->nschemes, "controller", ", ");
		put_count(out, g->ntraces, "trace", ", ");
		put_count(out, g->nsetups, "set-up", ", ");
		put_count(out, (int)g->set->n, "run", f->training->n ? ", " : "");
	}
	if (f->training->n)
		put_count(out, f->training->n, "training run", "");
	fputs("</p>\n", out);
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
	put_contents(out, f);
	put_title(out, f);
	if (g->nschemes) {
		put_warnings(out, g);
		put_grid(out, f);
	}
	if (f->training->n)
		put_training(out, f);
	fputs("<h2 id=\"runs\">How it was run</h2>\n", out);
	if (g->nschemes)
		table_metadata(out, g);
	training_metadata(out, f->training);
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

int report_write(
	const struct result_set *set, const struct training *t, const struct report_conf *conf)
{
	struct grid g = {0};
	struct figures f = {0};
	int err = set->n ? grid_init(&g, set) : 0;

	if (!err)
		err = figures_init(&f, &g, t);
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
