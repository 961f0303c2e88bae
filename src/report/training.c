/* Loads training runs; their tables. */
#include "report/training.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "learn/metrics.h"
#include "model/model.h"
#include "report/html.h"

bool training_is(const char *dir)
{
	char *path = file_path("%s/" METRICS_FILE, dir);
	bool is = !access(path, F_OK);

	free(path);
	return is;
}

// The folder's name without .run and slashes at the end.
static char *short_name(const char *dir)
{
	static const char end[] = ".run";
	size_t n = strlen(dir), k = sizeof(end) - 1, from;

	while (n > 1 && dir[n - 1] == '/')
		n--;
	for (from = n; from && dir[from - 1] != '/';)
		from--;
	if (n - from > k && !memcmp(dir + n - k, end, k))
		n -= k;
	return file_path("%.*s", (int)(n - from), dir + from);
}

// Of the best model, else of the last.
static char *find_spec(const char *dir)
{
	static const char *const models[] = {"best", "last"};
	char *spec = NULL;

	for (int i = 0; i < 2 && !spec; i++) {
		char *path = file_path("%s/%s.safetensors", dir, models[i]);
		struct model *m;

		if (!access(path, F_OK) && !model_load(&m, path)) {
			spec = m->info.training ? file_path("%s", m->info.training) : NULL;
			model_free(m);
		}
		free(path);
	}
	return spec;
}

static bool is_taken(const struct training *t, const char *name)
{
	for (int i = 0; i < t->n; i++)
		if (!strcmp(t->run[i].name, name))
			return true;
	return false;
}

int training_add(struct training *t, const char *dir)
{
	struct training_run *r = &t->run[t->n];
	int err;

	for (int i = 0; i < t->n; i++)
		if (!strcmp(t->run[i].dir, dir)) {
			pr_warn("%s: named twice, shown once\n", dir);
			return 0;
		}
	if (t->n == TRAINING_MAX_RUNS) {
		pr_err("%s: one run too many, a report has room for %d\n", dir, TRAINING_MAX_RUNS);
		return -E2BIG;
	}
	err = history_load(&r->h, dir);
	if (err)
		return err;
	if (!r->h.lines)
		pr_warn("%s: no metrics yet\n", dir);
	r->dir = file_path("%s", dir);
	r->name = short_name(dir);
	if (is_taken(t, r->name)) {
		free(r->name);
		r->name = file_path("%s", dir);
	}
	r->spec = find_spec(dir);
	t->n++;
	return 0;
}

void training_free(struct training *t)
{
	for (int i = 0; i < t->n; i++) {
		history_free(&t->run[i].h);
		free(t->run[i].name);
		free(t->run[i].dir);
		free(t->run[i].spec);
	}
	t->n = 0;
}

void training_legend(FILE *out, const struct training *t)
{
	fputs("<ul class=\"legend\">", out);
	for (int i = 0; i < t->n; i++) {
		fputs("<li>", out);
		html_key(out, i);
		html_printf(out, "%s</li>", t->run[i].name);
	}
	fputs("</ul>\n", out);
}

/* --- Results --- */

static const struct column {
	const char *scalar, *title, *unit;
	double scale;
	int decimals;
} columns[] = {
	{"held_out/score", "Score", "", 1, 3},
	{"held_out/raw", "Reward", "", 1, 3},
	{"held_out/reference_qc", "QC", "reference", 1, 3},
	{"held_out/qc", "QC", "as it runs", 1, 3},
	{"held_out/triggered", "Triggered", "%", 100, 1},
	{"held_out/floor", "Floor", "%", 100, 1},
	{"held_out/mbps", "Rate", "Mbit/s", 1, 2},
	{"held_out/qdelay_ms", "Delay", "ms", 1, 1},
};
#define NCOLUMNS ((int)(sizeof(columns) / sizeof(columns[0])))

static void put_number(FILE *out, double x, int decimals)
{
	if (isnan(x))
		fputs("<td>\342\200\223</td>", out);
	else
		fprintf(out, "<td>%.*f</td>", decimals, x);
}

static double cubic_of(const struct training_run *r, const char *scalar)
{
	const struct history_scalar *s = history_find(&r->h, scalar);

	return s ? s->cubic : NAN;
}

static bool same_cubic(const struct training_run *a, const struct training_run *b)
{
	for (int c = 0; c < NCOLUMNS; c++) {
		double x = cubic_of(a, columns[c].scalar), y = cubic_of(b, columns[c].scalar);

		if (x != y && !(isnan(x) && isnan(y)))
			return false;
	}
	return true;
}

static bool has_cubic(const struct training_run *r)
{
	return !isnan(cubic_of(r, columns[0].scalar));
}

