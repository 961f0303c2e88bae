/* Curves of training runs, thinned, in small panels. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/gnuplot.h"
#include "report/training.h"

#define POINTS 240   // of a curve; more are averaged
#define MARKED 40    // a curve of at most so many points shows them
#define LINES 16     // scalars of a panel
#define HUGEST 1e100 // value that is told from more
#define FEW_TICS 1e3 // ratio of values up to which an axis has them between powers of ten
#define DECADES 8    // most tics of an axis of many
#define FAR 30	     // ratio of values from which a scale is logarithmic
// Values are left out of the picture that lie so many spans of all but the outermost beyond these.
#define OUTLYING 2.5
#define OUTER 0.03
#define CUBIC "#7f7f7f"

/* --- Curves --- */

struct curve {
	const struct history_scalar *of;
	int run, label;
	int n;
	double step[POINTS], value[POINTS]; // NAN: a gap
};

struct plot {
	const struct training *t;
	const struct training_panel *panel;
	const struct look *look;
	bool one;		  // run, by whose scalars colours go
	const char *label[LINES]; // what dashes or colours mean
	int nlabels;
	double end, lo, hi; // of steps and values
	bool log;
	struct curve *curve;
	int n;
};

static bool has_value(const struct history_scalar *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (!isnan(s->point[i].value))
			return true;
	return false;
}

static bool same(const struct history_scalar *a, const struct history_scalar *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->point[i].step != b->point[i].step || a->point[i].value != b->point[i].value)
			return false;
	return true;
}

// Means over equally many points, at the last one's step.
static void thin(struct curve *c)
{
	const struct history_point *p = c->of->point;
	size_t each = (c->of->n + POINTS - 1) / POINTS;

	c->n = 0;
	for (size_t i = 0; i < c->of->n; i += each, c->n++) {
		size_t n = 0, end = i + each < c->of->n ? i + each : c->of->n;
		double mean = 0;

		for (size_t k = i; k < end; k++)
			if (!isnan(p[k].value))
				mean += (p[k].value - mean) / (double)++n;
		c->step[c->n] = p[end - 1].step;
		c->value[c->n] = n ? fmax(-HUGEST, fmin(HUGEST, mean)) : NAN;
	}
}

// The label's number, -1 where there is no room for one more.
static int label_of(struct plot *p, const char *label)
{
	int i = 0;

	while (i < p->nlabels && strcmp(p->label[i], label))
		i++;
	if (i == LINES)
		return -1;
	if (i == p->nlabels)
		p->label[p->nlabels++] = label;
	return i;
}

