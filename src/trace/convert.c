/* CSV of time and rate to opportunities, with decimal numbers read exactly. */
#include "trace/convert.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "trace/build.h"

__extension__ typedef unsigned __int128 wide;

#define COLUMNS_MAX 256
#define NS_PER_MS 1000000ull
#define QUANTUM                                                                                    \
	((wide)TRACE_OPPORTUNITY_BITS * 1000 * 1000000000) // an opportunity in mbit/s times ns
#define DURATION_MAX_NS (86400ull * 1000000000)
#define RATE_MAX_MBPS_E9 (100ull * 1000000000000) // 100 Gbit/s in mbit/s (1e-3 bit/s)
#define TIME_MAX_NS (1ull << 62)

struct field {
	const char *s;
	size_t len;
};

struct reader {
	const struct convert *conf;
	const char *path;
	size_t line;
	int time_col, rate_col; // from 0
	bool started;		// a row of numbers was seen
	uint64_t start_ns, at_ns,
		held_ns; // first row, the latest row, how long the row before it held
	uint64_t rate;	 // of the latest row, 1e-3 bit/s
	wide earned;	 // up to the latest row
	struct build b;
};

static int fail(const struct reader *r, const char *what, const struct field *f)
{
	if (f)
		pr_err("%s:%zu: '%.*s' %s\n", r->path, r->line, f->len > 40 ? 40 : (int)f->len,
			f->s, what);
	else
		pr_err("%s:%zu: %s\n", r->path, r->line, what);
	return -EINVAL;
}

static struct field trim(const char *s, size_t len)
{
	while (len && (s[0] == ' ' || s[0] == '\t' || s[0] == '"')) {
		s++;
		len--;
	}
	while (len && strchr(" \t\r\"", s[len - 1]) && s[len - 1])
		len--;
	return (struct field){s, len};
}

static int split(const char *line, size_t len, struct field *f)
{
	int n = 0;

	for (;;) {
		const char *comma = memchr(line, ',', len);
		size_t width = comma ? (size_t)(comma - line) : len;

		if (n < COLUMNS_MAX)
			f[n++] = trim(line, width);
		if (!comma)
			return n;
		line += width + 1;
		len -= width + 1;
	}
}

// The exponent of "e-3" at s[i]; false when it is none.
static bool take_exponent(const struct field *f, size_t i, int *exponent)
{
	bool minus = false;
	int v = 0;

	if (i < f->len && (f->s[i] == '-' || f->s[i] == '+'))
		minus = f->s[i++] == '-';
	if (i == f->len || f->len - i > 3)
		return false;
	for (; i < f->len; i++) {
		if (f->s[i] < '0' || f->s[i] > '9')
			return false;
		v = v * 10 + f->s[i] - '0';
	}
	*exponent += minus ? -v : v;
	return true;
}

// A non-negative decimal times 10^scale, rounded half up, saturating at UINT64_MAX. False when it
// is no number.
static bool read_decimal(const struct field *f, int scale, uint64_t *out)
{
	int exponent = scale;
	size_t digits = 0, i = f->len && f->s[0] == '+';
	bool point = false;
	wide v = 0;

	for (; i < f->len; i++) {
		char c = f->s[i];

		if (c == '.' && !point) {
			point = true;
			continue;
		}
		if (c < '0' || c > '9')
			break;
		digits++;
		if (v < (wide)1 << 100) {
			v = v * 10 + (wide)(c - '0');
			exponent -= point;
		} else {
			exponent += !point; // a digit too many to matter
		}
	}
	if (!digits)
		return false;
	if (i < f->len &&
		((f->s[i] != 'e' && f->s[i] != 'E') || !take_exponent(f, i + 1, &exponent)))
		return false;
	for (; exponent > 0 && v && v <= UINT64_MAX; exponent--)
		v *= 10;
	for (; exponent < -1 && v; exponent++)
		v /= 10;
	if (exponent == -1)
		v = (v + 5) / 10;
	*out = v > UINT64_MAX ? UINT64_MAX : (uint64_t)v;
	return true;
}

// Adds what the latest row's rate earns until until_ns (since the first row). 0, -ENOMEM or -EFBIG.
static int earn(struct reader *r, uint64_t until_ns)
{
	wide end = r->earned + (wide)r->rate * (until_ns - r->at_ns);
	int err = 0;

	if (end / QUANTUM > TRACE_MADE_MAX)
		return -EFBIG;
	for (wide k = r->b.n + 1; k * QUANTUM <= end && !err; k++) {
		uint64_t ns =
			r->at_ns + (uint64_t)((k * QUANTUM - r->earned + r->rate - 1) / r->rate);

		err = build_add(&r->b, (uint32_t)((ns + NS_PER_MS - 1) / NS_PER_MS));
	}
	r->earned = end;
	r->held_ns = until_ns - r->at_ns;
	r->at_ns = until_ns;
	return err;
}

