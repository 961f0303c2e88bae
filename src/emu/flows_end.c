/* What both ends of flows are made of: settings of the namespace, timer, samples. */
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "emu/flows_shared.h"

#define NS_PER_S 1000000000ull
/* Bytes at least, at first, at most. A receiver that starts with little has flows wait in slow
 * start. */
#define READ_BUFFERS "4096 268435456 1073741824"
#define WRITE_BUFFERS "4096 131072 1073741824"
#define NICE -10 /* ahead of other programs, behind the emulator */
/* tcpi_total_rto, Linux 6.7: behind snd_wnd, rcv_wnd and rehash. */
#define TOTAL_RTO_AT (offsetof(struct tcp_info, tcpi_snd_wnd) + 12)

static int set(const char *name, const char *value)
{
	char *path = file_path("/proc/sys/net/ipv4/%s", name);
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0 || write(fd, value, strlen(value)) < 0) {
		err = -errno;
		pr_err("%s: %s\n", path, strerror(-err));
	}
	if (fd >= 0)
		close(fd);
	free(path);
	return err;
}

static int settings(bool ecn)
{
	int err = set("tcp_rmem", READ_BUFFERS);

	if (!err)
		err = set("tcp_wmem", WRITE_BUFFERS);
	if (!err)
		err = set("tcp_no_metrics_save", "1");
	return err ? err : set("tcp_ecn", ecn ? "1" : "0");
}

int flows_watch(struct flows_end *e, int fd, uint32_t events, uint32_t data)
{
	struct epoll_event ev = {.events = events, .data.u32 = data};

	return epoll_ctl(e->epoll, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

int flows_end_open(struct flows_end *e, const struct flows *f)
{
	struct rlimit files;
	int err = settings(f->conf->ecn);

	*e = (struct flows_end){.f = f, .epoll = -1, .timer = -1};
	if (err)
		return err;
	setpriority(PRIO_PROCESS, 0, NICE); // where that is allowed
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	e->epoll = epoll_create1(EPOLL_CLOEXEC);
	e->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (e->epoll < 0 || e->timer < 0)
		err = -errno;
	else
		err = flows_watch(e, e->timer, EPOLLIN, FLOWS_TIMER);
	if (err)
		pr_err("flows: %s\n", strerror(-err));
	return err;
}

void flows_end_close(struct flows_end *e)
{
	if (e->epoll >= 0)
		close(e->epoll);
	if (e->timer >= 0)
		close(e->timer);
}

uint64_t flows_now(const struct flows *f)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec - f->shared->start_ns;
}

int flows_wait(struct flows_end *e, uint64_t at_ns, struct epoll_event ev[FLOWS_EVENTS])
{
	uint64_t at = e->f->shared->start_ns + at_ns, fired;
	struct itimerspec t = {.it_value = {at / NS_PER_S, at % NS_PER_S}};
	int n, kept = 0;

	timerfd_settime(e->timer, TFD_TIMER_ABSTIME, &t, NULL);
	n = epoll_wait(e->epoll, ev, FLOWS_EVENTS, -1);
	for (int i = 0; i < n; i++) {
		if (ev[i].data.u32 != FLOWS_TIMER)
			ev[kept++] = ev[i];
		else if (read(e->timer, &fired, sizeof(fired)) < 0)
			continue; // set anew meanwhile
	}
	return kept;
}

uint64_t flows_sample_due(const struct flows_end *e)
{
	const struct flows_conf *c = e->f->conf;

	return e->sample < c->samples ? c->sample_ns[e->sample] : UINT64_MAX;
}

void flows_tcp_info(int fd, struct tcp_info *info, uint32_t *rtos)
{
	char raw[2 * sizeof(*info)] = {0};
	socklen_t len = sizeof(raw);
	uint16_t total = 0;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, raw, &len))
		memset(raw, 0, sizeof(raw));
	memcpy(info, raw, sizeof(*info));
	memcpy(&total, raw + TOTAL_RTO_AT, sizeof(total));
	if (rtos)
		*rtos = total;
}
