/* Statistics against published values and simulated nulls; comparisons of made-up results; what cannot be compared. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/stats.h"
#include "eval/compare_show.h"
#include "synthetic.h"

#define assert_near(x, y, eps) assert_true(fabs((x) - (y)) <= (eps))
#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

static char dir[] = "/tmp/t_compare.XXXXXX";

/* --- Statistics --- */

// Student's t, two-sided, from the standard tables to as many digits as they have.
static void t_table(void **state)
{
	static const struct {
		double level, df, t;
	} table[] = {{0.05, 1, 12.7062047}, {0.05, 2, 4.30265273}, {0.05, 5, 2.57058184}, {0.05, 10, 2.22813885},
		{0.05, 30, 2.04227246}, {0.05, 120, 1.97993041}, {0.01, 1, 63.6567412}, {0.01, 5, 4.03214298},
		{0.001, 10, 4.58689386}, {0.1, 3, 2.35336343}, {0.05, 1000, 1.96233908}};

	for (int i = 0; i < COUNT(table); i++)
		assert_near(stats_t_two_sided(table[i].level, table[i].df) / table[i].t, 1, 1e-8);
	// closed forms: df 1 is Cauchy's distribution, df 2 algebraic
	for (double t = -40; t <= 40; t += 0.37) {
		assert_near(stats_t_cdf(t, 1), 0.5 + atan(t) / M_PI, 1e-12);
		assert_near(stats_t_cdf(t, 2), 0.5 + t / (2 * sqrt(2 + t * t)), 1e-12);
	}
	assert_near(stats_beta(2, 3, 0.4), 0.5248, 1e-12);
	assert_near(stats_beta(0.5, 0.5, 0.25), 1.0 / 3, 1e-12);
	assert_true(isnan(stats_t_two_sided(0.05, 0)));
	assert_true(isinf(stats_t_two_sided(0, 5)));
}

// Student's sleep data (Biometrika 6, 1908), with the answers of R's t.test.
static void student_sleep(void **state)
{
	static const double x[] = {0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0},
			    y[] = {1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4};
	struct stats_diff d = stats_paired(x, y, 10, 0.05);

	assert_near(d.diff, -1.58, 1e-12);
	assert_near(d.p, 0.00283289, 1e-8);
	assert_near(d.lo, -2.4598858, 1e-7);
	assert_near(d.hi, -0.7001142, 1e-7);
	d = stats_welch(x, 10, y, 10, 0.05);
	assert_near(d.p, 0.07939414, 1e-8);
	assert_near(d.lo, -3.3654832, 1e-7);
	assert_near(d.hi, 0.2054832, 1e-7);
}

// Hollander and Wolfe's depression scores (1973), as in R's wilcox.test: V = 40.
static void signed_ranks(void **state)
{
	static const double x[] = {1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30},
			    y[] = {0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29};
	static const double ties[] = {0, 1, 1, NAN, -1, 1};
	double d[9], many[402], exact, normal;
	int used;

	for (int i = 0; i < 9; i++)
		d[i] = x[i] - y[i];
	assert_near(stats_signed_rank(d, 9, &used), 0.0390625, 1e-15);
	assert_int_equal(used, 9);
	assert_near(stats_signed_rank(ties, 6, &used), 0.625, 1e-15); // 2 (1 + 4) / 16
	assert_int_equal(used, 4);
	assert_near(stats_signed_rank(ties, 1, &used), 1, 0);
	for (int i = 0; i < 402; i++)
		many[i] = (i % 5 % 2 ? -1 : 1) * (1.0 + i / 2);
	exact = stats_signed_rank(many, 400, &used);
	normal = stats_signed_rank(many, 402, &used);
	assert_near(log(exact / normal), 0, 0.1);
	assert_true(exact < 0.01 && exact > 1e-6);
	assert_int_equal(stats_signed_rank_least(0.05), 6);
}

static void holm(void **state)
{
	static const double p[] = {0.01, 0.04, NAN, 0.03, 0.005}, want[] = {0.03, 0.06, NAN, 0.06, 0.02};
	double out[5];

	assert_int_equal(stats_holm(out, p, 5), 0);
	for (int i = 0; i < 5; i++)
		assert_true(isnan(want[i]) ? isnan(out[i]) : fabs(out[i] - want[i]) < 1e-15);
}

