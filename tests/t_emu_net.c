/* The emulator with real kernels: needs root, a few devices of its own come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "emu_run.h"
#include "replay.h"

/* --- The path --- */

static void the_exit_status_is_the_command_s(void **state)
{
	assert_int_equal(shell("$C emu -q -- true"), 0);
	assert_int_equal(shell("$C emu -q -- sh -c 'exit 7'"), 7);
	assert_int_equal(shell("$C emu -q -d 1 sh -c 'exit 7'"), 7); // -c is the command's
	assert_int_equal(shell("$C emu -q -- sh -c 'kill -9 $$'"), 137);
	assert_int_equal(shell("$C emu -q -- /no/such/program 2>$D/err"), 127);
	assert_int_equal(shell("grep -q '/no/such/program' $D/err"), 0);
}

static void bad_input_is_named(void **state)
{
	assert_int_equal(shell("$C emu --queue 0 -- true 2>$D/err; [ $? = 2 ] && grep -q 'pass "
			       "nothing' $D/err"),
		0);
	assert_int_equal(shell("$C emu --up-queue droptail:bytes=1503 -- true 2>&1 | grep -q "
			       "'bytes passes no packet of 1504'"),
		0);
	assert_int_equal(shell("$C emu --up-queue droptail:bytes=1504 -- true 2>&1 | grep -q "
			       "'passes no'"),
		1);
	assert_int_equal(shell("$C emu --queue droptial:packets=3 -- true 2>&1 | grep -q \"mean "
			       "'droptail'\""),
		0);
	assert_int_equal(shell("$C emu --down /no/trace -- true 2>&1 | grep -q /no/trace"), 0);
	assert_int_equal(shell("$C emu --mtu 500 -- true 2>/dev/null"), 2);
	assert_int_equal(shell("printf '0 5\\n0 6\\n' >$D/bad; $C emu --delay-file $D/bad -- true "
			       "2>&1 | grep -q 'bad:2:'"),
		0);
	assert_int_equal(shell("$C emu --onoff 3 -- true 2>/dev/null"), 2);
	assert_int_equal(shell("$C emu --periodic -- true 2>/dev/null"), 2);
	assert_int_equal(shell("$C emu --log /proc/none -- true 2>/dev/null"), 1);
}

// mahimahi's usage: a server outside that the command inside connects to, and the other way round.
static void both_ways_and_both_families(void **state)
{
	static const char *const peers[] = {"MAHIMAHI_BASE", "CANOPY_PEER6"};
	char *serve = file_path("%s serve x 300000", self), *cmd;

	need_root();
	for (int i = 0; i < 2; i++) {
		pid_t server = background(serve);

		cmd = file_path("$C emu -q -d 5 -D 50mbit -U 50mbit -- $S get %s 300000", peers[i]);
		assert_int_equal(shell(cmd), 0);
		free(cmd);
		assert_int_equal(ended(server), 0);
	}
	assert_int_equal(shell("$C emu -q -d 5 -D wired48 -U wired12 -Q 50 "
			       "--outside '$S get CANOPY_PEER 300000' -- $S serve x 300000"),
		0);
	assert_int_equal(
		shell("$C emu -q -d 5 -D wired48 --outside '$S take x 300000 && touch $D/took' "
		      "-- sh -c '$S put CANOPY_PEER 300000 && for i in $(seq 100); do [ -e $D/took "
		      "] "
		      "&& exit; sleep 0.1; done; exit 1'"),
		0);
	free(serve);
}

// The link's decisions are those of virtual time: its log's arrivals replayed give its log.
static void logs_replay(void **state)
{
	static const struct {
		const char *queue;
		struct link_conf conf;
	} row[] = {{"-Q 20", {.queue = QUEUE_DROPTAIL, .limit_pkts = 20}},
		{"-Q drophead:bytes=40000", {.queue = QUEUE_DROPHEAD, .limit_bytes = 40000}},
		{"-Q codel:packets=100",
			{.queue = QUEUE_CODEL, .limit_pkts = 100, .aqm = AQM_CODEL_CONF}},
		{"-Q infinite --log-actual", {.queue = QUEUE_INFINITE}}};
	struct trace *t;

	need_root();
	assert_int_equal(trace_open(&t, "wired24"), 0);
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		char *cmd =
			file_path("$C emu -q -d 7 -l 0.002 -D wired24 -U wired12 %s -o $D/r%zu "
				  "--outside '$S serve x 2000000' -- $S get CANOPY_PEER 2000000",
				row[i].queue, i);
		char *log = file_path("%s/r%zu/down.log", dir, i),
		     *ours = file_path("%s/ours", dir);
		struct path_conf c = {.link = row[i].conf};
		struct replay_log a, b;

		assert_int_equal(shell(cmd), 0);
		c.link.trace = t;
		replay_read(&a, log);
		assert_true(a.n > 1000);
		assert_int_equal(replay_run(&a, c, ours), 0);
		replay_read(&b, ours);
		assert_true(replay_same(&a, &b));
		free(a.e);
		free(b.e);
		free(cmd);
		free(log);
		free(ours);
	}
	trace_free(t);
}