// CUBIC on the held-out set-ups of this run and those that share them.
static void put_cubic(FILE *out, const struct training *t, int run)
{
	bool shared = true;

	for (int i = 0; i < t->n; i++)
		shared &= same_cubic(&t->run[i], &t->run[run]);
	fputs("<tr><td>CUBIC", out);
	if (!shared)
		html_printf(out, ", set-ups of %s", t->run[run].name);
	fputs("</td><td></td><td></td><td></td>", out);
	for (int c = 0; c < NCOLUMNS; c++)
		put_number(out, cubic_of(&t->run[run], columns[c].scalar) * columns[c].scale,
			columns[c].decimals);
	fputs("</tr>\n", out);
}

static void put_run(FILE *out, const struct training *t, int run)
{
	const struct training_run *r = &t->run[run];
	const struct history_point *best = history_best(history_find(&r->h, columns[0].scalar));

	fputs("<tr><td>", out);
	html_key(out, run);
	html_printf(out, "%s</td>", r->name);
	fprintf(out, "<td>%lld</td>", (long long)r->h.step);
	put_number(out, r->h.wall_s / 60, 1);
	put_number(out, best ? best->step : NAN, 0);
	for (int c = 0; c < NCOLUMNS; c++)
		put_number(out,
			best ? history_at(history_find(&r->h, columns[c].scalar), best->step) *
					columns[c].scale
			     : NAN,
			columns[c].decimals);
	fputs("</tr>\n", out);
}

static bool is_line_of(const char *spec, const char *line, size_t n)
{
	for (; spec; spec = strchr(spec, '\n'), spec += spec != NULL)
		if (strcspn(spec, "\n") == n && !memcmp(spec, line, n))
			return true;
	return false;
}

// The lines of a run's spec that not all others have.
static char *differences(const struct training *t, int run)
{
	char *text = NULL;
	size_t len, n;
	FILE *f = open_memstream(&text, &len);

	for (const char *at = t->run[run].spec; f && at && *at; at += n + (at[n] == '\n')) {
		bool shared = true;

		n = strcspn(at, "\n");
		for (int i = 0; i < t->n; i++)
			shared &= !t->run[i].spec || is_line_of(t->run[i].spec, at, n);
		if (!shared)
			fprintf(f, "%s%.*s", ftell(f) ? ", " : "", (int)n, at);
	}
	if (f)
		fclose(f);
	return text;
}

static void put_differences(FILE *out, const struct training *t)
{
	bool any = false;

	for (int i = 0; i < t->n; i++) {
		char *text = differences(t, i);

		if (text && *text) {
			if (!any)
				fputs("<h4>Where their options differ</h4>\n<table "
				      "class=\"keys\"><tbody>\n",
					out);
			any = true;
			html_printf(out, "<tr><th>%s</th><td>%s</td></tr>\n", t->run[i].name, text);
		}
		free(text);
	}
	if (any)
		fputs("</tbody></table>\n", out);
}

void training_table(FILE *out, const struct training *t)
{
	fputs("<div class=\"scroll\"><table class=\"sort\"><thead><tr><th>Run</th>"
	      "<th>Transitions</th><th>Wall time<small>min</small></th>"
	      "<th>Best at<small>transition</small></th>",
		out);
	for (int c = 0; c < NCOLUMNS; c++)
		html_printf(out, "<th>%s<small>%s</small></th>", columns[c].title, columns[c].unit);
	fputs("</tr></thead>\n<tbody>\n", out);
	for (int i = 0; i < t->n; i++)
		put_run(out, t, i);
	for (int i = 0; i < t->n; i++) {
		bool first = has_cubic(&t->run[i]);

		for (int k = 0; k < i && first; k++)
			first = !same_cubic(&t->run[k], &t->run[i]);
		if (first)
			put_cubic(out, t, i);
	}
	fputs("</tbody></table></div>\n", out);
	put_differences(out, t);
}

void training_metadata(FILE *out, const struct training *t)
{
	for (int i = 0; i < t->n; i++) {
		const char *at = t->run[i].spec;

		html_printf(out, "<h4>%s</h4>\n", t->run[i].dir);
		if (!at) {
			fputs("<p class=\"note\">No model, so no spec.</p>\n", out);
			continue;
		}
		fputs("<details><summary>The whole spec</summary><table class=\"keys\"><tbody>\n",
			out);
		for (size_t n; *at; at += n + (at[n] == '\n')) {
			int key = (int)strcspn(at, " =\n"),
			    skip = key + (int)strspn(at + key, " =");
			char *name = file_path("%.*s", key, at), *value;

			n = strcspn(at, "\n");
			value = file_path("%.*s", n > (size_t)skip ? (int)n - skip : 0, at + skip);
			html_printf(out, "<tr><th>%s</th><td>%s</td></tr>\n", name, value);
			free(name);
			free(value);
		}
		fputs("</tbody></table></details>\n", out);
	}
}
