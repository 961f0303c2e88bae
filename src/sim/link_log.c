/* mahimahi's link log: a header, then one short line an event through a large buffer. */
#include "sim/link_log.h"

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

struct link_log {
	char *path;
	int fd;
	int err; /* first failed write, 0 none */
	size_t n;
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

static void flush(struct link_log *l)
{
	write_out(l, l->buf, l->n);
	l->n = 0;
}

int link_log_open(struct link_log **out, const char *path, const struct link_log_conf *c)
{
	struct link_log *l = malloc(sizeof(*l));
	char *header;

	if (!l)
		return -ENOMEM;
	l->n = 0;
	l->err = 0;
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

void link_log_departure(struct link_log *l, uint64_t t_ms, uint32_t size, uint64_t delay_ms)
{
	put_event(l, t_ms, '-', size, &delay_ms);
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
