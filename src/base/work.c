/* An ordered parallel loop on POSIX threads. */
#include "base/work.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

static atomic_bool stop_asked;

struct pool {
	const struct work *w;
	pthread_mutex_t lock;
	pthread_cond_t moved; /* handed advanced, or err was set */
	int next, handed;     /* next job to start; next result to hand on */
	int err;
	bool *finished; /* [jobs] */
};

struct worker {
	struct pool *p;
	int index;
	pthread_t thread;
};

void work_stop(void)
{
	atomic_store(&stop_asked, true);
}

bool work_stopped(void)
{
	return atomic_load(&stop_asked);
}

int work_cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n;
}

// Takes the next job, waiting while too many results are pending; -1 when there is none.
static int take(struct pool *p)
{
	while (!p->err && p->next < p->w->jobs && p->next - p->handed >= 4 * p->w->threads)
		pthread_cond_wait(&p->moved, &p->lock);
	if (!p->err && work_stopped())
		p->err = -EINTR;
	return p->err || p->next >= p->w->jobs ? -1 : p->next++;
}

// Marks job i finished and hands on what is ready. The lock keeps done() in order and alone.
static void finish(struct pool *p, int i, int err)
{
	if (err && (!p->err || p->err == -EINTR))
		p->err = err;
	p->finished[i] = !err;
	while (p->handed < p->w->jobs && p->finished[p->handed]) {
		err = p->w->done ? p->w->done(p->w->arg, p->handed) : 0;
		if (err) {
			p->err = err;
			p->finished[p->handed] = false;
			break;
		}
		p->handed++;
	}
	pthread_cond_broadcast(&p->moved);
}

static void *run(void *arg)
{
	struct worker *me = arg;
	struct pool *p = me->p;
	int i;

	pthread_mutex_lock(&p->lock);
	while ((i = take(p)) >= 0) {
		int err;

		pthread_mutex_unlock(&p->lock);
		err = p->w->job(p->w->arg, i, me->index);
		pthread_mutex_lock(&p->lock);
		finish(p, i, err);
	}
	pthread_cond_broadcast(&p->moved);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

int work_run(const struct work *w)
{
	struct pool p = {.w = w};
	struct worker *ws = calloc(w->threads, sizeof(*ws));
	int started = 1;

	p.finished = calloc(w->jobs + 1, sizeof(*p.finished));
	if (!ws || !p.finished) {
		free(ws);
		free(p.finished);
		return -ENOMEM;
	}
	pthread_mutex_init(&p.lock, NULL);
	pthread_cond_init(&p.moved, NULL);
	for (int i = 0; i < w->threads; i++)
		ws[i] = (struct worker){.p = &p, .index = i};
	while (started < w->threads && !pthread_create(&ws[started].thread, NULL, run, &ws[started]))
		started++;
	run(&ws[0]);
	for (int i = 1; i < started; i++)
		pthread_join(ws[i].thread, NULL);
	pthread_cond_destroy(&p.moved);
	pthread_mutex_destroy(&p.lock);
	free(p.finished);
	free(ws);
	return p.err;
}
