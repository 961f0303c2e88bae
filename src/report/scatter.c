/* Utilisation against queueing delay, with labels placed beside the marks where they fit. */
#include <math.h>
#include <string.h>

#include "base/gnuplot.h"
#include "report/plot.h"

#define MAX_MARKS 64
#define LOG_RATIO 25 // delays further apart than this share no linear axis legibly

const char *plot_colour(int scheme)
{
	return gnuplot_colours[scheme % GNUPLOT_LINES];
}

int plot_marker(int scheme)
{
	static const int types[] = {7, 5, 9, 11, 13, 15, 4, 6}; // filled first, then open

	return types[(scheme + scheme / GNUPLOT_LINES) % 8];
}

const char *plot_dash(int scheme, bool paper)
{
	static const char *const dashes[] = {"1", "(9,3)", "(2,2)", "(9,3,2,3)", "(16,4)",
		"(9,2,2,2,2,2)", "(5,3)", "(16,3,4,3)"};

	return dashes[(paper ? scheme + scheme / GNUPLOT_LINES : scheme / GNUPLOT_LINES) % 8];
}

double plot_text_width(const char *s, double font)
{
	int n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80; // UTF-8 continuation bytes take no room
	return 0.56 * font * n;
}

struct mark {
	int scheme;
	double util, mean, p95;
	double util_half, mean_half; // of confidence intervals, NaN without repeats
	double x, y, x95;	     // on the canvas, in points, y upward
};

struct scatter {
	struct mark marks[MAX_MARKS];
	int n;
	bool log;
	double x0, x1, y0, y1;		 // axis ranges
	double left, right, bottom, top; // the plot's corners on the canvas, in points
};

static int gather(struct mark *marks, const struct grid *g, int setup, int trace)
{
	int n = 0;

	for (int s = 0; s < g->nschemes && n < MAX_MARKS; s++) {
		const struct cell *c = trace < 0 ? NULL : grid_cell(g, setup, trace, s);
		struct summary util, mean, p95;
		struct mark m = {.scheme = s};

		if (trace >= 0 && !c)
			continue;
		util = c ? c->m[M_UTIL] : grid_overall(g, setup, s, M_UTIL, NULL);
		mean = c ? c->m[M_QDELAY] : grid_overall(g, setup, s, M_QDELAY, NULL);
		p95 = c ? c->m[M_QDELAY95] : grid_overall(g, setup, s, M_QDELAY95, NULL);
		m.util = util.mean;
		m.mean = mean.mean;
		m.p95 = p95.mean;
		m.util_half = summary_half_width(&util, STATS_LEVEL);
		m.mean_half = summary_half_width(&mean, STATS_LEVEL);
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
		double half = 0;

		lo = fmin(lo, s->marks[i].mean);
		hi = fmax(hi, s->marks[i].p95);
		if (!isnan(s->marks[i].util_half)) // wide intervals, of few seeds, are cut off
			half = fmin(s->marks[i].util_half, 5);
		ulo = fmin(ulo, s->marks[i].util - half);
		uhi = fmax(uhi, fmax(s->marks[i].util, fmin(s->marks[i].util + half, 100)));
	}
	s->log = lo > 0.01 && hi / lo > LOG_RATIO;
	s->x0 = s->log ? lo / 1.5 : 0;
	s->x1 = s->log ? hi * 2 : fmax(hi * 1.15, 1);
	pad = fmax(0.15 * (uhi - ulo), 2);
	s->y0 = fmax(0, ulo - pad);
	s->y1 = uhi <= 100 ? fmin(uhi + pad, 101) : uhi + pad;
}

