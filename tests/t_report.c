/* The report: every table and figure is there, hostile names are harmless, gnuplot may be missing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/gnuplot.h"
#include "base/log.h"
#include "report/grid.h"
#include "report/report.h"
#include "report/table.h"
#include "synthetic.h"

static const struct synthetic controllers[] = {{"cubic", false, 99, 0.8},
	{"vegas", false, 88, 0.08}, {"bbr", false, 93, 0.4}, {"reno", false, 96, 0.62},
	{"orca", true, 95, 0.35}, {"canopy-shallow", true, 94, 0.15}};

static const struct training no_training;
static char dir[128];

static char *in_dir(const char *name)
{
	return file_path("%s/%s", dir, name);
}

// Runs of some controllers over traces of these names, with series for the first seed.
static void make_results(
	const char *to, const struct synthetic *c, int nc, const char *const *traces, int nt)
{
	json_t *spec = json_pack("{s:s, s:s}", "controllers", "cubic,<b>orca</b>", "seconds", "30");
	struct results *r;

	assert_int_equal(results_open(&r, to, spec), 0);
	for (int i = 0; i < nc; i++)
		for (int t = 0; t < nt; t++)
			for (int b = 0; b < 2; b++)
				for (int seed = 0; seed < 3; seed++) {
					struct flow_result flow;
					struct run_result run = synthetic_run(&c[i], traces[t],
						6 << t % 5, b ? 5 : 0.5, seed, &flow);

					if (!seed)
						assert_int_equal(
							synthetic_series(to, &run, &c[i]), 0);
					assert_int_equal(results_add(r, &run), 0);
				}
	assert_int_equal(results_close(r), 0);
	json_decref(spec);
}

static char *make_report(const char *results, const char *page)
{
	struct result_set set = {0};
	struct report_conf conf = {.page = page};
	char *text;
	size_t len;

	assert_int_equal(results_load(results, &set), 0);
	assert_int_equal(report_write(&set, &no_training, &conf), 0);
	assert_int_equal(file_read(page, 64 << 20, &text, &len), 0);
	result_set_free(&set);
	return text;
}

static int count(const char *text, const char *what)
{
	int n = 0;

	for (const char *p = text; (p = strstr(p, what)); p++)
		n++;
	return n;
}

static void page_is_whole(void **state)
{
	static const char *const traces[] = {"wired12", "step-24-48", "ATT-LTE-driving-2016"};
	char *results = in_dir("whole"), *page = in_dir("whole.html"), *text;
	bool drawn = gnuplot_have();

	if (!drawn)
		print_message("skip: gnuplot is not installed, figures unchecked\n");
	make_results(results, controllers, 6, traces, 3);
	text = make_report(results, page);
	// a table for each of 2 set-ups overall and on each of 3 traces
	assert_int_equal(count(text, "<table class=\"sort\">"), 2 + 2 * 3);
	// overall, per trace, curves
	if (drawn)
		assert_int_equal(count(text, "role=\"img\""), 2 + 6 + 6);
	assert_int_equal(count(text, "<svg"), count(text, "</svg>"));
	assert_non_null(strstr(text, "buffer 0.5 BDP, delay 10 ms"));
	assert_non_null(strstr(text, "id=\"trace-3\""));
	assert_non_null(strstr(text, "&lt;b&gt;orca&lt;/b&gt;")); // the spec
	assert_null(strstr(text, "class=\"warn\""));
	assert_non_null(strstr(text, "<span class=\"ci\"> \302\261 "));
	// self-contained
	assert_null(strstr(text, "src="));
	assert_null(strstr(text, "@import"));
	assert_null(strstr(text, "href=\"http"));
	free(text);
	free(page);
	free(results);
}

// gnuplot silently drops a label that long numbers leave no room for.
static void long_numbers_leave_labels(void **state)
{
	static const struct synthetic slow[] = {{"slow", true, 90, 60}};
	static const char *const traces[] = {"wired12"};
	char *results = in_dir("slow"), *page = in_dir("slow.html"), *text;

	if (!gnuplot_have()) {
		print_message("skip: gnuplot is not installed\n");
		free(results);
		free(page);
		skip();
	}
	make_results(results, slow, 1, traces, 1);
	text = make_report(results, page);
	assert_int_equal(count(text, ">queueing delay (ms)<"), 2);
	assert_int_equal(count(text, ">window (packets)<"), 2);
	free(text);
	free(page);
	free(results);
}

static void hostile_names_are_text(void **state)
{
	static const struct synthetic bad[] = {{"</style><script>alert(1)</script>", true, 90, 0.3},
		{"'; set output '|touch /tmp/owned'; '", false, 80, 0.5},
		{"a&b\"c`id`$(id)\\n@x%s%n{_^}", true, 85, 0.2}};
	static const char *const traces[] = {
		"<img src=x onerror=alert(2)>", "EOD\nsystem('id')\n../../etc"};
	char *results = in_dir("hostile"), *page = in_dir("hostile.html"), *text;

	make_results(results, bad, 3, traces, 2);
	text = make_report(results, page);
	assert_null(strstr(text, "<script>alert"));
	assert_null(strstr(text, "<img"));
	assert_null(strstr(text, "</style><script>alert"));
	assert_non_null(strstr(text, "&lt;script&gt;alert(1)"));
	assert_int_equal(count(text, "<script"), 1);
	assert_int_not_equal(access("/tmp/owned", F_OK), 0);
	free(text);
	free(page);
	free(results);
}

static void warnings_are_shown(void **state)
{
	static const char *const traces[] = {"wired12", "wired24"};
	char *results = in_dir("warn"), *page = in_dir("warn.html"), *text;
	struct flow_result flow;
	struct run_result run = synthetic_run(&controllers[4], "wired12", 12, 5, 7, &flow);
	json_t *spec = json_object();
	struct results *r;

	make_results(results, controllers, 2, traces, 2);
	flow.decisions = 0;
	flow.policy_start_s = NAN;
	assert_int_equal(results_open(&r, results, spec), 0);
	assert_int_equal(results_add(r, &run), 0);
	run.seed = 8;
	run.util_pct = 140;
	flow.decisions = 9;
	flow.policy_start_s = 1;
	synthetic_id(&run);
	assert_int_equal(results_add(r, &run), 0);
	assert_int_equal(results_close(r), 0);
	text = make_report(results, page);
	assert_non_null(strstr(text, "the policy of 1 of 1 flows never acted"));
	assert_non_null(strstr(text, "utilisation is over 100 %"));
	assert_non_null(
		strstr(text, "orca (buffer 5 BDP, delay 10 ms): runs on 1 of 2 traces only"));
	json_decref(spec);
	free(text);
	free(page);
	free(results);
}

static void statistics_are_right(void **state)
{
	static const char *const traces[] = {"wired12"};
	char *results = in_dir("stats");
	struct result_set set = {0};
	struct grid g;
	const struct cell *c;
	double sum = 0, dev = 0;

	make_results(results, controllers, 1, traces, 1);
	assert_int_equal(results_load(results, &set), 0);
	assert_int_equal(grid_init(&g, &set), 0);
	assert_int_equal(g.ncells, 2);
	c = grid_cell(&g, 0, 0, 0);
	assert_int_equal(c->count, 3);
	for (int i = 0; i < 3; i++)
		sum += grid_run(&g, c, i)->util_pct;
	for (int i = 0; i < 3; i++)
		dev += pow(grid_run(&g, c, i)->util_pct - sum / 3, 2);
	assert_true(fabs(c->m[M_UTIL].mean - sum / 3) < 1e-9);
	assert_true(fabs(c->m[M_UTIL].std - sqrt(dev / 2)) < 1e-9);
	assert_true(fabs(grid_overall(&g, 0, 0, M_UTIL, NULL).mean - sum / 3) < 1e-9);
	// Student's t for 2 degrees of freedom
	assert_true(fabs(summary_half_width(&c->m[M_UTIL], 0.05) - 4.30265273 * sqrt(dev / 6)) < 1e-7);
	assert_null(grid_cell(&g, 0, 0, 1));
	grid_free(&g);
	result_set_free(&set);
	free(results);
}

// Runs the program with standard error into a file; its exit status.
static int canopy(const char *args, char **said)
{
	char *log = in_dir("said"),
	     *cmd = file_path("%s report %s >%s 2>&1", getenv("CANOPY"), args, log);
	size_t len;
	int status = system(cmd);

	assert_int_equal(file_read(log, 1 << 20, said, &len), 0);
	free(cmd);
	free(log);
	return WEXITSTATUS(status);
}

static void command_works_without_gnuplot(void **state)
{
	static const char *const traces[] = {"wired12"};
	char *results = in_dir("plain"), *page = in_dir("plain.html"), *args, *said, *text, *path;
	size_t len;

	if (!getenv("CANOPY")) {
		print_message("skip: CANOPY names no program\n");
		free(results);
		free(page);
		skip();
	}
	path = strdup(getenv("PATH"));
	make_results(results, controllers, 2, traces, 1);
	args = file_path("%s -o %s", results, page);
	setenv("PATH", "/nonexistent", 1);
	assert_int_equal(canopy(args, &said), 0);
	setenv("PATH", path, 1);
	assert_int_equal(count(said, "gnuplot is not installed"), 1);
	assert_int_equal(file_read(page, 1 << 20, &text, &len), 0);
	assert_int_equal(count(text, "<table class=\"sort\">"), 4);
	assert_int_equal(count(text, "<svg"), 0);
	assert_int_equal(count(text, "No figures: gnuplot was not installed"), 1);
	free(path);
	free(text);
	free(said);
	free(args);
	free(page);
	free(results);
}

static void nothing_to_report_is_an_error(void **state)
{
	char *empty = in_dir("empty"), *missing = in_dir("missing"), *said;
	json_t *spec = json_object();
	struct results *r;

	if (!getenv("CANOPY")) {
		print_message("skip: CANOPY names no program\n");
		skip();
	}
	assert_int_equal(canopy(missing, &said), 1);
	assert_non_null(strstr(said, "missing: No such file"));
	free(said);
	assert_int_equal(file_mkdirs(missing), 0);
	assert_int_equal(canopy(missing, &said), 1);
	assert_non_null(strstr(said, "runs.jsonl"));
	free(said);
	assert_int_equal(results_open(&r, empty, spec), 0);
	assert_int_equal(results_close(r), 0);
	assert_int_equal(canopy(empty, &said), 1);
	assert_non_null(strstr(said, "no finished run"));
	free(said);
	json_decref(spec);
	free(empty);
	free(missing);
}

static void figures_are_saved(void **state)
{
	static const char *const traces[] = {"wired12"};
	static const char *const names[] = {"utilisation-delay-buffer-5-BDP-delay-10-ms",
		"utilisation-delay-001-wired12-buffer-5-BDP-delay-10-ms",
		"series-001-wired12-buffer-0.5-BDP-delay-10-ms"};
	char *formats[] = {"svg", "pdf", "png"};
	char *results = in_dir("paper"), *page = in_dir("paper.html"), *to = in_dir("figures");
	struct result_set set = {0};
	struct report_conf conf = {
		.page = page, .formats = formats, .nformats = 3, .figures_dir = to};

	if (!gnuplot_have()) {
		print_message("skip: gnuplot is not installed\n");
		free(results);
		free(page);
		free(to);
		skip();
	}
	make_results(results, controllers, 6, traces, 1);
	assert_int_equal(results_load(results, &set), 0);
	assert_int_equal(report_write(&set, &no_training, &conf), 0);
	for (int i = 0; i < 3; i++)
		for (int k = 0; k < 3; k++) {
			char *path = file_path("%s/%s.%s", to, names[i], formats[k]);
			struct stat st;

			assert_int_equal(stat(path, &st), 0);
			assert_true(st.st_size > 1000);
			free(path);
		}
	result_set_free(&set);
	free(results);
	free(page);
	free(to);
}

static int set_up(void **state)
{
	const char *keep = getenv("KEEP"); // where to leave pages for looking at

	snprintf(dir, sizeof(dir), "%s", keep ? keep : "/tmp/t_report.XXXXXX");
	log_set_level(LOG_ERR);
	return keep ? file_mkdirs(dir) : mkdtemp(dir) == NULL;
}

static int tear_down(void **state)
{
	char *cmd = file_path("rm -rf %s", dir);
	int rc = getenv("KEEP") ? 0 : system(cmd);

	free(cmd);
	return rc;
}

// The report's table, on two seeds of a mix and none of a single flow.
static void fairness_has_a_table(void **state)
{
	struct flow_result flow[2][2] = {0};
	struct run_result run[2] = {0};
	struct result_set set = {.runs = run, .n = 2};
	struct grid g;
	char *text;
	size_t len;

	for (int i = 0; i < 2; i++) {
		run[i] = (struct run_result){.on = "sim", .controller = "reno+<b>", .trace = "t",
			.queue = "droptail", .seed = i, .nflows = 2, .flows = flow[i],
			.jain_1s_mean = 0.8 + 0.1 * i, .jain_1s_min = NAN, .changes = 2,
			.converged = i, .converge_s = i ? 3 : NAN};
		flow[i][0] = (struct flow_result){.controller = "reno", .share = 0.7 + 0.2 * i};
		flow[i][1] = (struct flow_result){.controller = "<b>", .share = 1.3 - 0.2 * i};
	}
	for (int flows = 2; flows >= 1; flows--) {
		FILE *f = open_memstream(&text, &len);

		run[0].nflows = run[1].nflows = flows;
		assert_int_equal(grid_init(&g, &set), 0);
		table_fairness(f, &g, 0, 0);
		fclose(f);
		if (flows == 2)
			assert_non_null(strstr(text,
				"<td>reno+&lt;b&gt;</td><td>0.850</td><td>\342\200\223</td>"
				"<td>reno 0.80, &lt;b&gt; 1.20</td><td>3.0</td><td>1 of 4</td>"));
		else
			assert_string_equal(text, "");
		free(text);
		grid_free(&g);
	}
}

// The simulator's, a kernel's, another kernel's with two sources: side by side in one set-up.
static void kernels_are_schemes_of_their_own(void **state)
{
	static const struct {
		const char *on, *kernel, *traffic, *first, *all;
	} row[] = {{"sim", "", "", "cubic", "cubic"},
		{"emu", "6.1", "flows", "cubic (kernel)", "cubic (kernel) (6.1)"},
		{"emu", "6.2", "flows", NULL, "cubic (kernel) (6.2)"},
		{"emu", "6.2", "iperf3", NULL, "cubic (kernel, iperf3)"}};
	struct flow_result flow[4];
	struct run_result run[4];
	struct result_set set = {.runs = run, .n = 2};
	struct grid g;

	for (int i = 0; i < 4; i++) {
		run[i] = synthetic_run(&controllers[0], "t", 12, 5, 1, &flow[i]);
		strcpy(run[i].on, row[i].on);
		strcpy(run[i].kernel, row[i].kernel);
		strcpy(run[i].traffic, row[i].traffic);
	}
	assert_int_equal(grid_init(&g, &set), 0);
	assert_int_equal(g.nsetups, 1);
	assert_int_equal(g.nschemes, 2);
	for (int i = 0; i < 2; i++)
		assert_string_equal(g.schemes[i].name, row[i].first);
	grid_free(&g);
	set.n = 4;
	assert_int_equal(grid_init(&g, &set), 0);
	assert_int_equal(g.nsetups, 1);
	assert_int_equal(g.nschemes, 4);
	for (int i = 0; i < 4; i++)
		assert_string_equal(g.schemes[i].name, row[i].all);
	grid_free(&g);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fairness_has_a_table),
		cmocka_unit_test(kernels_are_schemes_of_their_own),
		cmocka_unit_test(page_is_whole),
		cmocka_unit_test(long_numbers_leave_labels),
		cmocka_unit_test(hostile_names_are_text),
		cmocka_unit_test(warnings_are_shown),
		cmocka_unit_test(statistics_are_right),
		cmocka_unit_test(command_works_without_gnuplot),
		cmocka_unit_test(nothing_to_report_is_an_error),
		cmocka_unit_test(figures_are_saved),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
