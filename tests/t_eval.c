/* Tests of evaluations: records against logs, threads, interruption, full disks, decision files. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "eval/decisions.h"
#include "eval/eval.h"
#include "eval/log_metrics.h"
#include "model/safetensors.h"
#include "plans.h"
#include "policy/action.h"

#define assert_near(a, b, eps) assert_true((a) - (b) <= (eps) && (b) - (a) <= (eps))

// Runs the only run of a plan into dir.
static void run_only(struct run_result *r, const struct plan *g, bool files)
{
	const struct run_io io = {.dir = dir, .series = files, .logs = files, .decisions = files};
	char *cmd = file_path("mkdir -p '%s/logs' '%s/decisions'", dir, dir);

	assert_int_equal(system(cmd), 0);
	assert_int_equal(g->n, 1);
	assert_int_equal(run_one(r, &g->runs[0], &io), 0);
	free(cmd);
}

// The record and the log of a run tell the same.
static void test_record_equals_log(void **state)
{
	static const char *const traces[] = {
		"traces=wired12", "traces=cellular:3", "traces=wired12", "traces=cellular:3"};
	static const char *const queues[] = {
		"queue=droptail", "queue=droptail", "queue=codel", "queue=pie"};
	struct log_metrics m;
	struct run_result r;
	struct plan g;

	for (int i = 0; i < 4; i++) {
		char *path;

		assert_int_equal(
			PLAN(&g, traces[i], queues[i], i < 2 ? "buffers=0.5" : "buffers=20",
				"duration=10", "controllers=cubic", i == 3 ? "ecn=yes" : "ecn=no"),
			0);
		run_only(&r, &g, true);
		path = file_path("%s/logs/%s.down", dir, r.id);
		assert_int_equal(log_metrics_read(&m, path, 0), 0);
		assert_int_equal(m.arrivals, r.arrivals);
		assert_int_equal(m.departures, r.departures);
		assert_int_equal(m.drops, r.drops);
		assert_true(r.departures > 3000 && r.drops + r.marks > 0);
		assert_int_equal(r.marks > 0, i == 3);
		assert_true(r.drops > 0 || i == 3);
		assert_int_equal(r.ecn, i == 3);
		assert_near(m.util_pct, r.util_pct, 1e-9);
		assert_near(m.qdelay_mean_ms, r.qdelay_mean_ms, 1e-9);
		assert_near(m.qdelay_p50_ms, r.qdelay_p50_ms, 1e-9);
		assert_near(m.qdelay_p95_ms, r.qdelay_p95_ms, 1e-9);
		assert_near(m.qdelay_max_ms, r.qdelay_max_ms, 1e-9);
		assert_near(m.capacity_mbps, r.capacity_mbps,
			0.01 * r.capacity_mbps); // by first and last event
		free(path);
		free(r.flows);
		plan_free(&g);
	}
}

// Cutting the end off gives what the shorter run gives.
static void test_skip_end(void **state)
{
	struct run_result whole, cut;
	struct plan a, b;

	assert_int_equal(PLAN(&a, "traces=wired24", "buffers=1", "duration=6.05"), 0);
	assert_int_equal(
		PLAN(&b, "traces=wired24", "buffers=1", "duration=10.05", "skip-end=4"), 0);
	run_only(&whole, &a, false);
	run_only(&cut, &b, false);
	assert_near(cut.duration_s, 6.05, 1e-9);
	assert_int_equal(cut.departures, whole.departures);
	assert_near(cut.qdelay_mean_ms, whole.qdelay_mean_ms, 0);
	assert_near(cut.goodput_mbps, whole.goodput_mbps, 0);
	free(whole.flows);
	free(cut.flows);
	plan_free(&a);
	plan_free(&b);
}

static void test_many_flows(void **state)
{
	struct run_result r;
	struct plan g;

	assert_int_equal(PLAN(&g, "controllers=cubic+reno", "flows=4", "stagger=2", "flow-time=5",
				 "traces=wired48", "buffers=1", "duration=12", "extra-delays=0,5"),
		0);
	run_only(&r, &g, false);
	assert_int_equal(r.nflows, 4);
	assert_string_equal(r.controller, "cubic+reno");
	assert_string_equal(r.flows[0].controller, "cubic");
	assert_string_equal(r.flows[3].controller, "reno");
	assert_true(r.flows[3].start_s >= 6 && r.flows[3].start_s < 6.02);
	assert_near(r.flows[0].stop_s - r.flows[0].start_s, 5, 1e-9);
	assert_near(r.flows[3].stop_s, r.flows[3].start_s + 5, 1e-9);
	assert_true(r.jain > 0.5 && r.jain <= 1);
	assert_true(r.flows[1].goodput_mbps > 1);
	assert_true(isnan(r.acted_pct));
	free(r.flows);
	plan_free(&g);
}

static const struct st_tensor *column(
	const struct st_file *f, const char *name, enum st_dtype dtype, uint64_t width)
{
	const struct st_tensor *t = st_find(f, name);

	assert_non_null(t);
	assert_int_equal(t->dtype, dtype);
	assert_int_equal(t->ndim, width ? 2 : 1);
	if (width)
		assert_int_equal(t->shape[1], width);
	assert_int_equal(t->shape[0], st_find(f, "t_ns")->shape[0]);
	return t;
}

// What a decision installed follows from its action; the changes are those installed before, newest
// first.
static void check_decisions(const struct st_file *f, bool zero, const struct run_result *r)
{
	const int64_t *w = column(f, "w", ST_I64, 0)->data, *p = column(f, "p", ST_I64, 0)->data;
	const int64_t *installed = column(f, "installed", ST_I64, 0)->data;
	const int64_t *percent = column(f, "percent", ST_I64, 0)->data;
	const int64_t *deltas = column(f, "deltas", ST_I64, 10)->data,
		      *nd = column(f, "ndeltas", ST_I64, 0)->data;
	const double *action = column(f, "action", ST_F64, 0)->data,
		     *report = column(f, "report", ST_F64, 8)->data;
	const double *reward = column(f, "reward", ST_F64, 0)->data;
	const float *state = column(f, "state", ST_F32, STATE_SIZE)->data;
	const uint8_t *open = column(f, "open", ST_U8, 0)->data;
	int64_t known = 0, last = 0, change = 0, rewards = 0;
	double reward_sum = 0;

	for (uint64_t i = 0; i < st_find(f, "w")->shape[0]; i++) {
		assert_int_equal(w[i], report[8 * i + 4]);
		assert_true(state[STATE_SIZE * i + 63] >= 0 && state[STATE_SIZE * i + 63] <= 1);
		if (i)
			assert_memory_equal(&state[STATE_SIZE * i],
				&state[STATE_SIZE * (i - 1) + 7], 63 * sizeof(float));
		if (!open[i])
			continue;
		assert_int_equal(p[i], last);
		assert_int_equal(nd[i], known > 1 ? (known - 1 < 10 ? known - 1 : 10) : 0);
		if (nd[i])
			assert_int_equal(deltas[10 * i], change);
		assert_int_equal(percent[i], zero ? 100 : action_percent(action[i]));
		assert_int_equal(installed[i], action_window(percent[i], w[i]));
		change = installed[i] - last;
		last = installed[i];
		known++;
		if (!isnan(reward[i]))
			reward_sum += reward[i], rewards++;
	}
	assert_int_equal(known, r->decisions);
	assert_near(reward_sum / rewards, r->reward_mean, 1e-9);
}

static void test_decisions(void **state)
{
	for (int zero = 0; zero < 2; zero++) {
		char *controller = file_path("controllers=%s%s", model, zero ? "@zero" : ""), *path,
		     hex[HASH_HEX];
		struct run_result r;
		struct st_file *f;
		struct plan g;

		assert_int_equal(
			PLAN(&g, controller, "traces=wired12", "buffers=2", "duration=8"), 0);
		run_only(&r, &g, true);
		path = file_path("%s/decisions/%s-1.safetensors", dir, r.id);
		assert_int_equal(st_read(&f, path), 0);
		assert_string_equal(st_get(f, "format"), "canopy-decisions");
		assert_string_equal(st_get(f, "run"), r.id);
		assert_string_equal(st_get(f, "model"), r.model);
		hash_sha256(
			hex, &(struct hash_part){st_get(f, "spec"), strlen(st_get(f, "spec"))}, 1);
		assert_memory_equal(hex, r.id, 16);
		assert_true(r.decisions > 100);
		assert_true(r.acted_pct > 50 && r.flows[0].policy_start_s > 0);
		check_decisions(f, zero, &r);
		st_free(f);
		free(path);
		free(r.flows);
		plan_free(&g);
		free(controller);
	}
}

/* --- Whole folders --- */

