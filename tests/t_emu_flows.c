/* Runs over the emulator: their times, what iperf3 reports, what is refused, and with root the
 * kernel's flows themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>

#include "base/log.h"
#include "emu/flows_shared.h"
#include "emu/iperf3.h"
#include "emu_run.h"
#include "eval/plan.h"
#include "eval/run_emu.h"
#include "eval/series.h"
#include "refusal.h"

#define assert_near(a, b, eps) assert_true((a) - (b) <= (eps) && (b) - (a) <= (eps))

/* --- Times --- */

static void assert_times(double duration, double skip, const double *want, int n)
{
	const struct run_conf c = {.duration_s = duration, .skip_end_s = skip};
	uint64_t *t;
	int got;

	t = run_emu_times(&c, &got);
	assert_non_null(t);
	assert_int_equal(got, n);
	for (int i = 0; i < n; i++)
		assert_near(t[i] * 1e-9, want[i], 1e-8);
	free(t);
}

static void bins_the_cut_and_the_end_are_looked_at_once(void **state)
{
	assert_times(0.3, 0, (const double[]){0.1, 0.2, 0.3}, 3);
	assert_times(0.4, 0.2, (const double[]){0.1, 0.2, 0.3, 0.4}, 4);
	assert_times(0.35, 0.2, (const double[]){0.1, 0.15, 0.2, 0.3, 0.35}, 5);
	assert_times(0.35, 0.02, (const double[]){0.1, 0.2, 0.3, 0.33, 0.35}, 5);
	assert_times(0.1, 0.03, (const double[]){0.07, 0.1}, 2);
	assert_times(0.05, 0, (const double[]){0.05}, 1);
}

/* --- iperf3's report --- */

// 10 kB received in the first 0.1 s, 20 kB in the second; the client saw 10 packets, then 20.
static const char report[] =
	"{\"start\":{\"tcp_mss_default\":1448},\"intervals\":[{\"streams\":[{\""
	"start\":0,\"end\":0.1,\"bytes\":20000,\"retransmits\":1,\"snd_cwnd\":1"
	"4480,\"rtt\":21000}]},{\"streams\":[{\"start\":0.1,\"end\":0.2,\"bytes"
	"\":30000,\"retransmits\":2,\"snd_cwnd\":28960,\"rtt\":20500}]}],\"serv"
	"er_output_json\":{\"intervals\":[{\"streams\":[{\"start\":0,\"end\":0."
	"1,\"bytes\":10000}]},{\"streams\":[{\"start\":0.1,\"end\":0.2,\"bytes\""
	":20000}]}]}}";

static void reports_become_samples(void **state)
{
	static const uint64_t t[] = {500000000, 1050000000, 1100000000, 1150000000, 9000000000};
	static const uint64_t want[] = {0, 5000, 10000, 20000, 30000};
	struct flow_sample s[5];
	uint64_t bytes[5];
	char why[IPERF3_WHY];

	assert_int_equal(iperf3_read(s, bytes, t, 5, 1000000000, report, strlen(report), why), 0);
	for (int i = 0; i < 5; i++)
		assert_near((double)bytes[i], (double)want[i], 1.0);
	assert_int_equal(s[0].cwnd, 0);
	assert_int_equal(s[1].srtt_us, 0);
	assert_int_equal(s[2].cwnd, 10);
	assert_int_equal(s[2].retrans, 1);
	assert_int_equal(s[4].cwnd, 20);
	assert_int_equal(s[4].srtt_us, 20500);
	assert_int_equal(s[4].min_rtt_us, 20500);
	assert_int_equal(s[3].min_rtt_us, 21000);
	assert_int_equal(s[4].retrans, 3);
}

static void bad_reports_are_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {{"", "expected"}, {"{", "expected"}, {"[]", "without the intervals"},
		{"{\"error\":\"Connection refused\"}", "Connection refused"},
		{"{\"intervals\":[{}],\"start\":{\"tcp_mss_default\":1448}}",
			"without the intervals"},
		{"{\"intervals\":[{}],\"server_output_json\":{\"intervals\":[{}]}}", "MSS"}};
	struct flow_sample s;
	uint64_t bytes, t = 1;
	char why[IPERF3_WHY];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		*why = 0;
		assert_int_equal(
			iperf3_read(&s, &bytes, &t, 1, 0, bad[i].text, strlen(bad[i].text), why),
			-EINVAL);
		assert_non_null(strstr(why, bad[i].why));
	}
}