static void degenerate_samples(void **state)
{
	static const double ten[] = {10, 10, 10, 10, 10}, two[] = {2, 2, 2, 2, 2}, rise[] = {1, 2, 3, 4, 5},
			    next[] = {2, 3, 4, 5, 6}, gaps[] = {1, NAN, NAN, NAN, 3};
	struct stats_diff d = stats_paired(ten, two, 5, 0.05);

	assert_near(d.p, 2.0 / 252, 1e-12);
	assert_near(d.lo, 8, 0);
	assert_near(stats_welch(ten, 5, two, 4, 0.05).p, 2.0 / 126, 1e-12);
	assert_near(stats_welch(ten, 5, ten, 5, 0.05).p, 1, 0);
	assert_near(stats_paired(rise, next, 5, 0.05).p, 1.0 / 16, 1e-12);
	d = stats_paired(gaps, rise, 5, 0.05);
	assert_int_equal(d.na, 2);
	assert_near(d.diff, -1, 1e-12);
	d = stats_paired(gaps, rise, 4, 0.05);
	assert_int_equal(d.na, 1);
	assert_true(isnan(d.p) && isnan(d.lo) && d.diff == 0);
	d = stats_welch(gaps, 0, rise, 5, 0.05);
	assert_true(isnan(d.p) && isnan(d.diff));
}

// Strata: the mean of two samples has the error of both, not their distance.
static void pooled_means(void **state)
{
	static const double x[] = {1, 2, 3}, y[] = {101, 102, 103}, one[] = {7};
	struct summary s[2] = {summary_of(x, 3), summary_of(y, 3)}, all = summary_pool(s, 2);

	assert_near(all.mean, 52, 1e-12);
	assert_near(all.se, sqrt(2 * (1 / 3.0) / 4), 1e-12);
	assert_near(all.df, 4, 1e-9);
	assert_near(summary_half_width(&all, 0.05), 2.77644511 * all.se, 1e-7);
	s[1] = summary_of(one, 1);
	all = summary_pool(s, 2);
	assert_int_equal(all.n, 4);
	assert_true(isnan(all.se) && isnan(summary_half_width(&all, 0.05)));
}

// The most of n nulls that a test of that level may reject, five deviations beyond what is expected.
static int most(int n, double level)
{
	return n * level + 5 * sqrt(n * level * (1 - level));
}

enum null { NORMAL, WHOLE, SKEWED, NULLS };

static double draw(struct rng *r, enum null kind)
{
	double z = rng_normal(r);

	return kind == NORMAL ? z : kind == WHOLE ? round(z) : exp(z / 2);
}

// Nothing is there, so little may be found: for normal, whole and skewed numbers, singly and in families.
static void nulls_are_kept(void **state)
{
	enum { TRIALS = 4000, N = 5 };
	int welch[NULLS] = {0}, paired[NULLS] = {0}, ranks = 0, family = 0, used;
	struct rng r;

	rng_init(&r, 42, 0);
	for (int kind = 0; kind < NULLS; kind++)
		for (int i = 0; i < TRIALS; i++) {
			double x[N], y[N];

			for (int k = 0; k < N; k++) {
				double both = rng_normal(&r); // what a seed does to either side

				x[k] = draw(&r, kind) + (kind == NORMAL ? both : 0);
				y[k] = draw(&r, kind) + (kind == NORMAL ? both : 0);
			}
			paired[kind] += stats_paired(x, y, N, 0.05).p <= 0.05;
			welch[kind] += stats_welch(x, N, y, N, 0.05).p <= 0.05;
		}
	for (int kind = 0; kind < NULLS; kind++) {
		assert_true(paired[kind] <= most(TRIALS, 0.05));
		assert_true(welch[kind] <= most(TRIALS, 0.05));
	}
	assert_true(paired[NORMAL] >= TRIALS * 0.05 - 5 * sqrt(TRIALS * 0.05)); // exact there
	for (int i = 0; i < 1000; i++) {
		double p[20], d[20], x[N], y[N];

		for (int s = 0; s < 20; s++) {
			for (int k = 0; k < N; k++) {
				x[k] = rng_normal(&r);
				y[k] = rng_normal(&r);
			}
			p[s] = stats_paired(x, y, N, 0.05).p;
			d[s] = (1 + s) * rng_normal(&r);
		}
		assert_int_equal(stats_holm(p, p, 20), 0);
		for (int s = 0, any = 0; s < 20; s++)
			if (p[s] <= 0.05 && !any++)
				family++;
		ranks += stats_signed_rank(d, 20, &used) <= 0.05;
	}
	assert_true(family <= most(1000, 0.05));
	assert_true(ranks <= most(1000, 0.05) && ranks > 20);
}

