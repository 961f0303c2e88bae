/* A part's region in one or two dimensions, as gnuplot draws it. */
#include "cert/picture.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/gnuplot.h"
#include "base/log.h"

#define WIDTH 900
#define HEIGHT 520
#define SAMPLES 600 // of a line
#define GRID 160    // points a side of a map
#define DEPTH 4096  // cells that wait in a partition

static const char *const verdicts[] = {"undecided", "proven", "refuted"};
static const char *const fills[] = {"#d0d4d9", "#9ecae1", "#f4a582"};

struct leaves {
	FILE *f[3]; // boxes by verdict, as text
	char *text[3];
	size_t len[3];
	double lo, hi, waiting[DEPTH][2];
	int n;
	bool lost;
	uint32_t w;
};

static double window(double y, uint32_t w)
{
	return pow(4, tanh(y)) * w;
}

static void cut(void *arg, const double *normal, double offset)
{
	struct leaves *l = arg;
	double at = fmin(fmax(offset / *normal, l->lo), l->hi), *second;

	if (l->n == DEPTH) {
		l->lost = true;
		return;
	}
	second = l->waiting[l->n++];
	second[0] = *normal > 0 ? at : l->lo;
	second[1] = *normal > 0 ? l->hi : at;
	*(*normal > 0 ? &l->hi : &l->lo) = at;
}

static void leaf(void *arg, double y_lo, double y_hi, enum engine_verdict verdict)
{
	struct leaves *l = arg;

	fprintf(l->f[verdict], "%.9g %.9g %.9g %.9g\n", l->lo, l->hi, window(y_lo, l->w), window(y_hi, l->w));
	if (l->n > 0) {
		l->lo = l->waiting[--l->n][0];
		l->hi = l->waiting[l->n][1];
	}
}

static void name_input(char *buf, size_t size, int input)
{
	int back = FRAME_HISTORY - 1 - input / FRAME_FEATURES;

	if (input >= STATE_SIZE)
		snprintf(buf, size, "input %d", input);
	else if (back)
		snprintf(buf, size, "%s[-%d]", frame_features[input % FRAME_FEATURES].name, back);
	else
		snprintf(buf, size, "%s", frame_features[input % FRAME_FEATURES].name);
}

static void put_axis(FILE *f, char axis, const struct region_dim *d)
{
	char name[32];

	name_input(name, sizeof(name), d->input);
	fprintf(f, "set %clabel ", axis);
	gnuplot_quote(f, name);
	fprintf(f, "\nset %crange [%.12g:%.12g]\n", axis, d->lo, d->hi);
}

// The target as a band and, so that it is in view, its ends as lines: no further out than 25..400 percent of w reach.
static void put_target(FILE *f, const struct part *part, uint32_t w)
{
	const struct region_dim *d = part->region.dim;
	double lo = fmax(part->lo, 0.2 * w), hi = fmin(part->hi, 4.2 * w);

	fprintf(f, "$target << EOD\n%.12g %.9g\n%.12g %.9g\n\n%.12g %.9g\n%.12g %.9g\nEOD\n", d->lo, lo, d->hi, lo,
		d->lo, hi, d->hi, hi);
	if (lo < hi)
		fprintf(f, "set object rectangle from graph 0, first %.9g to graph 1, first %.9g "
			   "fc rgb '#d9f0d3' fs solid 1 noborder behind\n",
			lo, hi);
}

static void put_line(FILE *f, const struct picture *p, const struct actor *a, float *scratch)
{
	const struct region_dim *d = p->part->region.dim;
	double x[REGION_INPUTS];

	fputs("$run << EOD\n", f);
	for (int i = 0; i <= SAMPLES; i++) {
		double t = d->lo + (d->hi - d->lo) * i / SAMPLES;

		region_state(&p->part->region, &t, x);
		fprintf(f, "%.9g %u\n", t, part_window(actor_run(a, x, scratch), p->decision->w));
	}
	fputs("EOD\n", f);
}

static int collect(struct leaves *l, const struct picture *p, struct engine *e, struct engine_answer *answer)
{
	const struct engine_sink sink = {cut, leaf, l};
	struct engine_ask ask = *p->ask;
	int err = 0;

	l->lo = ask.region.dim[0].lo;
	l->hi = ask.region.dim[0].hi;
	l->w = p->decision->w;
	for (int i = 0; i < 3 && !err; i++) {
		l->f[i] = open_memstream(&l->text[i], &l->len[i]);
		err = l->f[i] ? 0 : -ENOMEM;
	}
	ask.sink = &sink;
	if (!err)
		err = engine_run(e, p->engine, &ask, answer);
	for (int i = 0; i < 3; i++)
		if (l->f[i])
			fclose(l->f[i]);
	return err ? err : l->lost ? -E2BIG : 0;
}

