/* Utilisation against queueing delay, with labels placed beside the marks where they fit. */
#include <math.h>
#include <string.h>

#include "base/gnuplot.h"
#include "report/plot.h"

#define MAX_MARKS 64
#define LOG_RATIO 25 // delays further apart than this share no linear axis legibly

const char *const plot_colours[PLOT_COLOURS] = {
	"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#7f7f7f",
};

const char *plot_colour(int scheme)
{
	return plot_colours[scheme % PLOT_COLOURS];
}

int plot_marker(int scheme)
{
	static const int types[] = {7, 5, 9, 11, 13, 15, 4, 6}; // filled first, then open

	return types[(scheme + scheme / PLOT_COLOURS) % 8];
}

int plot_dash(int scheme)
{
	return scheme % 5 + 1;
}

struct mark {
	int scheme;
	double util, mean, p95;
	double x, y, x95; // on the canvas, in points, y upward
};

struct scatter {
	struct mark marks[MAX_MARKS];
	int n;
	bool log;
	double x0, x1, y0, y1;             // axis ranges
	double left, right, bottom, top; // the plot's corners on the canvas, in points
};

static int gather(struct mark *marks, const struct grid *g, int setup, int trace)
{
	int n = 0;

	for (int s = 0; s < g->nschemes && n < MAX_MARKS; s++) {
		const struct cell *c = trace < 0 ? NULL : grid_cell(g, setup, trace, s);
		struct mark m = {.scheme = s, .util = NAN, .mean = NAN, .p95 = NAN};

		if (trace < 0) {
			m.util = grid_overall(g, setup, s, M_UTIL, NULL).mean;
			m.mean = grid_overall(g, setup, s, M_QDELAY, NULL).mean;
			m.p95 = grid_overall(g, setup, s, M_QDELAY95, NULL).mean;
		} else if (c) {
			m.util = c->m[M_UTIL].mean;
			m.mean = c->m[M_QDELAY].mean;
			m.p95 = c->m[M_QDELAY95].mean;
		}
		if (isnan(m.util) || isnan(m.mean))
			continue;
		m.p95 = isnan(m.p95) ? m.mean : fmax(m.p95, m.mean);
		marks[n++] = m;
	}
	return n;
}

bool plot_has_scatter(const struct grid *g, int setup, int trace)
{
	struct mark marks[MAX_MARKS];

	return gather(marks, g, setup, trace) > 0;
}

static void choose_axes(struct scatter *s)
{
	double lo = INFINITY, hi = 0, ulo = INFINITY, uhi = 0, pad;

	for (int i = 0; i < s->n; i++) {
		lo = fmin(lo, s->marks[i].mean);
		hi = fmax(hi, s->marks[i].p95);
		ulo = fmin(ulo, s->marks[i].util);
		uhi = fmax(uhi, s->marks[i].util);
	}
	s->log = lo > 0.01 && hi / lo > LOG_RATIO;
	s->x0 = s->log ? lo / 1.5 : 0;
	s->x1 = s->log ? hi * 2 : fmax(hi * 1.15, 1);
	pad = fmax(0.15 * (uhi - ulo), 2);
	s->y0 = fmax(0, ulo - pad);
	s->y1 = uhi + pad;
}

static void locate(struct scatter *s, const struct look *look)
{
	double em = look->font;

	s->left = (look->labels ? 5 : 3.2) * em;
	s->right = look->width - 1.2 * em;
	s->bottom = (look->labels ? 3.8 : 2.2) * em;
	s->top = look->height - (look->labels ? 1 : 1.8) * em;
	for (int i = 0; i < s->n; i++) {
		struct mark *m = &s->marks[i];
		double span = s->right - s->left;

		m->x = s->log ? log(m->mean / s->x0) / log(s->x1 / s->x0) : (m->mean - s->x0) / (s->x1 - s->x0);
		m->x95 = s->log ? log(m->p95 / s->x0) / log(s->x1 / s->x0) : (m->p95 - s->x0) / (s->x1 - s->x0);
		m->x = s->left + m->x * span;
		m->x95 = s->left + m->x95 * span;
		m->y = s->bottom + (m->util - s->y0) / (s->y1 - s->y0) * (s->top - s->bottom);
	}
}

struct box {
	double x0, y0, x1, y1;
};

static double overlap(struct box a, struct box b)
{
	double w = fmin(a.x1, b.x1) - fmax(a.x0, b.x0), h = fmin(a.y1, b.y1) - fmax(a.y0, b.y0);

	return w > 0 && h > 0 ? w * h : 0;
}