/* --- Comparisons --- */

struct made {
	struct result_set set;
	struct run_result runs[600];
	struct flow_result flows[600];
};

// Seeds differ between buffers: a made-up run's chance is its seed's and its trace's alone.
static void add_runs(struct made *m, const struct synthetic *c, const char *const *traces, int nt, int64_t seed, int n)
{
	for (int t = 0; t < nt; t++)
		for (int b = 0; b < 2; b++)
			for (int i = 0; i < n; i++) {
				size_t at = m->set.n++;

				m->runs[at] = synthetic_run(c, traces[t], 6 << t % 5, b ? 5 : 0.5, seed + i + 100 * b, &m->flows[at]);
			}
	m->set.runs = m->runs;
}

static const struct synthetic cubic = {"cubic", false, 90, 0.6}, again = {"again", false, 90, 0.6},
			      orca = {"orca", true, 95, 0.2};
static const char *const traces[] = {"a", "b", "c", "d"};

static struct compare_conf conf_of(const struct made *a, const struct made *b)
{
	struct compare_conf conf = {.a = &a->set, .b = &b->set, .name_a = "A", .name_b = "B", .nmetrics = 3, .level = 0.05};

	conf.metrics[0] = results_col("util_pct");
	conf.metrics[1] = results_col("qdelay_mean_ms");
	conf.metrics[2] = results_col("drops");
	return conf;
}

static char *printed(const struct compare *c)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	compare_print(f, c);
	fclose(f);
	return text;
}

static void planted_difference_is_found(void **state)
{
	struct made *m = calloc(1, sizeof(*m));
	struct compare_conf conf = conf_of(m, m);
	struct compare c;
	double x[5], y[5];
	char *text;

	add_runs(m, &orca, traces, 4, 1, 5);
	add_runs(m, &cubic, traces, 4, 1, 5);
	assert_int_equal(compare_filter_add(&conf.only_a, "orca", "--a"), 0);
	assert_int_equal(compare_filter_add(&conf.only_b, "controller=cubic", "--b"), 0);
	assert_int_equal(compare_init(&c, &conf), 0);
	assert_int_equal(c.n, 8);
	assert_int_equal(c.few + c.only_a + c.only_b, 0);
	for (int i = 0; i < 8; i++) {
		assert_true(c.setups[i].paired && c.setups[i].na == 5);
		assert_true(c.setups[i].cell[0].d.diff > 2 && c.setups[i].cell[0].p_holm <= 0.05);
		assert_true(c.setups[i].cell[1].d.diff < 0 && c.setups[i].cell[1].p_holm <= 0.05);
	}
	for (int i = 0; i < 5; i++) { // set-ups are sorted: trace a, 0.5 BDP
		x[i] = m->runs[i].util_pct;
		y[i] = m->runs[40 + i].util_pct;
	}
	assert_near(c.setups[0].cell[0].d.p, stats_paired(x, y, 5, 0.05).p, 1e-15);
	assert_near(c.overall[0].p, 2 / 256.0, 1e-12); // all 8 one way
	assert_int_equal(c.overall[0].more, 8);
	text = printed(&c);
	assert_non_null(strstr(text, "a, 0.5 BDP, 10 ms, orca against cubic: 5 pairs of equal seeds"));
	assert_non_null(strstr(text, "over all 8 set-ups"));
	free(text);
	compare_free(&c);
	conf.test = COMPARE_WELCH;
	assert_int_equal(compare_init(&c, &conf), 0);
	assert_near(c.setups[0].cell[0].d.p, stats_welch(x, 5, y, 5, 0.05).p, 1e-15);
	compare_free(&c);
	free(m);
}

