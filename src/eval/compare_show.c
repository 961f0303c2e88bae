/* Prints comparisons. */
#include "eval/compare_show.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// "0.0123", "<1e-6", "-".
static const char *p_text(double p, char buf[16])
{
	if (isnan(p))
		return "-";
	snprintf(buf, 16, p < 1e-6 ? "<1e-6" : p < 1e-3 ? "%.1e" : "%.4f", p);
	return buf;
}

static const char *mark(double p_holm, double level)
{
	return p_holm <= level ? "  *" : ""; // false for NaN
}

static void print_cell(
	FILE *out, const struct col *metric, const struct compare_cell *cell, double level)
{
	const struct stats_diff *d = &cell->d;
	char interval[64] = "-", p[16], q[16];

	if (!isnan(d->lo))
		snprintf(interval, sizeof(interval), "%+.3f .. %+.3f", d->lo, d->hi);
	if (!d->na || !d->nb)
		fprintf(out, "  %-16s %11s %11s %11s\n", metric->name, "-", "-", "-");
	else
		fprintf(out, "  %-16s %11.3f %11.3f %+11.3f  %-25s %7s %7s%s\n", metric->name,
			d->mean_a, d->mean_b, d->diff, interval, p_text(d->p, p),
			p_text(cell->p_holm, q), mark(cell->p_holm, level));
}

static void print_setup(FILE *out, const struct compare *c, const struct compare_setup *s)
{
	char *label = compare_label(c, s);

	if (s->paired)
		fprintf(out, "%s: %d pair%s of equal seeds\n", label, s->na, s->na == 1 ? "" : "s");
	else
		fprintf(out, "%s: %d and %d repeats\n", label, s->na, s->nb);
	for (int m = 0; m < c->conf->nmetrics; m++)
		print_cell(out, c->conf->metrics[m], &s->cell[m], c->conf->level);
	free(label);
}

static void print_overall(FILE *out, const struct compare *c)
{
	const struct compare_conf *conf = c->conf;
	int least = stats_signed_rank_least(conf->level);
	char p[16], q[16], sides[32];

	fprintf(out, "over all %d set-up%s (means over set-ups; signed-rank test)\n", c->n,
		c->n == 1 ? "" : "s");
	for (int m = 0; m < conf->nmetrics; m++) {
		const struct compare_overall *o = &c->overall[m];

		snprintf(sides, sizeof(sides), "A over B in %d of %d", o->more, o->setups);
		fprintf(out, "  %-16s %11.3f %11.3f %+11.3f  %-25s %7s %7s%s\n",
			conf->metrics[m]->name, o->mean_a, o->mean_b, o->diff, sides,
			p_text(o->p, p), p_text(o->p_holm, q), mark(o->p_holm, conf->level));
	}
	if (c->n < least)
		fprintf(out,
			"  too few set-ups for a verdict over all: at level %g it takes %d that "
			"differ\n",
			conf->level, least);
}

static void print_counts(FILE *out, const struct compare *c)
{
	int marked = 0, tests = 0;

	for (int i = 0; i < c->n; i++)
		for (int m = 0; m < c->conf->nmetrics; m++) {
			tests += !isnan(c->setups[i].cell[m].p_holm);
			marked += c->setups[i].cell[m].p_holm <= c->conf->level;
		}
	if (tests)
		fprintf(out,
			"%d of %d differences are significant (*) at level %g, by Holm's "
			"correction over the set-ups "
			"of each metric\n",
			marked, tests, c->conf->level);
	if (c->few)
		fprintf(out,
			"too few repeats in %d of %d set-ups: a difference in one needs 2 seeds on "
			"either side, and 5 "
			"to say much (canopy eval --runs 5)\n",
			c->few, c->n);
	if (c->doubted)
		fprintf(out,
			"do not trust %d of the runs over the emulator: their records say why "
			"(canopy report)\n",
			c->doubted);
	if (c->only_a || c->only_b)
		fprintf(out, "left out: %d set-up%s only in A, %d only in B\n", c->only_a,
			c->only_a == 1 ? "" : "s", c->only_b);
}

