/* Time series as CSV: writer and reader. */
#include "eval/series.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

#define MAX_BYTES ((size_t)1 << 30)
#define ABSURD 1e15 /* no rate, time, window or count of a run is larger */

static const char *const fixed_names[SERIES_FIXED] = {
	"t_s", "capacity_mbps", "throughput_mbps", "qdelay_ms", "queue_pkts", "drops"};
static const char *const flow_names[SERIES_PER_FLOW] = {"rate_mbps", "cwnd", "srtt_ms"};

void series_init(struct series *s, int flows)
{
	memset(s, 0, sizeof(*s));
	s->flows = flows;
	s->cols = SERIES_FIXED + flows * SERIES_PER_FLOW;
}

void series_free(struct series *s)
{
	free(s->v);
	s->v = NULL;
	s->rows = s->cap = 0;
}

double *series_row(struct series *s)
{
	double *row;

	if (s->rows == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 512;
		double *more = realloc(s->v, cap * s->cols * sizeof(*more));

		if (!more)
			return NULL;
		s->v = more;
		s->cap = cap;
	}
	row = s->v + s->rows++ * s->cols;
	for (int i = 0; i < s->cols; i++)
		row[i] = NAN;
	return row;
}

static void column_name(char *buf, size_t size, int col)
{
	int f = (col - SERIES_FIXED) / SERIES_PER_FLOW;

	if (col < SERIES_FIXED)
		snprintf(buf, size, "%s", fixed_names[col]);
	else
		snprintf(buf, size, "%s_%d", flow_names[(col - SERIES_FIXED) % SERIES_PER_FLOW],
			f + 1);
}

static int put_head(FILE *f, const struct series *s, const struct run_result *run)
{
	json_t *h = json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:i}", "format",
		SERIES_FORMAT, "version", SERIES_VERSION, "canopy", CANOPY_VERSION, "id", run->id,
		"on", run->on, "controller", run->controller, "model", run->model, "trace",
		run->trace, "seed", (json_int_t)run->seed, "flows", s->flows);
	char *text = h ? json_dumps(h, JSON_COMPACT) : NULL, name[64], a[RESULTS_NUM],
	     b[RESULTS_NUM], c[RESULTS_NUM];

	json_decref(h);
	if (!text)
		return -EINVAL;
	text[strlen(text) - 1] = 0; // the closing brace: reals follow in their shortest form
	fprintf(f, "# %s,\"buffer_bdp\":%s,\"delay_ms\":%s,\"duration_s\":%s}\n", text,
		results_number(run->buffer_bdp, a), results_number(run->delay_ms, b),
		results_number(run->duration_s, c));
	free(text);
	for (int i = 0; i < s->cols; i++) {
		column_name(name, sizeof(name), i);
		fprintf(f, "%s%s", i ? "," : "", name);
	}
	fputc('\n', f);
	return 0;
}

int series_write(const struct series *s, const char *dir, const struct run_result *run)
{
	char *folder = file_path("%s/series", dir),
	     *path = file_path("%s/%.16s.csv", folder, run->id);
	char *text = NULL, num[RESULTS_NUM];
	size_t len;
	FILE *f = open_memstream(&text, &len);
	int err = f ? put_head(f, s, run) : -ENOMEM;

	if (err == -EINVAL)
		pr_err("%s: a name is not UTF-8\n", path);
	for (size_t i = 0; i < s->rows && !err; i++)
		for (int j = 0; j < s->cols; j++) {
			double x = s->v[i * s->cols + j];

			if (isfinite(x))
				fputs(results_number(x, num), f);
			fputc(j + 1 < s->cols ? ',' : '\n', f);
		}
	if (f && fclose(f) && !err)
		err = -ENOMEM;
	if (!err)
		err = file_mkdirs(folder);
	if (!err)
		err = file_write(path, text, len);
	free(text);
	free(folder);
	free(path);
	return err;
}

