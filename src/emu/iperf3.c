/* Runs iperf3's clients and servers in time. */
#include "emu/iperf3.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "emu/flows_shared.h"

#define NS_PER_S 1000000000ull
#define INTERVAL "0.1"
#define PROBE_MS 5
#define PROBE_TRIES 1000
#define MAX_TEXT ((size_t)64 << 20)

int iperf3_have(void)
{
	char *path = file_path("%s", getenv("PATH") ? getenv("PATH") : ""), *rest = path, *dir;
	bool have = false;

	while (!have && (dir = strsep(&rest, ":"))) {
		char *program = file_path("%s/iperf3", dir);

		have = *dir && !access(program, X_OK);
		free(program);
	}
	free(path);
	if (!have)
		pr_err("iperf3 is not installed (package iperf3)\n");
	return have ? 0 : -ENOENT;
}

// Starts it with its output into fd.
static pid_t start(char *const *argv, int fd)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	dup2(fd, STDOUT_FILENO);
	execvp(argv[0], argv);
	pr_err("%s: %s\n", argv[0], strerror(errno));
	_exit(EXIT_FAILURE);
}

static int wait_for_all(int running)
{
	int status, bad = 0;

	while (running) {
		pid_t pid = wait(&status);

		if (pid < 0 && errno != EINTR)
			break;
		running -= pid > 0;
		bad += pid > 0 && status;
	}
	return bad;
}

/* --- Servers --- */

// Nobody else can have the port of one that listens.
static bool listens(int port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	bool taken;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	taken = bind(fd, (struct sockaddr *)&at, sizeof(at)) && errno == EADDRINUSE;
	close(fd);
	return taken;
}

static int start_servers(const struct flows *f)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC), tries = 0, err = 0;

	for (int i = 0; i < f->conf->n && !err; i++) {
		char *port = file_path("%d", FLOWS_PORT + i);
		char *argv[] = {"iperf3", "-s", "-1", "-4", "-J", "-i", INTERVAL, "-p", port, NULL};

		err = start(argv, null) < 0 ? -errno : 0;
		free(port);
	}
	for (int i = 0; i < f->conf->n && !err; i++)
		while (!err && !listens(FLOWS_PORT + i)) {
			poll(NULL, 0, PROBE_MS);
			err = ++tries < PROBE_TRIES ? 0 : -ETIMEDOUT;
		}
	if (null >= 0)
		close(null);
	if (err)
		pr_err("iperf3's servers: %s\n", strerror(-err));
	return err;
}

int iperf3_receive(void *arg)
{
	const struct flows *f = arg;
	struct flows_end end;
	int err = flows_end_open(&end, f);

	if (!err)
		err = start_servers(f);
	if (!err) {
		flows_meet(f);
		wait_for_all(f->conf->n); // clients tell what went wrong
	}
	flows_end_close(&end);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* --- Clients --- */

static int start_client(const struct flows *f, int i, int *out)
{
	const struct flow_plan *p = &f->conf->plan[i];
	uint64_t end = f->conf->sample_ns[f->conf->samples - 1];
	uint64_t ns = (p->stop_ns ? p->stop_ns : end) - p->start_ns;
	char *port = file_path("%d", FLOWS_PORT + i);
	char *seconds = file_path("%d", (int)((ns + NS_PER_S - 1) / NS_PER_S));
	char *argv[] = {"iperf3", "-c", (char *)f->peer, "-4", "-p", port, "-C",
		(char *)p->controller, "-t", seconds, "-i", INTERVAL, "-J", "--get-server-output",
		NULL};
	int err = 0;

	*out = memfd_create("iperf3", MFD_CLOEXEC);
	if (*out < 0 || start(argv, *out) < 0) {
		err = -errno;
		pr_err("iperf3: %s\n", strerror(-err));
	}
	free(port);
	free(seconds);
	return err;
}

// In the order of their starts, which is not that of their numbers.
static int start_clients(struct flows_end *e, int *out)
{
	const struct flows_conf *c = e->f->conf;
	struct epoll_event ev[FLOWS_EVENTS];
	int started = 0, err = 0;

	for (int i = 0; i < c->n; i++)
		out[i] = -1;
	while (started < c->n && !err) {
		uint64_t next = UINT64_MAX, now = flows_now(e->f);

		for (int i = 0; i < c->n && !err; i++)
			if (out[i] < 0 && c->plan[i].start_ns <= now) {
				err = start_client(e->f, i, &out[i]);
				started++;
			} else if (out[i] < 0 && c->plan[i].start_ns < next) {
				next = c->plan[i].start_ns;
			}
		if (started < c->n && !err)
			flows_wait(e, next, ev);
	}
	return err;
}

static int read_report(const struct flows *f, int i, int fd)
{
	const struct flows_conf *c = f->conf;
	char why[IPERF3_WHY] = "no report", *text = MAP_FAILED;
	struct stat st;
	int err = -EINVAL;

	if (!fstat(fd, &st) && st.st_size > 0 && (size_t)st.st_size < MAX_TEXT)
		text = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text != MAP_FAILED) {
		err = iperf3_read(&f->shared->sample[flows_slot(f, i, 0)],
			&f->shared->received[flows_slot(f, i, 0)], c->sample_ns, c->samples,
			c->plan[i].start_ns, text, st.st_size, why);
		munmap(text, st.st_size);
	}
	if (err) {
		pr_warn("flow %d (%s): iperf3: %s\n", i + 1, c->plan[i].controller, why);
		f->shared->error[i] = EIO;
	}
	return err;
}

int iperf3_send(void *arg)
{
	const struct flows *f = arg;
	struct flows_end end;
	int err = flows_end_open(&end, f), *out = calloc(f->conf->n, sizeof(*out));

	if (!out)
		err = -ENOMEM;
	if (!err) {
		flows_meet(f);
		err = start_clients(&end, out);
	}
	if (!err) {
		wait_for_all(f->conf->n); // their reports tell what went wrong
		for (int i = 0; i < f->conf->n; i++)
			read_report(f, i, out[i]);
	}
	flows_end_close(&end);
	free(out);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
