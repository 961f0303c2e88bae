/* Result folders: what is written is read back, and neither crashes nor full disks cost a finished
 * run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "synthetic.h"

static const struct synthetic orca = {"orca, \"big\" #1 \303\251", true, 95, 0.35};

static char top[] = "/tmp/t_results.XXXXXX";
static json_t *spec;

static char *folder(const char *name)
{
	return file_path("%s/%s", top, name);
}

static struct run_result run_of(int64_t seed, struct flow_result *flow)
{
	return synthetic_run(&orca, "ATT-LTE", 30, 5, seed, flow);
}

static void add_runs(struct results *r, int from, int to)
{
	for (int i = from; i < to; i++) {
		struct flow_result flow;
		struct run_result run = run_of(i, &flow);

		assert_int_equal(results_add(r, &run), 0);
	}
}

static void make(const char *dir, int from, int to)
{
	struct results *r;

	assert_int_equal(results_open(&r, dir, spec), 0);
	add_runs(r, from, to);
	assert_int_equal(results_close(r), 0);
}

static char *slurp(const char *dir, const char *name, size_t *len)
{
	char *path = file_path("%s/%s", dir, name), *text;

	assert_int_equal(file_read(path, 1 << 24, &text, len), 0);
	free(path);
	return text;
}

static void spill(const char *dir, const char *name, const char *text, size_t len)
{
	char *path = file_path("%s/%s", dir, name);

	assert_int_equal(file_mkdirs(dir), 0);
	assert_int_equal(file_write(path, text, len), 0);
	free(path);
}

static bool same(const struct run_result *a, const struct run_result *b)
{
	const char *bad;
	char *x = results_format(a, &bad), *y = results_format(b, &bad);
	bool equal = x && y && !strcmp(x, y);

	free(x);
	free(y);
	return equal;
}

static void round_trip(void **state)
{
	char *dir = folder("trip");
	struct result_set set = {0};

	make(dir, 0, 100);
	assert_int_equal(results_load(dir, &set), 0);
	assert_int_equal(set.n, 100);
	for (int i = 0; i < 100; i++) {
		struct flow_result flow;
		struct run_result run = run_of(i, &flow);

		assert_true(same(&set.runs[i], &run));
		// exactly, not only as text
		assert_true(set.runs[i].qdelay_mean_ms == run.qdelay_mean_ms);
		assert_true(set.runs[i].flows[0].goodput_mbps == flow.goodput_mbps);
		assert_int_equal(set.runs[i].header, 0);
	}
	assert_string_equal(set.runs[0].controller, orca.controller);
	// the same folder again adds nothing
	assert_int_equal(results_load(dir, &set), 0);
	assert_int_equal(set.n, 100);
	result_set_free(&set);
	free(dir);
}

static void absent_values_stay_absent(void **state)
{
	char *dir = folder("absent");
	struct result_set set = {0};
	struct flow_result flow;
	struct run_result run = run_of(1, &flow);
	struct results *r;

	run.qdelay_mean_ms = run.acted_pct = flow.rtt_mean_ms = NAN;
	run.seed = INT64_MIN;
	assert_int_equal(results_open(&r, dir, spec), 0);
	assert_int_equal(results_add(r, &run), 0);
	assert_int_equal(results_close(r), 0);
	assert_int_equal(results_load(dir, &set), 0);
	assert_true(isnan(set.runs[0].qdelay_mean_ms) && isnan(set.runs[0].acted_pct));
	assert_true(isnan(set.runs[0].flows[0].rtt_mean_ms));
	assert_true(set.runs[0].seed == INT64_MIN);
	result_set_free(&set);
	free(dir);
}

static void same_runs_same_bytes(void **state)
{
	static const char *const names[] = {"runs.jsonl", "runs.csv"};
	char *one = folder("one"), *two = folder("two");

	make(one, 0, 20);
	make(two, 0, 7); // in two goes
	make(two, 7, 20);
	for (int i = 0; i < 2; i++) {
		size_t na, nb;
		char *a = slurp(one, names[i], &na), *b = slurp(two, names[i], &nb);

		assert_int_equal(na, nb);
		assert_memory_equal(a, b, na);
		free(a);
		free(b);
	}
	free(one);
	free(two);
}

static void numbers_are_shortest(void **state)
{
	static const struct {
		double x;
		const char *text;
	} cases[] = {{0.1, "0.1"}, {6, "6"}, {-0.0, "0"}, {1e-9, "1e-09"},
		{0.1 + 0.2, "0.30000000000000004"}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char buf[RESULTS_NUM];

		assert_string_equal(results_number(cases[i].x, buf), cases[i].text);
	}
}

static void torn_line_is_cut_off(void **state)
{
	char *dir = folder("torn"), *path = file_path("%s/runs.jsonl", dir), *text;
	struct result_set set = {0};
	struct flow_result flow;
	struct run_result run = run_of(2, &flow);
	struct results *r;
	size_t len;

	make(dir, 0, 3);
	text = slurp(dir, "runs.jsonl", &len);
	assert_int_equal(truncate(path, len - 100), 0);
	assert_int_equal(results_load(dir, &set), 0); // a reader leaves the file as it is
	assert_int_equal(set.n, 2);
	result_set_free(&set);
	assert_int_equal(results_open(&r, dir, spec), 0);
	assert_false(results_has(r, run.id));
	assert_int_equal(results_add(r, &run), 0);
	assert_true(results_has(r, run.id));
	assert_int_equal(results_close(r), 0);
	free(text);
	text = slurp(dir, "runs.jsonl", &len);
	assert_int_equal(results_load(dir, &set), 0);
	assert_int_equal(set.n, 3);
	result_set_free(&set);
	free(text);
	free(path);
	free(dir);
}

static void headers_follow_specs(void **state)
{
	char *dir = folder("headers");
	json_t *other = json_pack("{s:s}", "seconds", "60");
	struct result_set set = {0};
	struct results *r;

	make(dir, 0, 2);
	make(dir, 2, 4); // the same spec: no new header
	assert_int_equal(results_open(&r, dir, other), 0);
	add_runs(r, 4, 5);
	assert_int_equal(results_close(r), 0);
	assert_int_equal(results_load(dir, &set), 0);
	assert_int_equal(json_array_size(set.headers), 2);
	assert_int_equal(set.runs[3].header, 0);
	assert_int_equal(set.runs[4].header, 1);
	result_set_free(&set);
	json_decref(other);
	free(dir);
}

#define HEADER                                                                                     \
	"{\"type\":\"header\",\"format\":\"canopy-results\",\"version\":1,\"canopy\":\"0\","       \
	"\"machine\":{},\"spec\":{}}\n"

static void other_files_are_refused(void **state)
{
	static const char *const bad[] = {"{\"type\":\"header\",\"format\":\"canopy-results\","
					  "\"version\":7,\"machine\":{},\"spec\":{}}\n",
		"{\"type\":\"header\",\"format\":\"canopy-results\",\"version\":\"1\",\"machine\":{"
		"},\"spec\":{}}\n",
		"{\"type\":\"header\",\"format\":\"other\",\"version\":1,\"machine\":{},\"spec\":{}"
		"}\n",
		"hello\n", "{}\n", "[1,2]\n", "{\"type\":\"run\"}\n", HEADER "{\"type\":\"run\"}\n",
		HEADER "\n"};
	char *dir = folder("others");

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct result_set set = {0};
		struct results *r = NULL;

		spill(dir, "runs.jsonl", bad[i], strlen(bad[i]));
		assert_int_equal(results_load(dir, &set), -EINVAL);
		assert_int_equal(set.n, 0);
		assert_int_equal(results_open(&r, dir, spec), -EINVAL);
		assert_null(r);
		result_set_free(&set);
	}
	free(dir);
}

// A record with one member replaced.
static int load_with(const char *from, const char *to)
{
	struct flow_result flow;
	struct run_result run = run_of(1, &flow);
	struct result_set set = {0};
	const char *bad;
	char *line = results_format(&run, &bad), *at = strstr(line, from), *text;
	int err;

	assert_non_null(at);
	text = file_path("%s%.*s%s%s", HEADER, (int)(at - line), line, to, at + strlen(from));
	err = results_load_text(text, strlen(text), "test", "dir", &set);
	result_set_free(&set);
	free(line);
	free(text);
	return err;
}

// A record as an older version wrote it: without what came later. It must not pass for a newer one.
static void check_older(struct run_result run, const char *const *later, const char *of_flow, int version,
	struct run_result want)
{
	struct run_result got;
	const char *bad;
	char *line = results_format(&run, &bad), why[160];
	json_t *rec = json_loads(line, 0, NULL);

	assert_int_equal(results_parse(&got, rec, RESULTS_VERSION, why), 0);
	assert_true(same(&got, &run));
	free(got.flows);
	for (; *later; later++)
		assert_int_equal(json_object_del(rec, *later), 0);
	if (of_flow)
		json_object_del(json_array_get(json_object_get(rec, "flows"), 0), of_flow);
	assert_int_equal(results_parse(&got, rec, version + 1, why), -EINVAL);
	assert_int_equal(results_parse(&got, rec, version, why), 0);
	assert_true(same(&got, &want));
	free(got.flows);
	json_decref(rec);
	free(line);
}

static void older_versions_are_read(void **state)
{
	static const char *const after_1[] = {"queue_args", "ecn", "loss_burst", "marks", NULL},
				 *const after_2[] = {"jain_1s_mean", "jain_1s_min", "changes",
					 "converged", "converge_s", "friendliness", "shares",
					 "flow_args", NULL},
				 *const after_3[] = {"properties", "triggered_pct", "qc_mean",
					 "proven_mean", "refuted_mean", "fallback_pct", NULL},
				 *const after_4[] = {"shield_pct", NULL},
				 *const after_5[] = {"kernel", "traffic", "trusted", "doubt",
					 "late_p50_us", "late_p99_us", "late_max_us",
					 "device_drops", "emulator_cpu_pct", "foreign_cpu_pct",
					 "window_limited_pct", NULL};
	struct flow_result flow, fair;
	struct run_result run = run_of(3, &flow), want = run;

	run.marks = 5;
	run.ecn = 1;
	snprintf(run.queue_args, sizeof(run.queue_args), "target=5 interval=100");
	check_older(run, after_1, NULL, 1, want);
	run = want;
	fair = flow;
	run.flows = &fair;
	run.jain_1s_mean = fair.share = 0.5;
	run.changes = 2;
	want.jain_1s_mean = flow.share = NAN; // absent, not 0
	check_older(run, after_2, "share", 2, want);
	run = want;
	snprintf(run.properties, sizeof(run.properties), "deep-buffer");
	run.qc_mean = 0.5;
	check_older(run, after_3, NULL, 3, want);
	run = want;
	run.shield_pct = 5;
	check_older(run, after_4, NULL, 4, want);
	run = want;
	snprintf(run.kernel, sizeof(run.kernel), "6.18.0");
	run.trusted = run.late_p50_us = 1;
	check_older(run, after_5, NULL, 5, want);
}

static void malformed_records_are_refused(void **state)
{
	static const char *const bad[][2] = {
		{"\"seed\":1", "\"seed\":1.5"},
		{"\"seed\":1", "\"seed\":99999999999999999999"},
		{"\"seed\":1,", ""},
		{"\"delay_ms\":10", "\"delay_ms\":NaN"},
		{"\"delay_ms\":10", "\"delay_ms\":null"},
		{"\"delay_ms\":10", "\"delay_ms\":-1"},
		{"\"delay_ms\":10", "\"delay_ms\":1e300"},
		{"\"delay_ms\":10", "\"delay_ms\":\"10\""},
		{"\"jain\":1", "\"jain\":1.5"},
		{"\"id\":\"", "\"id\":\"../"},
		{"\"on\":\"sim\"", "\"on\":\"simulated by hand\""},
		{"\"on\":\"sim\"", "\"on\":\"s\\u0000m\""},
		{"\"flows\":[", "\"flows\":[1,"},
		{"\"stop_s\":30", "\"stop_s\":true"},
	};

	assert_int_equal(load_with("\"seed\":1", "\"seed\":2"), 0);
	assert_int_equal(load_with("\"reward_mean\":0.7", "\"reward_mean\":null"), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(load_with(bad[i][0], bad[i][1]), -EINVAL);
}

static void bad_runs_are_not_written(void **state)
{
	char *dir = folder("bad");
	struct result_set set = {0};
	struct flow_result flow;
	struct run_result run = run_of(1, &flow);
	struct results *r;

	assert_int_equal(results_open(&r, dir, spec), 0);
	assert_int_equal(results_add(r, &run), 0);
	assert_int_equal(results_add(r, &run), -EEXIST);
	run = run_of(2, &flow);
	run.util_pct = INFINITY;
	assert_int_equal(results_add(r, &run), -EINVAL);
	assert_int_equal(results_close(r), -EINVAL);
	assert_int_equal(results_load(dir, &set), 0);
	assert_int_equal(set.n, 1);
	result_set_free(&set);
	free(dir);
}

static void one_writer_at_a_time(void **state)
{
	char *dir = folder("lock");
	struct results *r, *second = NULL;

	assert_int_equal(results_open(&r, dir, spec), 0);
	assert_int_equal(results_open(&second, dir, spec), -EBUSY);
	assert_int_equal(results_close(r), 0);
	assert_int_equal(results_open(&second, dir, spec), 0);
	assert_int_equal(results_close(second), 0);
	free(dir);
}

static void full_device_is_an_error(void **state)
{
	char *dir = folder("devfull"), *path = file_path("%s/runs.jsonl", dir);
	struct results *r = NULL;

	assert_int_equal(file_mkdirs(dir), 0);
	assert_int_equal(symlink("/dev/full", path), 0);
	assert_int_equal(results_open(&r, dir, spec), -ENOSPC);
	assert_null(r);
	free(path);
	free(dir);
}

static void full_disk_keeps_what_was_finished(void **state)
{
	char *dir = folder("small");
	struct result_set set = {0};
	struct results *r;
	int n = 0, err = 0;

	assert_int_equal(file_mkdirs(dir), 0);
	if (mount("none", dir, "tmpfs", 0, "size=32k")) {
		print_message("skip: mounting a small tmpfs needs root\n");
		free(dir);
		skip();
	}
	assert_int_equal(results_open(&r, dir, spec), 0);
	for (; !err && n < 1000; n++) {
		struct flow_result flow;
		struct run_result run = run_of(n, &flow);

		err = results_add(r, &run);
	}
	assert_int_equal(err, -ENOSPC);
	assert_int_equal(results_close(r), -ENOSPC);
	assert_int_equal(results_load(dir, &set), 0);
	assert_int_equal(set.n, n - 1);
	result_set_free(&set);
	assert_int_equal(umount(dir), 0);
	free(dir);
}

static int set_up(void **state)
{
	spec = json_pack("{s:s,s:s}", "seconds", "30", "controllers", "orca");
	log_set_level(-1);
	return mkdtemp(top) == NULL;
}

static int tear_down(void **state)
{
	char *cmd = file_path("rm -rf %s", top);
	int rc = system(cmd);

	json_decref(spec);
	free(cmd);
	return rc;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(absent_values_stay_absent),
		cmocka_unit_test(same_runs_same_bytes),
		cmocka_unit_test(numbers_are_shortest),
		cmocka_unit_test(torn_line_is_cut_off),
		cmocka_unit_test(headers_follow_specs),
		cmocka_unit_test(other_files_are_refused),
		cmocka_unit_test(older_versions_are_read),
		cmocka_unit_test(malformed_records_are_refused),
		cmocka_unit_test(bad_runs_are_not_written),
		cmocka_unit_test(one_writer_at_a_time),
		cmocka_unit_test(full_device_is_an_error),
		cmocka_unit_test(full_disk_keeps_what_was_finished),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
