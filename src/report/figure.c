/* Lists, draws and saves a report's figures. */
#include "report/figure.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/gnuplot.h"
#include "base/log.h"
#include "base/progress.h"
#include "report/plot.h"
#include "report/svg.h"

#define BATCH 64 // figures a gnuplot process draws

// Sizes in points: what fits side by side on a page, and a paper's column of 3.4 inches.
static const struct look looks[][2] = {
	[FIG_OVERALL] = {{470, 350, 13, false, true}, {245, 170, 8, true, true}},
	[FIG_TRACE] = {{225, 165, 11, false, false}, {245, 170, 8, true, true}},
	[FIG_CURVES] = {{860, 520, 12, false, false}, {245, 270, 7.5, true, false}},
	[FIG_FLOWS] = {{860, 400, 12, false, false}, {245, 210, 7.5, true, false}},
	[FIG_TRAINING] = {{430, 240, 12, false, false}, {245, 165, 7.5, true, false}},
};

static int cells_exist(const struct grid *g, int setup, int trace)
{
	for (int s = 0; s < g->nschemes; s++)
		if (grid_cell(g, setup, trace, s))
			return 1;
	return 0;
}

// Are there flows to tell apart?
static bool has_flows(const struct grid *g, int setup, int trace, int scheme)
{
	const struct cell *c = grid_cell(g, setup, trace, scheme);

	return c && grid_run(g, c, 0)->nflows > 1;
}

static void add(struct figures *f, enum figure_kind kind, int setup, int trace, int scheme)
{
	f->fig[f->n++] = (struct figure){kind, setup, trace, scheme, NULL, 0};
}

static void add_training(struct figures *f)
{
	for (int p = 0; p < training_npanels(); p++)
		for (int r = -1; r < f->training->n; r++)
			if (training_has(f->training, p, r))
				add(f, FIG_TRAINING, p, -1, r);
}

int figures_init(struct figures *f, const struct grid *g, const struct training *t)
{
	*f = (struct figures){.grid = g, .training = t};
	f->fig =
		calloc(g->nsetups + 3 * (size_t)g->ncells + (size_t)training_npanels() * (t->n + 1),
			sizeof(*f->fig));
	if (!f->fig)
		return -ENOMEM;
	for (int s = 0; s < g->nsetups; s++) {
		if (plot_has_scatter(g, s, -1))
			add(f, FIG_OVERALL, s, -1, -1);
		for (int k = 0; k < g->ntraces; k++) {
			if (!cells_exist(g, s, k))
				continue;
			if (plot_has_scatter(g, s, k))
				add(f, FIG_TRACE, s, k, -1);
			add(f, FIG_CURVES, s, k, -1);
			for (int i = 0; i < g->nschemes; i++)
				if (has_flows(g, s, k, i))
					add(f, FIG_FLOWS, s, k, i);
		}
	}
	add_training(f);
	return 0;
}

void figures_free(struct figures *f)
{
	for (int i = 0; i < f->ntext; i++)
		free(f->text[i]);
	free(f->text);
	free(f->fig);
	memset(f, 0, sizeof(*f));
}

static void put_style(FILE *f)
{
	fputs("set encoding utf8\nset tics nomirror out scale 0.5\nset border 3 lw 0.8\nset style "
	      "fill solid 1\n"
	      "unset mouse\nset clip two\n",
		f);
	fprintf(f, "set grid back lt 1 dt 1 lw 0.6 lc rgb '%s', lt 1 dt 1 lw 0.6 lc rgb '%s'\n",
		PLOT_GRID, PLOT_GRID);
}

// Writes a figure's script. 1 when there turned out to be nothing to draw.
static int put_figure(
	FILE *script, const struct figures *f, const struct figure *fig, const struct look *look)
{
	if (fig->kind == FIG_TRAINING)
		return training_plot(script, f->training, fig->setup, fig->scheme, look);
	if (fig->kind == FIG_CURVES)
		return plot_curves(script, f->grid, fig->setup, fig->trace, look);
	if (fig->kind == FIG_FLOWS)
		return plot_flows(script, f->grid,
			grid_cell(f->grid, fig->setup, fig->trace, fig->scheme), look);
	plot_scatter(script, f->grid, fig->setup, fig->trace, look);
	return 0;
}

// Hands gnuplot's documents out to the figures that await one.
static int share_out(struct figures *f, const int *drawn, int n, char *text, size_t len)
{
	const char *at = text, *end = text + len;

	for (int i = 0; i < n; i++) {
		struct figure *fig = &f->fig[drawn[i]];

		fig->len = svg_next(&at, end);
		if (!fig->len)
			return -EIO;
		fig->svg = at;
		at += fig->len;
	}
	return 0;
}

// Draws figures [from, to) in one process.
static int draw_batch(struct figures *f, int from, int to)
{
	struct gnuplot g;
	int drawn[BATCH], n = 0, err = gnuplot_open(&g, "figures.svg", 400, 300);
	char *text = NULL;
	size_t len = 0;

	if (err)
		return err;
	put_style(g.script);
	for (int i = from; i < to && err >= 0; i++) {
		const struct look *look = &looks[f->fig[i].kind][0];

		fprintf(g.script, "set terminal svg noenhanced font 'sans-serif,%g' size %g,%g\n",
			look->font, look->width, look->height);
		err = put_figure(g.script, f, &f->fig[i], look);
		if (err == 0)
			drawn[n++] = i;
	}
	if (err < 0 || !n) {
		gnuplot_abandon(&g);
		return err < 0 ? err : 0;
	}
	err = gnuplot_take(&g, &text, &len);
	if (!err)
		f->text[f->ntext++] = text;
	if (!err && share_out(f, drawn, n, text, len)) {
		pr_err("gnuplot drew fewer figures than asked\n");
		err = -EIO;
	}
	return err;
}