// The same controller twice: some set-up of a metric is marked in no more than the level's share of comparisons.
static void equal_controllers_differ_rarely(void **state)
{
	enum { TRIALS = 300 };
	int wrong[3] = {0}, overall = 0;

	for (int t = 0; t < TRIALS; t++) {
		struct made *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));
		struct compare_conf conf = conf_of(a, b);
		struct compare c;

		add_runs(a, &cubic, traces, 4, 1000 * t, 5);
		add_runs(b, &cubic, traces, 4, 1000 * t + 500, 5);
		assert_int_equal(compare_init(&c, &conf), 0);
		for (int m = 0; m < 3; m++) {
			bool any = false;

			for (int i = 0; i < c.n; i++)
				any |= c.setups[i].cell[m].p_holm <= 0.05;
			assert_false(c.setups[0].paired);
			wrong[m] += any;
			overall += c.overall[m].p_holm <= 0.05;
		}
		compare_free(&c);
		free(a);
		free(b);
	}
	for (int m = 0; m < 3; m++)
		assert_true(wrong[m] <= most(TRIALS, 0.05));
	assert_true(overall <= most(TRIALS, 0.05));
}

static void what_cannot_be_compared(void **state)
{
	struct made *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b)), *none = calloc(1, sizeof(*none));
	struct compare_conf conf = conf_of(a, b), lone = conf_of(a, none);
	struct compare_filter full = {.n = COMPARE_FILTERS};
	struct compare c;
	char *text;

	log_set_level(LOG_ERR - 1);
	add_runs(a, &cubic, traces, 2, 1, 1);
	add_runs(b, &cubic, traces + 2, 2, 1, 1);
	assert_int_equal(compare_init(&c, &conf), -EINVAL); // other traces
	assert_int_equal(compare_init(&c, &lone), -EINVAL); // no runs
	b->set.n = 0;
	add_runs(b, &again, traces, 2, 1, 1);
	assert_int_equal(compare_init(&c, &conf), -EINVAL); // other controllers
	assert_int_equal(compare_filter_add(&conf.only_b, "again", "--b"), 0);
	assert_int_equal(compare_init(&c, &conf), 0); // one repeat: differences, no verdict
	assert_int_equal(c.few, 4);
	assert_true(isnan(c.setups[0].cell[0].d.p) && !isnan(c.setups[0].cell[0].d.diff));
	text = printed(&c);
	assert_non_null(strstr(text, "too few repeats in 4 of 4 set-ups"));
	assert_non_null(strstr(text, "too few set-ups for a verdict over all"));
	assert_null(strstr(text, "*"));
	free(text);
	compare_free(&c);
	add_runs(b, &again, traces, 2, 1, 1);
	assert_int_equal(compare_init(&c, &conf), -EINVAL); // the same set-up and seed twice
	conf = conf_of(a, a);
	assert_int_equal(compare_init(&c, &conf), -EINVAL); // the same runs
	assert_int_equal(compare_filter_add(&conf.only_a, "colour=red", "--a"), -EINVAL);
	assert_int_equal(compare_filter_add(&conf.only_a, "noise=much", "--a"), -EINVAL);
	assert_int_equal(compare_filter_add(&full, "cubic", "--a"), -EINVAL);
	log_set_level(LOG_WARN);
	free(a);
	free(b);
	free(none);
}

// Seeds that only one side has: a forced pairing leaves them out, Welch's test takes them.
static void seeds_in_part(void **state)
{
	struct made *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));
	struct compare_conf conf = conf_of(a, b);
	struct compare c;

	add_runs(a, &cubic, traces, 1, 1, 6);
	add_runs(b, &cubic, traces, 1, 4, 9);
	b->runs[0].loss = 0.5; // a set-up that only B has
	assert_int_equal(compare_init(&c, &conf), 0);
	assert_false(c.setups[0].paired);
	assert_int_equal(c.setups[0].na, 6);
	assert_int_equal(c.setups[0].nb, 8);
	assert_int_equal(c.only_b, 1);
	compare_free(&c);
	conf.test = COMPARE_PAIRED;
	assert_int_equal(compare_init(&c, &conf), 0);
	assert_int_equal(c.setups[0].na, 2); // seeds 5 and 6
	assert_int_equal(c.setups[1].nb, 3);
	assert_int_equal(c.setups[0].cell[0].d.na, 2);
	compare_free(&c);
	free(a);
	free(b);
}

