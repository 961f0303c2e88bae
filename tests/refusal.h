/* Refusals: what is said on stderr about bad input, and that it is said in one line. */
#ifndef TESTS_REFUSAL_H
#define TESTS_REFUSAL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

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

#endif