static void locate(struct scatter *s, const struct look *look)
{
	double em = look->font;

	s->left = (look->labels ? 5 : 3.2) * em;
	s->right = look->width - 1.2 * em;
	s->bottom = (look->labels ? 4.6 : 2.4) * em;
	s->top = look->height - (look->labels ? 1 : 2.2) * em;
	for (int i = 0; i < s->n; i++) {
		struct mark *m = &s->marks[i];
		double span = s->right - s->left;

		m->x = s->log ? log(m->mean / s->x0) / log(s->x1 / s->x0)
			      : (m->mean - s->x0) / (s->x1 - s->x0);
		m->x95 = s->log ? log(m->p95 / s->x0) / log(s->x1 / s->x0)
				: (m->p95 - s->x0) / (s->x1 - s->x0);
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

// How badly label i sits at b among marks, bars, the other labels and the plot's edges.
static double cost_of(
	const struct scatter *s, struct box b, const struct box *placed, int i, double em)
{
	double cost = 0;

	for (int j = 0; j < s->n; j++) {
		const struct mark *m = &s->marks[j];

		cost += 2 * overlap(b, (struct box){m->x - em / 2, m->y - em / 2, m->x + em / 2,
					       m->y + em / 2});
		cost += overlap(
			b, (struct box){m->x, m->y - em / 5, m->x95 + em / 4, m->y + em / 5});
		if (j != i)
			cost += 3 * overlap(b, placed[j]);
	}
	if (b.x0 < s->left || b.x1 > s->right + em || b.y0 < s->bottom || b.y1 > s->top + em)
		cost += 4 * em * em;
	return cost;
}

// The best of: above the bar, below it, beyond its end, before the mark, ending at the mark; then
// further off.
static struct box place(
	const struct scatter *s, int i, const struct box *placed, double w, double em)
{
	const struct mark *m = &s->marks[i];
	struct box at = {0, 0, 0, 0};
	double best = INFINITY;

	for (int try = 0; try < 18; try++) {
		double far = 0.8 * (try / 6), up = 0.95 + far, flush = m->x - em / 3,
		       back = m->x - w + em / 3;
		double x = (double[]){
			flush, flush, m->x95 + 0.6 * em, m->x - w - 0.7 * em, back, back}[try % 6];
		double y = m->y + (double[]){up, -up, far, far, up, -up}[try % 6] * em;
		struct box b = {x, y - em / 2, x + w, y + em / 2};
		double cost = cost_of(s, b, placed, i, em) +
			      em * em * (0.05 * (try % 6) + 1.5 * (try / 6));

		if (cost < best) {
			best = cost;
			at = b;
		}
	}
	return at;
}

// Each label is placed anew while the others move.
static void put_labels(
	FILE *f, const struct scatter *s, const struct grid *g, const struct look *look)
{
	struct box placed[MAX_MARKS] = {{0, 0, 0, 0}};

	for (int pass = 0; pass < 4; pass++)
		for (int i = 0; i < s->n; i++)
			placed[i] = place(s, i, placed,
				plot_text_width(g->schemes[s->marks[i].scheme].name, look->font),
				look->font);
	for (int i = 0; i < s->n; i++) {
		int scheme = s->marks[i].scheme;

		fputs("set label ", f);
		gnuplot_quote(f, g->schemes[scheme].name);
		fprintf(f, " at screen %.4f,%.4f left front textcolor rgb '%s'\n",
			placed[i].x0 / look->width,
			(placed[i].y0 + placed[i].y1) / 2 / look->height,
			look->paper ? plot_colour(scheme) : PLOT_INK);
	}
}

// A round step that gives at most n tics over the span.
static double tic_step(double span, int n)
{
	double unit = pow(10, floor(log10(span / n)));
	double want = span / n / unit;

	return unit * (want <= 1 ? 1 : want <= 2 ? 2 : want <= 5 ? 5 : 10);
}

static void put_axes(FILE *f, const struct scatter *s, const struct look *look)
{
	double tics = look->font * (look->labels ? 0.92 : 0.85);

	fprintf(f,
		"unset label\nunset title\nunset key\nunset logscale\nset xrange [%.6g:%.6g]\nset "
		"yrange [%.6g:%.6g]\n"
		"set ytics %.6g font ',%.3g'\n",
		s->x0, s->x1, s->y0, s->y1, tic_step(s->y1 - s->y0, look->labels ? 8 : 4), tics);
	if (s->log)
		fprintf(f,
			"set logscale x\nset xtics (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, "
			"500, 1000, 2000, 5000, "
			"10000, 100000) font ',%.3g'\n",
			tics);
	else
		fprintf(f, "set xtics %.6g font ',%.3g'\n", tic_step(s->x1, look->labels ? 10 : 5),
			tics);
	fprintf(f,
		"set lmargin at screen %.4f\nset rmargin at screen %.4f\nset bmargin at screen "
		"%.4f\n"
		"set tmargin at screen %.4f\n",
		s->left / look->width, s->right / look->width, s->bottom / look->height,
		s->top / look->height);
	if (look->labels)
		fprintf(f,
			"set xlabel 'queueing delay (ms%s), mean to 95th percentile' offset 0,0.3\n"
			"set ylabel 'utilisation (%%)' offset 1.2,0\n",
			s->log ? ", log" : "");
	else
		fputs("unset xlabel\nunset ylabel\n", f);
}

// A box's sides, kept within the axes: a few seeds can leave an interval wider than the plot.
static void put_box(FILE *f, const struct scatter *s, const struct mark *m)
{
	double x = isnan(m->mean_half) ? 0 : m->mean_half,
	       y = isnan(m->util_half) ? 0 : m->util_half;

	fprintf(f, " %.9g %.9g %.9g %.9g", fmax(m->mean - x, s->x0), fmin(m->mean + x, s->x1),
		fmax(m->util - y, s->y0), fmin(m->util + y, s->y1));
}

static void put_marks(
	FILE *f, const struct scatter *s, const struct grid *g, const struct look *look)
{
	const char *sep = "plot ";

	fputs("$s << EOD\n", f);
	for (int i = 0; i < s->n; i++) {
		fprintf(f, "%.9g %.9g %.9g", s->marks[i].mean, s->marks[i].util, s->marks[i].p95);
		put_box(f, s, &s->marks[i]);
		fputc('\n', f);
	}
	fputs("EOD\n", f);
	for (int i = 0; i < s->n; i++)
		if (s->marks[i].mean_half > 0 || s->marks[i].util_half > 0) {
			fprintf(f,
				"%s$s every ::%d::%d using 1:2:4:5:6:7 with boxxyerror fill "
				"transparent "
				"solid 0.25 "
				"noborder lc rgb '%s' notitle",
				sep, i, i, plot_colour(s->marks[i].scheme));
			sep = ", ";
		}
	for (int i = 0; i < s->n; i++, sep = ", ") {
		fprintf(f,
			"%s$s every ::%d::%d using 1:2:1:3 with xerrorbars lt 1 dt 1 lw %g pt %d "
			"ps %g lc rgb '%s' title ",
			sep, i, i, look->labels ? 2.0 : 1.4, plot_marker(s->marks[i].scheme),
			look->labels ? 1.0 : 0.7, plot_colour(s->marks[i].scheme));
		gnuplot_quote(f, g->schemes[s->marks[i].scheme].name);
	}
	fputc('\n', f);
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
		fprintf(f, " offset 0,-0.8 font ',%g'\n", look->font * 0.95);
	}
	put_marks(f, &s, g, look);
}