static int add_curve(struct plot *p, int run, const struct history_scalar *s, const char *label)
{
	struct curve *grown;
	int k;

	if (!has_value(s))
		return 0;
	for (int i = 0; i < p->n; i++) // a second one would hide the first
		if (p->curve[i].run == run && same(p->curve[i].of, s))
			return 0;
	k = label_of(p, label);
	if (k < 0)
		return 0;
	grown = realloc(p->curve, (p->n + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	p->curve = grown;
	grown += p->n++;
	grown->of = s;
	grown->run = run;
	grown->label = k;
	thin(grown);
	return 0;
}

// The curves of a panel's line; of one that ends in * those of all scalars that begin so.
static int add_line(struct plot *p, int run, const struct training_line *line)
{
	const struct history *h = &p->t->run[run].h;
	size_t n = strcspn(line->scalar, "*");
	int err = 0;

	for (int i = 0; i < h->n && !err; i++) {
		const char *name = h->scalar[i].name;

		if (strncmp(name, line->scalar, n) || (!line->scalar[n] && name[n]))
			continue;
		err = add_curve(p, run, &h->scalar[i], line->scalar[n] ? name + n : line->label);
	}
	return err;
}

static bool all_zero(const struct plot *p)
{
	for (int i = 0; i < p->n; i++)
		for (int k = 0; k < p->curve[i].n; k++)
			if (!isnan(p->curve[i].value[k]) && p->curve[i].value[k] != 0)
				return false;
	return true;
}

static int collect(struct plot *p, int only)
{
	int err = 0;

	for (int r = 0; r < p->t->n && !err; r++) {
		if (only >= 0 && only != r)
			continue;
		for (int i = 0; i < TRAINING_LINES && p->panel->line[i].scalar && !err; i++)
			err = add_line(p, r, &p->panel->line[i]);
	}
	if (p->panel->how & TRAINING_NONZERO && all_zero(p))
		p->n = 0;
	return err;
}

bool training_has(const struct training *t, int panel, int run)
{
	struct plot p = {.t = t, .panel = &training_panels[panel]};
	bool each = p.panel->how & TRAINING_EACH,
	     has = each == (run >= 0) && !collect(&p, run) && p.n;

	free(p.curve);
	return has;
}

/* --- Axes --- */

static int ascending(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

// The values' limits, without those far outside of the others.
static int limits(struct plot *p)
{
	double *v = malloc((size_t)p->n * (POINTS + 1) * sizeof(*v)), low, high, span;
	int n = 0;

	if (!v)
		return -ENOMEM;
	for (int i = 0; i < p->n; i++) {
		const struct curve *c = &p->curve[i];

		p->end = fmax(p->end, c->step[c->n - 1]);
		for (int k = 0; k < c->n; k++)
			if (!isnan(c->value[k]))
				v[n++] = c->value[k];
		if (!c->label && !isnan(c->of->cubic))
			v[n++] = c->of->cubic;
	}
	qsort(v, n, sizeof(*v), ascending);
	p->lo = v[0];
	p->hi = v[n - 1];
	p->log = p->panel->how & TRAINING_LOG && p->lo > 0 && p->hi > FAR * p->lo;
	low = v[(int)(OUTER * n)];
	high = v[n - 1 - (int)(OUTER * n)];
	span = high - low;
	if (!p->log && span > 0) {
		p->lo = fmax(p->lo, low - OUTLYING * span);
		p->hi = fmin(p->hi, high + OUTLYING * span);
	}
	free(v);
	return 0;
}

static bool has_cubic(const struct plot *p)
{
	for (int i = 0; i < p->n; i++)
		if (!p->curve[i].label && !isnan(p->curve[i].of->cubic))
			return true;
	return false;
}

// Tics at powers of ten, between few of them also at 2 and 5.
static void put_log_axis(FILE *f, const struct plot *p)
{
	static const int steps[] = {1, 2, 5};
	int n = p->hi > FEW_TICS * p->lo ? 1 : 3, last = (int)floor(log10(p->hi)) + 1;
	int each = 1 + (last - (int)floor(log10(p->lo))) / DECADES;
	const char *comma = "";

	fprintf(f, "set logscale y\nset yrange [%.6g:%.6g]\nset ytics (", p->lo / 1.2, p->hi * 1.2);
	for (int e = (int)floor(log10(p->lo)); e <= last; e += each)
		for (int i = 0; i < n; i++, comma = ", ")
			fprintf(f, "%s'%g' %g", comma, steps[i] * pow(10, e),
				steps[i] * pow(10, e));
	fputs(")\n", f);
}

static void put_axes(FILE *f, const struct plot *p, double unit, double top)
{
	const struct look *look = p->look;
	double em = look->font, w = look->width, h = look->height;
	double pad = p->hi > p->lo ? 0.06 * (p->hi - p->lo) : p->hi ? 0.1 * fabs(p->hi) : 1;

	fprintf(f,
		"set lmargin at screen %.4f\nset rmargin at screen %.4f\n"
		"set bmargin at screen %.4f\nset tmargin at screen %.4f\n"
		"set xrange [0:%.6g]\nset xtics autofreq font ',%.3g'\nset ytics autofreq font "
		"',%.3g'\nset xlabel '%s' offset 0,0.4\n",
		5.6 * em / w, 1 - (has_cubic(p) ? 4 : 1) * em / w, 4.2 * em / h, top / h,
		fmax(p->end, 1) / unit, em * 0.92, em * 0.92,
		unit == 1     ? "transitions"
		: unit == 1e3 ? "thousand transitions"
			      : "million transitions");
	if (p->panel->how & TRAINING_EACH)
		fputs("set yrange [0:1]\n", f);
	else if (p->log)
		put_log_axis(f, p);
	else
		fprintf(f, "set yrange [%.9g:%.9g]\n", p->lo - (p->lo ? pad : 0), p->hi + pad);
}

/* --- Marks --- */

static const char *colour(const struct plot *p, const struct curve *c)
{
	return plot_colour(p->one ? c->label : c->run);
}

static const char *scalar_dash(int i)
{
	static const char *const dashes[] = {"1", "(5,3)", "(1.5,2)", "(9,2,2,2)", "(12,3)"};

	return dashes[i % (int)(sizeof(dashes) / sizeof(dashes[0]))];
}

static const char *dash(const struct plot *p, const struct curve *c)
{
	if (p->one)
		return p->look->paper ? scalar_dash(c->label) : "1";
	if (p->nlabels > 1)
		return scalar_dash(c->label);
	return plot_dash(c->run, p->look->paper);
}

// What a key says, in rows across the top; returns where they end. Writes nothing where f is NULL.
struct key {
	FILE *f;
	const struct look *look;
	double x, y;
	int n;
};

// Widths differ a little because gnuplot draws neighbours of one width and colour with one dash.
static void put_entry(struct key *k, const char *colour, const char *dash, const char *name)
{
	double em = k->look->font, w = k->look->width, h = k->look->height;
	double width = 3.4 * em + plot_text_width(name, em * 0.92);

	if (k->x + width > w && k->x > 1.5 * em) {
		k->x = 1.5 * em;
		k->y -= 1.25 * em;
	}
	if (k->f) {
		fprintf(k->f,
			"set arrow from screen %.4f,%.4f to screen %.4f,%.4f nohead lw %.3f dt %s "
			"lc rgb '%s'\nset label ",
			k->x / w, k->y / h, (k->x + 2.6 * em) / w, k->y / h, 1.5 + 0.005 * k->n++,
			dash, colour);
		gnuplot_quote(k->f, name);
		fprintf(k->f, " at screen %.4f,%.4f left font ',%.3g'\n", (k->x + 2.9 * em) / w,
			k->y / h, em * 0.92);
	}
	k->x += width + 0.8 * em;
}

static void put_title(FILE *f, const struct plot *p)
{
	double em = p->look->font;

	fputs("set label ", f);
	gnuplot_quote(f, p->panel->title);
	fprintf(f, " at screen 0.5,%.4f center\n", 1 - 0.9 * em / p->look->height);
}

// Of the panel's scalars where there are several; on paper also of the runs. Returns the top of
// what is below.
static double put_key(FILE *f, const struct plot *p)
{
	double em = p->look->font;
	struct key k = {
		f, p->look, 1.5 * em, p->look->height - (p->look->paper ? 2.4 : 0.9) * em, 0};
	bool any = p->nlabels > 1,
	     plain = p->one && (!p->look->paper || p->panel->how & TRAINING_EACH);

	for (int i = 0; p->look->paper && !p->one && i < p->t->n; i++) {
		put_entry(&k, plot_colour(i), p->nlabels > 1 ? "1" : plot_dash(i, true),
			p->t->run[i].name);
		any = true;
	}
	for (int i = 0; p->nlabels > 1 && i < p->nlabels; i++)
		put_entry(&k, p->one ? plot_colour(i) : PLOT_INK, plain ? "1" : scalar_dash(i),
			p->label[i]);
	return k.y - (any ? 1.1 : -0.2) * em;
}

// CUBIC's values of the first scalar: one grey line, or one in each run's colour where they differ.
static void put_cubic(FILE *f, const struct plot *p)
{
	double drawn = NAN;

	for (int i = 0; i < p->n; i++) {
		const struct curve *c = &p->curve[i];
		double y = c->of->cubic;
		bool first = isnan(drawn);

		if (c->label || isnan(y) || y == drawn || (p->log && y <= 0))
			continue;
		fprintf(f,
			"set arrow from graph 0,first %.9g to graph 1,first %.9g nohead back lw "
			"1.2 dt (4,3) lc rgb '%s'\n",
			y, y, first ? CUBIC : colour(p, c));
		if (first)
			fprintf(f,
				"set label 'CUBIC' at graph 1.01,first %.9g left font "
				"',%.3g' tc rgb '%s'\n",
				y, p->look->font * 0.85, CUBIC);
		drawn = y;
	}
}

static void put_data(FILE *f, const struct plot *p, double unit)
{
	double sum[POINTS] = {0};

	for (int i = 0; i < p->n; i++) {
		const struct curve *c = &p->curve[i];

		fprintf(f, "$t%d << EOD\n", i);
		for (int k = 0; k < c->n; k++) {
			double y = c->value[k];

			if (p->panel->how & TRAINING_EACH)
				y = sum[k] += isnan(y) ? 0 : y;
			if (isnan(y))
				fputc('\n', f);
			else
				fprintf(f, "%.7g %.7g\n", c->step[k] / unit, y);
		}
		fputs("EOD\n", f);
	}
}

static void put_best(FILE *f, const struct plot *p, double unit)
{
	for (int i = 0; i < p->n; i++) {
		const struct curve *c = &p->curve[i];
		const struct history_scalar *score =
			history_find(&p->t->run[c->run].h, "held_out/score");
		const struct history_point *best = history_best(score);

		if (c->label || !best || c->of->n > POINTS ||
			isnan(history_at(c->of, best->step)) ||
			strncmp(c->of->name, "held_out/", 9))
			continue;
		fprintf(f,
			", '+' every ::::0 using (%.7g):(%.7g) with points pt 6 ps %g lw 1.8 lc "
			"rgb "
			"'%s' notitle",
			best->step / unit, history_at(c->of, best->step),
			p->look->paper ? 0.8 : 1.1, colour(p, c));
	}
}

static void put_curves(FILE *f, const struct plot *p, double unit)
{
	fputs("plot ", f);
	if (p->panel->how &
		TRAINING_EACH) // the sums, the largest first, so that each shows what it adds
		for (int i = p->n - 1; i >= 0; i--)
			fprintf(f, "%s$t%d using 1:2 with filledcurves y1=0 fc rgb '%s' fs solid 1",
				i < p->n - 1 ? ", " : "", i, plot_colour(p->curve[i].label));
	for (int i = 0; i < p->n && !(p->panel->how & TRAINING_EACH); i++) {
		const struct curve *c = &p->curve[i];

		fprintf(f, "%s$t%d using 1:2 with %s lw %g dt %s lc rgb '%s' pt 7 ps 0.3",
			i ? ", " : "", i, c->n <= MARKED ? "linespoints" : "lines",
			p->look->paper ? 1.0 : 1.4, dash(p, c), colour(p, c));
	}
	put_best(f, p, unit);
	fputc('\n', f);
}

int training_plot(FILE *f, const struct training *t, int panel, int run, const struct look *look)
{
	struct plot p = {.t = t,
		.panel = &training_panels[panel],
		.look = look,
		.one = run >= 0 || t->n == 1};
	int err = collect(&p, run);
	double unit, top;

	if (!err && !p.n)
		err = 1;
	if (!err)
		err = limits(&p);
	if (err)
		goto out;
	unit = p.end >= 2e6 ? 1e6 : p.end >= 2e3 ? 1e3 : 1;
	put_data(f, &p, unit);
	fputs("unset label\nunset arrow\nunset logscale\nunset key\nset format x '% "
	      "h'\nset ylabel ''\n",
		f);
	if (look->paper)
		put_title(f, &p);
	top = put_key(f, &p);
	put_axes(f, &p, unit, top);
	if (!(p.panel->how & TRAINING_EACH))
		put_cubic(f, &p);
	put_curves(f, &p, unit);
	fputs("unset arrow\nunset label\nunset logscale\nset autoscale\n", f);
out:
	free(p.curve);
	return err;
}