// How badly a label at b sits among marks, bars, labels placed so far and the plot's edges.
static double cost_of(const struct scatter *s, struct box b, const struct box *placed, int n, double em)
{
	double cost = 0;

	for (int i = 0; i < s->n; i++) {
		const struct mark *m = &s->marks[i];

		cost += 2 * overlap(b, (struct box){m->x - em / 2, m->y - em / 2, m->x + em / 2, m->y + em / 2});
		cost += overlap(b, (struct box){m->x, m->y - em / 5, m->x95 + em / 4, m->y + em / 5});
	}
	for (int i = 0; i < n; i++)
		cost += 3 * overlap(b, placed[i]);
	if (b.x0 < s->left || b.x1 > s->right + em || b.y0 < s->bottom || b.y1 > s->top + em)
		cost += 4 * em * em;
	return cost;
}

// Columns of text: UTF-8 continuation bytes take none.
static int columns(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

// Greedy: above the bar, below it, beyond its end, left of the mark, then further up and down.
static void put_labels(FILE *f, const struct scatter *s, const struct grid *g, const struct look *look)
{
	double em = look->font;
	struct box placed[MAX_MARKS];

	for (int i = 0; i < s->n; i++) {
		const struct mark *m = &s->marks[i];
		const char *name = g->schemes[m->scheme].name;
		double w = 0.56 * em * columns(name), best = INFINITY;
		struct box at = {0, 0, 0, 0};

		for (int try = 0; try < 16; try++) {
			double up = 1.0 + 0.9 * (try / 4);
			double x = (double[]){m->x - em / 3, m->x - em / 3, m->x95 + 0.6 * em, m->x - w - 0.7 * em}[try % 4];
			double y = m->y + (double[]){up, -up, 0.9 * (try / 4), -0.9 * (try / 4)}[try % 4] * em;
			struct box b = {x, y - em / 2, x + w, y + em / 2};
			double cost = cost_of(s, b, placed, i, em) + 0.05 * em * em * try;

			if (cost < best) {
				best = cost;
				at = b;
			}
		}
		placed[i] = at;
		fputs("set label ", f);
		gnuplot_quote(f, name);
		fprintf(f, " at screen %.4f,%.4f left front textcolor rgb '%s'\n", at.x0 / look->width,
			(at.y0 + at.y1) / 2 / look->height, look->paper ? plot_colour(m->scheme) : PLOT_INK);
	}
}

static void put_axes(FILE *f, const struct scatter *s, const struct look *look)
{
	fprintf(f, "unset label\nunset title\nunset key\nunset logscale\nset xtics autofreq\nset ytics autofreq\n"
		   "set xrange [%.6g:%.6g]\nset yrange [%.6g:%.6g]\n",
		s->x0, s->x1, s->y0, s->y1);
	if (s->log)
		fprintf(f, "set logscale x\nset xtics add (2, 5, 20, 50, 200, 500, 2000, 5000)\n");
	fprintf(f, "set lmargin at screen %.4f\nset rmargin at screen %.4f\nset bmargin at screen %.4f\n"
		   "set tmargin at screen %.4f\n",
		s->left / look->width, s->right / look->width, s->bottom / look->height, s->top / look->height);
	if (look->labels)
		fputs("set xlabel 'queueing delay (ms): mean, bar to the 95th percentile' offset 0,0.3\n"
		      "set ylabel 'utilisation (%)' offset 1.2,0\n", f);
	else
		fputs("unset xlabel\nunset ylabel\nset xtics autofreq font ',8.5'\nset ytics autofreq font ',8.5'\n", f);
	if (!look->labels)
		fprintf(f, "set xtics %s\nset ytics %.6g\n", s->log ? "autofreq" : "autofreq",
			s->y1 - s->y0 > 50 ? 25.0 : s->y1 - s->y0 > 20 ? 10.0 : s->y1 - s->y0 > 8 ? 5.0 : 2.0);
}

void plot_scatter(FILE *f, const struct grid *g, int setup, int trace, const struct look *look)
{
	struct scatter s;

	s.n = gather(s.marks, g, setup, trace);
	choose_axes(&s);
	locate(&s, look);
	put_axes(f, &s, look);
	if (look->labels) {
		put_labels(f, &s, g, look);
	} else {
		fputs("set title ", f);
		gnuplot_quote(f, g->traces[trace]);
		fprintf(f, " offset 0,-0.5 font ',%g'\n", look->font * 0.95);
	}
	fputs("$s << EOD\n", f);
	for (int i = 0; i < s.n; i++)
		fprintf(f, "%.9g %.9g %.9g\n", s.marks[i].mean, s.marks[i].util, s.marks[i].p95);
	fputs("EOD\nplot ", f);
	for (int i = 0; i < s.n; i++) {
		fprintf(f, "%s$s every ::%d::%d using 1:2:1:3 with xerrorbars lt 1 dt 1 lw %g pt %d ps %g lc rgb '%s' title ",
			i ? ", " : "", i, i, look->labels ? 2.0 : 1.4, plot_marker(s.marks[i].scheme),
			look->labels ? 1.0 : 0.7, plot_colour(s.marks[i].scheme));
		gnuplot_quote(f, g->schemes[s.marks[i].scheme].name);
	}
	fputc('\n', f);
}
