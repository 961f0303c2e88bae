/*
 * Link traces: when a link may deliver, as mahimahi writes it down, or a constant rate without a
 * grid.
 *
 * A mahimahi trace is a text file with one non-decreasing whole millisecond per line; each line is
 * one opportunity to deliver 1504 bytes (an MTU of 1500 and the 4-byte TUN header). The last line
 * is > 0 and the trace loops: base += last, so a line at 0 coincides with the last line of the
 * round before.
 */
#ifndef TRACE_TRACE_H
#define TRACE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_QUANTUM 1504 /* bytes per opportunity */

struct trace {
	char *name;	     /* file name without folders, or the generator's name */
	double nominal_mbps; /* what the name promises (trace_nominal_mbps), 0 when it promises
				nothing */
	uint64_t rate_bps;   /* smooth constant rate in bit/s; then t_ms is NULL and n is 0 */
	uint32_t *t_ms;	     /* [n] opportunities, non-decreasing, t_ms[n-1] > 0 */
	size_t n;
};

/*
 * Opens what a user names: a path to a trace file, or a generated trace (trace_generate's names). A
 * file wins over a generator of the same name. Prints the error. 0 or -errno.
 */
int trace_open(struct trace **out, const char *what);
bool trace_is_file(const char *what);

/* Reads a mahimahi trace file. Prints file and line of an error. 0 or -errno. */
int trace_load(struct trace **out, const char *path);

/*
 * Parses len bytes of text (NUL-terminated); path is for messages and the name. A line is 1 to 10
 * digits, up to 4294967295; CR LF and a missing final newline are fine, anything else is an error
 * with its line number.
 */
int trace_parse(struct trace **out, const char *text, size_t len, const char *path);

/* Writes a mahimahi trace, to standard output when path is NULL. A smooth rate has none: -EINVAL.
 * Prints. */
int trace_write(const struct trace *t, const char *path);

void trace_free(struct trace *t);

/* Mean rate of one round in bit/s, with 1504 bytes an opportunity. */
double trace_mean_bps(const struct trace *t);

/*
 * The rate in Mbit/s that a name promises, 0 for none: N of wiredN and wiredN-anything, the first
 * rate of every generated trace but the cellular ones (trace/generate.h). It is the rate that sizes
 * queues.
 */
double trace_nominal_mbps(const char *name);

/* SHA-256 of what the link does (times and rate, not the name), as 64 hexadecimal digits. */
void trace_digest(const struct trace *t, char hex[65]);

#endif
