/* What only the ends of flows (emu/flows.h) need of each other. */
#ifndef EMU_FLOWS_SHARED_H
#define EMU_FLOWS_SHARED_H

#include <netinet/in.h>
#include <sys/epoll.h>

#include "emu/flows.h"

#define FLOWS_ENDS 2

struct flows_shared {
	sem_t ready, begin, sent; /* sent: the sender has nothing left to look at */
	int nready;
	uint64_t start_ns;
	/* Of the sender, of the receiver: neither writes what is the other's. */
	struct flow_sample *sample; /* [n][samples] */
	uint64_t *received;	    /* [n][samples] */
	int *error;		    /* [n] */
};

/* Where sample k of a flow stands in both arrays. */
static inline size_t flows_slot(const struct flows *f, int flow, int k)
{
	return (size_t)flow * f->conf->samples + k;
}

/* Says that this end is set up and waits for the beginning. */
void flows_meet(const struct flows *f);

/* What wakes an end besides its sockets: the absolute timer, the next sample. */
struct flows_end {
	const struct flows *f;
	int epoll, timer;
	int sample; /* the next one */
};

#define FLOWS_TIMER UINT32_MAX /* data of its event; a flow's is its number */
#define FLOWS_LISTEN (UINT32_MAX - 1)
#define FLOWS_EVENTS 64

/* Sets up this process and its namespace. Prints. 0 or -errno. */
int flows_end_open(struct flows_end *e, const struct flows *f);
void flows_end_close(struct flows_end *e);

int flows_watch(struct flows_end *e, int fd, uint32_t events, uint32_t data);

/* ns since time 0 */
uint64_t flows_now(const struct flows *f);

/* Waits for events, to at_ns at most. How many; FLOWS_TIMER's are taken care of. */
int flows_wait(struct flows_end *e, uint64_t at_ns, struct epoll_event ev[FLOWS_EVENTS]);

/* When the next sample is due; UINT64_MAX after the last. */
uint64_t flows_sample_due(const struct flows_end *e);

struct tcp_info;

/* TCP_INFO of a socket, zeros where the kernel knows less; rtos may be NULL. */
void flows_tcp_info(int fd, struct tcp_info *info, uint32_t *rtos);

/* flows_controller with the names that are there, separated by blanks. */
int flows_find(const char *name, const char *available, const char *where);

#endif
