/* The program as a shell sees it: exit status, what goes where, closed and full streams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

static char dir[] = "/tmp/canopy-cli-XXXXXX";

// Runs a shell command in which $C is the program and $D a scratch folder. Returns its exit status.
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

static void unwritten_output_is_a_failure(void **state)
{
	assert_int_equal(shell("\"$C\" version >/dev/full 2>$D/err"), 1);
	assert_int_equal(shell("\"$C\" manpage >&- 2>$D/err"), 1);
	assert_int_equal(shell("\"$C\" trace gen wired12 >/dev/full 2>$D/err; grep -q 'cannot "
			       "write' $D/err"),
		0);
}

static void a_reader_may_leave_early(void **state)
{
	assert_int_equal(shell("\"$C\" trace gen cellular:1 2>$D/err | head -n 1 >/dev/null; [ ! "
			       "-s $D/err ]"),
		0);
}

// Files opened while 1 or 2 are free would take those numbers, and messages with them.
static void closed_streams_stay_out_of_results(void **state)
{
	const char *eval = "\"$C\" eval -c cubic -t wired12 -b 1 -d 1 -o $D/%s";
	char *closed = file_path(eval, "closed >&- 2>&- <&-"),
	     *plain = file_path(eval, "plain >/dev/null");

	shell(closed);
	shell(closed); // with a message that all is there
	assert_int_equal(shell(plain), 0);
	assert_int_equal(shell("diff -r $D/closed $D/plain"), 0);
	free(closed);
	free(plain);
}

static void standard_output_can_be_named(void **state)
{
	assert_int_equal(
		shell("{ echo a; \"$C\" trace gen wired12 -o /dev/stdout; echo b; } >$D/out; "
		      "[ \"$(echo $(cat $D/out))\" = 'a 1 b' ]"),
		0);
}

static void help_is_no_mistake(void **state)
{
	assert_int_equal(shell("\"$C\" --help >/dev/null"), 0);
	assert_int_equal(shell("\"$C\" trace --help >/dev/null"), 0);
	assert_int_equal(shell("\"$C\" trace gen --help >/dev/null"), 0);
	assert_int_equal(shell("\"$C\" trace 2>/dev/null"), 2);
	assert_int_equal(shell("\"$C\" eval wired12 2>$D/err; grep -q wired12 $D/err"), 0);
}

static void failures_print_no_table(void **state)
{
	assert_int_equal(shell("\"$C\" trace info nowhere >$D/out 2>$D/err"), 1);
	assert_int_equal(shell("\"$C\" trace log /dev/null >>$D/out 2>$D/err"), 1);
	assert_int_equal(shell("cd $D && \"$C\" trace gen wired12 -o \"$(printf '\\377')\" && "
			       "\"$C\" trace info -j \"$(printf '\\377')\" >>$D/out 2>$D/err"),
		1);
	assert_int_equal(shell("[ ! -s $D/out ]"), 0);
}

static void completion_knows_the_tables(void **state)
{
	const char *ask = "cd $D && : >'a file' && \"$C\" completion >c && bash -c '. ./c; "
			  "COMP_WORDS=(canopy %s); "
			  "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _canopy; printf \"%%s,\" "
			  "\"${COMPREPLY[@]}\"' >got; "
			  "[ \"$(cat got)\" = '%s' ]";
	const char *const cases[][2] = {{"tra", "trace,train,"}, {"model \"\"", "show,import,export,"},
		{"eval --queue drop", "droptail,drophead,"}, {"eval --no-", "--no-series,"},
		{"trace info a", "a file,"}};

	for (int i = 0; i < 5; i++) {
		char *cmd = file_path(ask, cases[i][0], cases[i][1]);

		if (shell(cmd))
			fail_msg("canopy %s", cases[i][0]);
		free(cmd);
	}
}

static int set_up(void **state)
{
	char *program = getenv("CANOPY") ? realpath(getenv("CANOPY"), NULL) : NULL;

	if (program)
		setenv("C", program, 1);
	free(program);
	return !mkdtemp(dir) || setenv("D", dir, 1);
}

static int tear_down(void **state)
{
	char *cmd = file_path("rm -r '%s'", dir);
	int err = system(cmd);

	free(cmd);
	return err;
}

// Two rows of one name would be one option.
static void options_have_names_of_their_own(void **state)
{
	assert_int_equal(
		shell("for c in train eval certify check emu compare report; do \"$C\" $c --help | "
		      "sed -nE 's/^ +(-., )?--(no-)?([a-z-]+).*/\\3/p'; echo end of $c; done >$D/names; "
		      "awk '/^end of/ {delete seen; next} seen[$0]++ {print; twice = 1} END {exit twice || "
		      "NR < 100}' $D/names"),
		0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unwritten_output_is_a_failure),
		cmocka_unit_test(options_have_names_of_their_own),
		cmocka_unit_test(a_reader_may_leave_early),
		cmocka_unit_test(closed_streams_stay_out_of_results),
		cmocka_unit_test(standard_output_can_be_named),
		cmocka_unit_test(help_is_no_mistake),
		cmocka_unit_test(failures_print_no_table),
		cmocka_unit_test(completion_knows_the_tables),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
