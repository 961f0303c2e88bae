/* Traces: opening by name, reading and writing mahimahi's format, and what follows from a trace
 * alone. */
#include "trace/trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "trace/build.h"
#include "trace/generate.h"

#define FILE_MAX ((size_t)256 << 20)
#define SHOWN 40 // bytes of a bad line that a message repeats

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

// Says what is wrong with a line, repeating its start with anything unprintable as '?'.
static int bad_line(const char *path, size_t no, const char *line, size_t len, const char *why)
{
	char shown[SHOWN + 1];
	size_t n = len < SHOWN ? len : SHOWN;

	for (size_t i = 0; i < n; i++)
		shown[i] = line[i] >= ' ' && line[i] <= '~' ? line[i] : '?';
	shown[n] = '\0';
	pr_err("%s:%zu: '%s'%s %s\n", path, no, shown, len > n ? "..." : "", why);
	return -EINVAL;
}

static int parse_line(struct build *b, const char *line, size_t len, const char *path, size_t no)
{
	uint64_t t = 0;

	if (!len)
		return bad_line(path, no, line, len, "is an empty line, not a time in ms");
	if (line[0] == '-' && len > 1 && is_digit(line[1]))
		return bad_line(path, no, line, len, "is negative");
	for (size_t i = 0; i < len; i++) {
		if (!is_digit(line[i]))
			return bad_line(path, no, line, len, "is not a whole number of ms");
		t = t * 10 + (uint64_t)(line[i] - '0');
		if (t > UINT32_MAX)
			return bad_line(path, no, line, len, "is over 4294967295 ms");
	}
	if (b->n && t < b->t_ms[b->n - 1])
		return bad_line(path, no, line, len, "is earlier than the line before");
	return build_add(b, (uint32_t)t);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int trace_parse(struct trace **out, const char *text, size_t len, const char *path)
{
	struct build b = {NULL, 0, 0};
	const char *end = text + len, *line = text;
	int err = 0;

	for (size_t no = 1; !err && line < end; no++) {
		const char *eol = memchr(line, '\n', (size_t)(end - line));
		size_t n = (size_t)((eol ? eol : end) - line);

		err = parse_line(&b, line, n && eol && line[n - 1] == '\r' ? n - 1 : n, path, no);
		line += n + 1;
	}
	if (!err && !b.n) {
		pr_err("%s:1: an empty file is no trace\n", path);
		err = -EINVAL;
	} else if (!err && !b.t_ms[b.n - 1]) {
		pr_err("%s:%zu: the last time must be over 0 ms, the trace could not loop\n", path,
			b.n);
		err = -EINVAL;
	}
	if (!err)
		err = build_finish(out, &b, base_name(path));
	if (!err)
		(*out)->nominal_mbps = trace_nominal_mbps((*out)->name);
	if (err == -ENOMEM)
		pr_err("%s: out of memory\n", path);
	build_free(&b);
	return err;
}

int trace_load(struct trace **out, const char *path)
{
	char *text;
	size_t len;
	int err = file_read(path, FILE_MAX, &text, &len);

	if (err)
		return err;
	err = trace_parse(out, text, len, path);
	free(text);
	return err;
}

bool trace_is_file(const char *what)
{
	return strchr(what, '/') || access(what, F_OK) == 0;
}

int trace_open(struct trace **out, const char *what)
{
	return trace_is_file(what) ? trace_load(out, what) : trace_generate(out, what);
}

void trace_free(struct trace *t)
{
	if (!t)
		return;
	free(t->name);
	free(t->t_ms);
	free(t);
}

int trace_write(const struct trace *t, const char *path)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f;
	int err = 0;

	if (!t->n) {
		pr_err("%s: a smooth rate has no list of times; wiredN is the rate on mahimahi's "
		       "grid\n",
			t->name);
		return -EINVAL;
	}
	f = path ? open_memstream(&text, &len) : stdout;
	if (!f)
		return -ENOMEM;
	for (size_t i = 0; i < t->n; i++)
		fprintf(f, "%u\n", t->t_ms[i]);
	if (!path)
		return fflush(f) || ferror(f) ? -EIO : 0; // the command line reports a full stdout
	err = fclose(f) ? -ENOMEM : file_write(path, text, len);
	free(text);
	return err;
}

double trace_mean_bps(const struct trace *t)
{
	if (!t->n)
		return (double)t->rate_bps;
	return (double)t->n * (TRACE_QUANTUM * 8 * 1e3) / t->t_ms[t->n - 1];
}

double trace_nominal_mbps(const char *name)
{
	double mbps = trace_generated_nominal(name);
	size_t n;

	if (mbps > 0 || strncmp(name, "wired", 5) || !is_digit(name[5]))
		return mbps;
	n = 5 + strspn(name + 5, "0123456789.");
	if (name[n] && name[n] != '-' &&
		name[n - 1] != '.') // wired12.down: the point ends the number
		return 0;
	return strtod(name + 5, NULL);
}

void trace_digest(const struct trace *t, char hex[65])
{
	char head[64];
	int len = snprintf(head, sizeof(head), "canopy-trace 1 %llu %zu\n",
		(unsigned long long)t->rate_bps, t->n);
	uint8_t *times = malloc(t->n * 4 + 1);
	struct hash_part parts[2] = {{head, (size_t)len}, {times, t->n * 4}};

	if (!times)
		abort();
	for (size_t i = 0; i < t->n; i++) // little-endian everywhere
		for (int k = 0; k < 4; k++)
			times[i * 4 + k] = (uint8_t)(t->t_ms[i] >> (8 * k));
	hash_sha256(hex, parts, 2);
	free(times);
}