/* --- What is refused --- */

static const struct opt table[] = {PLAN_OPTS, {.kind = OPT_END}};

// Plans "on=emu traces=wired12" and the settings, separated by blanks.
static int plan(const char *settings)
{
	char *copy = file_path("on=emu traces=wired12 %s", settings), *rest = copy, *item;
	struct plan g;
	struct opts o;
	int err = 0;

	opts_init(&o, table);
	while (!err && (item = strsep(&rest, " "))) {
		char *eq = strchr(item, '=');

		*eq = 0;
		err = opts_set(&o, item, eq + 1, 2, item);
	}
	if (!err)
		err = plan_init(&g, &o);
	if (!err)
		plan_free(&g);
	opts_free(&o);
	free(copy);
	return err;
}

static void what_cannot_be_is_refused_in_a_line(void **state)
{
	static const struct refusal bad[] = {
		{"controllers=nosuchcc", "this kernel has no congestion controller 'nosuchcc'"},
		{"controllers=a_name_that_is_longer", "a_name_that_is_longer"},
		{"controllers=models/m.safetensors", "a policy cannot run"},
		{"controllers=m@zero", "a policy cannot run"},
		{"hz=1000", "--hz: is of the simulator"},
		{"emulator=grid", "--emulator: --on emu knows ideal and mahimahi"},
		{"noise=0.05", "--noise: is of the simulator"},
		{"properties=deep-buffer", "--properties: is of the simulator"},
		{"pacing=off", "--pacing"},
	};

	check_refusals(plan, bad, sizeof(bad) / sizeof(bad[0]));
	log_set_level(-1);
	assert_int_equal(plan("controllers=reno"), 0); // every Linux has it
	assert_true(plan("on=sim with=iperf3") < 0);
	assert_true(plan("with=iperf3 pacing=on") < 0);
	assert_true(plan("with=iperf3 flow-time=1.5") < 0);
	log_set_level(LOG_INFO);
}

static int find(const char *name)
{
	return flows_find(name, "reno bbr cubic", "--controllers");
}

static void a_missing_controller_is_named_with_what_there_is(void **state)
{
	static const struct refusal bad[] = {{"cubc", "did you mean 'cubic'?"},
		{"vegas", "it has reno bbr cubic"}, {"", "no congestion controller ''"}};

	check_refusals(find, bad, 3);
	assert_int_equal(find("bbr"), 0);
	assert_int_equal(find("ren"), -ENOENT);
}

static void the_command_refuses(void **state)
{
	assert_int_equal(
		shell("for o in --pcap --decisions '-c nosuchcc' '-c x/m.safetensors'; do "
		      "$C eval -q --on emu -t wired12 -d 1 $o -o $D/no 2>$D/err && exit 1; "
		      "[ $(wc -l <$D/err) = 1 ] || exit 2; done; [ ! -e $D/no ]"),
		0);
	if (shell("command -v unshare setpriv >/dev/null && unshare -U -r true 2>/dev/null")) {
		print_message("skip: no user namespaces to be without privileges in\n");
		skip();
	}
	assert_int_equal(
		shell("unshare -U -r sh -c 'echo 0 >/proc/sys/user/max_user_namespaces && exec "
		      "setpriv --bounding-set -all --inh-caps -all --no-new-privs $C eval -q --on "
		      "emu -c reno -t wired12 -d 1 -o $D/no' 2>$D/err; [ $? = 1 ] && "
		      "grep -q 'needs root' $D/err"),
		0);
}

/* --- Runs --- */

static void load(struct result_set *set, const char *name)
{
	char *path = file_path("%s/%s", dir, name);

	assert_int_equal(results_load(path, set), 0);
	free(path);
}

