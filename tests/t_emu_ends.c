/* How runs of the emulator end, and what goes wrong in them: nothing is left, and it is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "emu_run.h"

/* --- Ends --- */

// Signals the emulator while its command and what that started sleep, once the command has
// touched $D/MARK; returns the emulator's status.
static int signalled(int sig, const char *mark, const char *command)
{
	char *cmd =
		file_path("exec $C emu -q -d 5 -D 10mbit -- sh -c 'sleep %s & %s'", mark, command);
	pid_t pid = background(cmd);

	free(cmd);
	wait_for_file(mark);
	kill(pid, sig);
	return ended(pid);
}

static void every_end_leaves_nothing_behind(void **state)
{
	int before;

	need_root();
	before = devices();
	assert_int_equal(signalled(SIGTERM, "1001", "touch $D/1001; sleep 1001"), 143);
	assert_all_gone(before, "1001");
	assert_int_equal(signalled(SIGINT, "1002", "touch $D/1002; sleep 1002"), 143);
	assert_all_gone(before, "1002");
	// a command that does not listen is killed after a while
	assert_int_equal(signalled(SIGTERM, "1003",
				 "trap : TERM; touch $D/1003; while :; do sleep 1003; done"),
		137);
	assert_all_gone(before, "1003");
	// one that ends leaves its children to be killed
	assert_int_equal(shell("$C emu -q -- sh -c 'setsid sleep 1004 & sleep 0.2'"), 0);
	assert_all_gone(before, "1004");
	assert_int_equal(shell("$C emu -q --outside 'sleep 1005' -- sleep 0.2"), 0);
	assert_all_gone(before, "1005");
}

static void a_killed_emulator_leaves_nothing_behind(void **state)
{
	int before;

	need_root();
	before = devices();
	assert_int_equal(signalled(SIGKILL, "1006", "touch $D/1006; sleep 1006"), 128 + SIGKILL);
	assert_all_gone(before, "1006");
}

// What holds a killed emulator's namespace keeps its device: the next start removes it and no
// other.
static void the_next_start_cleans_up(void **state)
{
	char *cmd;
	pid_t emu, holder;

	need_root();
	if (shell("command -v ip nsenter >/dev/null")) {
		print_message("skip: no ip or nsenter\n");
		skip();
	}
	emu = background("exec $C emu -q -- sh -c 'touch $D/held; sleep 1007'");
	wait_for_file("held");
	cmd = file_path("exec nsenter -t %d -n sh -c 'touch $D/entered; exec sleep 1008'", emu);
	holder = background(cmd);
	free(cmd);
	wait_for_file("entered");
	assert_int_equal(shell("ip link add canopyx type dummy 2>/dev/null || ip link add canopyx "
			       "type veth peer name canopyy"),
		0);
	kill(emu, SIGKILL);
	ended(emu);
	cmd = file_path(
		"dev=$(cut -d' ' -f4 /run/canopy/emu-%d) && ip link show $dev >/dev/null && "
		"$C emu -- true 2>$D/err && grep -q \"removed $dev\" $D/err && "
		"! ip link show $dev 2>/dev/null && [ ! -e /run/canopy/emu-%d ] && "
		"ip link show canopyx >/dev/null",
		emu, emu);
	assert_int_equal(shell(cmd), 0);
	free(cmd);
	assert_int_equal(shell("ip link del canopyx"), 0);
	kill(holder, SIGKILL);
	ended(holder);
}

static void records_of_others_are_left_alone(void **state)
{
	need_root();
	assert_int_equal(
		shell("mkdir -p /run/canopy; r=/run/canopy/emu-$(basename $D); echo nonsense "
		      ">$r; $C emu -q -- true; test -e $r && rm $r"),
		0);
}

// A command that the terminal hangs up on, or that stops itself, does not keep the emulator.
static void hung_up_and_stopped_commands_end(void **state)
{
	int before;

	need_root();
	before = devices();
	assert_int_equal(signalled(SIGHUP, "1010", "touch $D/1010; sleep 1010"), 143);
	assert_all_gone(before, "1010");
	assert_int_equal(signalled(SIGTERM, "1011",
				 "{ until grep -q \"^State:.T\" /proc/$$/status; do sleep 0.01; "
				 "done; touch $D/1011; } & kill -STOP $$"),
		137);
	assert_all_gone(before, "1011");
	// nohup is heeded
	assert_int_equal(
		shell("trap '' HUP; timeout -s HUP 0.5 $C emu -q -- sleep 1; [ $? = 124 ]"), 0);
}

static void a_killed_emulator_takes_those_inside_it(void **state)
{
	int before;

	need_root();
	before = devices();
	assert_int_equal(
		signalled(SIGKILL, "1013",
			"$C mm-delay 5 $C mm-loss uplink 0 sh -c \"touch $D/1013; sleep 1013\""),
		128 + SIGKILL);
	assert_all_gone(before, "1013");
	assert_int_equal(signalled(SIGTERM, "1014",
				 "exec $C mm-delay 5 sh -c \"touch $D/1014; sleep 1014\""),
		143);
	assert_all_gone(before, "1014");
}

