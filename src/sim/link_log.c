/* mahimahi's link log: a header, then one short line an event through a large buffer. */
#include "sim/link_log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "trace/trace.h"

#define BUF (1 << 16)
#define LINE_MAX_LEN 80 /* three 20-digit numbers, the sign, blanks and a newline */
#define ACTUAL_LEN 14	/* of the column: 10 digits, a point, 3 digits; blanks in front */

struct link_log {
	char *path;
	int fd;
	int err; /* first failed write, 0 none */
	size_t n;
	bool actual;
	uint32_t head, tail;		    /* of unsent, indices run free */
	uint16_t unsent[LINK_LOG_UNSENT]; /* where in buf the open columns end */
	char buf[BUF];
};

static void write_out(struct link_log *l, const char *p, size_t n)
{
	while (n && !l->err) {
		ssize_t done = write(l->fd, p, n);

		if (done < 0 && errno != EINTR)
			l->err = -errno;
		else if (done > 0) {
			p += done;
			n -= done;
		}
	}
}

// Writes all lines up to the first whose last column is open.
static void flush(struct link_log *l)
{
	size_t done = l->n, rest;

	if (l->head != l->tail) {
		done = l->unsent[l->head % LINK_LOG_UNSENT];
		while (done && l->buf[done - 1] != '\n')
			done--;
	}
	write_out(l, l->buf, done);
	rest = l->n - done;
	memmove(l->buf, l->buf + done, rest);
	l->n = rest;
	for (uint32_t i = l->head; i != l->tail; i++)
		l->unsent[i % LINK_LOG_UNSENT] -= done;
}

int link_log_open(struct link_log **out, const char *path, const struct link_log_conf *c)
{
	struct link_log *l = malloc(sizeof(*l));
	char *header;

	if (!l)
		return -ENOMEM;
	l->n = 0;
	l->err = 0;
	l->actual = c->actual;
	l->head = l->tail = 0;
	l->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (l->fd < 0) {
		int err = -errno;

		pr_err("%s: %s\n", path, strerror(-err));
		free(l);
		return err;
	}
	l->path = file_path("%s", path);
	header = file_path("# mahimahi mm-link (%s) [%s] > %s\n# command line: %s\n# queue: %s\n"
			   "# init timestamp: %" PRIu64 "\n# base timestamp: %" PRIu64 "\n%s%s%s",
		c->direction, c->trace, c->shown ? c->shown : path, c->command, c->queue,
		c->init_ms, c->base_ms, c->config ? "# mahimahi config: " : "",
		c->config ? c->config : "", c->config ? "\n" : "");
	write_out(l, header, strlen(header));
	free(header);
	*out = l;
	return 0;
}

static char *put_number(char *p, uint64_t v)
{
	char digits[20];
	int n = 0;

	do
		digits[n++] = '0' + v % 10;
	while (v /= 10);
	while (n)
		*p++ = digits[--n];
	return p;
}

// One line: time, sign, one or two numbers.
static void put_event(struct link_log *l, uint64_t t_ms, char sign, uint64_t a, const uint64_t *b)
{
	char *p;

	if (l->n + LINE_MAX_LEN > BUF)
		flush(l);
	p = put_number(l->buf + l->n, t_ms);
	*p++ = ' ';
	*p++ = sign;
	*p++ = ' ';
	p = put_number(p, a);
	if (b) {
		*p++ = ' ';
		p = put_number(p, *b);
	}
	*p++ = '\n';
	l->n = p - l->buf;
}

void link_log_opportunity(struct link_log *l, uint64_t t_ms)
{
	put_event(l, t_ms, '#', TRACE_QUANTUM, NULL);
}

void link_log_arrival(struct link_log *l, uint64_t t_ms, uint32_t size)
{
	put_event(l, t_ms, '+', size, NULL);
}

// Opens the column at the end of the last line.
static void open_actual(struct link_log *l)
{
	static const char blank[] = "          0.000\n";

	assert(l->tail - l->head < LINK_LOG_UNSENT);
	memcpy(l->buf + l->n - 1, blank, sizeof(blank) - 1);
	l->n += sizeof(blank) - 2;
	l->unsent[l->tail++ % LINK_LOG_UNSENT] = l->n - 1;
}

void link_log_departure(struct link_log *l, uint64_t t_ms, uint32_t size, uint64_t delay_ms)
{
	put_event(l, t_ms, '-', size, &delay_ms);
	if (l->actual)
		open_actual(l);
}

void link_log_sent(struct link_log *l, uint64_t at_ns)
{
	uint64_t us = at_ns / 1000, ms = us / 1000;
	char *p, *first;

	if (l->head == l->tail)
		return;
	p = l->buf + l->unsent[l->head++ % LINK_LOG_UNSENT];
	first = p - ACTUAL_LEN;
	for (us %= 1000; *--p != '.'; us /= 10)
		*p = '0' + us % 10;
	do
		*--p = '0' + ms % 10;
	while (p > first && (ms /= 10));
}

void link_log_drop(struct link_log *l, uint64_t t_ms, uint32_t packets, uint32_t bytes)
{
	uint64_t b = bytes;

	put_event(l, t_ms, 'd', packets, &b);
}

int link_log_close(struct link_log *l)
{
	int err;

	if (!l)
		return 0;
	l->head = l->tail;
	flush(l);
	if (close(l->fd) && !l->err)
		l->err = -errno;
	err = l->err;
	if (err)
		pr_err("%s: %s\n", l->path, strerror(-err));
	free(l->path);
	free(l);
	return err;
}
