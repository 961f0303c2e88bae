/* Rate measurements to a trace: CSV with a column of times and one of rates, the rate constant
 * between rows. */
#ifndef TRACE_CONVERT_H
#define TRACE_CONVERT_H

#include <stddef.h>

#include "trace/trace.h"

enum convert_time { CONVERT_S, CONVERT_MS };
enum convert_rate { CONVERT_BPS, CONVERT_KBPS, CONVERT_MBPS };

struct convert {
	enum convert_time time_unit;
	enum convert_rate rate_unit;
	const char *time_column,
		*rate_column; /* a name in the header or a number from 1; NULL: 1 and 2 */
};

/*
 * Reads len bytes of CSV. Row i's rate holds from its time to row i + 1's, the last row's as long
 * as the one before; the trace begins at the first row. Times are taken to the ns, rates to the
 * mbit/s (1e-3 bit/s), and the bits earned are summed exactly: opportunity k comes at the first
 * whole ms with bits >= 12000 k, so the error never grows. A round that would end before the last
 * row does gets its last opportunity at that end (rounded up to 1 ms): at most one opportunity more
 * than earned. A first row that is no number is a header; empty lines and lines with # are skipped.
 * Prints file and line of an error. 0 or -errno.
 */
int convert_csv(struct trace **out, const char *text, size_t len, const char *path,
	const struct convert *conf);

#endif