static void the_outside_may_end_before(void **state)
{
	int before;

	need_root();
	before = devices();
	assert_int_equal(
		shell("$C emu --outside 'exit 3' -- sh -c 'for i in $(seq 200); do grep -q "
		      "\"outside "
		      "ended with status 3\" $D/err && exit 5; sleep 0.05; done' 2>$D/err; "
		      "[ $? = 5 ]"),
		0);
	assert_int_equal(shell("$C emu -q --outside 'kill -9 $$' -- sleep 0.2"), 0);
	assert_all_gone(before, "1015");
}

/* --- Traces that end --- */

static void runs_end_with_the_trace(void **state)
{
	static const char *const how[] = {
		"emu -q --once -D $D/once -U $D/long -o $D/o -- sleep 1016",
		"mm -q mm-link $D/long $D/once --once --downlink-log=$D/o/down.log -- sleep 1016",
		"emu -q --once -D $D/once -o $D/o -- sh -c 'trap : TERM; while :; do sleep 1016; "
		"done'"};
	int before;

	need_root();
	before = devices();
	assert_int_equal(shell("mkdir $D/o; for i in 0 7 7 100 150 200; do echo $i; done >$D/once; "
			       "seq 5000 >$D/long"),
		0);
	for (int i = 0; i < 3; i++) {
		char *cmd = file_path("$C %s", how[i]);

		assert_int_equal(shell(cmd), 0);
		free(cmd);
		// each opportunity once
		assert_int_equal(
			shell("[ \"$(grep '#' $D/o/down.log | grep -v '^#' | tr '\n' ' ')\" = "
			      "'0 # 1504 7 # 1504 7 # 1504 100 # 1504 150 # 1504 200 # 1504 ' ]"),
			0);
		assert_all_gone(before, "1016");
	}
	// one that ends before has the last word
	assert_int_equal(shell("$C emu -q --once -D $D/long -- sh -c 'exit 9'"), 9);
	assert_int_equal(shell("$C emu --once -D 10mbit -- true 2>$D/err; [ $? = 2 ] && "
			       "grep -q 'no end' $D/err"),
		0);
}

/* --- Sizes --- */

// Jumbo packets use several opportunities; nothing is lost by the way.
static void jumbo_packets_cross(void **state)
{
	json_t *j;

	assert_int_equal(shell("$C emu -q --mtu 9000 -d 2 -D wired48 -U wired48 -o $D/j "
			       "--outside '$S serve x 1000000' -- $S get CANOPY_PEER 1000000"),
		0);
	j = summary("j");
	for (int i = 0; i < 4; i++)
		assert_int_equal(count(j, "quality",
					 (const char *const[]){"ring_drops", "send_drops",
						 "device_drops", "oversize"}[i]),
			0);
	json_decref(j);
	assert_int_equal(shell("grep -q ' - 9004 ' $D/j/down.log"), 0);
}

// A device made larger than the path: what does not fit is counted, and the run not trusted.
static void what_does_not_fit_is_told(void **state)
{
	json_t *j;

	need_root();
	if (shell("command -v ip >/dev/null")) {
		print_message("skip: no ip\n");
		skip();
	}
	assert_int_equal(shell("$C emu -o $D/m -- sh -c 'ip link set canopy0 mtu 3000 && "
			       "$S datagram CANOPY_PEER 2500' 2>$D/err; [ $? = 0 ] && "
			       "grep -q 'do not trust.*lost by the emulator' $D/err"),
		0);
	j = summary("m");
	assert_true(count(j, "quality", "device_drops") + count(j, "quality", "oversize") > 0);
	assert_int_equal(count(j, "up", "arrivals"), 0);
	json_decref(j);
	// a sender that knows of no limit is cut by the kernel, and nothing is lost
	assert_int_equal(shell("$C emu -q -o $D/f -- $S datagram CANOPY_PEER 2500"), 0);
	j = summary("f");
	assert_int_equal(count(j, "up", "departures"), 2);
	assert_int_equal(count(j, "quality", "device_drops"), 0);
	json_decref(j);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_end_leaves_nothing_behind),
		cmocka_unit_test(a_killed_emulator_leaves_nothing_behind),
		cmocka_unit_test(the_next_start_cleans_up),
		cmocka_unit_test(records_of_others_are_left_alone),
		cmocka_unit_test(hung_up_and_stopped_commands_end),
		cmocka_unit_test(a_killed_emulator_takes_those_inside_it),
		cmocka_unit_test(the_outside_may_end_before),
		cmocka_unit_test(runs_end_with_the_trace),
		cmocka_unit_test(jumbo_packets_cross),
		cmocka_unit_test(what_does_not_fit_is_told),
	};

	if (argc > 1)
		return role(argc, argv);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
