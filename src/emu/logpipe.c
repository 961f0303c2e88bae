/* A pipe with a thread behind it. */
#include "emu/logpipe.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

#define PIPE_BYTES (1 << 20)
#define READ_BYTES (1 << 16)

struct logpipe {
	char *path, entry[32];
	int file, in, out; /* the pipe's ends */
	int err;
	pthread_t thread;
	char buf[READ_BYTES];
};

static void write_all(struct logpipe *l, const char *p, ssize_t n)
{
	while (n > 0 && !l->err) {
		ssize_t done = write(l->file, p, n);

		if (done < 0 && errno != EINTR)
			l->err = -errno;
		else if (done > 0) {
			p += done;
			n -= done;
		}
	}
}

static void *pump(void *arg)
{
	struct logpipe *l = arg;
	ssize_t n;

	while ((n = read(l->out, l->buf, sizeof(l->buf))) > 0 || (n < 0 && errno == EINTR))
		write_all(l, l->buf, n);
	return NULL;
}

// Signals are for the main thread.
static int start(struct logpipe *l)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = -pthread_create(&l->thread, NULL, pump, l);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return err;
}

int logpipe_open(struct logpipe **out, const char *path)
{
	struct logpipe *l = calloc(1, sizeof(*l));
	int err = 0, ends[2];

	if (!l)
		return -ENOMEM;
	l->file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (l->file < 0) {
		err = -errno;
	} else if (pipe2(ends, O_CLOEXEC)) {
		err = -errno;
		close(l->file);
	} else {
		l->out = ends[0];
		l->in = ends[1];
		fcntl(l->in, F_SETPIPE_SZ, PIPE_BYTES); // a smaller one does too
		snprintf(l->entry, sizeof(l->entry), "/proc/self/fd/%d", l->in);
		err = start(l);
		if (err) {
			close(l->file);
			close(ends[0]);
			close(ends[1]);
		}
	}
	if (err) {
		pr_err("%s: %s\n", path, strerror(-err));
		free(l);
		return err;
	}
	l->path = file_path("%s", path);
	*out = l;
	return 0;
}

const char *logpipe_entry(const struct logpipe *l)
{
	return l->entry;
}

int logpipe_close(struct logpipe *l)
{
	int err;

	if (!l)
		return 0;
	close(l->in);
	pthread_join(l->thread, NULL);
	close(l->out);
	if (close(l->file) && !l->err)
		l->err = -errno;
	err = l->err;
	if (err)
		pr_err("%s: %s\n", l->path, strerror(-err));
	free(l->path);
	free(l);
	return err;
}
