/* mahimahi's command lines with real kernels, one in the other and emulators in emulators. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "emu_run.h"

// A summary that --json wrote to $D/name.
static json_t *written(const char *name)
{
	char *path = file_path("%s/%s", dir, name);
	json_t *j = json_load_file(path, 0, NULL);

	free(path);
	assert_non_null(j);
	return j;
}

// Something to fetch from this machine, as often as it is asked for.
static pid_t server(int times)
{
	char *cmd = file_path("for i in $(seq %d); do $S serve x 300000; done", times);
	pid_t pid;

	need_root();
	pid = background(cmd);
	free(cmd);
	return pid;
}

static void command_lines_change_one_word(void **state)
{
	static const char *const line[] = {
		"$C mm-delay 10 mm-link wired48 wired12 --uplink-queue=droptail "
		"--uplink-queue-args=\"packets=100\" --downlink-queue=droptail "
		"--downlink-queue-args=packets=20 --uplink-log=$D/u --downlink-log=$D/d -- "
		"$S get MAHIMAHI_BASE 300000",
		"$C mm -q --log-actual mm-delay 10 mm-link -u $D/u wired48 wired12 -d $D/d "
		"mm-loss downlink .001 -- $S get MAHIMAHI_BASE 300000",
		"$D/mm-delay 10 $D/mm-link wired48 wired12 --uplink-log $D/u --downlink-log $D/d "
		"--meter-all $S get MAHIMAHI_BASE 300000",
		"PATH=$D:$PATH mm-delay 10 mm-link wired48 wired12 --uplink-log $D/u "
		"--downlink-log $D/d "
		"-- sh -c 'mm-delay 1 $S get MAHIMAHI_BASE 300000'"};
	pid_t served = server(4);

	assert_int_equal(shell("ln -s $C $D/mm-delay && ln -s $C $D/mm-link"), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(shell(line[i]), 0);
		assert_int_equal(
			shell("head -n 1 $D/d | grep -q '^# mahimahi mm-link (Downlink) "
			      "\\[wired12\\] > /' && grep -q '^# mahimahi config: "
			      "\\[delay 10 ms\\] $' $D/u && [ $(grep -c ' - ' $D/d) -gt 200 ] "
			      "&& $C trace log $D/d $D/u >/dev/null && rm $D/d $D/u"),
			0);
	}
	assert_int_equal(ended(served), 0);
}

// 40 packets up: a loss outside of the link comes behind it, one inside before it.
static void stages_are_where_the_tools_stand(void **state)
{
	static const struct {
		const char *tools;
		int64_t arrivals, lost, off;
	} row[] = {{"mm-loss uplink 1 mm-link wired48 wired48", 40, 40, 0},
		{"mm-link wired48 wired48 mm-loss uplink 1", 0, 40, 0},
		{"mm-link wired48 wired48 mm-loss downlink 1", 40, 0, 0},
		{"mm-onoff uplink 0 100 mm-link wired48 wired48", 40, 0, 40},
		{"mm-intermittent downlink 0 100 mm-link wired48 wired48", 40, 0, 0}};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		char *cmd = file_path(
			"$C mm -q --json $D/s mm-delay 1 %s -- $S gso CANOPY_PEER", row[i].tools);
		int status = shell(cmd);
		json_t *j;

		free(cmd);
		if (status == 77) {
			print_message("skip: this kernel has no UDP_SEGMENT\n");
			skip();
		}
		assert_int_equal(status, 0);
		j = written("s");
		assert_int_equal(count(j, "up", "arrivals"), row[i].arrivals);
		assert_int_equal(count(j, "up", "departures"), row[i].arrivals);
		assert_int_equal(count(j, "up", "lost"), row[i].lost);
		assert_int_equal(count(j, "up", "off_drops"), row[i].off);
		json_decref(j);
	}
}

// From the innermost of three to this machine and back, in both families, and not one deeper.
static void shells_nest(void **state)
{
	pid_t served = server(4);

	assert_int_equal(shell("$C mm -q mm-delay 3 sh -c 'export B6=$CANOPY_PEER6; $S get "
			       "MAHIMAHI_BASE 300000 && $C mm -q mm-delay 2 sh -c \"$S get "
			       "MAHIMAHI_BASE 300000 && $C mm -q mm-loss uplink 0 sh -c \\\"$S get "
			       "MAHIMAHI_BASE 300000 && $S get B6 300000 && env >$D/env && ! $C "
			       "mm-delay 1 true 2>$D/err\\\"\"'"),
		0);
	assert_int_equal(ended(served), 0);
	assert_int_equal(shell("grep -q 'emulators go 3 deep' $D/err && [ \"$(grep SHELL_PREFIX "
			       "$D/env)\" = 'MAHIMAHI_SHELL_PREFIX=[delay 3 ms] [delay 2 ms] "
			       "[loss up=0] ' ]"),
		0);
}

// Seven at once inside one, and not one more; neighbours reach each other.
static void neighbours_have_addresses_of_their_own(void **state)
{
	assert_int_equal(
		shell("touch $D/addrs; timeout 100 $C emu -q -- sh -c 'for i in 1 2 3 4 5 6 7; do "
		      "$C mm -q mm-delay 1 sh -c \"echo \\$CANOPY_ADDR >>$D/addrs; until [ -e "
		      "$D/go ]; "
		      "do sleep 0.1; done\" & done; until [ $(wc -l <$D/addrs) = 7 ]; do sleep "
		      "0.1; "
		      "done; $C mm-delay 1 true 2>$D/err; touch $D/go; wait'; "
		      "[ $(sort -u $D/addrs | wc -l) = 7 ] && grep -q 'no more can' $D/err"),
		0);
	assert_int_equal(
		shell("timeout 100 $C emu -q -- sh -c '$C mm -q mm-delay 1 sh -c \"echo "
		      "\\$CANOPY_ADDR "
		      ">$D/one; $S serve x 1000\" & until [ -s $D/one ]; do sleep 0.1; done; "
		      "export A=$(cat $D/one); "
		      "$C mm -q mm-delay 1 sh -c \"until $S get A 1000; do sleep 0.2; done\"'"),
		0);
}

static void two_links_are_two_emulators(void **state)
{
	pid_t served = server(1);

	assert_int_equal(shell("$C mm -q --json $D/t mm-link wired12 wired12 --downlink-log=$D/d "
			       "mm-delay 5 mm-link wired48 wired24 -- $S get MAHIMAHI_BASE 300000"),
		0);
	assert_int_equal(ended(served), 0);
	assert_int_equal(shell("[ $(grep -c ' - 1504 ' $D/d) -gt 200 ]"), 0);
}

// What users run: a browser's stand-in over both families, TCP and UDP generators, both ways.
static void programs_run_inside(void **state)
{
	// a server takes its time to come, and to be free again
	static const char tries[] = "try() { for i in $(seq 600); do \"$@\" && return; sleep 0.1; "
				    "done; exit 1; }; ";
	static const char *const line[][2] = {
		{"cd $D && exec python3 -m http.server --bind :: 8099 >/dev/null 2>&1",
			"get() { try curl -g -s -o $D/got http://$1:8099/page; cmp $D/page $D/got "
			"&& "
			"rm $D/got; }; get $CANOPY_PEER && get [$CANOPY_PEER6]"},
		{"iperf3 -s >/dev/null",
			"run() { iperf3 -t 1 \"$@\" >$D/out 2>&1; }; try run -c $CANOPY_PEER; "
			"try run -R -c $CANOPY_PEER; try run -u -R -b 5M -c $CANOPY_PEER6; "
			"grep -q receiver $D/out"}};

	need_root();
	if (shell("(command -v curl && command -v python3 && command -v iperf3) >/dev/null") != 0) {
		print_message("skip: no curl, python3 or iperf3\n");
		skip();
	}
	assert_int_equal(shell("seq 20000 >$D/page"), 0);
	for (int i = 0; i < 2; i++) {
		char *cmd = file_path("$C emu -q -D 20mbit -U 5mbit -d 5 --outside '%s' -- sh -c "
				      "'%s%s'",
			line[i][0], tries, line[i][1]);

		assert_int_equal(shell(cmd), 0);
		free(cmd);
	}
}

static void bad_lines_are_named(void **state)
{
	static const struct {
		const char *line, *said;
	} row[] = {{"mm-delay", "usage: mm-delay MS"}, {"mm mm-dealy 3", "mean 'mm-delay'"},
		{"mm-link wired12 wired12 --uplink-queu", "mean '--uplink-queue'"},
		{"mm-link wired12 wired12 --uplink-log", "needs a value"},
		{"mm-link wired12 wired12 --uplink-queue=droptial", "mean 'droptail'"},
		{"mm-loss uplnk 1", "mean 'uplink'"}, {"mm --nothing", "unknown option"},
		{"mm", "usage: canopy mm"}};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		char *cmd = file_path("$C %s 2>$D/err; [ $? = 2 ] && grep -q \"%s\" $D/err",
			row[i].line, row[i].said);

		assert_int_equal(shell(cmd), 0);
		free(cmd);
	}
	assert_int_equal(
		shell("$C mm-link /no/up wired12 true 2>&1 | grep -q '/no/up: No such'"), 0);
	assert_int_equal(shell("$C mm-link --help | grep -q 'uplink-queue-args'"), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_lines_change_one_word),
		cmocka_unit_test(stages_are_where_the_tools_stand),
		cmocka_unit_test(shells_nest),
		cmocka_unit_test(neighbours_have_addresses_of_their_own),
		cmocka_unit_test(two_links_are_two_emulators),
		cmocka_unit_test(programs_run_inside),
		cmocka_unit_test(bad_lines_are_named),
	};

	if (argc > 1)
		return role(argc, argv);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
