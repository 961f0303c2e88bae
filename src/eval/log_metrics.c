/* One pass over a mahimahi log (two when the end is cut): sums and a histogram of whole-millisecond
 * delays. */
#include "eval/log_metrics.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define BUF (1 << 16)	      /* longest line */
#define MAX_DELAY_MS 0x3fffff /* 70 minutes: bounds the histogram */
#define MAX_MS (1ull << 53)   /* times stay exact as doubles */
#define MAX_SIZE UINT32_MAX
#define BASE "# base timestamp: "

struct scan {
	const char *path;
	uint64_t line;
	bool have_base, any;
	uint64_t base, first, last, until;  /* ms; events after until do not count */
	uint64_t capacity, sent, delay_sum; /* bytes, bytes, ms */
	struct log_metrics m;
	uint64_t *delays; /* [ndelays] departures by delay in ms */
	size_t ndelays;
};

static int bad(const struct scan *s, const char *what)
{
	pr_err("%s:%llu: %s\n", s->path, (unsigned long long)s->line, what);
	return -EINVAL;
}

// Reads a whole number of at most max and the blank or end after it.
static bool number(char **p, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;
	char *c = *p;

	if (*c < '0' || *c > '9')
		return false;
	for (; *c >= '0' && *c <= '9'; c++) {
		v = v * 10 + (*c - '0');
		if (v > max)
			return false;
	}
	if (*c && *c != ' ')
		return false;
	while (*c == ' ')
		c++;
	*p = c;
	*out = v;
	return true;
}

static int count_delay(struct scan *s, uint64_t ms)
{
	if (ms >= s->ndelays) {
		size_t n = ms < 1024 ? 1024 : 2 * (size_t)ms;
		uint64_t *more = realloc(s->delays, n * sizeof(*more));

		if (!more)
			return -ENOMEM;
		memset(more + s->ndelays, 0, (n - s->ndelays) * sizeof(*more));
		s->delays = more;
		s->ndelays = n;
	}
	s->delays[ms]++;
	s->delay_sum += ms;
	return 0;
}

// Adds one event that counts.
static int count(struct scan *s, char sign, uint64_t a, uint64_t b)
{
	switch (sign) {
	case '#':
		s->m.opportunities++;
		s->capacity += a;
		return 0;
	case '+':
		s->m.arrivals++;
		return 0;
	case '-':
		s->m.departures++;
		s->sent += a;
		return count_delay(s, b);
	default:
		s->m.drops += a;
		return 0;
	}
}

// "t sign a [b]": b is the delay of a departure or the bytes of a drop.
static int event(struct scan *s, char *p)
{
	uint64_t t, a, b = 0;
	char sign;

	if (!s->have_base)
		return bad(s, "an event before any '" BASE "' line: not a mahimahi log?");
	if (!number(&p, MAX_MS, &t))
		return bad(s, "does not start with a time in whole ms: not a mahimahi log?");
	sign = *p;
	if (!sign || !strchr("#+-d", sign) || p[1] != ' ')
		return bad(s, "no event '#', '+', '-' or 'd' after the time");
	p += 2;
	if (!number(&p, MAX_SIZE, &a))
		return bad(s, sign == 'd' ? "no number of dropped packets" : "no size in bytes");
	if (sign == '-' && !number(&p, MAX_DELAY_MS, &b))
		return bad(s, "a departure needs its delay in ms, at most 4194303");
	if (sign == 'd' && !number(&p, MAX_SIZE, &b))
		return bad(s, "a drop needs packets and bytes");
	if (t <= s->base || t > s->until)
		return 0;
	if (!s->any || t < s->first)
		s->first = t;
	if (!s->any || t > s->last)
		s->last = t;
	s->any = true;
	return count(s, sign, a, b);
}