static int draw_line(FILE *f, const struct picture *p, const struct actor *a, struct engine *e, float *scratch)
{
	struct leaves *l = calloc(1, sizeof(*l));
	struct engine_answer answer;
	int err = l ? collect(l, p, e, &answer) : -ENOMEM;

	if (!err) {
		put_line(f, p, a, scratch);
		put_axis(f, 'x', p->part->region.dim);
		put_target(f, p->part, p->decision->w);
		fprintf(f, "set ylabel 'installed window (packets)'\nset yrange [0:*]\nset key outside top\n");
		for (int i = 0; i < 3; i++)
			if (l->len[i])
				fprintf(f, "$leaf%d << EOD\n%sEOD\n", i, l->text[i]);
		fputs("plot ", f);
		for (int i = 0; i < 3; i++)
			if (l->len[i])
				fprintf(f,
					"$leaf%d using 1:3:1:2:3:4 with boxxyerror fc rgb '%s' fs solid 0.8 noborder "
					"title 'bound, %s', ",
					i, fills[i], verdicts[i]);
		fprintf(f, "$run using 1:2 with lines lc rgb '#000000' lw 1.5 title 'window as executed', "
			   "$target using 1:2 with lines lc rgb '#4dac26' lw 1.5 title 'target'\n");
	}
	for (int i = 0; l && i < 3; i++)
		free(l->text[i]);
	free(l);
	return err;
}

static void draw_map(FILE *f, const struct picture *p, const struct actor *a, float *scratch)
{
	const struct region *r = &p->part->region;
	double x[REGION_INPUTS], t[2];

	fputs("$map << EOD\n", f);
	for (int i = 0; i < GRID; i++) {
		t[0] = r->dim[0].lo + (r->dim[0].hi - r->dim[0].lo) * (i + .5) / GRID;
		for (int k = 0; k < GRID; k++) {
			uint32_t c;

			t[1] = r->dim[1].lo + (r->dim[1].hi - r->dim[1].lo) * (k + .5) / GRID;
			region_state(r, t, x);
			c = part_window(actor_run(a, x, scratch), p->decision->w);
			fprintf(f, "%.9g %.9g %u %d\n", t[0], t[1], c, c >= p->part->lo && c <= p->part->hi);
		}
		fputc('\n', f);
	}
	fputs("EOD\n", f);
	put_axis(f, 'x', &r->dim[0]);
	put_axis(f, 'y', &r->dim[1]);
	fputs("set cblabel 'installed window (packets)' offset 1.5,0\n"
	      "set palette defined (0 '#f7fbff', 1 '#6baed6', 2 '#08306b')\n"
	      "unset grid\nset rmargin at screen 0.84\nset contour base\nset cntrparam levels discrete 0.5\nset surface\n"
	      "set table $edge\nunset surface\nsplot $map using 1:2:4\nunset table\nunset contour\n"
	      "set key outside top\n"
	      "plot $map using 1:2:3 with image notitle, "
	      "$map using ($4 == 0 ? $1 : NaN):2 every 4:4 with points pt 7 ps 0.15 lc rgb '#d55e00' title 'target missed', "
	      "$edge using 1:2 with lines lc rgb '#d55e00' lw 2 notitle\n",
		f);
}

int picture_draw(const struct picture *p, const struct actor *a, struct engine *e)
{
	int dims = p->part->region.ndims, err;
	struct gnuplot g;
	float *scratch;

	if (dims < 1 || dims > 2) {
		pr_err("%s: a picture needs one or two varied inputs, this region has %d\n", p->path, dims);
		return -EINVAL;
	}
	scratch = malloc(mlp_scratch(a->mlp) * sizeof(*scratch));
	if (!scratch)
		return -ENOMEM;
	err = gnuplot_open(&g, p->path, WIDTH, HEIGHT);
	if (!err) {
		fputs("set title ", g.script);
		gnuplot_quote(g.script, p->title);
		fputc('\n', g.script);
		if (dims == 1)
			err = draw_line(g.script, p, a, e, scratch);
		else
			draw_map(g.script, p, a, scratch);
		if (err)
			gnuplot_abandon(&g);
		else
			err = gnuplot_close(&g);
	}
	free(scratch);
	return err;
}
