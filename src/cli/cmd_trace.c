/* canopy trace: describe, check, make, convert and draw link traces. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/gnuplot.h"
#include "base/log.h"
#include "cli/cmd.h"
#include "cli/cmd_trace_log.h"
#include "trace/convert.h"
#include "trace/describe.h"
#include "trace/generate.h"
#include "trace/lint.h"
#include "trace/trace.h"

#define CSV_MAX ((size_t)256 << 20)
#define PLOT_POINTS_MAX 1000000

#define DETAILS                                                                                    \
	"A TRACE is a mahimahi trace file (one millisecond per line, each one opportunity of "     \
	"1504 bytes)\n"                                                                            \
	"or the name of a generated trace (1500 bytes nominal):\n\n" TRACE_GENERATORS_TEXT

static const struct opt info_opts[] = {
	CMD_COMMON_OPTS,
	{OPT_FLAG, 'j', "json", NULL, NULL, 0, 0, NULL, "one JSON object a line"},
	{.kind = OPT_END},
};

static const struct opt lint_opts[] = {CMD_COMMON_OPTS, {.kind = OPT_END}};

static const struct opt gen_opts[] = {
	CMD_COMMON_OPTS,
	{OPT_FILE, 'o', "output", "FILE", NULL, 0, 0, NULL, "write here, not to standard output"},
	{OPT_INT, 's', "seed", "N", "1", 0, 9e15, NULL, "seed of a cellular trace"},
	{OPT_REAL, 0, "mean", "MBPS", "8", 0.01, 10000, NULL,
		"mean rate of a cellular trace, Mbit/s"},
	{OPT_INT, 'd', "duration", "S", "60", 1, 3600, NULL, "length of a cellular trace, seconds"},
	{.kind = OPT_END},
};

static const struct opt convert_opts[] = {
	CMD_COMMON_OPTS,
	{OPT_FILE, 'o', "output", "FILE", NULL, 0, 0, NULL, "write here, not to standard output"},
	{OPT_TEXT, 0, "time", "COLUMN", NULL, 0, 0, NULL,
		"column of times, a header's name or a number; the first"},
	{OPT_TEXT, 0, "rate", "COLUMN", NULL, 0, 0, NULL, "column of rates; the second"},
	{OPT_WORD, 0, "time-unit", "UNIT", "s", 0, 0, "s|ms", "unit of times"},
	{OPT_WORD, 0, "rate-unit", "UNIT", "mbps", 0, 0, "bps|kbps|mbps", "unit of rates"},
	{.kind = OPT_END},
};

static const struct opt plot_opts[] = {
	CMD_COMMON_OPTS,
	{OPT_FILE, 'o', "output", "FILE", "trace.svg", 0, 0, NULL,
		"picture to write: .svg, .png or .pdf"},
	{OPT_INT, 'b', "bin", "MS", "100", 1, 600000, NULL, "length of the averaging bins, ms"},
	{OPT_REAL, 'd', "duration", "S", NULL, 0.01, 86400, NULL,
		"time shown, seconds; the longest round"},
	{.kind = OPT_END},
};

static int print_json(const struct trace *t, const struct trace_facts *f)
{
	char digest[65];
	json_t *j;
	char *text;

	trace_digest(t, digest);
	j = json_pack("{s:s, s:s, s:f, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I, "
		      "s:f, s:f, s:f}",
		"trace", t->name, "digest", digest, "duration_s", f->duration_s, "opportunities",
		(json_int_t)f->opportunities, "mean_mbps", f->mean_mbps, "p5_mbps", f->p5_mbps,
		"p25_mbps", f->p25_mbps, "p50_mbps", f->p50_mbps, "p75_mbps", f->p75_mbps,
		"p95_mbps", f->p95_mbps, "peak_mbps", f->peak_mbps, "cv", f->cv, "coherence_s",
		f->coherence_s, "outage_max_ms", f->outage_max_ms, "outages",
		(json_int_t)f->outages, "outage_pct", f->outage_pct, "nominal_mbps",
		f->nominal_mbps, "real_mbps", f->real_mbps);
	if (j && f->coherence_s < 0)
		json_object_set_new(j, "coherence_s", json_null());
	text = j ? json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
	json_decref(j);
	if (!text) {
		pr_err("%s: its name cannot be written as JSON\n", t->name);
		return -EINVAL;
	}
	puts(text);
	free(text);
	return 0;
}

static void print_row(const struct trace *t, const struct trace_facts *f)
{
	char coherence[16], nominal[16];

	snprintf(coherence, sizeof(coherence), f->coherence_s < 0 ? ">60" : "%.1f", f->coherence_s);
	snprintf(nominal, sizeof(nominal), f->nominal_mbps > 0 ? "%.6g" : "-", f->nominal_mbps);
	printf("%-24s %8.3f %8llu %8.3f %7s %8.3f %7.2f %7.2f %7.2f %7.2f %7.2f %5.2f %6s %7llu "
	       "%7.2f %7.0f\n",
		t->name, f->duration_s, (unsigned long long)f->opportunities, f->mean_mbps, nominal,
		f->real_mbps, f->p5_mbps, f->p25_mbps, f->p50_mbps, f->p75_mbps, f->p95_mbps, f->cv,
		coherence, (unsigned long long)f->outages, f->outage_pct, f->outage_max_ms);
}

static void print_columns(void)
{
	printf("# Mbit/s: mean and p5..p95 (of 100 ms bins) at 1504 bytes a packet, "
	       "nominal and real at 1500\n"
	       "%-24s %8s %8s %8s %7s %8s %7s %7s %7s %7s %7s %5s %6s %7s %7s %7s\n",
		"trace", "round_s", "packets", "mean", "nominal", "real", "p5", "p25", "p50", "p75",
		"p95", "cv", "coh_s", "outages", "outage%", "max_ms");
}

static int run_info(struct opts *o)
{
	bool json = opts_flag(o, "json");
	int status = EXIT_OK, rows = 0;

	for (int i = 0; i < o->nargs; i++) {
		struct trace *t = NULL;
		struct trace_facts f;

		if (trace_open(&t, o->args[i]) || trace_describe(&f, t))
			status = EXIT_FAILED;
		else if (json)
			status = print_json(t, &f) ? EXIT_FAILED : status;
		else {
			if (!rows++)
				print_columns();
			print_row(t, &f);
		}
		trace_free(t);
	}
	return status;
}

static int run_lint(struct opts *o)
{
	int status = EXIT_OK;

	for (int i = 0; i < o->nargs; i++) {
		struct trace *t = NULL;

		if (trace_open(&t, o->args[i]) || trace_lint(t, stdout))
			status = EXIT_FAILED;
		trace_free(t);
	}
	return status;
}

// --seed, --mean and --duration complete the name, so that the name alone makes the trace again.
static char *full_name(const struct opts *o)
{
	const char *name = o->args[0];
	bool options = opts_given(o, "seed") || opts_given(o, "mean") || opts_given(o, "duration");

	if (!options)
		return file_path("%s", name);
	if (strcmp(name, "cellular")) {
		pr_err("%s: --seed, --mean and --duration go with 'cellular' alone\n", name);
		return NULL;
	}
	return file_path("cellular:%lld:%.3f:%lld", (long long)opts_int(o, "seed"),
		opts_real(o, "mean"), (long long)opts_int(o, "duration"));
}

static int run_gen(struct opts *o)
{
	struct trace *t = NULL;
	char *name;
	int err;

	if (!o->nargs) {
		trace_generators_list(stdout);
		return EXIT_OK;
	}
	name = full_name(o);
	if (!name)
		return EXIT_USAGE;
	err = trace_generate(&t, name);
	if (!err)
		err = trace_write(t, opts_text(o, "output"));
	trace_free(t);
	free(name);
	return err ? EXIT_FAILED : EXIT_OK;
}

static int run_convert(struct opts *o)
{
	const char *rate = opts_text(o, "rate-unit");
	struct convert conf = {
		.time_unit = strcmp(opts_text(o, "time-unit"), "s") ? CONVERT_MS : CONVERT_S,
		.rate_unit = !strcmp(rate, "bps")    ? CONVERT_BPS
			     : !strcmp(rate, "kbps") ? CONVERT_KBPS
						     : CONVERT_MBPS,
		.time_column = opts_text(o, "time"),
		.rate_column = opts_text(o, "rate"),
	};
	struct trace *t = NULL;
	char *text;
	size_t len;

	if (file_read(o->args[0], CSV_MAX, &text, &len))
		return EXIT_FAILED;
	int err = convert_csv(&t, text, len, o->args[0], &conf);

	free(text);
	if (!err)
		err = trace_write(t, opts_text(o, "output"));
	trace_free(t);
	return err ? EXIT_FAILED : EXIT_OK;
}

static void plot_data(FILE *f, int i, const double *mbps, uint32_t n, uint32_t bin_ms)
{
	fprintf(f, "$d%d << EOD\n", i);
	for (uint32_t k = 0; k < n; k++)
		fprintf(f, "%.3f %.4f\n%.3f %.4f\n", k * (bin_ms / 1e3), mbps[k],
			(k + 1) * (bin_ms / 1e3), mbps[k]);
	fprintf(f, "EOD\n");
}

static void plot_script(FILE *f, struct trace **t, int n, double shown_s, uint32_t bin_ms)
{
	fprintf(f,
		"set xlabel 'time (s)'\nset ylabel 'capacity (Mbit/s), bins of %u ms'\n"
		"set xrange [0:%g]\nset yrange [0:*]\nplot ",
		bin_ms, shown_s);
	for (int i = 0; i < n; i++) {
		fprintf(f, "%s$d%d using 1:2 with lines linetype %d title ", i ? ", " : "", i,
			i + 1);
		gnuplot_quote(f, t[i]->name);
	}
	putc('\n', f);
}

static int plot(struct opts *o, struct trace **t, double shown_s)
{
	uint32_t bin_ms = (uint32_t)opts_int(o, "bin");
	double bins = ceil(shown_s * 1e3 / bin_ms), *mbps;
	struct gnuplot g;

	if (bins * o->nargs > PLOT_POINTS_MAX) {
		pr_err("--bin %u: over %d points, take a longer bin or a shorter --duration\n",
			bin_ms, PLOT_POINTS_MAX);
		return -EINVAL;
	}
	if (gnuplot_open(&g, opts_text(o, "output"), 960, 360))
		return -EIO;
	mbps = calloc((size_t)bins + 1, sizeof(*mbps));
	if (!mbps) {
		gnuplot_abandon(&g);
		return -ENOMEM;
	}
	for (int i = 0; i < o->nargs; i++) {
		trace_rates(t[i], bin_ms, (uint32_t)bins, mbps);
		plot_data(g.script, i, mbps, (uint32_t)bins, bin_ms);
	}
	free(mbps);
	plot_script(g.script, t, o->nargs, bins * bin_ms / 1e3, bin_ms);
	return gnuplot_close(&g);
}

static int run_plot(struct opts *o)
{
	struct trace **t = calloc((size_t)o->nargs, sizeof(*t));
	double longest_s = 1;
	int err = t ? 0 : -ENOMEM;

	for (int i = 0; i < o->nargs && !err; i++) {
		err = trace_open(&t[i], o->args[i]);
		if (!err && t[i]->n)
			longest_s = fmax(longest_s, t[i]->t_ms[t[i]->n - 1] / 1e3);
	}
	if (!err)
		err = plot(o, t, opts_given(o, "duration") ? opts_real(o, "duration") : longest_s);
	for (int i = 0; i < o->nargs && t; i++)
		trace_free(t[i]);
	free(t);
	return err ? EXIT_FAILED : EXIT_OK;
}

const struct cmd cmd_trace[] = {
	{"trace", "info", "TRACE...", 1, -1, "Describe traces: rates, variation, outages", DETAILS,
		info_opts, run_info},
	{"trace", "lint", "TRACE...", 1, -1,
		"Check traces: names that lie about the rate, bursts, silences",
		"Exits with 1 when a trace cannot be read or is not what its name says.", lint_opts,
		run_lint},
	{"trace", "gen", "[NAME]", 0, 1,
		"Write a generated trace; without a name, list the known ones", DETAILS, gen_opts,
		run_gen},
	{"trace", "convert", "CSV", 1, 1, "Turn a CSV of times and rates into a trace",
		"Each rate holds until the next row's time, the last as long as the one before it. "
		"Bits are\n"
		"summed exactly, one opportunity per 1500 bytes. Lines that start with # are "
		"skipped.",
		convert_opts, run_convert},
	CMD_TRACE_LOG_ROW,
	{"trace", "plot", "TRACE...", 1, -1, "Draw capacity over time (needs gnuplot)", NULL,
		plot_opts, run_plot},
	{.name = NULL},
};