static int evaluate(const char *name, int threads, const struct plan *g)
{
	char *path = file_path("%s/%s", dir, name);
	struct eval_conf conf = {.dir = path,
		.threads = threads,
		.spec = json_pack("{s:s}", "a", "b"),
		.series = true,
		.logs = true,
		.pcap = true,
		.decisions = true};
	int err = eval_run(g, &conf);

	json_decref(conf.spec);
	free(path);
	return err;
}

static void assert_same(const char *a, const char *b)
{
	char *cmd = file_path("diff -r '%s/%s' '%s/%s' >&2", dir, a, dir, b);

	assert_int_equal(system(cmd), 0);
	free(cmd);
}

static void test_threads(void **state)
{
	char *controllers = file_path("controllers=cubic,%s,reno+%s@zero", model, model);
	struct plan g;

	log_set_level(LOG_ERR);
	assert_int_equal(PLAN(&g, controllers, "traces=wired12,cellular:2", "buffers=0.5,2",
				 "runs=2", "loss=0,0.001", "duration=2", "noise=0.05"),
		0);
	assert_int_equal(evaluate("one", 1, &g), 0);
	assert_int_equal(evaluate("two", 2, &g), 0);
	assert_same("one", "two");
	assert_int_equal(evaluate("two", 2, &g), 0); // nothing left to do, nothing changed
	assert_same("one", "two");
	plan_free(&g);
	free(controllers);
}

