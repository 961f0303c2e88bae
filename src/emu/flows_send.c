/* The sending end of flows: starts and stops them in time and keeps their buffers full. */
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

#define CHUNK (256 << 10)
#define FASTEST (1ull << 50) /* a pacing rate: any sets the kernel's own pacing on */

enum phase { WAITING, SENDING, OVER };

struct sender {
	struct flows_end end;
	enum phase *phase;	   /* [n] */
	int *fd;		   /* [n] while SENDING */
	struct flow_sample *known; /* [n] */
	struct sockaddr_in to;
};

static const char zeros[CHUNK];

/* --- Samples --- */

static void look(struct sender *s, int i)
{
	struct flow_sample *k = &s->known[i];
	struct tcp_info t;
	uint32_t rtos;

	flows_tcp_info(s->fd[i], &t, &rtos);
	k->rwnd_us = t.tcpi_rwnd_limited;
	k->sndbuf_us = t.tcpi_sndbuf_limited;
	k->cwnd = t.tcpi_snd_cwnd;
	k->retrans = t.tcpi_total_retrans;
	k->rtos = rtos;
	if (!t.tcpi_bytes_acked) // until then the RTT is that of the handshake
		return;
	k->srtt_us = t.tcpi_rtt;
	if (!k->min_rtt_us || t.tcpi_min_rtt < k->min_rtt_us)
		k->min_rtt_us = t.tcpi_min_rtt;
}

static void sample(struct sender *s)
{
	const struct flows *f = s->end.f;

	for (int i = 0; i < f->conf->n; i++) {
		if (s->phase[i] == SENDING)
			look(s, i);
		f->shared->sample[flows_slot(f, i, s->end.sample)] = s->known[i];
	}
	s->end.sample++;
}

/* --- Flows --- */

static void give_up(struct sender *s, int i, int err)
{
	pr_warn("flow %d (%s): %s\n", i + 1, s->end.f->conf->plan[i].controller, strerror(err));
	s->end.f->shared->error[i] = err;
	if (s->fd[i] >= 0)
		close(s->fd[i]);
	s->phase[i] = OVER;
}

static int set_up(const struct sender *s, int fd, int i)
{
	const struct flow_plan *p = &s->end.f->conf->plan[i];
	struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(FLOWS_FROM_PORT + i)};
	const struct linger reset = {1, 0};
	const uint64_t fastest = FASTEST;

	if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, p->controller, strlen(p->controller)) ||
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)))
		return -errno;
	if (s->end.f->conf->pace &&
		setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &fastest, sizeof(fastest)))
		return -errno;
	return bind(fd, (struct sockaddr *)&from, sizeof(from)) ? -errno : 0;
}

static void start(struct sender *s, int i)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err = fd < 0 ? -errno : set_up(s, fd, i);

	s->fd[i] = fd;
	s->phase[i] = SENDING;
	if (!err && connect(fd, (struct sockaddr *)&s->to, sizeof(s->to)) && errno != EINPROGRESS)
		err = -errno;
	if (!err)
		err = flows_watch(&s->end, fd, EPOLLOUT, i);
	if (err)
		give_up(s, i, -err);
}

// Resets it: what waits in the buffer is not sent.
static void stop(struct sender *s, int i)
{
	look(s, i);
	close(s->fd[i]);
	s->phase[i] = OVER;
}

static void fill(struct sender *s, int i)
{
	ssize_t n = send(s->fd[i], zeros, CHUNK, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		give_up(s, i, errno);
}

// When a flow starts or stops next.
static uint64_t turn(const struct sender *s, int i)
{
	const struct flow_plan *p = &s->end.f->conf->plan[i];

	if (s->phase[i] == WAITING)
		return p->start_ns;
	return s->phase[i] == SENDING && p->stop_ns ? p->stop_ns : UINT64_MAX;
}

static uint64_t next_turn(const struct sender *s)
{
	uint64_t next = flows_sample_due(&s->end);

	for (int i = 0; i < s->end.f->conf->n; i++)
		next = turn(s, i) < next ? turn(s, i) : next;
	return next;
}

// What is due; returns when something is again.
static uint64_t take_turns(struct sender *s, uint64_t now)
{
	for (int i = 0; i < s->end.f->conf->n; i++)
		while (turn(s, i) <= now)
			if (s->phase[i] == WAITING)
				start(s, i);
			else
				stop(s, i);
	while (flows_sample_due(&s->end) <= now)
		sample(s);
	return next_turn(s);
}

static int run(struct sender *s)
{
	const struct flows *f = s->end.f;
	struct epoll_event ev[FLOWS_EVENTS];
	uint64_t next = 0;

	flows_meet(f);
	while (s->end.sample < f->conf->samples) {
		uint64_t now = flows_now(f);
		int n;

		if (next <= now)
			next = take_turns(s, now);
		n = flows_wait(&s->end, next, ev);
		for (int i = 0; i < n; i++)
			if (s->phase[ev[i].data.u32] == SENDING)
				fill(s, ev[i].data.u32);
	}
	return 0;
}

int flows_send(void *arg)
{
	const struct flows *f = arg;
	struct sender s = {.to = {.sin_family = AF_INET, .sin_port = htons(FLOWS_PORT)}};
	int err = flows_end_open(&s.end, f);

	s.phase = calloc(f->conf->n, sizeof(*s.phase));
	s.fd = calloc(f->conf->n, sizeof(*s.fd));
	inet_pton(AF_INET, f->peer, &s.to.sin_addr);
	s.known = calloc(f->conf->n, sizeof(*s.known));
	if (!s.phase || !s.fd || !s.known)
		err = -ENOMEM;
	if (!err)
		err = run(&s);
	sem_post(&f->shared->sent);
	flows_end_close(&s.end);
	free(s.phase);
	free(s.fd);
	free(s.known);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
