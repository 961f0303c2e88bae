/* The public interface as a user meets it: the examples, from C and Python, and what the library
 * exports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"

// First line that a program of the build folder prints; its exit status must be 0.
static void run_example(char out[512], const char *args)
{
	const char *canopy = getenv("CANOPY");
	char *folder = file_path("%s", canopy ? canopy : "build/canopy"), *cmd;
	FILE *f;

	*strrchr(folder, '/') = 0;
	cmd = file_path("b='%s'; %s", folder, args);
	f = popen(cmd, "r");
	assert_non_null(f);
	assert_non_null(fgets(out, 512, f));
	assert_int_equal(pclose(f), 0);
	free(cmd);
	free(folder);
}

static void test_quic_like(void **state)
{
	// A queue of 50 of the path's 80 packets: half a window of it is below the path's need for
	// reno, not 0.7.
	static const struct {
		const char *name;
		double least;
	} runs[] = {{"cubic", 97}, {"reno", 85}, {"vegas", 95}, {"bbr", 90}};
	char first[512], again[512];

	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		char *args = file_path("$b/examples/quic_like %s 30", runs[i].name);
		double util, rtt, least;

		run_example(first, args);
		run_example(again, args);
		assert_string_equal(first, again);
		assert_int_equal(sscanf(first, "utilisation %lf %%, rtt %lf ms (least %lf)", &util,
					 &rtt, &least),
			3);
		print_message("%s: %s", runs[i].name, first);
		assert_true(util > runs[i].least && util <= 100);
		// 40 ms, and 0.417 ms a packet: itself and at most 50 before it
		assert_true(least >= 40.4 && least < 41 && rtt >= least && rtt <= 40 + 51 * 0.4174);
		free(args);
	}
}

static void test_vecenv(void **state)
{
	char first[512], again[512];
	double reward;

	run_example(first, "$b/examples/vecenv 300 1");
	run_example(again, "$b/examples/vecenv 300 3");
	assert_string_equal(first, again);
	assert_int_equal(sscanf(first, "mean reward %lf", &reward), 1);
	print_message("%s", first);
	assert_true(reward > 0.4 && reward < 1);
}

static void test_python(void **state)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	print_message("skip: a sanitized library does not load into python\n");
	skip();
#else
	char out[512];
	double reward;

	if (system("python3 -c 'import ctypes' 2>/dev/null")) {
		print_message("skip: no python3 here\n");
		skip();
	}
	run_example(out, "python3 examples/vecenv.py $b/libcanopy.so 100");
	assert_int_equal(sscanf(out, "mean reward %lf", &reward), 1);
	assert_true(reward > 0.4 && reward < 1);
	// The shared library shows the public interface only.
	run_example(out, "nm -D --defined-only $b/libcanopy.so | awk '$3 !~ /^canopy_/ && $2 ~ "
			 "/[TDBRVW]/' | wc -l");
	assert_string_equal(out, "0\n");
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quic_like),
		cmocka_unit_test(test_vecenv),
		cmocka_unit_test(test_python),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
