/* Traces: reading, writing, statistics, lint, CSV, pictures; real files where present. */
#include "trace_fixture.h"

#include "base/gnuplot.h"
#include "trace/convert.h"
#include "trace/describe.h"
#include "trace/lint.h"

static struct trace *parse(const char *text)
{
	struct trace *t = NULL;

	assert_int_equal(trace_parse(&t, text, strlen(text), "dir/name"), 0);
	return t;
}

static int parse_only(const char *text)
{
	struct trace *t = NULL;
	int err = trace_parse(&t, text, strlen(text), "x");

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
		{"\x7f"
		 "ELF\x01\n",
			"x:1: '?ELF?' is not"},
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

		assert_true(packets > (i % 2 || !i ? 2 : 1) - 1e-9 &&
			    packets < (i % 2 || !i ? 2 : 1) + 1e-9);
	}
	trace_free(t);
}

static void takes_nominal_rates_from_names(void **state)
{
	static const struct {
		const char *name;
		double mbps;
	} c[] = {{"wired6", 6}, {"wired12-2x-d-7s", 12}, {"wired12-anything", 12},
		{"wired12.down", 12}, {"wired2.5", 2.5}, {"wired", 0}, {"wiredx", 0},
		{"wired12x", 0}, {"ATT-LTE-driving-2016.down", 0}, {"cellular:3", 0},
		{"12mbit", 12}, {"bump500_96_48", 96}, {"step-10s-3-level", 4}, {"", 0}};

	for (size_t i = 0; i < LEN(c); i++)
		if (trace_nominal_mbps(c[i].name) != c[i].mbps)
			fail_msg("%s: %g", c[i].name, trace_nominal_mbps(c[i].name));
}

static void digest_is_of_what_the_link_does(void **state)
{
	struct trace *a = parse("1\n"), *b = make("wired12"), *c = make("12mbit"),
		     *d = parse("2\n");
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
	static const uint32_t two_rates[] = {1, 2, 3, 3, 4, 4}, silence[] = {1, 2, 4},
			      slow[] = {3, 5, 8, 10};

	assert_times(convert("time,rate\n0,12\n0.002,24\n",
			     (struct convert){CONVERT_S, CONVERT_MBPS, NULL, NULL}),
		two_rates, 6);
	// Other columns, units, quotes, CR LF, exponents, comments and an offset in time.
	assert_times(convert("# x\n\"rate\",y,\"t\"\r\n1.2e7,9,1000\r\n\r\n24000e3,8,1002\r\n",
			     (struct convert){CONVERT_MS, CONVERT_BPS, "t", "rate"}),
		two_rates, 6);
	assert_times(
		convert("12000,0\n24000,2\n", (struct convert){CONVERT_MS, CONVERT_KBPS, "2", "1"}),
		two_rates, 6);
	assert_times(convert("0,12\n2,0\n", (struct convert){CONVERT_MS, CONVERT_MBPS, NULL, NULL}),
		silence, 3);
	// Rows shorter than 1 ms: 4.8 Mbit/s is an opportunity every 2.5 ms.
	assert_times(convert("0,4.8\n0.3,4.8\n5,4.8\n5.7,4.8\n7.85,4.8\n",
			     (struct convert){CONVERT_MS, CONVERT_MBPS, NULL, NULL}),
		slow, 4);
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
	assert_non_null(strstr(
		text, "wired6: error: the name promises a mean of 6 Mbit/s, the file delivers 8"));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_malformed_files),
		cmocka_unit_test(accepts_what_mahimahi_does),
		cmocka_unit_test(loops_with_zero_on_the_last_of_the_round),
		cmocka_unit_test(takes_nominal_rates_from_names),
		cmocka_unit_test(digest_is_of_what_the_link_does),
		cmocka_unit_test(writes_what_it_reads),
		cmocka_unit_test(converts_csv),
		cmocka_unit_test(conversion_does_not_drift),
		cmocka_unit_test(refuses_malformed_csv),
		cmocka_unit_test(describes_outages),
		cmocka_unit_test(lint_finds_lies),
		cmocka_unit_test(draws_any_name),
		cmocka_unit_test(reads_the_real_traces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
