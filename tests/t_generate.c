/* Generated traces: exact schedules and means, shapes, names, the cellular process. */
#include "trace_fixture.h"

#include "trace/build.h"
#include "trace/describe.h"

static int generate_only(const char *name)
{
	struct trace *t = NULL;
	int err = trace_generate(&t, name);

	trace_free(t);
	return err;
}

static void makes_smooth_rates(void **state)
{
	static const struct {
		const char *name;
		uint64_t bps;
	} c[] = {{"12mbit", 12000000}, {"2.5mbit", 2500000}, {"800kbit", 800000},
		{"1gbit", 1000000000}, {"10kbit", 10000}, {"10gbit", 10000000000},
		{"0.000123456gbit", 123456}};

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
	} c[] = {{"wired6", 6000}, {"wired7", 7000}, {"wired12", 12000}, {"wired18", 18000},
		{"wired2.345", 2345}, {"wired0.01", 10}, {"wired191.999", 191999},
		{"wired1000", 1000000}};

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
		{"bump500_96_48", 500, 72}, {"mountain500_12_24", 500, 18},
		{"sawtooth1000_12_24", 1000, 18}, {"sawtooth100_12_24", 100, 18},
		{"sawtooth500_24_12", 500, 18}, {"sawtooth500_96_48", 500, 72},
		{"bump1000_24_48", 1000, 36}, {"bump500_12_24", 500, 18},
		{"bump500_48_96", 500, 72}, {"bump50_6_12", 50, 9}, {"mountain500_48_96", 500, 72},
		{"sawtooth1000_24_48", 1000, 36}, {"sawtooth500_12_24", 500, 18},
		{"sawtooth500_48_96", 500, 72}, {"sawtooth50_12_24", 50, 18},
		{"wired12-2x-d-7s", 14000, 9}, {"wired24-2x-u-7s", 14000, 36},
		{"wired96-4x-u-7s", 14000, 240}, {"wired48-8x-d-long", 60000, 27},
		{"step10000_4_12_24", 30000, 40 / 3.0}};

	for (size_t i = 0; i < LEN(c); i++) {
		struct trace *t = make(c[i].name);
		uint32_t last = t->t_ms[t->n - 1];
		double mean = (double)t->n * 12 / last;

		assert_int_equal(last % c[i].period_ms, 0);
		assert_true(
			mean > c[i].mean_mbps * (1 - 1e-12) && mean < c[i].mean_mbps * (1 + 1e-12));
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

static void shapes_are_what_they_say(void **state)
{
	double packet = 12.0 / 50; // one opportunity more or less in a bin of 50 ms, in Mbit/s
	struct trace *t = make("sawtooth500_24_12");

	for (uint32_t i = 0; i < 20; i++)
		assert_near(mbps_at(t, 50, i), 24 - 12 * (0.05 + 0.1 * (i % 10)), packet);
	trace_free(t);
	t = make("mountain500_12_24");
	for (uint32_t i = 0; i < 10; i++)
		assert_near(
			mbps_at(t, 50, i), i < 5 ? 13.2 + 2.4 * i : 13.2 + 2.4 * (9 - i), packet);
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
	// The model's own figures, over 20 minutes: variance of exp(N(0, .545)), .2 outages a
	// second.
	assert_near(f.cv, 0.9, 0.25);
	assert_near(f.outage_pct, 5, 2.5);
	assert_near((double)f.outages, 0.2 * 1200 * 0.95, 80);
	assert_near(f.coherence_s, 1.8, 1.4);
	trace_free(a);
	trace_free(b);
	trace_free(c);
	trace_free(d);
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
		cmocka_unit_test(makes_smooth_rates),
		cmocka_unit_test(fixed_rates_are_exact_on_the_grid),
		cmocka_unit_test(published_names_have_exact_means),
		cmocka_unit_test(shapes_are_what_they_say),
		cmocka_unit_test(rounds_without_whole_periods_end_on_time),
		cmocka_unit_test(generator_names_that_make_no_sense),
		cmocka_unit_test(cellular_is_seeded_and_exact),
		cmocka_unit_test(generates_the_published_fixed_rates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
