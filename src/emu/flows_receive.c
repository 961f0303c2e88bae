/* The receiving end of flows: takes everything and keeps nothing. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "emu/flows_shared.h"

#define CHUNK (4 << 20)

struct receiver {
	struct flows_end end;
	int listening;
	int *fd;	 /* [n] 0: not connected */
	uint64_t *taken; /* [n] bytes read */
	uint64_t *known; /* [n] bytes received in order */
};

// A connection that is reset forgets what it received.
static void look(struct receiver *r, int i)
{
	struct tcp_info t;

	flows_tcp_info(r->fd[i], &t, NULL);
	r->known[i] = t.tcpi_bytes_received > r->taken[i] ? t.tcpi_bytes_received : r->taken[i];
}

static void sample(struct receiver *r)
{
	const struct flows *f = r->end.f;

	for (int i = 0; i < f->conf->n; i++) {
		if (r->fd[i])
			look(r, i);
		f->shared->received[flows_slot(f, i, r->end.sample)] = r->known[i];
	}
	r->end.sample++;
}

// The sender's port tells which flow it is.
static void take_connection(struct receiver *r)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	int fd =
		accept4(r->listening, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int i = fd < 0 ? -1 : ntohs(from.sin_port) - FLOWS_FROM_PORT;

	if (i >= 0 && i < r->end.f->conf->n && !r->fd[i] && !flows_watch(&r->end, fd, EPOLLIN, i))
		r->fd[i] = fd;
	else if (fd >= 0)
		close(fd);
}

static void drain(struct receiver *r, int i)
{
	ssize_t n = recv(r->fd[i], NULL, CHUNK, MSG_TRUNC);

	r->taken[i] += n > 0 ? n : 0;
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	look(r, i);
	close(r->fd[i]);
	r->fd[i] = 0;
}

static int listen_all(struct receiver *r)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(FLOWS_PORT)};
	int err = 0;

	r->listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (r->listening < 0 || bind(r->listening, (struct sockaddr *)&any, sizeof(any)) ||
		listen(r->listening, r->end.f->conf->n))
		err = -errno;
	else
		err = flows_watch(&r->end, r->listening, EPOLLIN, FLOWS_LISTEN);
	if (err)
		pr_err("flows: listening: %s\n", strerror(-err));
	return err;
}

// Connections last until the sender has taken its last sample: ending resets them.
static int run(struct receiver *r)
{
	const struct flows *f = r->end.f;
	struct epoll_event ev[FLOWS_EVENTS];

	flows_meet(f);
	while (r->end.sample < f->conf->samples) {
		uint64_t now = flows_now(f);
		int n;

		while (flows_sample_due(&r->end) <= now)
			sample(r);
		n = flows_wait(&r->end, flows_sample_due(&r->end), ev);
		for (int i = 0; i < n; i++)
			if (ev[i].data.u32 == FLOWS_LISTEN)
				take_connection(r);
			else if (r->fd[ev[i].data.u32])
				drain(r, ev[i].data.u32);
	}
	while (sem_wait(&f->shared->sent) && errno == EINTR)
		;
	return 0;
}

int flows_receive(void *arg)
{
	const struct flows *f = arg;
	struct receiver r = {.listening = -1};
	int err = flows_end_open(&r.end, f);

	r.fd = calloc(f->conf->n, sizeof(*r.fd));
	r.taken = calloc(f->conf->n, sizeof(*r.taken));
	r.known = calloc(f->conf->n, sizeof(*r.known));
	if (!r.fd || !r.taken || !r.known)
		err = -ENOMEM;
	if (!err)
		err = listen_all(&r);
	if (!err)
		err = run(&r);
	flows_end_close(&r.end);
	free(r.fd);
	free(r.taken);
	free(r.known);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