void compare_print(FILE *out, const struct compare *c)
{
	char ci[32];

	fprintf(out, "A: %s\nB: %s\n", c->conf->name_a, c->conf->name_b);
	snprintf(ci, sizeof(ci), "%g %% interval", 100 * (1 - c->conf->level));
	fprintf(out, "  %-16s %11s %11s %11s  %-25s %7s %7s\n", "", "A", "B", "A - B", ci, "p",
		"Holm p");
	for (int i = 0; i < c->n; i++)
		print_setup(out, c, &c->setups[i]);
	print_overall(out, c);
	print_counts(out, c);
}

/* --- JSON --- */

static json_t *real(double x)
{
	return isfinite(x) ? json_real(x) : json_null();
}

static json_t *cell_json(const struct compare_cell *cell, double level)
{
	const struct stats_diff *d = &cell->d;

	return json_pack("{s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "n_a", d->na, "n_b",
		d->nb, "a", real(d->mean_a), "b", real(d->mean_b), "difference", real(d->diff),
		"low", real(d->lo), "high", real(d->hi), "p", real(d->p), "p_holm",
		real(cell->p_holm), "significant", cell->p_holm <= level);
}

static json_t *overall_json(const struct compare_overall *o, double level)
{
	return json_pack("{s:i, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:b}", "setups", o->setups,
		"more", o->more, "less", o->less, "a", real(o->mean_a), "b", real(o->mean_b),
		"difference", real(o->diff), "p", real(o->p), "p_holm", real(o->p_holm),
		"significant", o->p_holm <= level);
}

// What a side is: the columns of a set-up.
static json_t *side_json(const struct run_result *r)
{
	return json_pack("{s:s, s:s, s:s, s:f, s:f, s:s, s:f, s:f, s:f, s:f, s:s}", "controller",
		r->controller, "model", r->model, "trace", r->trace, "nominal_mbps",
		r->nominal_mbps, "buffer_bdp", r->buffer_bdp, "queue", r->queue, "delay_ms",
		r->delay_ms, "loss", r->loss, "noise", r->noise, "duration_s", r->duration_s, "on",
		r->on);
}

static json_t *setup_json(const struct compare *c, const struct compare_setup *s)
{
	json_t *metrics = json_object();

	for (int m = 0; m < c->conf->nmetrics; m++)
		json_object_set_new(
			metrics, c->conf->metrics[m]->name, cell_json(&s->cell[m], c->conf->level));
	return json_pack("{s:o, s:o, s:i, s:i, s:s, s:o}", "a", side_json(s->a), "b",
		side_json(s->b), "runs_a", s->na, "runs_b", s->nb, "test",
		s->paired ? "paired" : "welch", "metrics", metrics);
}

int compare_json(FILE *out, const struct compare *c)
{
	json_t *setups = json_array(), *overall = json_object(), *all;
	int err;

	for (int i = 0; i < c->n; i++)
		json_array_append_new(setups, setup_json(c, &c->setups[i]));
	for (int m = 0; m < c->conf->nmetrics; m++)
		json_object_set_new(overall, c->conf->metrics[m]->name,
			overall_json(&c->overall[m], c->conf->level));
	all = json_pack("{s:s, s:i, s:s, s:s, s:s, s:f, s:i, s:i, s:i, s:i, s:o, s:o}", "format",
		COMPARE_FORMAT, "version", COMPARE_VERSION, "canopy", CANOPY_VERSION, "a",
		c->conf->name_a, "b", c->conf->name_b, "level", c->conf->level, "only_a", c->only_a,
		"only_b", c->only_b, "too_few_repeats", c->few, "untrusted_runs", c->doubted,
		"setups", setups, "overall", overall);
	err = all && !json_dumpf(all, out, JSON_INDENT(1) | JSON_REAL_PRECISION(12)) ? 0 : -ENOMEM;
	fputc('\n', out);
	json_decref(all);
	return err;
}
