/* canopy certify and check, and certificates in evaluations, as a shell sees them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/gnuplot.h"
#include "plans.h"

// Runs a shell command in which $C is the program, $M a small random model, $D a scratch folder.
static int shell(const char *cmd)
{
	int status;

	if (!getenv("CANOPY")) {
		print_message("skip: CANOPY names no program\n");
		skip();
	}
	status = system(cmd);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int begin(void **state)
{
	int err = set_up(state);

	setenv("C", getenv("CANOPY") ? getenv("CANOPY") : "", 1);
	setenv("D", dir, 1);
	setenv("M", model ? model : "", 1);
	return err;
}

// Decisions of a short run, recorded once.
static void record_decisions(void)
{
	assert_int_equal(shell("[ -d $D/runs ] || \"$C\" eval -q -o $D/runs -c $M -t wired24 -b 1 -d 4 --decisions "
			       ">/dev/null"),
		0);
}

static json_t *output(void)
{
	char *path = file_path("%s/out", dir);
	json_t *j = json_load_file(path, 0, NULL);

	free(path);
	assert_non_null(j);
	return j;
}

static double number(const json_t *j, const char *a, const char *b)
{
	return json_number_value(json_object_get(json_object_get(j, a), b));
}

static void a_target_that_cannot_fail_is_proven(void **state)
{
	json_t *j;

	record_decisions();
	assert_int_equal(shell("\"$C\" certify --json $M $D/runs --over 'inv_rtt in [0.2, 1]' --then 'cwnd in [1, 1000000000]' "
			       ">$D/out"),
		0);
	j = output();
	assert_true(number(j, "all", "proven") == 1 && number(j, "all", "refuted") == 0);
	assert_true(number(j, "all", "decisions") > 50);
	assert_true(number(j, "all", "triggered") == number(j, "all", "decisions"));
	assert_true(number(j, "all", "ceiling") == 1);
	json_decref(j);
}

static void few_decisions_of_many_flows_are_some(void **state)
{
	json_t *j;

	assert_int_equal(shell("\"$C\" eval -q -o $D/two -c $M -t wired24 -b 1,2 -d 4 --decisions >/dev/null"), 0);
	assert_int_equal(shell("\"$C\" certify --json -n 1 $M $D/two --over 'inv_rtt in [0.2, 1]' "
			       "--then 'cwnd in [1, 1000000000]' >$D/out"),
		0);
	j = output();
	assert_true(number(j, "all", "decisions") >= 1 && number(j, "all", "decisions") <= 2);
	json_decref(j);
}

static void a_target_that_must_fail_is_refuted(void **state)
{
	json_t *j;

	record_decisions();
	assert_int_equal(shell("\"$C\" certify --json $M $D/runs --over 'inv_rtt in [0.2, 1], loss in [0, 0.3]' "
			       "--then 'cwnd / cwnd(clean) >= 20' -o $D/no.json >$D/out"),
		0);
	j = output();
	assert_true(number(j, "all", "proven") == 0 && number(j, "all", "refuted") == 1);
	assert_true(number(j, "all", "ceiling") == 0);
	assert_true(json_integer_value(json_object_get(j, "counterexamples")) == number(j, "all", "triggered"));
	json_decref(j);
	// each can be seen, and is one
	assert_int_equal(shell("\"$C\" certify $M --replay $D/no.json >$D/replay && grep -q missed $D/replay && "
			       "! grep -q 'MET' $D/replay"),
		0);
}

static void same_bytes_for_any_threads(void **state)
{
	record_decisions();
	assert_int_equal(shell("for j in 1 2 5; do \"$C\" certify --json -j $j $M $D/runs -p deep-buffer "
			       "-o $D/t$j.json >$D/t$j || exit 9; done; cmp $D/t1 $D/t2 && cmp $D/t1 $D/t5 && "
			       "cmp $D/t1.json $D/t2.json && cmp $D/t1.json $D/t5.json"),
		0);
}

static void every_engine_agrees(void **state)
{
	static const char *const engines[] = {"box", "linear", "exact"};
	double proven[3], refuted[3], exact = NAN;

	record_decisions();
	for (int i = 0; i < 3; i++) {
		char *cmd = file_path("\"$C\" certify --json $M $D/runs -p deep-buffer -e %s --pick grow >$D/out", engines[i]);
		json_t *j;

		assert_int_equal(shell(cmd), 0);
		free(cmd);
		j = output();
		proven[i] = number(j, "all", "proven");
		refuted[i] = number(j, "all", "refuted");
		exact = number(j, "all", "exact");
		json_decref(j);
	}
	assert_true(proven[0] <= proven[2] + 1e-9 && proven[2] <= exact + 1e-9 && exact <= 1 - refuted[2] + 1e-9);
	assert_true(proven[1] <= exact + 1e-9 && refuted[1] <= 1 - exact + 1e-9 && refuted[0] <= 1 - exact + 1e-9);
	assert_true(exact > 0); // there is something to agree on
}

static void certificates_are_checked(void **state)
{
	record_decisions();
	assert_int_equal(shell("\"$C\" certify $M $D/runs -p shallow-buffer -o $D/cert.json >/dev/null && "
			       "\"$C\" check $D/cert.json $M >$D/out"),
		0);
	assert_int_equal(shell("sed 's/\"w\":\\([0-9]*\\)/\"w\":1\\1/' $D/cert.json >$D/bad.json; "
			       "\"$C\" check $D/bad.json $M >$D/out 2>$D/err"),
		3);
}

static void a_low_qc_is_not_certified(void **state)
{
	record_decisions();
	assert_int_equal(shell("\"$C\" certify $M $D/runs --over 'inv_rtt in [0.2, 1]' --then 'cwnd <= 2' --require 0.5 "
			       ">$D/out 2>$D/err; rc=$?; grep -q require $D/err && exit $rc"),
		3);
}

static void a_single_decision_can_be_spelt_out(void **state)
{
	assert_int_equal(shell("\"$C\" certify --json $M --state $(yes 0.5 | head -70 | paste -sd,) --cwnd 100 --prev 100 "
			       "--over 'inv_rtt in [0.3, 0.9]' --then 'dcwnd in [-75, 300]' >$D/out"),
		0);
	assert_int_equal(shell("grep -q '\"decisions\": 1' $D/out && grep -q '\"proven\": 1.0' $D/out"), 0);
}

static void pictures_are_drawn(void **state)
{
	if (!gnuplot_have()) {
		print_message("skip: no gnuplot\n");
		skip();
	}
	record_decisions();
	assert_int_equal(shell("\"$C\" certify $M $D/runs -p deep-buffer --picture $D/line.svg >/dev/null 2>&1 && "
			       "grep -q '</svg>' $D/line.svg && "
			       "\"$C\" certify $M $D/runs --over 'inv_rtt in [0.3, 0.9], loss in [0, 0.4]' "
			       "--then 'cwnd >= cwnd(clean)' --picture $D/map.svg >/dev/null 2>&1 && "
			       "grep -q '</svg>' $D/map.svg"),
		0);
	assert_int_equal(shell("\"$C\" certify $M $D/runs --over 'inv_rtt[*] *= [0.9, 1]' --then 'cwnd >= 1' "
			       "--picture $D/many.svg >/dev/null 2>$D/err"),
		1);
}

static void published_numbers_are_apart(void **state)
{
	record_decisions();
	assert_int_equal(shell("\"$C\" certify $M $D/runs -p deep-buffer --semantics published >$D/out && "
			       "grep -q 'r_cert 0\\.\\|r_cert 1\\.' $D/out && grep -q 'not a sound' $D/out"),
		0);
	assert_int_equal(shell("\"$C\" certify $M $D/runs -p no-jumps --semantics published 2>$D/err"), 1);
}

static void mistakes_are_named(void **state)
{
	static const struct {
		const char *args, *want;
		int rc;
	} rows[] = {
		{"$D/none.safetensors", "none.safetensors", 1},
		{"$M $D/nowhere", "nowhere", 1},
		{"$M $D/runs -p depbuffer", "deep-buffer", 1},
		{"$M $D/runs --over 'inv_rt in [0, 1]' --then 'cwnd >= 1'", "inv_rtt", 1},
		{"$M $D/runs --over 'inv_rtt in [1, 0]' --then 'cwnd >= 1'", "\\[1, 0\\]\\|1", 1},
		{"$M $D/runs --over 'inv_rtt in [0, 1]'", "--then", 1},
		{"$M $D/runs -e bax", "box", 2},
		{"$M $D/runs --slices 0", "--slices", 2},
		{"$M $D/runs -p deep-buffer --pick glow", "grow", 1},
		{"$M $D/runs -p deep-buffer --let thet=0.3", "theta", 1},
		{"$M $D/runs -p deep-buffer --part 1-grow --picture $D/x.svg", "--part", 1},
		{"$M --state 1,2,3 --cwnd 10", "--state", 1},
		{"$M --setups refrence", "reference", 1},
		{"$M --replay $D/nowhere.json", "nowhere", 1},
	};

	record_decisions();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *cmd = file_path("\"$C\" certify %s >$D/out 2>$D/err; rc=$?; grep -q -e '%s' $D/err || exit 99; "
				      "exit $rc",
			rows[i].args, rows[i].want);

		if (shell(cmd) != rows[i].rc)
			fail_msg("%s", cmd);
		free(cmd);
	}
}

static void a_shield_meets_what_can_be_met(void **state)
{
	json_t *j;

	record_decisions();
	assert_int_equal(shell("for j in 1 3; do \"$C\" certify --json -j $j $M $D/runs -p safety --shield -o $D/s$j.json "
			       ">$D/out || exit 9; done; cmp $D/s1.json $D/s3.json"),
		0);
	j = output();
	assert_string_equal(json_string_value(json_object_get(j, "policy")), "shielded");
	assert_true(number(j, "all", "triggered") > 50);
	assert_true(number(j, "all", "proven") == number(j, "all", "ceiling"));
	json_decref(j);
	assert_int_equal(shell("\"$C\" check $D/s1.json $M >$D/out && grep -q '^verified' $D/out"), 0);
	assert_int_equal(shell("sed 's/\"policy\":\"shielded\"/\"policy\":\"bare\"/' $D/s1.json >$D/s2.json && "
			       "\"$C\" check $D/s2.json $M >$D/out 2>&1"),
		1);
	assert_int_equal(shell("sed 's/let x = 25/let x = 26/' $D/s1.json >$D/s2.json && "
			       "\"$C\" check $D/s2.json $M >$D/out 2>&1"),
		3);
	assert_int_equal(shell("\"$C\" certify $M $D/runs -p safety --shield --vnnlib $D/v 2>$D/err"), 1);
	assert_int_equal(shell("grep -q 'not with --shield' $D/err"), 0);
	assert_int_equal(shell("\"$C\" certify $M $D/runs -p safety --shield --semantics published 2>$D/err"), 1);
}

// By a shield of something else: what it does not enforce is refuted, and can be seen.
static void another_shield(void **state)
{
	record_decisions();
	assert_int_equal(shell("\"$C\" certify $M $D/runs -p robustness --shield >$D/out && "
			       "grep -q 'not enforced: robust' $D/out"),
		0);
	assert_int_equal(shell("printf 'property up\\n over inv_rtt in [0, 1]\\n then dcwnd >= 1\\n' >$D/up.txt; "
			       "\"$C\" certify $M $D/runs -p $D/up.txt --shield-properties safety -o $D/up.json >$D/out && "
			       "\"$C\" check $D/up.json $M >$D/out && "
			       "\"$C\" certify $M --replay $D/up.json >$D/replay && grep -q 'its shield installs' $D/replay && "
			       "! grep -q MET $D/replay"),
		0);
}

// Nothing can be proven: the fallback always keeps CUBIC's window, so the flow is that of a = 0 but for the floor.
static void the_fallback_keeps_cubic(void **state)
{
	assert_int_equal(shell("printf 'property never\\n over inv_rtt in [0.1, 1]\\n then cwnd >= 100000000\\n' "
			       ">$D/never.txt && \"$C\" eval -q -o $D/fall -c $M@fallback,$M@zero -t wired24 -b 1 -d 4 "
			       "--properties $D/never.txt --no-series >/dev/null && "
			       "tail -n +2 $D/fall/runs.jsonl | grep -c '\"fallback_pct\":100' >$D/out; "
			       "[ $(cat $D/out) = 1 ]"),
		0);
	assert_int_equal(shell("tail -n +2 $D/fall/runs.jsonl | grep -o '\"departures\":[0-9]*' | uniq | wc -l | "
			       "grep -qx 1"),
		0);
	assert_int_equal(shell("\"$C\" eval -q -o $D/fall2 -c $M@fallback -t wired24 2>$D/err"), 1);
	assert_int_equal(shell("grep -q -e --properties $D/err"), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_target_that_cannot_fail_is_proven),
		cmocka_unit_test(few_decisions_of_many_flows_are_some),
		cmocka_unit_test(a_target_that_must_fail_is_refuted),
		cmocka_unit_test(same_bytes_for_any_threads),
		cmocka_unit_test(every_engine_agrees),
		cmocka_unit_test(certificates_are_checked),
		cmocka_unit_test(a_low_qc_is_not_certified),
		cmocka_unit_test(a_single_decision_can_be_spelt_out),
		cmocka_unit_test(pictures_are_drawn),
		cmocka_unit_test(published_numbers_are_apart),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(the_fallback_keeps_cubic),
		cmocka_unit_test(a_shield_meets_what_can_be_met),
		cmocka_unit_test(another_shield),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, begin, tear_down);
}
