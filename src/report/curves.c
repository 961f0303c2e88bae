/* Rate over capacity, queueing delay and window against time. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/gnuplot.h"
#include "eval/series.h"
#include "report/plot.h"

#define MAX_CURVES 32
#define POINTS 500 // a curve's; finer bins are averaged

struct curve {
	int scheme;
	struct series s;
};

struct curves {
	struct curve c[MAX_CURVES];
	int n;
	double end, delay_lo, delay_hi;
	bool log;
};

// The first seed that has a series.
static int load_curve(struct curve *out, const struct grid *g, const struct cell *c)
{
	int err = -ENOENT;

	for (int i = 0; i < c->count && err == -ENOENT; i++) {
		const struct run_result *r = grid_run(g, c, i);

		err = series_load(&out->s, g->set->dirs[r->dir], r->id);
		if (!err && out->s.rows < 2) {
			series_free(&out->s);
			err = -ENOENT;
		}
	}
	out->scheme = c->scheme;
	return err;
}

static void free_curves(struct curves *all)
{
	for (int i = 0; i < all->n; i++)
		series_free(&all->c[i].s);
}

static int load_curves(struct curves *all, const struct grid *g, int setup, int trace)
{
	all->n = 0;
	for (int s = 0; s < g->nschemes && all->n < MAX_CURVES; s++) {
		const struct cell *c = grid_cell(g, setup, trace, s);
		int err = c ? load_curve(&all->c[all->n], g, c) : -ENOENT;

		if (!err)
			all->n++;
		else if (err != -ENOENT) {
			free_curves(all);
			return err;
		}
	}
	return 0;
}

// A row's value in a panel: throughput, delay, or the windows of all flows together.
enum panel { RATE, DELAY, WINDOW, CAPACITY };
static double value_of(const struct series *s, size_t row, enum panel panel)
{
	static const int column[] = {
		[RATE] = SERIES_THROUGHPUT, [DELAY] = SERIES_QDELAY, [CAPACITY] = SERIES_CAPACITY};
	const double *v = series_at(s, row);
	double sum = 0;
	int n = 0;

	if (panel != WINDOW)
		return v[column[panel]];
	for (int f = 0; f < s->flows; f++)
		if (!isnan(v[SERIES_FLOW(f, SERIES_CWND)])) {
			sum += v[SERIES_FLOW(f, SERIES_CWND)];
			n++;
		}
	return n ? sum : NAN;
}

static void put_curve(FILE *f, const struct series *s, enum panel panel)
{
	size_t step = (s->rows + POINTS - 1) / POINTS;

	for (size_t i = 0; i < s->rows; i += step) {
		size_t end = i + step < s->rows ? i + step : s->rows, n = 0;
		double sum = 0;

		for (size_t j = i; j < end; j++) {
			double x = value_of(s, j, panel);

			if (!isnan(x)) {
				sum += x;
				n++;
			}
		}
		if (n)
			fprintf(f, "%.6g %.5g\n", series_at(s, end - 1)[SERIES_T], sum / n);
		else if (panel == DELAY)
			fputc('\n', f); // nothing departed: a gap
	}
}

static void put_data(FILE *f, struct curves *all)
{
	fputs("$cap << EOD\n", f);
	put_curve(f, &all->c[0].s, CAPACITY);
	fputs("EOD\n", f);
	all->end = 0;
	all->delay_hi = 0;
	for (int i = 0; i < all->n; i++) {
		const struct series *s = &all->c[i].s;
		double sum = 0, max = 0;

		for (int p = RATE; p <= WINDOW; p++) {
			fprintf(f, "$c%d_%d << EOD\n", p, i);
			put_curve(f, s, p);
			fputs("EOD\n", f);
		}
		for (size_t r = 0; r < s->rows; r++) {
			double d = value_of(s, r, DELAY);

			sum += isnan(d) ? 0 : d;
			max = isnan(d) ? max : fmax(max, d);
		}
		all->end = fmax(all->end, series_at(s, s->rows - 1)[SERIES_T]);
		all->delay_hi = fmax(all->delay_hi, max);
		all->delay_lo = i ? fmin(all->delay_lo, sum / s->rows) : sum / s->rows;
	}
	all->log = all->delay_lo > 0 && all->delay_hi / all->delay_lo > 100;
}

// The legend of a paper's figure: in rows across the top. Returns its height; writes nothing where
// f is NULL.
static double put_key(
	FILE *f, const struct curves *all, const struct grid *g, const struct look *look)
{
	double em = look->font, x = 1.5 * em, y = look->height - 0.8 * em;

	for (int i = -1; i < all->n; i++) {
		int s = i < 0 ? 0 : all->c[i].scheme;
		const char *name = i < 0 ? "capacity" : g->schemes[s].name;
		double w = 2.6 * em + plot_text_width(name, em);

		if (x + w > look->width && x > 1.5 * em) {
			x = 1.5 * em;
			y -= 1.25 * em;
		}
		if (f) {
			fprintf(f,
				"set arrow from screen %.4f,%.4f to screen %.4f,%.4f nohead lw %g "
				"dt %s lc rgb '%s'\n"
				"set label ",
				x / look->width, y / look->height, (x + 1.7 * em) / look->width,
				y / look->height, i < 0 ? 5.0 : 1.2,
				i < 0 ? "1" : plot_dash(s, true),
				i < 0 ? PLOT_CAPACITY : plot_colour(s));
			gnuplot_quote(f, name);
			fprintf(f, " at screen %.4f,%.4f left\n", (x + 2 * em) / look->width,
				y / look->height);
		}
		x += w + 0.8 * em;
	}
	return look->height - y + 0.6 * em;
}

static void put_panel(FILE *f, const struct curves *all, const struct grid *g, enum panel panel,
	const struct look *look)
{
	static const char *const titles[][2] = {{"rate (Mbit/s)", "rate (Mbit/s)"},
		{"queueing delay (ms)", "delay (ms)"}, {"window (packets)", "window (pkts)"}};
	double em = look->font, foot = 4 * em, head = look->paper ? put_key(NULL, all, g, look) : 0;
	double each = (look->height - foot - head) / 3;
	double bottom = foot + (2 - (int)panel) * each, top = bottom + each - 1.3 * em;

	// A label with a place of its own: gnuplot's moves out of the picture as the tics get
	// longer.
	fprintf(f,
		"set bmargin at screen %.4f\nset tmargin at screen %.4f\n"
		"set label '%s' at screen %.4f,%.4f center rotate\n",
		bottom / look->height, top / look->height, titles[panel][look->paper],
		0.9 * em / look->width, (bottom + top) / 2 / look->height);
	fprintf(f,
		"set xlabel '%s' offset 0,0.4\nset format x '%s'\n%s logscale y\nset yrange "
		"[%s:*]\n",
		panel == WINDOW ? "time (s)" : "", panel == WINDOW ? "% h" : "",
		panel == DELAY && all->log ? "set" : "unset",
		panel == DELAY && all->log ? "0.1" : "0");
	fputs("plot ", f);
	if (panel == RATE)
		fprintf(f,
			"$cap using 1:2 with fillsteps fc rgb '%s' fs solid 1 noborder title "
			"'capacity', ",
			PLOT_CAPACITY);
	for (int i = 0; i < all->n; i++) {
		int s = all->c[i].scheme;

		fprintf(f, "%s$c%d_%d using 1:2 with lines lw %g dt %s lc rgb '%s' title ",
			i ? ", " : "", panel, i, look->paper ? 1.0 : 1.3, plot_dash(s, look->paper),
			plot_colour(s));
		gnuplot_quote(f, g->schemes[s].name);
	}
	fputc('\n', f);
}

int plot_curves(FILE *f, const struct grid *g, int setup, int trace, const struct look *look)
{
	struct curves *all = malloc(sizeof(*all));
	int err = all ? load_curves(all, g, setup, trace) : -ENOMEM;

	if (err || !all->n) {
		free(all);
		return err ? err : 1;
	}
	put_data(f, all);
	fprintf(f,
		"unset label\nunset title\nunset logscale\nset xtics autofreq\nset xrange "
		"[0:%.6g]\n"
		"set ytics autofreq font ',%.3g'\nset xtics autofreq font ',%.3g'\n"
		"set lmargin at screen %.4f\nset rmargin at screen %.4f\nunset key\n",
		all->end, look->font * 0.92, look->font * 0.92, 5.8 * look->font / look->width,
		1 - 0.8 * look->font / look->width);
	if (look->paper)
		put_key(f, all, g, look);
	fputs("set multiplot\n", f);
	for (int p = RATE; p <= WINDOW; p++) {
		put_panel(f, all, g, p, look);
		fputs("unset arrow\nunset label\n", f);
	}
	fputs("unset multiplot\nset format x '% h'\nset autoscale\n", f);
	free_curves(all);
	free(all);
	return 0;
}
