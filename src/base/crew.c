/* Waiting threads that take job numbers from one counter. */
#include "base/crew.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

struct member {
	struct crew *crew;
	int index;
	pthread_t thread;
};

struct crew {
	int threads, started;
	struct member *members;
	pthread_mutex_t lock;
	pthread_cond_t begin, end;
	unsigned long round; // of crew_run
	int busy;            // members still in this round
	bool quit;
	atomic_int next;
	int jobs;
	void (*job)(void *arg, int i, int thread);
	void *arg;
};

static void take_jobs(struct crew *c, int thread)
{
	int i;

	while ((i = atomic_fetch_add(&c->next, 1)) < c->jobs)
		c->job(c->arg, i, thread);
}

static void *serve(void *arg)
{
	struct member *me = arg;
	struct crew *c = me->crew;
	unsigned long seen = 0;

	pthread_mutex_lock(&c->lock);
	for (;;) {
		while (c->round == seen && !c->quit)
			pthread_cond_wait(&c->begin, &c->lock);
		if (c->quit)
			break;
		seen = c->round;
		pthread_mutex_unlock(&c->lock);
		take_jobs(c, me->index);
		pthread_mutex_lock(&c->lock);
		if (!--c->busy)
			pthread_cond_signal(&c->end);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

int crew_new(struct crew **out, int threads)
{
	struct crew *c;
	int err = 0;

	if (threads < 1)
		return -EINVAL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->threads = threads;
	c->members = calloc(threads, sizeof(*c->members));
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->begin, NULL);
	pthread_cond_init(&c->end, NULL);
	if (!c->members)
		err = -ENOMEM;
	while (!err && c->started < threads - 1) {
		struct member *m = &c->members[c->started];

		*m = (struct member){.crew = c, .index = c->started + 1};
		err = -pthread_create(&m->thread, NULL, serve, m);
		c->started += !err;
	}
	if (err)
		crew_free(c);
	else
		*out = c;
	return err;
}

void crew_free(struct crew *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->quit = true;
	pthread_cond_broadcast(&c->begin);
	pthread_mutex_unlock(&c->lock);
	for (int i = 0; i < c->started; i++)
		pthread_join(c->members[i].thread, NULL);
	pthread_cond_destroy(&c->begin);
	pthread_cond_destroy(&c->end);
	pthread_mutex_destroy(&c->lock);
	free(c->members);
	free(c);
}

void crew_run(struct crew *c, int jobs, void (*job)(void *arg, int i, int thread), void *arg)
{
	pthread_mutex_lock(&c->lock);
	c->jobs = jobs;
	c->job = job;
	c->arg = arg;
	atomic_store(&c->next, 0);
	c->busy = c->started;
	c->round++;
	pthread_cond_broadcast(&c->begin);
	pthread_mutex_unlock(&c->lock);
	take_jobs(c, 0);
	pthread_mutex_lock(&c->lock);
	while (c->busy)
		pthread_cond_wait(&c->end, &c->lock);
	pthread_mutex_unlock(&c->lock);
}

int crew_threads(const struct crew *c)
{
	return c->threads;
}
