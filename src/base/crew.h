/*
 * A crew: threads that stay, for work that comes again and again and must not allocate; work.h starts threads
 * anew each time and hands results on in order.
 */
#ifndef BASE_CREW_H
#define BASE_CREW_H

struct crew;

/* threads - 1 threads that wait; the caller of crew_run is the last. 0 or -errno (-EINVAL: threads < 1). */
int crew_new(struct crew **out, int threads);
void crew_free(struct crew *c);

/*
 * Calls job(arg, i, thread) for every i in [0, jobs), each once, on any thread in [0, threads), and returns when
 * all are done: what they wrote is then visible to the caller. Allocates nothing. One crew_run at a time.
 */
void crew_run(struct crew *c, int jobs, void (*job)(void *arg, int i, int thread), void *arg);

int crew_threads(const struct crew *c);

#endif
