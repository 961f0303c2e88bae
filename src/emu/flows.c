/* What sender and receiver of flows share with who started them; controllers. */
#include "emu/flows.h"

#include <errno.h>
#include <linux/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/opts.h"
#include "emu/flows_shared.h"

#define AVAILABLE "/proc/sys/net/ipv4/tcp_available_congestion_control"
#define MAX_CONTROLLERS 64

int flows_init(struct flows *f, const struct flows_conf *conf)
{
	size_t flows = conf->n, samples = flows * conf->samples;
	struct flows_shared *s;

	memset(f, 0, sizeof(*f));
	f->bytes = sizeof(*s) + samples * (sizeof(*s->sample) + sizeof(*s->received)) +
		   flows * sizeof(*s->error);
	s = mmap(NULL, f->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
		-1, 0);
	if (s == MAP_FAILED)
		return -ENOMEM;
	s->sample = (struct flow_sample *)(s + 1);
	s->received = (uint64_t *)(s->sample + samples);
	s->error = (int *)(s->received + samples);
	f->conf = conf;
	f->shared = s;
	sem_init(&s->ready, 1, 0);
	sem_init(&s->begin, 1, 0);
	sem_init(&s->sent, 1, 0);
	return 0;
}

void flows_free(struct flows *f)
{
	if (f->shared)
		munmap(f->shared, f->bytes);
	f->shared = NULL;
}

const struct flow_sample *flows_at(const struct flows *f, int flow, int sample)
{
	return &f->shared->sample[flows_slot(f, flow, sample)];
}

uint64_t flows_received(const struct flows *f, int flow, int sample)
{
	return f->shared->received[flows_slot(f, flow, sample)];
}

int flows_error(const struct flows *f, int flow)
{
	return f->shared->error[flow];
}

/* --- The beginning --- */

bool flows_ready(struct flows *f, int ms)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += ms % 1000 * 1000000l;
	t.tv_sec += ms / 1000 + t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	while (f->shared->nready < FLOWS_ENDS) {
		if (!sem_timedwait(&f->shared->ready, &t))
			f->shared->nready++;
		else if (errno != EINTR)
			return false;
	}
	return true;
}

void flows_begin(struct flows *f, uint64_t start_ns)
{
	f->shared->start_ns = start_ns;
	for (int i = 0; i < FLOWS_ENDS; i++)
		sem_post(&f->shared->begin);
}

void flows_meet(const struct flows *f)
{
	sem_post(&f->shared->ready);
	while (sem_wait(&f->shared->begin) && errno == EINTR)
		;
}

/* --- Controllers --- */

static int read_available(char *text, size_t size)
{
	FILE *f = fopen(AVAILABLE, "r");
	size_t n = f ? fread(text, 1, size - 1, f) : 0;
	int err = f ? 0 : -errno;

	if (err)
		pr_err("%s: %s\n", AVAILABLE, strerror(-err));
	else
		fclose(f);
	text[n] = 0;
	text[strcspn(text, "\n")] = 0;
	return err;
}

// Asking for one makes the kernel load its module, where we may.
static void ask_for(const char *name)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, strlen(name));
	close(fd);
}

int flows_find(const char *name, const char *available, const char *where)
{
	char *copy = file_path("%s", available), *rest = copy, *item;
	const char *list[MAX_CONTROLLERS], *near;
	bool found = false;
	int n = 0;

	while (n < MAX_CONTROLLERS && (item = strsep(&rest, " ")))
		if (*item) {
			found |= !strcmp(item, name);
			list[n++] = item;
		}
	near = found ? NULL : opts_nearest(name, list, n);
	if (!found)
		pr_err("%s: this kernel has no congestion controller '%s'%s%s%s; it has %s (%s), "
		       "others if their modules are installed\n",
			where, name, near ? ", did you mean '" : "", near ? near : "",
			near ? "'?" : "", *available ? available : "none", AVAILABLE);
	free(copy);
	return found ? 0 : -ENOENT;
}

int flows_controller(const char *name, const char *where)
{
	char text[1024];
	int err;

	if (strlen(name) < FLOWS_NAME)
		ask_for(name);
	err = read_available(text, sizeof(text));
	return err ? err : flows_find(name, text, where);
}