static int find_column(
	const struct reader *r, const char *name, int dflt, const struct field *f, int n, int *col)
{
	char *end;
	long number;

	if (!name) {
		*col = dflt;
		return 0;
	}
	for (int i = 0; i < n; i++)
		if (strlen(name) == f[i].len && !memcmp(name, f[i].s, f[i].len)) {
			*col = i;
			return 0;
		}
	number = strtol(name, &end, 10);
	if (*end || number < 1 || number > COLUMNS_MAX) {
		pr_err("%s:%zu: there is no column '%s'\n", r->path, r->line, name);
		return -EINVAL;
	}
	*col = (int)number - 1;
	return 0;
}

static int read_row(struct reader *r, const struct field *f, int n)
{
	int to_ns = r->conf->time_unit == CONVERT_S ? 9 : 6;
	int to_rate = r->conf->rate_unit == CONVERT_BPS	   ? 3
		      : r->conf->rate_unit == CONVERT_KBPS ? 6
							   : 9;
	const struct field *time = &f[r->time_col], *rate = &f[r->rate_col];
	uint64_t at, value;
	int err = 0;

	if (n <= r->time_col || n <= r->rate_col)
		return fail(r, "the row has too few columns", NULL);
	if (!read_decimal(time, to_ns, &at) || at > TIME_MAX_NS)
		return fail(r, "is no time (a non-negative number)", time);
	if (!read_decimal(rate, to_rate, &value) || value > RATE_MAX_MBPS_E9)
		return fail(r, "is no rate from 0 to 100 Gbit/s", rate);
	if (!r->started) {
		r->start_ns = at;
		r->started = true;
	} else if (at <= r->start_ns + r->at_ns) {
		return fail(r, "is not later than the row before", time);
	} else if (at - r->start_ns > DURATION_MAX_NS) {
		return fail(r, "is over a day after the first row", time);
	} else {
		err = earn(r, at - r->start_ns);
	}
	r->rate = value;
	return err;
}

static int read_line(struct reader *r, const char *line, size_t len)
{
	struct field f[COLUMNS_MAX], all = trim(line, len);
	uint64_t number;
	int n, err;

	if (!all.len || all.s[0] == '#')
		return 0;
	if (memchr(line, '\0', len))
		return fail(r, "has a NUL byte: not a CSV file", NULL);
	n = split(line, len, f);
	if (r->time_col < 0) {
		err = find_column(r, r->conf->time_column, 0, f, n, &r->time_col);
		err = err ? err : find_column(r, r->conf->rate_column, 1, f, n, &r->rate_col);
		if (err)
			return err;
		if (n > r->time_col && !read_decimal(&f[r->time_col], 0, &number) &&
			f[r->time_col].s[0] != '-')
			return 0; // a header
	}
	return read_row(r, f, n);
}

// The last row holds as long as the one before, and the round ends where it does.
static int finish(struct reader *r)
{
	uint32_t end_ms;
	int err;

	if (!r->held_ns)
		return fail(r, "a trace needs two rows or more", NULL);
	err = earn(r, r->at_ns + r->held_ns);
	end_ms = (uint32_t)((r->at_ns + NS_PER_MS - 1) / NS_PER_MS);
	if (!err && !r->earned)
		return fail(r, "every rate is 0", NULL);
	if (!err && (!r->b.n || r->b.t_ms[r->b.n - 1] < end_ms))
		err = build_add(&r->b, end_ms);
	return err;
}

int convert_csv(struct trace **out, const char *text, size_t len, const char *path,
	const struct convert *conf)
{
	struct reader r = {.conf = conf, .path = path, .time_col = -1};
	const char *line = text, *end = text + len, *slash = strrchr(path, '/');
	int err = 0;

	while (line < end && !err) {
		const char *eol = memchr(line, '\n', (size_t)(end - line));
		size_t n = (size_t)((eol ? eol : end) - line);

		r.line++;
		err = read_line(&r, line, n);
		line += n + 1;
	}
	if (!err)
		err = finish(&r);
	if (!err)
		err = build_finish(out, &r.b, slash ? slash + 1 : path);
	if (err == -EFBIG)
		pr_err("%s:%zu: over %u opportunities\n", path, r.line, TRACE_MADE_MAX);
	else if (err == -ENOMEM)
		pr_err("%s: out of memory\n", path);
	build_free(&r.b);
	return err;
}
