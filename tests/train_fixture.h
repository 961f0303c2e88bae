/*
 * Runs of canopy train of about a second, as their user sees them: what they exit with, say and
 * leave behind, in a folder of their own.
 */
#ifndef TESTS_TRAIN_FIXTURE_H
#define TESTS_TRAIN_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "nn/blas.h"

static char dir[] = "/tmp/canopy-faults-XXXXXX";

// A run of about a second: 4 environments, certified, 4 segments.
#define SMALL                                                                                      \
	"--rates 12,24 --delays 10,20 --emulator ideal --features extended --batch 50 -n 2400 -u " \
	"120 --warmup 400 --replay 1500 --checkpoint-every 600 --eval-every 600 --log-every 200 "  \
	"--eval-decisions 10 --eval-rates 18 --eval-traces cellular:3 --eval-delays 15 "           \
	"-p deep-buffer --lambda 0.25 --loss-weight 1,3 --loss-decisions 20 -j2 "
#define SIZES "--hidden 16,12 "

static inline int set_up(void **state)
{
	char *old;

	if (!getenv("CANOPY")) {
		print_message("skip: CANOPY names no program\n");
		return 0;
	}
	old = realpath(getenv("CANOPY"), NULL);
	setenv("CANOPY", old, 1);
	free(old);
	log_set_level(-1);
	return mkdtemp(dir) && !chdir(dir) ? 0 : -1;
}

static inline int tear_down(void **state)
{
	char *cmd = file_path("rm -r '%s'", dir);
	int err = getenv("CANOPY") ? system(cmd) : 0;

	free(cmd);
	return err;
}

/* Whether there is what training needs; a name on the command line selects tests. */
static inline bool can_train(int argc, char **argv)
{
	if (blas_load()) {
		print_message("skip: there is no OpenBLAS here\n");
		return false;
	}
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return true;
}

static inline void need_program(void)
{
	if (!getenv("CANOPY"))
		skip();
}

static inline char *text_of(const char *path)
{
	char *text;
	size_t len;

	assert_int_equal(file_read(path, 1 << 28, &text, &len), 0);
	return text;
}

// Exit status of `canopy train ARGS`; what it said on stderr is in the file said.
static inline int train(const char *args)
{
	char *cmd = file_path("%s train %s >/dev/null 2>said", getenv("CANOPY"), args);
	int status = system(cmd);

	free(cmd);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static inline void assert_said(const char *args, const char *want)
{
	char *said = text_of("said");

	if (!strstr(said, want))
		fail_msg("train %s said '%s', not '%s'", args, said, want);
	free(said);
}

static inline void refuse(const char *args, int status, const char *want)
{
	if (train(args) != status)
		fail_msg("train %s did not exit with %d", args, status);
	assert_said(args, want);
}

static inline void assert_same_bytes(const char *a, const char *b)
{
	char *cmd = file_path("cmp %s %s", a, b);

	assert_int_equal(system(cmd), 0);
	free(cmd);
}

// An undisturbed run, made once: what all others must come to.
static inline void need_whole(void)
{
	if (access("whole.run/last.safetensors", F_OK))
		assert_int_equal(train(SMALL SIZES "-o m.safetensors --dir whole.run"), 0);
}

// The same curves but for the time it took.
static inline void assert_same_metrics(const char *run)
{
	static const char untimed[] =
		"sed -E 's/\"(wall_s|speed[^\"]*|time[^\"]*)\":[^,}]*,?//g' %s/metrics.jsonl >%s";
	char *ours = file_path(untimed, run, "ours.jsonl"),
	     *whole = file_path(untimed, "whole.run", "whole.jsonl");

	assert_int_equal(system(ours), 0);
	assert_int_equal(system(whole), 0);
	assert_same_bytes("ours.jsonl", "whole.jsonl");
	free(ours);
	free(whole);
}

static inline void assert_as_whole(const char *run)
{
	static const char *const files[] = {"best.safetensors", "last.safetensors",
		"checkpoint.safetensors", "checkpoint.previous.safetensors"};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char *a = file_path("whole.run/%s", files[i]),
		     *b = file_path("%s/%s", run, files[i]);

		assert_same_bytes(a, b);
		free(a);
		free(b);
	}
	assert_same_metrics(run);
}

#endif
