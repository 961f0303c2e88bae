/* Rate and window of each flow of a run against time. */
#include <errno.h>
#include <math.h>

#include "base/gnuplot.h"
#include "eval/series.h"
#include "report/plot.h"

#define MAX_FLOWS 16  // curves; what is over is left out, and the title says so
#define MEAN_OVER_S 1 // of a point

// The first seed that has a series.
static int load(struct series *s, const struct run_result **run, const struct grid *g, const struct cell *c)
{
	int err = -ENOENT;

	for (int i = 0; i < c->count && err == -ENOENT; i++) {
		*run = grid_run(g, c, i);
		err = series_load(s, g->set->dirs[(*run)->dir], (*run)->id);
		if (!err && (s->rows < 2 || s->flows != (*run)->nflows)) {
			series_free(s);
			err = -ENOENT;
		}
	}
	return err;
}

// The column's means over MEAN_OVER_S while the flow was there.
static void put_means(FILE *f, const struct series *s, int col, double from, double to)
{
	double sum = 0, next = MEAN_OVER_S;
	int n = 0;

	for (size_t i = 0; i < s->rows; i++) {
		const double *v = series_at(s, i);

		if (v[SERIES_T] >= from && v[SERIES_T] <= to + MEAN_OVER_S && !isnan(v[col])) {
			sum += v[col];
			n++;
		}
		if (v[SERIES_T] < next - 1e-6)
			continue;
		if (n)
			fprintf(f, "%.6g %.5g\n", v[SERIES_T] - 0.5 * MEAN_OVER_S, sum / n);
		sum = n = 0;
		next = v[SERIES_T] + MEAN_OVER_S;
	}
}

static void put_panel(FILE *f, const struct run_result *r, int n, int panel, const struct look *look)
{
	static const char *const titles[][2] = {
		{"rate (Mbit/s)", "rate (Mbit/s)"}, {"window (packets)", "window (pkts)"}};
	double em = look->font, foot = 4 * em, head = 1.8 * em, each = (look->height - foot - head) / 2;
	double bottom = foot + (1 - panel) * each;

	fprintf(f,
		"set bmargin at screen %.4f\nset tmargin at screen %.4f\nset ylabel '%s' offset "
		"0.8,0\nset xlabel '%s' offset 0,0.4\nset format x '%s'\nset yrange [0:*]\n",
		bottom / look->height, (bottom + each - 1.2 * em) / look->height,
		titles[panel][look->paper], panel ? "time (s)" : "", panel ? "% h" : "");
	if (panel)
		fputs("unset key\n", f);
	else
		fprintf(f, "set key at screen 0.98,%.4f right top horizontal samplen 1.5\n",
			1 - 0.2 * em / look->height);
	fputs("plot ", f);
	for (int i = 0; i < n; i++) {
		char title[RESULTS_NAME + 32];

		snprintf(title, sizeof(title), "%d %s%s", i + 1, r->flows[i].controller,
			i == n - 1 && n < r->nflows ? " (and more)" : "");
		fprintf(f, "%s$f%d_%d using 1:2 with lines lw %g dt %s lc rgb '%s' title ",
			i ? ", " : "", panel, i, look->paper ? 1.0 : 1.3, plot_dash(i, look->paper),
			plot_colour(i));
		gnuplot_quote(f, title);
	}
	fputc('\n', f);
}

int plot_flows(FILE *f, const struct grid *g, const struct cell *c, const struct look *look)
{
	const struct run_result *r = NULL;
	struct series s;
	int n, err = load(&s, &r, g, c);

	if (err)
		return err == -ENOENT ? 1 : err;
	n = s.flows < MAX_FLOWS ? s.flows : MAX_FLOWS;
	for (int i = 0; i < n; i++)
		for (int panel = 0; panel < 2; panel++) {
			double from = r->flows[i].start_s, to = r->flows[i].stop_s;

			if (to >= r->duration_s - 1e-6)
				to = INFINITY;
			fprintf(f, "$f%d_%d << EOD\n", panel, i);
			put_means(f, &s, SERIES_FLOW(i, panel ? SERIES_CWND : SERIES_RATE), from, to);
			fputs("EOD\n", f);
		}
	fprintf(f,
		"unset label\nunset arrow\nunset title\nunset logscale\nset xrange [0:%.6g]\n"
		"set ytics autofreq font ',%.3g'\nset xtics autofreq font ',%.3g'\n"
		"set lmargin at screen %.4f\nset rmargin at screen %.4f\nset multiplot\n",
		series_at(&s, s.rows - 1)[SERIES_T], look->font * 0.92, look->font * 0.92,
		5.2 * look->font / look->width, 1 - 0.8 * look->font / look->width);
	for (int panel = 0; panel < 2; panel++)
		put_panel(f, r, n, panel, look);
	fputs("unset multiplot\nunset key\nset format x '% h'\nset autoscale\n", f);
	series_free(&s);
	return 0;
}