// A folder made in two steps has the runs of one made at once; lost files come back, records do not
// double.
static void test_extend(void **state)
{
	char *cmd = file_path("cd '%s' && rm part/series/*.csv part/logs/*.up part/pcap/*.pcap", dir);
	char *sort = file_path(
		"cd '%s' && for d in part whole; do grep '\"run\"' $d/runs.jsonl | sort >$d.lines; "
		"done; cmp part.lines whole.lines",
		dir);
	struct plan small, large;

	log_set_level(LOG_ERR);
	assert_int_equal(PLAN(&small, "traces=wired12", "buffers=1", "duration=2"), 0);
	assert_int_equal(PLAN(&large, "traces=wired12,wired24", "buffers=1", "duration=2", "runs=2",
				 "controllers=cubic,reno"),
		0);
	assert_int_equal(evaluate("part", 2, &small), 0);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(evaluate("part", 2, &large), 0);
	assert_int_equal(evaluate("whole", 1, &large), 0);
	assert_int_equal(system(sort), 0);
	assert_same("part/series", "whole/series");
	assert_same("part/logs", "whole/logs");
	assert_same("part/pcap", "whole/pcap");
	plan_free(&small);
	plan_free(&large);
	free(cmd);
	free(sort);
}

#define GRID "-c cubic,reno -t wired48,wired96 -b 1 -d 20 -n 6 --no-series"

