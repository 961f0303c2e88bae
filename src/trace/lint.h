/* What is suspicious about a trace. */
#ifndef TRACE_LINT_H
#define TRACE_LINT_H

#include <stdio.h>

#include "trace/trace.h"

/*
 * Writes one line per finding, "name: error: ..." or "name: warning: ...". Returns the number of
 * errors (the trace is not what its name says), or -errno.
 */
int trace_lint(const struct trace *t, FILE *out);

#endif
