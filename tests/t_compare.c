/* Comparisons of made-up results: what is there is found, what is not is not; what cannot be
 * compared is said. */
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
#include "base/stats.h"
#include "eval/compare_show.h"
#include "eval/table.h"
#include "synthetic.h"

#define assert_near(x, y, eps) assert_true(fabs((x) - (y)) <= (eps))
#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

static char dir[] = "/tmp/t_compare.XXXXXX";

// The most of n nulls that a test of that level may reject, five deviations beyond what is
// expected.
static int most(int n, double level)
{
	return n * level + 5 * sqrt(n * level * (1 - level));
}

struct made {
	struct result_set set;
	struct run_result runs[600];
	struct flow_result flows[600];
};

// Seeds differ between buffers: a made-up run's chance is its seed's and its trace's alone.
static void add_runs(struct made *m, const struct synthetic *c, const char *const *traces, int nt,
	int64_t seed, int n)
{
	for (int t = 0; t < nt; t++)
		for (int b = 0; b < 2; b++)
			for (int i = 0; i < n; i++) {
				size_t at = m->set.n++;

				m->runs[at] = synthetic_run(c, traces[t], 6 << t % 5, b ? 5 : 0.5,
					seed + i + 100 * b, &m->flows[at]);
			}
	m->set.runs = m->runs;
}

static const struct synthetic cubic = {"cubic", false, 90, 0.6}, again = {"again", false, 90, 0.6},
			      orca = {"orca", true, 95, 0.2};
static const char *const traces[] = {"a", "b", "c", "d"};

static struct compare_conf conf_of(const struct made *a, const struct made *b)
{
	struct compare_conf conf = {.a = &a->set,
		.b = &b->set,
		.name_a = "A",
		.name_b = "B",
		.nmetrics = 3,
		.level = 0.05};

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
	assert_non_null(
		strstr(text, "a, 0.5 BDP, 10 ms, orca against cubic: 5 pairs of equal seeds"));
	assert_non_null(strstr(text, "over all 8 set-ups"));
	free(text);
	compare_free(&c);
	conf.test = COMPARE_WELCH;
	assert_int_equal(compare_init(&c, &conf), 0);
	assert_near(c.setups[0].cell[0].d.p, stats_welch(x, 5, y, 5, 0.05).p, 1e-15);
	compare_free(&c);
	free(m);
}

// The same controller twice: some set-up of a metric is marked in no more than the level's share of
// comparisons.
// A folder of the simulator's runs and one of the kernel's pair up; a mix has to be told apart.
static void simulator_and_kernel_are_compared(void **state)
{
	struct made *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));
	struct compare_conf conf = conf_of(a, b);
	struct compare c;
	char *text;

	add_runs(a, &cubic, traces, 2, 1, 3);
	add_runs(b, &cubic, traces, 2, 1, 3);
	for (size_t i = 0; i < b->set.n; i++) {
		strcpy(b->runs[i].on, "emu");
		b->runs[i].id[0] = 'e';
		b->runs[i].trusted = i > 0;
	}
	assert_int_equal(compare_init(&c, &conf), 0);
	assert_int_equal(c.n, 4);
	assert_int_equal(c.only_a + c.only_b, 0);
	assert_int_equal(c.doubted, 1);
	text = printed(&c);
	assert_non_null(strstr(text, "cubic, sim against emu"));
	assert_non_null(strstr(text, "do not trust 1 of the runs"));
	free(text);
	compare_free(&c);
	strcpy(b->runs[0].on, "sim"); // now place is part of the set-up again
	assert_int_equal(compare_init(&c, &conf), 0);
	assert_int_equal(c.n, 1);
	compare_free(&c);
	free(a);
	free(b);
}

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
	struct made *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b)),
		    *none = calloc(1, sizeof(*none));
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

// The table of an evaluation has intervals where seeds repeat, and only there.
static void tables_tell_how_sure(void **state)
{
	struct made *m = calloc(1, sizeof(*m));
	char want[64], *text;
	struct summary s;
	double x[5];

	for (int n = 1; n <= 5; n += 4) {
		size_t len;
		FILE *f = open_memstream(&text, &len);

		m->set.n = 0;
		add_runs(m, &cubic, traces, 2, 1, n);
		table_print(f, &m->set, NULL, NULL);
		fclose(f);
		assert_int_equal(strstr(text, "\302\261") != NULL, n > 1);
		if (n == 1)
			free(text);
	}
	for (int i = 0; i < 5; i++)
		x[i] = m->runs[i].util_pct;
	s = summary_of(x, 5);
	snprintf(want, sizeof(want), "%.2f \302\261%.2f", s.mean, 2.77644511 * s.std / sqrt(5));
	assert_non_null(strstr(text, want));
	free(text);
	free(m);
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
	} cases[] = {{"one two", "significant (*)", 0},
		{"two --a cubic --b orca", "cubic against orca", 0},
		{"two --a orca,buffer_bdp=0.5 --b orca,buffer_bdp=5", "0.5 against 5 BDP", 0},
		{"one --a orca,trace=a --b orca,trace=b", "no run is as --a asks", 1},
		{"two --a orca,trace=a --b orca,trace=b", "a against b", 0},
		{"missing two", "missing/runs.jsonl", 1}, {"one two --metrics trace", "'trace'", 2},
		{"one two --level 2", "level", 2}, {"one --b colour=1", "colour", 2},
		{"", "usage", 2}, {"two one --a orca", "orca against cubic", 0}};
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
		cmocka_unit_test(planted_difference_is_found),
		cmocka_unit_test(simulator_and_kernel_are_compared),
		cmocka_unit_test(equal_controllers_differ_rarely),
		cmocka_unit_test(what_cannot_be_compared),
		cmocka_unit_test(seeds_in_part),
		cmocka_unit_test(tables_tell_how_sure),
		cmocka_unit_test(command_line),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
