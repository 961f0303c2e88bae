/* What the scripts around the tests say: a failure of any kind is named at the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define SCRIPT "scripts/run-tests"

static char dir[] = "/tmp/canopy-t_scripts-XXXXXX";

static int set_up(void **state)
{
	return mkdtemp(dir) ? setenv("D", dir, 1) : -1;
}

static int tear_down(void **state)
{
	return system("rm -r \"$D\"");
}

// A test binary that prints lines, separated by |, and ends as a shell command does.
static void make_binary(const char *name, const char *lines, const char *end)
{
	setenv("NAME", name, 1);
	setenv("LINES_OF_IT", lines, 1);
	setenv("END", end, 1);
	assert_int_equal(
		system("mkdir -p $D/tests && { echo '#!/bin/sh'; echo \"echo '$LINES_OF_IT' | tr "
		       "'|' '\\\\n'\"; echo \"$END\"; } >$D/tests/$NAME && "
		       "chmod +x $D/tests/$NAME"),
		0);
}

// The end of what the script prints for some binaries, between | too, and whether it succeeds.
static void assert_ends(const char *names, const char *end, int fine)
{
	setenv("NAMES", names, 1);
	setenv("END", end, 1);
	assert_int_equal(system(SCRIPT " $D $NAMES >$D/said 2>&1"), fine ? 0 : 256);
	assert_int_equal(system("n=$(echo \"$END\" | tr '|' '\\n' | wc -l); "
				"[ \"$(tail -n $n $D/said | tr '\\n' '|')\" = \"$END|\" ]"),
		0);
}

static void failures_are_named_at_the_end(void **state)
{
	if (access(SCRIPT, X_OK)) {
		print_message("skip: run from the source folder\n");
		skip();
	}
	make_binary("t_fine", "1..3|ok 1 - a|ok 2 - b|not ok 3 - c # SKIP", "exit 0");
	make_binary("t_absent", "skip: nothing to test here", "exit 0");
	make_binary("t_bad", "1..2|ok 1 - a|not ok 2 - b|# why", "exit 1");
	make_binary("t_killed", "1..3|ok 1 - a", "kill -9 $$");
	make_binary("t_both", "1..3|not ok 1 - a|ok 2 - b", "kill -9 $$");
	make_binary("t_quits", "1..3|ok 1 - a|ok 2 - b", "exit 0");
	make_binary("t_set_up", "1..2|[  FAILED  ] GROUP SETUP", "exit 1");
	assert_ends("t_fine t_absent", "2 passed, 0 failed, 1 skipped", 1);
	assert_ends("t_bad t_fine", "failed:|t_bad: not ok 2 - b|3 passed, 1 failed, 1 skipped", 0);
	assert_ends("t_killed t_fine",
		"failed:|t_killed: ended with status 137, 2 of 3 tests not told|3 passed, 1 "
		"failed, 1 skipped",
		0);
	assert_ends("t_both",
		"failed:|t_both: not ok 1 - a|t_both: ended with status 137, 1 of 3 tests not "
		"told|1 passed, 2 failed, 0 skipped",
		0);
	assert_ends("t_quits t_set_up",
		"failed:|t_quits: ended with status 0, 1 of 3 tests not told|t_set_up: ended with "
		"status 1, 2 of 2 tests not told|2 passed, 2 failed, 0 skipped",
		0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failures_are_named_at_the_end),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