static void logs_are_measured(void **state)
{
	assert_int_equal(shell("$C emu -q -d 5 -D wired12 -U wired12 -Q 30 -o $D/m --log-actual "
			       "--outside '$S serve x 1000000' -- $S get CANOPY_PEER 1000000"),
		0);
	assert_int_equal(shell("$C trace log $D/m/down.log $D/m/up.log >$D/table"), 0);
	// the actual time of a departure is never before its schedule, which is floored
	assert_int_equal(shell("awk '/ - / && $5 < $1 { bad = 1 } / - / { n++ } END { exit bad || "
			       "n < 600 }' $D/m/down.log"),
		0);
}

// 40 packets of 1000 bytes; what is longer than the MTU is refused at the sender.
static void large_sends_are_counted_as_packets(void **state)
{
	json_t *j;
	int status = shell("$C emu -q -D 100mbit -U 100mbit -o $D/g -- $S gso CANOPY_PEER");

	if (status == 77) {
		print_message("skip: this kernel has no UDP_SEGMENT\n");
		skip();
	}
	assert_int_equal(status, 0);
	j = summary("g");
	assert_int_equal(count(j, "up", "arrivals"), 40);
	assert_int_equal(count(j, "quality", "oversize"), 0);
	json_decref(j);
	assert_int_equal(shell("[ $(grep -c '+ 1032$' $D/g/up.log) = 40 ]"), 0);
}

static void packets_are_lost_as_asked(void **state)
{
	int64_t lost[2];
	json_t *j;

	// 20 packets fit, 1 is on the wire; the rest of 40 at once is dropped by the queue
	assert_int_equal(shell("$C emu -q -U 1mbit -Q 20 -o $D/q -- $S gso CANOPY_PEER"), 0);
	j = summary("q");
	assert_int_equal(count(j, "up", "arrivals"), 40);
	assert_in_range(count(j, "up", "drops"), 17, 19);
	assert_int_equal(count(j, "quality", "memory_drops"), 0);
	json_decref(j);
	// half is lost at random, the same packets with the same seed
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
			shell("$C emu -q -l 0.5 --seed 4 -o $D/l -- $S gso CANOPY_PEER"), 0);
		j = summary("l");
		lost[i] = count(j, "up", "lost");
		json_decref(j);
	}
	assert_in_range(lost[0], 8, 32);
	assert_int_equal(lost[0], lost[1]);
	assert_int_equal(
		shell("$C emu -q --onoff 0.000001,100 --periodic -o $D/off -- $S gso CANOPY_PEER"),
		0);
	j = summary("off");
	assert_int_equal(count(j, "up", "off_drops"), 40);
	json_decref(j);
}

/* --- Processors --- */

// While an emulator with this option runs, does it hold the file that keeps processors awake?
static bool holds_latency(const char *option)
{
	char *cmd = file_path("exec $C emu -q %s -- sh -c 'touch $D/up; until [ -e $D/down ]; do "
			      "sleep 0.05; done'",
		option);
	pid_t emu = background(cmd);
	bool holds;

	free(cmd);
	wait_for_file("up");
	cmd = file_path("ls -l /proc/%d/fd | grep -q cpu_dma_latency", emu);
	holds = !shell(cmd);
	free(cmd);
	assert_int_equal(shell("touch $D/down"), 0);
	assert_int_equal(ended(emu), 0);
	assert_int_equal(shell("rm $D/up $D/down"), 0);
	return holds;
}

static void processors_are_kept_awake(void **state)
{
	need_root();
	if (access("/dev/cpu_dma_latency", W_OK)) {
		print_message("skip: no /dev/cpu_dma_latency\n");
		skip();
	}
	assert_true(holds_latency(""));
	assert_false(holds_latency("--no-realtime"));
}

/* --- Users --- */

static void users_have_namespaces_of_their_own(void **state)
{
	need_root();
	if (shell("command -v setpriv >/dev/null && cp $C $D/c && cp $S $D/s && chmod 755 $D/c "
		  "$D/s && "
		  "setpriv --reuid 65534 --regid 65534 --clear-groups unshare -Un true "
		  "2>/dev/null")) {
		print_message("skip: no setpriv, or users may not have namespaces\n");
		skip();
	}
	assert_int_equal(
		shell("cd / && setpriv --reuid 65534 --regid 65534 --clear-groups $D/c emu -d 5 "
		      "-D 50mbit -U 50mbit --outside '$D/s serve x 200000' -- "
		      "$D/s get CANOPY_PEER6 200000 2>$D/err; [ $? = 0 ] && "
		      "! grep -q 'not permitted' $D/err"),
		0);
	// without that right the message says what is missing
	assert_int_equal(
		shell("unshare -U -r sh -c 'echo 0 >/proc/sys/user/max_user_namespaces && exec "
		      "setpriv --bounding-set -all --inh-caps -all --no-new-privs $D/c emu -- "
		      "true' "
		      "2>$D/err; [ $? = 1 ] && grep -q 'needs root' $D/err"),
		0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_exit_status_is_the_command_s),
		cmocka_unit_test(bad_input_is_named),
		cmocka_unit_test(both_ways_and_both_families),
		cmocka_unit_test(logs_replay),
		cmocka_unit_test(logs_are_measured),
		cmocka_unit_test(large_sends_are_counted_as_packets),
		cmocka_unit_test(packets_are_lost_as_asked),
		cmocka_unit_test(processors_are_kept_awake),
		cmocka_unit_test(users_have_namespaces_of_their_own),
	};

	if (argc > 1)
		return role(argc, argv);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