static void save(const char *name, const struct made *m)
{
	char *path = file_path("%s/%s", dir, name);
	json_t *spec = json_object();
	struct results *r;

	assert_int_equal(results_open(&r, path, spec), 0);
	for (size_t i = 0; i < m->set.n; i++)
		assert_int_equal(results_add(r, &m->runs[i]), 0);
	assert_int_equal(results_close(r), 0);
	json_decref(spec);
	free(path);
}

// Runs canopy compare in the test's folder; its exit status, and all it said.
static int canopy(const char *args, char **said)
{
	char *self = realpath(getenv("CANOPY"), NULL), *log = file_path("%s/said", dir);
	char *cmd = file_path("cd '%s' && '%s' compare %s >said 2>&1", dir, self, args);
	size_t len;
	int status = system(cmd);

	assert_int_equal(file_read(log, 1 << 20, said, &len), 0);
	free(self);
	free(log);
	free(cmd);
	return WEXITSTATUS(status);
}

static void command_line(void **state)
{
	static const struct {
		const char *args, *says;
		int status;
	} cases[] = {{"one two", "significant (*)", 0}, {"two --a cubic --b orca", "cubic against orca", 0},
		{"two --a orca,buffer_bdp=0.5 --b orca,buffer_bdp=5", "0.5 against 5 BDP", 0},
		{"one --a orca,trace=a --b orca,trace=b", "no run is as --a asks", 1},
		{"two --a orca,trace=a --b orca,trace=b", "a against b", 0},
		{"missing two", "missing/runs.jsonl", 1}, {"one two --metrics trace", "'trace'", 2},
		{"one two --level 2", "level", 2}, {"one --b colour=1", "colour", 2}, {"", "usage", 2},
		{"two one --a orca", "orca against cubic", 0}};
	struct made *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));
	json_t *j;
	char *said;

	if (!getenv("CANOPY")) {
		free(a);
		free(b);
		print_message("skip: CANOPY does not name the binary\n");
		skip();
	}
	add_runs(a, &cubic, traces, 4, 1, 5);
	add_runs(b, &cubic, traces, 4, 11, 5);
	add_runs(b, &orca, traces, 4, 11, 5);
	save("one", a);
	save("two", b);
	for (int i = 0; i < COUNT(cases); i++) {
		int status = canopy(cases[i].args, &said);

		if (status != cases[i].status || !strstr(said, cases[i].says))
			print_message("%s: %s\n", cases[i].args, said);
		assert_int_equal(status, cases[i].status);
		assert_non_null(strstr(said, cases[i].says));
		free(said);
	}
	assert_int_equal(canopy("two --a orca --b cubic --json", &said), 0);
	j = json_loads(said, 0, NULL);
	assert_non_null(j);
	assert_int_equal(json_array_size(json_object_get(j, "setups")), 8);
	assert_true(json_is_true(json_object_get(
		json_object_get(json_object_get(j, "overall"), "qdelay_mean_ms"), "significant")));
	json_decref(j);
	free(said);
	free(a);
	free(b);
}

static int set_up(void **state)
{
	log_set_level(LOG_WARN);
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	char *cmd = file_path("rm -r '%s'", dir);
	int err = system(cmd);

	free(cmd);
	return err;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_table),
		cmocka_unit_test(student_sleep),
		cmocka_unit_test(signed_ranks),
		cmocka_unit_test(holm),
		cmocka_unit_test(degenerate_samples),
		cmocka_unit_test(pooled_means),
		cmocka_unit_test(nulls_are_kept),
		cmocka_unit_test(planted_difference_is_found),
		cmocka_unit_test(equal_controllers_differ_rarely),
		cmocka_unit_test(what_cannot_be_compared),
		cmocka_unit_test(seeds_in_part),
		cmocka_unit_test(command_line),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
