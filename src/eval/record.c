/* One run as a record: the table of columns, JSON and CSV from it, and back. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/results.h"

#define BIG 1e15
#define TEXT(s, f, opt, since)                                                                     \
	{                                                                                          \
#f, COL_TEXT, offsetof(struct s, f), sizeof(((struct s *)0)->f), "", opt, 0, 0, since \
	}
#define INT(s, f, unit, since)                                                                     \
	{                                                                                          \
#f, COL_INT, offsetof(struct s, f), 0, unit, false, 0, BIG, since                  \
	}
#define REAL(s, f, unit, lo, hi)                                                                   \
	{                                                                                          \
#f, COL_REAL, offsetof(struct s, f), 0, unit, false, lo, hi, 1                     \
	}
#define MAYBE(s, f, unit, lo, hi, since)                                                           \
	{                                                                                          \
#f, COL_REAL, offsetof(struct s, f), 0, unit, true, lo, hi, since                  \
	}

const struct col results_cols[] = {
	TEXT(run_result, id, false, 1),
	TEXT(run_result, on, false, 1),
	TEXT(run_result, controller, false, 1),
	TEXT(run_result, model, true, 1),
	TEXT(run_result, trace, false, 1),
	REAL(run_result, nominal_mbps, "Mbit/s", 0, 1e9),
	REAL(run_result, buffer_bdp, "BDP", 0, 1e9),
	INT(run_result, queue_pkts, "packets", 1),
	TEXT(run_result, queue, false, 1),
	TEXT(run_result, queue_args, true, 2),
	{"ecn", COL_INT, offsetof(struct run_result, ecn), 0, "", false, 0, 1, 2},
	REAL(run_result, delay_ms, "ms", 0, 1e9),
	REAL(run_result, loss, "", 0, 1),
	TEXT(run_result, loss_burst, true, 2),
	TEXT(run_result, flow_args, true, 3),
	REAL(run_result, noise, "", 0, 1e6),
	{"seed", COL_INT, offsetof(struct run_result, seed), 0, "", false, -0x1p63, 0x1p63, 1},
	REAL(run_result, duration_s, "s", 0, 1e9),
	REAL(run_result, capacity_mbps, "Mbit/s", 0, 1e9),
	REAL(run_result, throughput_mbps, "Mbit/s", 0, 1e9),
	REAL(run_result, util_pct, "%", 0, 1e6),
	REAL(run_result, goodput_mbps, "Mbit/s", 0, 1e9),
	MAYBE(run_result, qdelay_mean_ms, "ms", 0, 1e9, 1),
	MAYBE(run_result, qdelay_p50_ms, "ms", 0, 1e9, 1),
	MAYBE(run_result, qdelay_p95_ms, "ms", 0, 1e9, 1),
	MAYBE(run_result, qdelay_max_ms, "ms", 0, 1e9, 1),
	INT(run_result, arrivals, "packets", 1),
	INT(run_result, departures, "packets", 1),
	INT(run_result, drops, "packets", 1),
	REAL(run_result, drop_pct, "%", 0, 100.001),
	INT(run_result, marks, "packets", 2),
	INT(run_result, retrans, "packets", 1),
	INT(run_result, rtos, "", 1),
	MAYBE(run_result, rtt_min_ms, "ms", 0, 1e9, 1),
	MAYBE(run_result, rtt_mean_ms, "ms", 0, 1e9, 1),
	INT(run_result, decisions, "", 1),
	TEXT(run_result, properties, true, 4),
	MAYBE(run_result, triggered_pct, "%", 0, 100.001, 4),
	MAYBE(run_result, qc_mean, "", 0, 1.001, 4),
	MAYBE(run_result, proven_mean, "", 0, 1.001, 4),
	MAYBE(run_result, refuted_mean, "", 0, 1.001, 4),
	MAYBE(run_result, fallback_pct, "%", 0, 100.001, 4),
	MAYBE(run_result, shield_pct, "%", 0, 100.001, 5),
	MAYBE(run_result, acted_pct, "%", 0, 100.001, 1),
	MAYBE(run_result, reward_mean, "", -BIG, BIG, 1),
	MAYBE(run_result, jain, "", 0, 1.001, 1),
	MAYBE(run_result, jain_1s_mean, "", 0, 1.001, 3),
	MAYBE(run_result, jain_1s_min, "", 0, 1.001, 3),
	INT(run_result, changes, "", 3),
	INT(run_result, converged, "", 3),
	MAYBE(run_result, converge_s, "s", 0, 1e9, 3),
	MAYBE(run_result, friendliness, "", 0, RESULTS_MAX_FLOWS, 3),
	TEXT(run_result, shares, true, 3),
	TEXT(run_result, kernel, true, 6),
	TEXT(run_result, traffic, true, 6),
	MAYBE(run_result, trusted, "", 0, 1, 6),
	TEXT(run_result, doubt, true, 6),
	MAYBE(run_result, late_p50_us, "us", 0, BIG, 6),
	MAYBE(run_result, late_p99_us, "us", 0, BIG, 6),
	MAYBE(run_result, late_max_us, "us", 0, BIG, 6),
	MAYBE(run_result, device_drops, "packets", 0, BIG, 6),
	MAYBE(run_result, emulator_cpu_pct, "%", 0, BIG, 6),
	MAYBE(run_result, foreign_cpu_pct, "%", 0, 100.001, 6),
	MAYBE(run_result, window_limited_pct, "%", 0, BIG, 6),
	{.name = NULL},
};

const struct col results_flow_cols[] = {
	TEXT(flow_result, controller, false, 1),
	REAL(flow_result, goodput_mbps, "Mbit/s", 0, 1e9),
	MAYBE(flow_result, rtt_mean_ms, "ms", 0, 1e9, 1),
	INT(flow_result, retrans, "packets", 1),
	INT(flow_result, rtos, "", 1),
	REAL(flow_result, start_s, "s", 0, 1e9),
	REAL(flow_result, stop_s, "s", 0, 1e9),
	INT(flow_result, decisions, "", 1),
	MAYBE(flow_result, policy_start_s, "s", 0, 1e9, 1),
	MAYBE(flow_result, share, "", 0, RESULTS_MAX_FLOWS, 3),
	MAYBE(flow_result, join_converge_s, "s", 0, 1e9, 3),
	MAYBE(flow_result, leave_converge_s, "s", 0, 1e9, 3),
	{.name = NULL},
};

const struct col *results_col(const char *name)
{
	for (const struct col *c = results_cols; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

static double real_at(const struct col *c, const void *rec)
{
	double x;

	memcpy(&x, (const char *)rec + c->offset, sizeof(x));
	return x;
}

static int64_t int_at(const struct col *c, const void *rec)
{
	int64_t x;

	memcpy(&x, (const char *)rec + c->offset, sizeof(x));
	return x;
}

double results_value(const struct col *c, const struct run_result *run)
{
	return c->type == COL_INT ? (double)int_at(c, run) : real_at(c, run);
}

const char *results_show(const struct run_result *r, char buf[RESULTS_SHOWN])
{
	bool flows = !*r->traffic || !strcmp(r->traffic, "flows");

	snprintf(buf, RESULTS_SHOWN, "%s%s%s%s", r->controller,
		strcmp(r->on, "emu") ? "" : " (kernel", flows ? "" : ", ", flows ? "" : r->traffic);
	if (!strcmp(r->on, "emu"))
		strcat(buf, ")");
	return buf;
}

const char *results_number(double x, char *buf)
{
	if (x == 0)
		x = 0; // no "-0"
	snprintf(buf, RESULTS_NUM, "%.15g", x);
	if (strtod(buf, NULL) != x)
		snprintf(buf, RESULTS_NUM, "%.17g", x);
	return buf;
}

static bool in_range(const struct col *c, double x)
{
	return x >= c->lo && x <= c->hi; // false for NaN
}

// An id names files, so it is held to its alphabet.
static bool text_ok(const struct col *c, const char *s, size_t len)
{
	if (strlen(s) != len || len >= c->size || (!len && !c->optional))
		return false;
	return strcmp(c->name, "id") || (len == 16 && strspn(s, "0123456789abcdef") == 16);
}

// A text as JSON, with its quotes.
static int put_text(FILE *f, const char *s)
{
	json_t *j = json_string(s); // NULL when not UTF-8
	char *out = j ? json_dumps(j, JSON_ENCODE_ANY) : NULL;

	json_decref(j);
	if (!out)
		return -EINVAL;
	fputs(out, f);
	free(out);
	return 0;
}

static int put_value(FILE *f, const struct col *c, const void *rec)
{
	char num[RESULTS_NUM];

	if (c->type == COL_TEXT) {
		const char *s = (const char *)rec + c->offset;

		return memchr(s, 0, c->size) && text_ok(c, s, strlen(s)) ? put_text(f, s) : -EINVAL;
	}
	if (c->type == COL_INT) {
		if (!in_range(c, int_at(c, rec)))
			return -EINVAL;
		fprintf(f, "%lld", (long long)int_at(c, rec));
	} else if (c->optional && isnan(real_at(c, rec))) {
		fputs("null", f);
	} else {
		if (!in_range(c, real_at(c, rec)))
			return -EINVAL;
		fputs(results_number(real_at(c, rec), num), f);
	}
	return 0;
}

// The members of an object, without its braces. Returns the name of a column that cannot be, or
// NULL.
static const char *put_members(FILE *f, const struct col *cols, const void *rec)
{
	for (const struct col *c = cols; c->name; c++) {
		fprintf(f, "%s\"%s\":", c == cols ? "" : ",", c->name);
		if (put_value(f, c, rec))
			return c->name;
	}
	return NULL;
}

char *results_format(const struct run_result *run, const char **bad)
{
	char *line = NULL;
	size_t len;
	FILE *f = open_memstream(&line, &len);

	*bad = NULL;
	if (!f)
		return NULL;
	fputs("{\"type\":\"run\",", f);
	*bad = run->nflows < 0 || run->nflows > RESULTS_MAX_FLOWS
		       ? "flows"
		       : put_members(f, results_cols, run);
	fputs(",\"flows\":[", f);
	for (int i = 0; !*bad && i < run->nflows; i++) {
		fputs(i ? ",{" : "{", f);
		*bad = put_members(f, results_flow_cols, &run->flows[i]);
		fputc('}', f);
	}
	fputs("]}\n", f);
	if (fclose(f) || *bad) {
		free(line);
		return NULL;
	}
	return line;
}

static int parse_value(void *rec, const struct col *c, const json_t *v, char why[160])
{
	char *at = (char *)rec + c->offset;

	if (!v)
		return snprintf(why, 160, "column '%s' is missing", c->name), -EINVAL;
	if (c->type == COL_TEXT && json_is_string(v)) {
		if (!text_ok(c, json_string_value(v), json_string_length(v)))
			return snprintf(why, 160, "column '%s' holds no fit text", c->name),
			       -EINVAL;
		memcpy(at, json_string_value(v), json_string_length(v) + 1);
		return 0;
	}
	if (c->type == COL_INT && json_is_integer(v)) {
		int64_t x = json_integer_value(v);

		memcpy(at, &x, sizeof(x));
		if (in_range(c, x))
			return 0;
	} else if (c->type == COL_REAL && c->optional && json_is_null(v)) {
		memcpy(at, &(double){NAN}, sizeof(double));
		return 0;
	} else if (c->type == COL_REAL && json_is_number(v)) {
		double x = json_number_value(v);

		memcpy(at, &x, sizeof(x));
		if (in_range(c, x))
			return 0;
	} else {
		static const char *const want[] = {"text", "a whole number", "a number"};

		return snprintf(why, 160, "column '%s' is not %s", c->name, want[c->type]), -EINVAL;
	}
	return snprintf(why, 160, "column '%s' is absurd: %.6g", c->name, json_number_value(v)),
	       -EINVAL;
}

static int parse_members(
	void *rec, const struct col *cols, const json_t *o, int version, char why[160])
{
	int err = 0;

	for (const struct col *c = cols; c->name && !err; c++)
		if (c->since <= version)
			err = parse_value(rec, c, json_object_get(o, c->name), why);
		else if (c->type == COL_REAL && c->optional)
			memcpy((char *)rec + c->offset, &(double){NAN}, sizeof(double));
	return err;
}

int results_parse(struct run_result *run, const json_t *record, int version, char why[160])
{
	struct run_result got = {.header = -1};
	const json_t *flows = json_object_get(record, "flows");
	int err = parse_members(&got, results_cols, record, version, why);

	if (err)
		return err;
	if (!json_is_array(flows) || json_array_size(flows) > RESULTS_MAX_FLOWS)
		return snprintf(why, 160, "'flows' is missing or not an array of flows"), -EINVAL;
	got.nflows = json_array_size(flows);
	got.flows = calloc(got.nflows + !got.nflows, sizeof(*got.flows));
	if (!got.flows)
		return -ENOMEM;
	for (int i = 0; i < got.nflows && !err; i++) {
		char inner[100];

		err = parse_members(&got.flows[i], results_flow_cols, json_array_get(flows, i),
			version, why);
		if (err) {
			snprintf(inner, sizeof(inner), "%.99s", why);
			snprintf(why, 160, "flow %d: %s", i + 1, inner);
		}
	}
	if (err)
		free(got.flows);
	else
		*run = got;
	return err;
}

// RFC 4180, and quotes around # so that comment="#" readers keep it.
static void csv_text(FILE *f, const char *s)
{
	if (!s[strcspn(s, ",\"\r\n#")]) {
		fputs(s, f);
		return;
	}
	fputc('"', f);
	for (; *s; s++) {
		if (*s == '"')
			fputc('"', f);
		fputc(*s, f);
	}
	fputc('"', f);
}

void results_csv(const struct result_set *s, FILE *f)
{
	char num[RESULTS_NUM];

	for (size_t i = 0; i < json_array_size(s->headers); i++) {
		fputs("# ", f);
		json_dumpf(json_array_get(s->headers, i), f, JSON_COMPACT);
		fputc('\n', f);
	}
	for (const struct col *c = results_cols; c->name; c++)
		fprintf(f, "%s%s", c == results_cols ? "" : ",", c->name);
	fputc('\n', f);
	for (size_t i = 0; i < s->n; i++) {
		for (const struct col *c = results_cols; c->name; c++) {
			if (c != results_cols)
				fputc(',', f);
			if (c->type == COL_TEXT)
				csv_text(f, (const char *)&s->runs[i] + c->offset);
			else if (c->type == COL_INT)
				fprintf(f, "%lld", (long long)int_at(c, &s->runs[i]));
			else if (!isnan(real_at(c, &s->runs[i])))
				fputs(results_number(real_at(c, &s->runs[i]), num), f);
		}
		fputc('\n', f);
	}
}