static double mean_rate(
	const struct result_set *set, const char *name, int flow, double from, double to)
{
	char *path = file_path("%s/%s", dir, name);
	struct series s;
	double sum = 0;
	int n = 0;

	assert_int_equal(series_load(&s, path, set->runs[0].id), 0);
	for (size_t i = 0; i < s.rows; i++) {
		const double *row = series_at(&s, i);

		if (row[SERIES_T] > from + 1e-6 && row[SERIES_T] < to + 1e-6) {
			sum += row[SERIES_FLOW(flow, SERIES_RATE)];
			n++;
		}
	}
	assert_near(series_at(&s, s.rows - 1)[SERIES_T], set->runs[0].duration_s, 1e-9);
	series_free(&s);
	free(path);
	assert_true(n > 0);
	return sum / n;
}

#define TWO "-c reno+cubic --stagger 1 --flow-time 2 -t 20mbit -b 2 -d 3.5"

// One flow, two, one again; the record is the simulator's but for what the kernel did.
static void two_flows_share_a_link(void **state)
{
	struct result_set emu = {0}, sim = {0};
	const struct run_result *r, *s;

	assert_int_equal(shell("$C eval -q --on emu " TWO " --logs -o $D/emu >$D/out 2>&1 && "
			       "$C eval -q " TWO " -o $D/sim >$D/out"),
		0);
	load(&emu, "emu");
	load(&sim, "sim");
	assert_int_equal(emu.n, 1);
	r = &emu.runs[0];
	s = &sim.runs[0];
	assert_string_equal(r->on, "emu");
	assert_string_equal(r->traffic, "flows");
	assert_true(*r->kernel && (r->trusted == 1) == !*r->doubt);
	assert_true(r->late_p50_us >= 0 && r->late_p99_us >= r->late_p50_us);
	assert_true(r->device_drops == 0 && r->window_limited_pct < 5);
	// what does not depend on TCP is the same to the last digit
	assert_true(r->duration_s == s->duration_s && r->capacity_mbps == s->capacity_mbps);
	assert_true(r->flows[1].start_s == s->flows[1].start_s);
	assert_true(r->flows[0].stop_s == s->flows[0].stop_s);
	assert_int_equal(r->queue_pkts, s->queue_pkts);
	assert_string_equal(r->flow_args, s->flow_args);
	assert_true(strcmp(r->id, s->id) != 0);
	assert_near(r->util_pct, s->util_pct, 20.0);
	assert_true(r->rtt_min_ms > 19 && r->rtt_min_ms < 60);
	assert_string_equal(r->flows[0].controller, "reno");
	assert_true(mean_rate(&emu, "emu", 0, 0.3, 1) > 12);
	assert_true(mean_rate(&emu, "emu", 1, 0, 1) == 0);
	assert_true(mean_rate(&emu, "emu", 0, 1.3, 2) + mean_rate(&emu, "emu", 1, 1.3, 2) > 12);
	assert_true(mean_rate(&emu, "emu", 1, 2.3, 3) > 12);
	assert_true(mean_rate(&emu, "emu", 0, 2.3, 3.5) == 0); // what stopped is silent
	assert_near(r->flows[0].goodput_mbps * 2, 20 * mean_rate(&emu, "emu", 0, 0, 3.5) * 3.5 / 20,
		0.2);
	result_set_free(&emu);
	result_set_free(&sim);
}

static void a_second_time_nothing_is_run(void **state)
{
	assert_int_equal(shell("cp $D/emu/runs.jsonl $D/before && "
			       "$C eval --on emu " TWO " --logs -o $D/emu 2>$D/err >$D/out && "
			       "grep -q '1 of 1 runs are finished' $D/err && "
			       "cmp $D/before $D/emu/runs.jsonl && "
			       "grep -q 'reno+cubic (kernel)' $D/out && "
			       "$C trace log $D/emu/logs/*.down $D/emu/logs/*.up >/dev/null"),
		0);
}

