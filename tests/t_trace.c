/* Traces: reading, the generators' exact schedules, conversion, statistics; real files where present. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/gnuplot.h"
#include "base/log.h"
#include "trace/build.h"
#include "trace/convert.h"
#include "trace/describe.h"
#include "trace/generate.h"
#include "trace/lint.h"
#include "trace/trace.h"

#define DATA "../shared/data/traces/"
#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static struct trace *make(const char *name)
{
	struct trace *t = NULL;

	assert_int_equal(trace_generate(&t, name), 0);
	assert_string_equal(t->name, name);
	return t;
}

static struct trace *parse(const char *text)
{
	struct trace *t = NULL;

	assert_int_equal(trace_parse(&t, text, strlen(text), "dir/name"), 0);
	return t;
}

// What stderr got while f ran on arg, in a fresh string.
static char *said_by(int (*f)(const char *), const char *arg, int *err)
{
	char path[] = "/tmp/canopy-said-XXXXXX", *text = NULL;
	int fd = mkstemp(path), keep = dup(STDERR_FILENO);
	size_t len;

	assert_true(fd >= 0 && keep >= 0);
	dup2(fd, STDERR_FILENO);
	*err = f(arg);
	dup2(keep, STDERR_FILENO);
	close(keep);
	close(fd);
	assert_int_equal(file_read(path, 1 << 16, &text, &len), 0);
	unlink(path);
	return text;
}

static int parse_only(const char *text)
{
	struct trace *t = NULL;
	int err = trace_parse(&t, text, strlen(text), "x");

	trace_free(t);
	return err;
}

static int generate_only(const char *name)
{
	struct trace *t = NULL;
	int err = trace_generate(&t, name);

	trace_free(t);
	return err;
}

static int convert_only(const char *csv)
{
	struct convert conf = {CONVERT_S, CONVERT_MBPS, NULL, NULL};
	struct trace *t = NULL;
	int err = convert_csv(&t, csv, strlen(csv), "x", &conf);

	trace_free(t);
	return err;
}

struct refusal {
	const char *input, *said;
};

static void check_refusals(int (*f)(const char *), const struct refusal *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int err;
		char *said = said_by(f, r[i].input, &err);

		assert_true(err < 0);
		if (!strstr(said, r[i].said) || strchr(said, '\n') != said + strlen(said) - 1)
			fail_msg("'%s' said '%s', not '%s' in one line", r[i].input, said, r[i].said);
		free(said);
	}
}

static void refuses_malformed_files(void **state)
{
	static const struct refusal r[] = {
		{"", "x:1: an empty file"},
		{"0\n", "x:1: the last time must be over 0"},
		{"0\n0\n0", "x:3: the last time must be over 0"},
		{"1\n2\n1\n", "x:3: '1' is earlier"},
		{"1\n-2\n", "x:2: '-2' is negative"},
		{"1\n2 \n", "x:2: '2 ' is not a whole number"},
		{"1\n2.5\n", "x:2: '2.5' is not a whole number"},
		{"1\nx\n", "x:2: 'x' is not a whole number"},
		{"1\n\n2\n", "x:2: '' is an empty line"},
		{"4294967296\n", "x:1: '4294967296' is over 4294967295"},
		{"99999999999999999999999999999999999999999999\n", "'... is over 4294967295"},
		{"\x7f" "ELF\x01\n", "x:1: '?ELF?' is not"},
		{"1\r2\n", "x:1: '1?2' is not"},
	};
	struct trace *t = NULL;

	check_refusals(parse_only, r, LEN(r));
	log_set_level(-1);
	assert_int_equal(trace_parse(&t, "1\n\0002\n", 5, "x"), -EINVAL);
	assert_int_equal(trace_load(&t, "/nonexistent/x"), -ENOENT);
	assert_int_equal(trace_load(&t, "/tmp"), -EISDIR);
	log_set_level(LOG_INFO);
	assert_null(t);
}

static void accepts_what_mahimahi_does(void **state)
{
	struct trace *t = parse("0\r\n0\r\n7\r\n4294967295");

	assert_string_equal(t->name, "name");
	assert_int_equal(t->n, 4);
	assert_int_equal(t->t_ms[1], 0);
	assert_int_equal(t->t_ms[3], 4294967295u);
	assert_int_equal(t->rate_bps, 0);
	trace_free(t);
	t = parse("5");
	assert_int_equal(t->n, 1);
	assert_true(trace_mean_bps(t) == 1504 * 8 * 200.0);
	trace_free(t);
}

static void loops_with_zero_on_the_last_of_the_round(void **state)
{
	// Opportunities at 0, 5 and 10 of a 10 ms round: 0 of round two is 10 of round one.
	struct trace *t = parse("0\n5\n10\n");
	double r[6];

	trace_rates(t, 5, 6, r);
	for (int i = 0; i < 6; i++) {
		// (0,5] 0 and 5; (5,10] 10 and the next 0; then 5; 10 and 0; ...
		double packets = r[i] * 5 / (1504 * 8 / 1e3);

		assert_true(packets > (i % 2 || !i ? 2 : 1) - 1e-9 && packets < (i % 2 || !i ? 2 : 1) + 1e-9);
	}
	trace_free(t);
}

static void takes_nominal_rates_from_names(void **state)
{
	static const struct {
		const char *name;
		double mbps;
	} c[] = {{"wired6", 6}, {"wired12-2x-d-7s", 12}, {"wired12-anything", 12}, {"wired12.down", 12},
		{"wired2.5", 2.5}, {"wired", 0}, {"wiredx", 0}, {"wired12x", 0}, {"ATT-LTE-driving-2016.down", 0},
		{"cellular:3", 0}, {"12mbit", 12}, {"bump500_96_48", 96}, {"step-10s-3-level", 4}, {"", 0}};

	for (size_t i = 0; i < LEN(c); i++)
		if (trace_nominal_mbps(c[i].name) != c[i].mbps)
			fail_msg("%s: %g", c[i].name, trace_nominal_mbps(c[i].name));
}

static void makes_smooth_rates(void **state)
{
	static const struct {
		const char *name;
		uint64_t bps;
	} c[] = {{"12mbit", 12000000}, {"2.5mbit", 2500000}, {"800kbit", 800000}, {"1gbit", 1000000000},
		{"10kbit", 10000}, {"10gbit", 10000000000}, {"0.000123456gbit", 123456}};

	for (size_t i = 0; i < LEN(c); i++) {
		struct trace *t = make(c[i].name);

		assert_int_equal(t->rate_bps, c[i].bps);
		assert_int_equal(t->n, 0);
		assert_null(t->t_ms);
		assert_true(trace_mean_bps(t) == (double)c[i].bps);
		trace_free(t);
	}
}

// Opportunity k at ceil(12000 k / kbps) ms, and a round that ends with a whole one.
static void fixed_rates_are_exact_on_the_grid(void **state)
{
	static const struct {
		const char *name;
		uint64_t kbps;
	} c[] = {{"wired6", 6000}, {"wired7", 7000}, {"wired12", 12000}, {"wired18", 18000}, {"wired2.345", 2345},
		{"wired0.01", 10}, {"wired191.999", 191999}, {"wired1000", 1000000}};

	for (size_t i = 0; i < LEN(c); i++) {
		struct trace *t = make(c[i].name);

		assert_int_equal(t->n * 12000, c[i].kbps * t->t_ms[t->n - 1]);
		for (uint64_t k = 1; k <= t->n; k++)
			assert_int_equal(t->t_ms[k - 1], (k * 12000 + c[i].kbps - 1) / c[i].kbps);
		trace_free(t);
	}
}

// Every piecewise-linear trace: exact mean at 1500 bytes, round length a whole number of periods.
static void published_names_have_exact_means(void **state)
{
	static const struct {
		const char *name;
		uint32_t period_ms;
		double mean_mbps;
	} c[] = {{"bump1000_12_24", 1000, 18}, {"bump100_6_12", 100, 9}, {"bump500_24_12", 500, 18},
		{"bump500_96_48", 500, 72}, {"mountain500_12_24", 500, 18}, {"sawtooth1000_12_24", 1000, 18},
		{"sawtooth100_12_24", 100, 18}, {"sawtooth500_24_12", 500, 18}, {"sawtooth500_96_48", 500, 72},
		{"bump1000_24_48", 1000, 36}, {"bump500_12_24", 500, 18}, {"bump500_48_96", 500, 72},
		{"bump50_6_12", 50, 9}, {"mountain500_48_96", 500, 72}, {"sawtooth1000_24_48", 1000, 36},
		{"sawtooth500_12_24", 500, 18}, {"sawtooth500_48_96", 500, 72}, {"sawtooth50_12_24", 50, 18},
		{"wired12-2x-d-7s", 14000, 9}, {"wired24-2x-u-7s", 14000, 36}, {"wired96-4x-u-7s", 14000, 240},
		{"wired48-8x-d-long", 60000, 27}, {"step10000_4_12_24", 30000, 40 / 3.0}};

	for (size_t i = 0; i < LEN(c); i++) {
		struct trace *t = make(c[i].name);
		uint32_t last = t->t_ms[t->n - 1];
		double mean = (double)t->n * 12 / last;

		assert_int_equal(last % c[i].period_ms, 0);
		assert_true(mean > c[i].mean_mbps * (1 - 1e-12) && mean < c[i].mean_mbps * (1 + 1e-12));
		trace_free(t);
	}
}

static double mbps_at(const struct trace *t, uint32_t bin_ms, uint32_t bin)
{
	double r[256];

	assert_true(bin < 256);
	trace_rates(t, bin_ms, bin + 1, r);
	return r[bin] * 1500 / 1504;
}

static void assert_near(double x, double want, double by)
{
	if (!(x >= want - by && x <= want + by))
		fail_msg("%g is not %g within %g", x, want, by);
}

static void shapes_are_what_they_say(void **state)
{
	double packet = 12.0 / 50; // one opportunity more or less in a bin of 50 ms, in Mbit/s
	struct trace *t = make("sawtooth500_24_12");

	for (uint32_t i = 0; i < 20; i++)
		assert_near(mbps_at(t, 50, i), 24 - 12 * (0.05 + 0.1 * (i % 10)), packet);
	trace_free(t);
	t = make("mountain500_12_24");
	for (uint32_t i = 0; i < 10; i++)
		assert_near(mbps_at(t, 50, i), i < 5 ? 13.2 + 2.4 * i : 13.2 + 2.4 * (9 - i), packet);
	trace_free(t);
	t = make("bump1000_12_24");
	for (uint32_t i = 0; i < 20; i++)
		assert_near(mbps_at(t, 50, i), i >= 5 && i < 15 ? 24 : 12, 1e-9);
	trace_free(t);
	t = make("wired12-2x-d-7s");
	assert_near(mbps_at(t, 1000, 6), 12, 1e-9);
	assert_near(mbps_at(t, 1000, 7), 6, 1e-9);
	assert_near(mbps_at(t, 1000, 14), 12, 1e-9);
	trace_free(t);
}

static void rounds_without_whole_periods_end_on_time(void **state)
{
	struct trace *t = make("sawtooth599999_1.001_1.002"); // over half the longest loop, and odd

	assert_int_equal(t->t_ms[t->n - 1], 599999);
	assert_near((double)t->n, 599999 * 1001.5 / 12000, 1);
	trace_free(t);
}

static void generator_names_that_make_no_sense(void **state)
{
	static const struct refusal r[] = {
		{"wirde12", "did you mean 'wired12'"},
		{"bump500_12_23x", "joined by _"},
		{"bumb500_12_24", "did you mean 'bump500_12_24'"},
		{"12mbitt", "did you mean '12mbit'"},
		{"12gbit", "10kbit to 10gbit"},
		{"1.5.5mbit", "10kbit to 10gbit"},
		{"0mbit", "10kbit to 10gbit"},
		{"wired0", "whole kbit/s"},
		{"wired1.0001", "whole kbit/s"},
		{"wired99999999999999999999999", "whole kbit/s"},
		{"wired12-1x-d-7s", "a step has"},
		{"wired12-2x-s-7s", "a step has"},
		{"wired12-7x-d-7s", "whole kbit/s"},
		{"wired9000-4x-u-7s", "whole kbit/s"},
		{"bump3_12_24", "4 to 600000"},
		{"step500_12", "joined by _"},
		{"step600000_10000_10000", "33 million"},
		{"cellular:x", "each a number"},
		{"cellular:1:8:0", "each a number"},
		{"", "neither a file"},
		{"nothing like it", "canopy trace gen"},
	};

	check_refusals(generate_only, r, LEN(r));
}

static void cellular_is_seeded_and_exact(void **state)
{
	struct trace *a = make("cellular"), *b = make("cellular:1"), *c = make("cellular:2"), *d;
	char ha[65], hb[65], hc[65];
	struct trace_facts f;

	trace_digest(a, ha);
	trace_digest(b, hb);
	trace_digest(c, hc);
	assert_string_equal(ha, hb);
	assert_string_not_equal(ha, hc);
	assert_int_equal(a->n, 8000 * 60000ull / 12000);
	assert_int_equal(a->t_ms[a->n - 1], 60000);
	for (size_t i = 1; i < a->n; i++)
		assert_true(a->t_ms[i] >= a->t_ms[i - 1]);
	d = make("cellular:9:16.7:1200");
	assert_int_equal(d->n, 16700ull * 1200000 / 12000);
	assert_int_equal(trace_describe(&f, d), 0);
	// The model's own figures, over 20 minutes: variance of exp(N(0, .545)), .2 outages a second.
	assert_near(f.cv, 0.9, 0.25);
	assert_near(f.outage_pct, 5, 2.5);
	assert_near((double)f.outages, 0.2 * 1200 * 0.95, 80);
	assert_near(f.coherence_s, 1.8, 1.4);
	trace_free(a);
	trace_free(b);
	trace_free(c);
	trace_free(d);
}

static void digest_is_of_what_the_link_does(void **state)
{
	struct trace *a = parse("1\n"), *b = make("wired12"), *c = make("12mbit"), *d = parse("2\n");
	char ha[65], hb[65], hc[65], hd[65];

	trace_digest(a, ha);
	trace_digest(b, hb);
	trace_digest(c, hc);
	trace_digest(d, hd);
	assert_string_equal(ha, hb);
	assert_string_not_equal(ha, hc);
	assert_string_not_equal(ha, hd);
	trace_free(a);
	trace_free(b);
	trace_free(c);
	trace_free(d);
}

static void writes_what_it_reads(void **state)
{
	char path[] = "/tmp/canopy-trace-XXXXXX", *text;
	int fd = mkstemp(path);
	struct trace *a = make("wired7"), *b = NULL, *smooth = make("12mbit");
	size_t len;

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(trace_write(a, path), 0);
	assert_int_equal(file_read(path, 1 << 16, &text, &len), 0);
	assert_string_equal(text, "2\n4\n6\n7\n9\n11\n12\n");
	free(text);
	assert_int_equal(trace_open(&b, path), 0);
	assert_int_equal(b->n, 7);
	assert_memory_equal(a->t_ms, b->t_ms, 7 * sizeof(*b->t_ms));
	log_set_level(-1);
	assert_int_equal(trace_write(smooth, path), -EINVAL);
	log_set_level(LOG_INFO);
	unlink(path);
	trace_free(a);
	trace_free(b);
	trace_free(smooth);
}

static struct trace *convert(const char *csv, struct convert conf)
{
	struct trace *t = NULL;

	assert_int_equal(convert_csv(&t, csv, strlen(csv), "a/b.csv", &conf), 0);
	assert_string_equal(t->name, "b.csv");
	return t;
}

static void assert_times(struct trace *t, const uint32_t *want, size_t n)
{
	assert_int_equal(t->n, n);
	assert_memory_equal(t->t_ms, want, n * sizeof(*want));
	trace_free(t);
}

static void converts_csv(void **state)
{
	static const uint32_t two_rates[] = {1, 2, 3, 3, 4, 4}, silence[] = {1, 2, 4}, slow[] = {3, 5, 8, 10};

	assert_times(convert("time,rate\n0,12\n0.002,24\n", (struct convert){CONVERT_S, CONVERT_MBPS, NULL, NULL}),
		two_rates, 6);
	// Other columns, units, quotes, CR LF, exponents, comments and an offset in time.
	assert_times(convert("# x\n\"rate\",y,\"t\"\r\n1.2e7,9,1000\r\n\r\n24000e3,8,1002\r\n",
			     (struct convert){CONVERT_MS, CONVERT_BPS, "t", "rate"}), two_rates, 6);
	assert_times(convert("12000,0\n24000,2\n", (struct convert){CONVERT_MS, CONVERT_KBPS, "2", "1"}), two_rates, 6);
	assert_times(convert("0,12\n2,0\n", (struct convert){CONVERT_MS, CONVERT_MBPS, NULL, NULL}), silence, 3);
	// Rows shorter than 1 ms: 4.8 Mbit/s is an opportunity every 2.5 ms.
	assert_times(convert("0,4.8\n0.3,4.8\n5,4.8\n5.7,4.8\n7.85,4.8\n",
			     (struct convert){CONVERT_MS, CONVERT_MBPS, NULL, NULL}), slow, 4);
}

// 100,000 rows of 0.1 s whose credit never is whole: the total is exact to one opportunity.
static void conversion_does_not_drift(void **state)
{
	char *csv = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&csv, &len);
	struct convert conf = {CONVERT_S, CONVERT_KBPS, NULL, NULL};
	struct trace *t = NULL;

	for (int i = 0; i < 100000; i++)
		fprintf(f, "%d.%d,1234.567\n", i / 10, i % 10);
	fclose(f);
	assert_int_equal(convert_csv(&t, csv, len, "x", &conf), 0);
	assert_int_equal(t->t_ms[t->n - 1], 10000000);
	assert_int_equal(t->n, (uint64_t)1234567 * 10000 / 12000 + 1);
	trace_free(t);
	free(csv);
}

static void refuses_malformed_csv(void **state)
{
	static const struct refusal r[] = {
		{"", "x:0: a trace needs two rows"},
		{"t,r\n0,1\n", "x:2: a trace needs two rows"},
		{"0,1\n0,1\n", "x:2: '0' is not later"},
		{"1,1\n0.5,1\n", "x:2: '0.5' is not later"},
		{"0,1\n1,-1\n", "x:2: '-1' is no rate"},
		{"0,1\n1,nan\n", "x:2: 'nan' is no rate"},
		{"0,1\n1,1e999\n", "x:2: '1e999' is no rate"},
		{"0,1\nx,1\n", "x:2: 'x' is no time"},
		{"-1,1\n0,1\n", "x:1: '-1' is no time"},
		{"0,1\n1\n", "x:2: the row has too few"},
		{"0,0\n1,0\n", "x:2: every rate is 0"},
		{"0,1\n86401,1\n", "over a day"},
		{"0,100000\n86400,1\n", "x:2: over 33554432"},
	};

	check_refusals(convert_only, r, LEN(r));
}

static void describes_outages(void **state)
{
	// A round of 1000 ms with packets at 100, 300, 350 and 1000: gaps 100, 200, 50, 650.
	struct trace *t = parse("100\n300\n350\n1000\n");
	struct trace_facts f;

	assert_int_equal(trace_describe(&f, t), 0);
	assert_int_equal(f.opportunities, 4);
	assert_int_equal(f.outages, 3);
	assert_near(f.outage_pct, 95, 1e-9);
	assert_near(f.outage_max_ms, 650, 0);
	assert_near(f.mean_mbps, 4 * 1504 * 8 / 1e6, 1e-12);
	assert_near(f.p50_mbps, 0, 0);
	assert_near(f.peak_mbps, 1504 * 8 / 1e5, 1e-12);
	trace_free(t);
	t = make("12mbit");
	assert_int_equal(trace_describe(&f, t), 0);
	assert_near(f.mean_mbps, 12, 0);
	assert_near(f.p95_mbps, 12, 0);
	assert_near(f.cv, 0, 0);
	trace_free(t);
}

static int lint_text(struct trace *t, char **text)
{
	size_t len;
	FILE *f = open_memstream(text, &len);
	int errors = trace_lint(t, f);

	fclose(f);
	trace_free(t);
	return errors;
}

static void lint_finds_lies(void **state)
{
	static const char lie[] = "1\n3\n";
	struct trace *t = NULL;
	char *text;

	assert_int_equal(trace_parse(&t, lie, strlen(lie), "wired6"), 0);
	assert_int_equal(lint_text(t, &text), 1);
	assert_non_null(strstr(text, "wired6: error: the name promises a mean of 6 Mbit/s, the file delivers 8"));
	free(text);
	assert_int_equal(lint_text(make("wired12"), &text), 0);
	assert_string_equal(text, "");
	free(text);
	assert_int_equal(lint_text(make("wired12-2x-d-7s"), &text), 0);
	assert_string_equal(text, "");
	free(text);
	assert_int_equal(lint_text(parse("1500\n1501\n1502\n"), &text), 0);
	assert_non_null(strstr(text, "silent for 1500 ms at every start"));
	free(text);
	assert_int_equal(lint_text(make("3gbit"), &text), 0);
	assert_non_null(strstr(text, "emulator"));
	free(text);
}

static void draws_any_name(void **state)
{
	struct gnuplot g;
	char *svg;
	size_t len;

	if (!gnuplot_have()) {
		print_message("skip: gnuplot is not installed\n");
		skip();
	}
	assert_int_equal(gnuplot_open(&g, "/tmp/canopy-t_trace.svg", 300, 200), 0);
	fputs("set title ", g.script);
	gnuplot_quote(g.script, "it's `touch /tmp/canopy-t_trace-pwned` \\n @x a_b\n\"");
	fputs("\nplot x\n", g.script);
	assert_int_equal(gnuplot_close(&g), 0);
	assert_int_equal(file_read("/tmp/canopy-t_trace.svg", 1 << 20, &svg, &len), 0);
	assert_non_null(strstr(svg, "it's `touch /tmp/canopy-t_trace-pwned` \\n @x a_b"));
	assert_true(access("/tmp/canopy-t_trace-pwned", F_OK) != 0);
	free(svg);
	log_set_level(-1);
	assert_int_equal(gnuplot_open(&g, "/tmp/canopy-t_trace.svg", 300, 200), 0);
	fputs("plot $nothing\n", g.script);
	assert_int_equal(gnuplot_close(&g), -EIO);
	assert_int_equal(gnuplot_open(&g, "x.gif", 300, 200), -EINVAL);
	log_set_level(LOG_INFO);
	unlink("/tmp/canopy-t_trace.svg");
}

static void need_data(void)
{
	if (access(DATA "wired6", R_OK)) {
		print_message("skip: no reference traces at " DATA "\n");
		skip();
	}
}

static void reads_the_real_traces(void **state)
{
	static const struct {
		const char *path;
		uint32_t n, last;
		double mean, cv, coherence;
		uint32_t outages, longest;
	} c[] = {
		{DATA "ATT-LTE-driving-2016.down", 45604, 120002, 4.572, 1.039, 1.2, 65, 1123},
		{DATA "TMobile-LTE-short.down", 194846, 139986, 16.747, 0.688, 1.8, 29, 917},
		{DATA "Verizon-LTE-short.down", 58655, 140000, 5.041, 0.710, 4.4, 22, 1447},
		{DATA "wired12-2x-d-7s", 10499, 13999, 9.024, 0.333, 3.4, 0, 2},
		{DATA "step-10s-3-level", 33333, 30000, 13.369, 0.618, 7.2, 0, 3},
		{DATA "wired6", 2, 3, 8.021, 0.007, -2, 0, 2},
	};

	need_data();
	for (size_t i = 0; i < LEN(c); i++) {
		struct trace *t = NULL;
		struct trace_facts f;

		assert_int_equal(trace_load(&t, c[i].path), 0);
		assert_int_equal(trace_describe(&f, t), 0);
		assert_int_equal(t->n, c[i].n);
		assert_int_equal(t->t_ms[t->n - 1], c[i].last);
		assert_near(f.mean_mbps, c[i].mean, 0.001);
		assert_near(f.cv, c[i].cv, 0.005); // mahimahi's seam is in a bin of its own
		if (c[i].coherence > 0)
			assert_near(f.coherence_s, c[i].coherence, 0.11);
		assert_int_equal(f.outages, c[i].outages);
		assert_near(f.outage_max_ms, c[i].longest, 0);
		trace_free(t);
	}
}

static void generates_the_published_fixed_rates(void **state)
{
	static const char *const names[] = {"wired12", "wired24", "wired48", "wired96", "wired192"};

	need_data();
	for (size_t i = 0; i < LEN(names); i++) {
		struct trace *file = NULL, *made = make(names[i]);
		char *path = file_path(DATA "%s", names[i]), hf[65], hm[65];

		assert_int_equal(trace_load(&file, path), 0);
		trace_digest(file, hf);
		trace_digest(made, hm);
		assert_string_equal(hf, hm);
		free(path);
		trace_free(file);
		trace_free(made);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_malformed_files),
		cmocka_unit_test(accepts_what_mahimahi_does),
		cmocka_unit_test(loops_with_zero_on_the_last_of_the_round),
		cmocka_unit_test(takes_nominal_rates_from_names),
		cmocka_unit_test(makes_smooth_rates),
		cmocka_unit_test(fixed_rates_are_exact_on_the_grid),
		cmocka_unit_test(published_names_have_exact_means),
		cmocka_unit_test(shapes_are_what_they_say),
		cmocka_unit_test(rounds_without_whole_periods_end_on_time),
		cmocka_unit_test(generator_names_that_make_no_sense),
		cmocka_unit_test(cellular_is_seeded_and_exact),
		cmocka_unit_test(digest_is_of_what_the_link_does),
		cmocka_unit_test(writes_what_it_reads),
		cmocka_unit_test(converts_csv),
		cmocka_unit_test(conversion_does_not_drift),
		cmocka_unit_test(refuses_malformed_csv),
		cmocka_unit_test(describes_outages),
		cmocka_unit_test(lint_finds_lies),
		cmocka_unit_test(draws_any_name),
		cmocka_unit_test(reads_the_real_traces),
		cmocka_unit_test(generates_the_published_fixed_rates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
