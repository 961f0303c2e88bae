/* What the tests of traces share: refusals with their messages, comparisons, the reference data. */
#ifndef TESTS_TRACE_FIXTURE_H
#define TESTS_TRACE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "trace/generate.h"
#include "trace/trace.h"

#define DATA "../shared/data/traces/"
#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static inline struct trace *make(const char *name)
{
	struct trace *t = NULL;

	assert_int_equal(trace_generate(&t, name), 0);
	assert_string_equal(t->name, name);
	return t;
}

// What stderr got while f ran on arg, in a fresh string.
static inline char *said_by(int (*f)(const char *), const char *arg, int *err)
{
	char path[] = "/tmp/canopy-said-XXXXXX", *text = NULL;
	int fd = mkstemp(path), keep = dup(STDERR_FILENO);
	size_t len;

	assert_true(fd >= 0 && keep >= 0);
	dup2(fd, STDERR_FILENO);
	*err = f(arg);
	dup2(keep, STDERR_FILENO);
	close(keep);
	close(fd);
	assert_int_equal(file_read(path, 1 << 16, &text, &len), 0);
	unlink(path);
	return text;
}

struct refusal {
	const char *input, *said;
};

static inline void check_refusals(int (*f)(const char *), const struct refusal *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int err;
		char *said = said_by(f, r[i].input, &err);

		assert_true(err < 0);
		if (!strstr(said, r[i].said) || strchr(said, '\n') != said + strlen(said) - 1)
			fail_msg("'%s' said '%s', not '%s' in one line", r[i].input, said,
				r[i].said);
		free(said);
	}
}

static inline void assert_near(double x, double want, double by)
{
	if (!(x >= want - by && x <= want + by))
		fail_msg("%g is not %g within %g", x, want, by);
}

static inline void need_data(void)
{
	if (access(DATA "wired6", R_OK)) {
		print_message("skip: no reference traces at " DATA "\n");
		skip();
	}
}

#endif