static int line(struct scan *s, char *p, size_t len)
{
	s->line++;
	if (strlen(p) != len)
		return bad(s, "a NUL byte: not a mahimahi log");
	if (!strncmp(p, BASE, strlen(BASE))) {
		char *v = p + strlen(BASE);

		if (!number(&v, MAX_MS, &s->base))
			return bad(s, "the base timestamp is not a number of ms");
		s->have_base = true;
		return 0;
	}
	return *p == '#' || !*p ? 0 : event(s, p);
}

static int scan_file(struct scan *s, FILE *f)
{
	char *buf = malloc(BUF + 1), *nl;
	size_t n = 0, got;
	int err = buf ? 0 : -ENOMEM;

	while (!err && (got = fread(buf + n, 1, BUF - n, f)) > 0) {
		char *p = buf;

		n += got;
		if (!s->line && n >= 2 && !memcmp(buf, "\x1f\x8b", 2)) {
			pr_err("%s: compressed; gzip -dc it first\n", s->path);
			err = -EINVAL;
		}
		while (!err && (nl = memchr(p, '\n', buf + n - p))) {
			*nl = 0;
			err = line(s, p, nl - p);
			p = nl + 1;
		}
		n = buf + n - p;
		memmove(buf, p, n);
		if (!err && n == BUF)
			s->line++, err = bad(s, "a line of over 65535 bytes: not a mahimahi log");
	}
	if (!err && ferror(f)) {
		err = -EIO;
		pr_err("%s: %s\n", s->path, strerror(-err));
	} else if (!err && n) {
		s->line++;
		err = bad(s, "the file ends inside a line: truncated?");
	}
	free(buf);
	return err;
}

// sorted[k] of the delays.
static uint64_t delay_at(const struct scan *s, uint64_t k)
{
	uint64_t seen = 0;

	for (size_t ms = 0; ms < s->ndelays; ms++) {
		seen += s->delays[ms];
		if (seen > k)
			return ms;
	}
	return 0;
}

static void summarise(struct scan *s)
{
	struct log_metrics *m = &s->m;
	double ms = s->last - s->first;

	m->duration_s = ms / 1000;
	m->capacity_mbps = ms > 0 ? s->capacity * 8 / 1000.0 / ms : 0;
	m->throughput_mbps = ms > 0 ? s->sent * 8 / 1000.0 / ms : 0;
	m->util_pct = s->capacity ? 100.0 * s->sent / s->capacity : 0;
	if (!m->departures)
		return;
	m->qdelay_mean_ms = (double)s->delay_sum / m->departures;
	m->qdelay_p50_ms = delay_at(s, (uint64_t)(0.5 * m->departures));
	m->qdelay_p95_ms = delay_at(s, (uint64_t)(0.95 * m->departures));
	m->qdelay_max_ms = delay_at(s, m->departures - 1);
}

static int scan_all(struct scan *s, FILE *f, const char *path, uint64_t until)
{
	int err;

	free(s->delays);
	*s = (struct scan){.path = path, .until = until};
	err = scan_file(s, f);
	if (!err && !s->any) {
		pr_err("%s: no events after the base timestamp%s\n", path,
			until < UINT64_MAX ? " are left" : "");
		err = -EINVAL;
	}
	return err;
}

int log_metrics_stream(struct log_metrics *m, FILE *f, const char *path, double cut_end_s)
{
	struct scan s = {.delays = NULL};
	int err = scan_all(&s, f, path, UINT64_MAX);

	if (!err && cut_end_s > 0) {
		double until = floor(s.last - cut_end_s * 1000);

		rewind(f);
		err = scan_all(&s, f, path, until > 0 ? until : 0);
	}
	if (!err) {
		summarise(&s);
		*m = s.m;
	}
	free(s.delays);
	return err;
}

int log_metrics_read(struct log_metrics *m, const char *path, double cut_end_s)
{
	FILE *f = fopen(path, "rb");
	int err;

	if (!f) {
		err = -errno;
		pr_err("%s: %s\n", path, strerror(-err));
		return err;
	}
	err = log_metrics_stream(m, f, path, cut_end_s);
	fclose(f);
	return err;
}
