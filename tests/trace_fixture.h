/* What the tests of traces share: comparisons and the reference data. */
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
#include "refusal.h"
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