static pid_t start(const char *args, const char *name, rlim_t max_file)
{
	char *cmd = file_path("exec '%s' eval -q %s -o '%s/%s' >/dev/null 2>'%s/%s.err'",
		getenv("CANOPY"), args, dir, name, dir, name);
	pid_t pid = fork();

	if (!pid) {
		if (max_file) {
			signal(SIGXFSZ, SIG_IGN);
			setrlimit(RLIMIT_FSIZE, &(struct rlimit){max_file, max_file});
		}
		execl("/bin/sh", "sh", "-c", cmd, NULL);
		_exit(127);
	}
	free(cmd);
	return pid;
}

static int finish(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static size_t count_runs(const char *name)
{
	char *path = file_path("%s/%s", dir, name);
	struct result_set set = {.n = 0};
	size_t n = 0;

	if (!access(path, F_OK)) {
		assert_int_equal(results_load(path, &set), 0);
		n = set.n;
	}
	result_set_free(&set);
	free(path);
	return n;
}

static void need_binary(void)
{
	if (getenv("CANOPY") && !access(getenv("CANOPY"), X_OK))
		return;
	print_message("skip: CANOPY does not name the binary\n");
	skip();
}

static void test_interrupt(void **state)
{
	char *file = file_path("%s/cut/runs.jsonl", dir);
	size_t kept;
	pid_t pid;
	int status;

	need_binary();
	assert_int_equal(finish(start(GRID, "full", 0)), 0);
	pid = start(GRID, "cut", 0);
	for (int i = 0; i < 2000 && access(file, F_OK); i++)
		usleep(1000);
	kill(pid, SIGINT);
	status = finish(pid);
	kept = count_runs("cut");
	assert_int_equal(status, kept < 24); // 0 where the machine was too quick to be interrupted
	assert_int_equal(finish(start(GRID " -j 1", "cut", 0)), 0);
	assert_int_equal(count_runs("cut"), 24);
	assert_same("full", "cut");
	free(file);
}

#define KILLED "-c cubic -t wired48,wired96 -b 1 -d 10 -n 4 --no-series"

// Killed without a chance to tidy up, also while only files of recorded runs are made.
static void test_kill(void **state)
{
	char *logs = file_path("%s/killed/logs", dir), *stale = file_path("%s/x.csv.part12", logs);
	int killed = 0;

	need_binary();
	assert_int_equal(finish(start(KILLED " --logs", "all", 0)), 0);
	assert_int_equal(finish(start(KILLED, "killed", 0)), 0);
	assert_int_equal(file_mkdirs(logs), 0);
	assert_int_equal(file_write(stale, "torn", 4), 0);
	for (int ms = 1; ms <= 32; ms *= 2) {
		pid_t pid = start(KILLED " --logs", "killed", 0);
		int status;

		usleep(ms * 1000);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		killed += WIFSIGNALED(status);
	}
	print_message("%d of 6 were killed in time\n", killed);
	assert_int_equal(finish(start(KILLED " --logs", "killed", 0)), 0);
	assert_true(access(stale, F_OK));
	assert_same("all", "killed");
	free(logs);
	free(stale);
}

// A file that may not grow stands in for a full disk: the error is named, what was finished stays
// and goes on.
static void test_full_disk(void **state)
{
	char *err_path = file_path("%s/limited.err", dir), *text;
	size_t len, kept;

	need_binary();
	assert_int_equal(finish(start(GRID, "unlimited", 0)), 0);
	assert_int_equal(finish(start(GRID, "limited", 8192)), 1);
	assert_int_equal(file_read(err_path, 1 << 16, &text, &len), 0);
	assert_non_null(strstr(text, "runs.jsonl"));
	kept = count_runs("limited");
	assert_true(kept > 0 && kept < 24);
	assert_int_equal(finish(start(GRID, "limited", 0)), 0);
	assert_same("unlimited", "limited");
	free(text);
	free(err_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record_equals_log),
		cmocka_unit_test(test_skip_end),
		cmocka_unit_test(test_many_flows),
		cmocka_unit_test(test_decisions),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_extend),
		cmocka_unit_test(test_interrupt),
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_full_disk),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