static void both_are_in_one_report_and_comparison(void **state)
{
	assert_int_equal(
		shell("$C report -q $D/sim $D/emu -o $D/r.html && "
		      "grep -q '>reno+cubic</td>' $D/r.html && "
		      "grep -q '>reno+cubic (kernel)</td>' $D/r.html && "
		      "$C compare $D/sim $D/emu >$D/c && grep -q 'sim against emu' $D/c && "
		      "cp -r $D/sim $D/mix && "
		      "tail -n 1 $D/emu/runs.jsonl >>$D/mix/runs.jsonl && "
		      "$C compare $D/mix --a on=sim --b on=emu >/dev/null"),
		0);
	// a run that is not trusted is named in the report
	assert_int_equal(shell("cp -r $D/emu $D/doubt && sed -i -E "
			       "'s/\"trusted\":[01],\"doubt\":\"[^\"]*\"/"
			       "\"trusted\":0,\"doubt\":\"the cat slept on it\"/' "
			       "$D/doubt/runs.jsonl && $C report -q $D/doubt -o $D/r.html && "
			       "grep -q 'the cat slept on it' $D/r.html && "
			       "$C compare $D/sim $D/doubt | grep -q 'do not trust 1'"),
		0);
}

static void iperf3_is_another_source(void **state)
{
	struct result_set set = {0};

	if (shell("command -v iperf3 >/dev/null")) {
		assert_int_equal(shell("$C eval -q --on emu --with iperf3 -t wired12 -d 1 -o $D/no "
				       "2>&1 | grep -q 'package iperf3'"),
			0);
		return;
	}
	assert_int_equal(
		shell("$C eval -q --on emu --with iperf3 -c reno -t 20mbit -b 2 -d 1.2 "
		      "-o $D/iperf >$D/out 2>&1 && grep -q 'reno (kernel, iperf3)' $D/out"),
		0);
	load(&set, "iperf");
	assert_string_equal(set.runs[0].traffic, "iperf3");
	assert_true(set.runs[0].goodput_mbps > 8 && set.runs[0].goodput_mbps < 20);
	assert_true(mean_rate(&set, "iperf", 0, 0.4, 1.2) > 10);
	result_set_free(&set);
}

// A long run is ended by a signal; no process is left, and with them go their namespaces and
// devices, which are nowhere else; no part of a run is recorded.
static void ended_by(int sig, int status)
{
	const char *of_run = "[^ ]*canopy .*$D/long";
	pid_t pid = background("exec $C eval -q --on emu -c reno -t wired12 -b 1 -d 60 --logs -o "
			       "$D/long >/dev/null 2>&1");

	wait_for_file("long/logs");
	for (int i = 0; i < WAIT_TRIES && processes(of_run) < 4; i++)
		pause_ms(20);
	assert_true(processes(of_run) >= 4); // ours, the run's, the ends'
	kill(pid, sig);
	assert_int_equal(ended(pid), status);
	for (int i = 0; i < WAIT_TRIES && processes(of_run); i++)
		pause_ms(20);
	assert_int_equal(processes(of_run), 0);
	assert_int_equal(shell("grep -c '\"type\":\"run\"' $D/long/runs.jsonl >/dev/null"), 1);
}

static void signals_leave_nothing_behind(void **state)
{
	need_root();
	ended_by(SIGINT, 1);
	assert_int_equal(shell("[ -z \"$(ls $D/long/logs)\" ]"), 0);
	ended_by(SIGKILL, 128 + SIGKILL);
	// what was left of logs goes with the next start
	assert_int_equal(shell("$C eval -q --on emu -c reno -t wired12 -b 1 -d 0.2 -o $D/long "
			       ">/dev/null 2>&1 && [ -z \"$(ls $D/long/logs)\" ]"),
		0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bins_the_cut_and_the_end_are_looked_at_once),
		cmocka_unit_test(reports_become_samples),
		cmocka_unit_test(bad_reports_are_refused),
		cmocka_unit_test(what_cannot_be_is_refused_in_a_line),
		cmocka_unit_test(a_missing_controller_is_named_with_what_there_is),
		cmocka_unit_test(the_command_refuses),
		cmocka_unit_test(two_flows_share_a_link),
		cmocka_unit_test(a_second_time_nothing_is_run),
		cmocka_unit_test(both_are_in_one_report_and_comparison),
		cmocka_unit_test(iperf3_is_another_source),
		cmocka_unit_test(signals_leave_nothing_behind),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