int figures_draw(struct figures *f)
{
	struct progress p;
	int err = 0;

	f->text = calloc(f->n / BATCH + 1, sizeof(*f->text));
	if (!f->text)
		return -ENOMEM;
	progress_start(&p, "figures", f->n);
	for (int i = 0; i < f->n && !err; i += BATCH) {
		err = draw_batch(f, i, i + BATCH < f->n ? i + BATCH : f->n);
		progress_update(&p, i, NULL);
	}
	progress_end(&p);
	return err;
}

const struct figure *figures_find(
	const struct figures *f, enum figure_kind kind, int setup, int trace, int scheme)
{
	for (int i = 0; i < f->n; i++)
		if (f->fig[i].kind == kind && f->fig[i].setup == setup &&
			f->fig[i].trace == trace && f->fig[i].scheme == scheme)
			return f->fig[i].svg ? &f->fig[i] : NULL;
	return NULL;
}

char *figure_label(const struct figures *f, const struct figure *fig)
{
	static const char *const what[] = {
		[FIG_OVERALL] = "Utilisation against queueing delay, all traces",
		[FIG_TRACE] = "Utilisation against queueing delay",
		[FIG_CURVES] = "Rate, queueing delay and window",
		[FIG_FLOWS] = "Rate and window of each flow"};
	const char *setup;

	if (fig->kind == FIG_TRAINING)
		return file_path("Training: %s%s%s", training_panels[fig->setup].title,
			fig->scheme < 0 ? "" : ", ",
			fig->scheme < 0 ? "" : f->training->run[fig->scheme].name);
	setup = f->grid->setups[fig->setup].label;
	if (fig->trace < 0)
		return file_path("%s, %s", what[fig->kind], setup);
	if (fig->scheme >= 0)
		return file_path("%s, %s, %s, %s", what[fig->kind],
			f->grid->schemes[fig->scheme].name, f->grid->traces[fig->trace], setup);
	return file_path("%s, %s, %s", what[fig->kind], f->grid->traces[fig->trace], setup);
}

// A trace's name as part of a file name; its number keeps two that reduce to the same apart.
static char *file_stem(const struct figures *f, const struct figure *fig)
{
	static const char *const what[] = {
		"utilisation-delay", "utilisation-delay", "series", "flows"};
	char name[48], scheme[16] = "";
	size_t n = 0;

	if (fig->scheme >= 0)
		snprintf(scheme, sizeof(scheme), "-%03d", fig->scheme + 1);
	if (fig->kind == FIG_TRAINING)
		return file_path("training-%s%s", training_panels[fig->setup].slug, scheme);
	if (fig->trace < 0)
		return file_path("%s-%s", what[fig->kind], f->grid->setups[fig->setup].slug);
	for (const char *p = f->grid->traces[fig->trace]; *p && n < sizeof(name) - 1; p++)
		name[n++] = isalnum((unsigned char)*p) || *p == '_' || *p == '-' ? *p : '_';
	name[n] = 0;
	return file_path("%s%s-%03d-%s-%s", what[fig->kind], scheme, fig->trace + 1, name,
		f->grid->setups[fig->setup].slug);
}

static void put_paper_terminal(FILE *f, const char *format, const struct look *look)
{
	if (!strcmp(format, "svg"))
		fprintf(f,
			"set terminal svg noenhanced background '#ffffff' font 'Helvetica,%g' size "
			"%g,%g\n",
			look->font, look->width, look->height);
	else if (!strcmp(format, "png")) // 300 dots an inch; its point is 4/3 of a dot
		fprintf(f,
			"set terminal pngcairo noenhanced font 'Helvetica,%g' fontscale 3.125 "
			"linewidth 3 "
			"pointscale 2 size %g,%g\n",
			look->font, look->width * 300 / 72, look->height * 300 / 72);
	else
		fprintf(f,
			"set terminal pdfcairo noenhanced font 'Helvetica,%g' fontscale 1 "
			"linewidth 1 pointscale 0.5 "
			"size %g,%g\n",
			look->font, look->width / 72, look->height / 72);
}

static int save_one(
	const struct figures *f, const struct figure *fig, const char *dir, const char *format)
{
	const struct look *look = &looks[fig->kind][1];
	char *stem = file_stem(f, fig), *path = file_path("%s/%s.%s", dir, stem, format);
	struct gnuplot g;
	int err = gnuplot_open(&g, path, look->width, look->height);

	if (err)
		goto out;
	put_style(g.script);
	put_paper_terminal(g.script, format, look);
	err = put_figure(g.script, f, fig, look);
	if (err)
		gnuplot_abandon(&g);
	else
		err = gnuplot_close(&g);
	if (err == 1)
		err = 0;
out:
	free(path);
	free(stem);
	return err;
}

int figures_save(const struct figures *f, const char *dir, char *const *formats, int nformats)
{
	struct progress p;
	int err = file_mkdirs(dir);

	progress_start(&p, "figures", (double)f->n * nformats);
	for (int i = 0; i < f->n && !err; i++)
		for (int k = 0; k < nformats && !err; k++) {
			err = save_one(f, &f->fig[i], dir, formats[k]);
			progress_update(&p, i * nformats + k + 1, NULL);
		}
	progress_end(&p);
	return err;
}