// The next line of *p without its end, NULL at the end of the text.
static char *next_line(char **p, const char *end)
{
	char *line = *p, *nl;

	if (line >= end)
		return NULL;
	nl = memchr(line, '\n', end - line);
	*p = nl ? nl + 1 : (char *)end;
	if (nl)
		*nl = 0;
	return line;
}

static int parse_head(char *line, const char *path)
{
	json_t *h =
		line && line[0] == '#' ? json_loads(line + 1, JSON_REJECT_DUPLICATES, NULL) : NULL;
	const char *format = json_string_value(json_object_get(h, "format"));
	json_int_t version = json_integer_value(json_object_get(h, "version"));
	int err = 0;

	if (!format || strcmp(format, SERIES_FORMAT)) {
		pr_err("%s:1: not a %s file\n", path, SERIES_FORMAT);
		err = -EINVAL;
	} else if (version != SERIES_VERSION) {
		pr_err("%s:1: version %lld of the format; this canopy reads version %d\n", path,
			(long long)version, SERIES_VERSION);
		err = -EINVAL;
	}
	json_decref(h);
	return err;
}

// Checks the column names and counts the flows.
static int parse_names(struct series *s, char *line, const char *path)
{
	char want[64], *name = line, *rest;
	int cols = 0;

	for (; name; name = rest) {
		rest = strchr(name, ',');
		if (rest)
			*rest++ = 0;
		column_name(want, sizeof(want), cols++);
		if (strcmp(name, want)) {
			pr_err("%s:2: column %d is not '%s'\n", path, cols, want);
			return -EINVAL;
		}
	}
	if (cols < SERIES_FIXED || (cols - SERIES_FIXED) % SERIES_PER_FLOW) {
		pr_err("%s:2: %d columns, which fit no number of flows\n", path, cols);
		return -EINVAL;
	}
	series_init(s, (cols - SERIES_FIXED) / SERIES_PER_FLOW);
	return 0;
}

static int parse_row(struct series *s, char *line, const char *path, size_t lineno)
{
	double *row = series_row(s), before = s->rows > 1 ? row[SERIES_T - s->cols] : -1;
	char *end;

	if (!row)
		return -ENOMEM;
	for (int i = 0; i < s->cols; i++, line = end + 1) {
		row[i] = strtod(line, &end);
		if (end == line)
			row[i] = NAN;
		if ((end != line && !(fabs(row[i]) <= ABSURD)) ||
			*end != (i + 1 < s->cols ? ',' : 0)) {
			pr_err("%s:%zu: field %d is not a number\n", path, lineno, i + 1);
			return -EINVAL;
		}
	}
	if (row[SERIES_T] > before)
		return 0;
	pr_err("%s:%zu: time does not advance\n", path, lineno);
	return -EINVAL;
}

int series_parse(struct series *s, char *text, size_t len, const char *path)
{
	const char *end = text + len;
	char *line, *p = text;
	struct series got = {0};
	size_t lineno = 2;
	int err = parse_head(next_line(&p, end), path);

	if (err)
		return err;
	line = next_line(&p, end);
	if (!line) {
		pr_err("%s:2: no column names\n", path);
		return -EINVAL;
	}
	err = parse_names(&got, line, path);
	while (!err && (line = next_line(&p, end)))
		err = parse_row(&got, line, path, ++lineno);
	if (err)
		series_free(&got);
	else
		*s = got;
	return err;
}

int series_load(struct series *s, const char *dir, const char *id)
{
	char *path = file_path("%s/series/%.16s.csv", dir, id), *text = NULL;
	size_t len;
	int err = access(path, R_OK) ? -errno : 0;

	if (err && err != -ENOENT)
		pr_err("%s: %s\n", path, strerror(-err));
	if (!err)
		err = file_read(path, MAX_BYTES, &text, &len);
	if (!err)
		err = series_parse(s, text, len, path);
	free(text);
	free(path);
	return err;
}
