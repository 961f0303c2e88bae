/*
 * Bulk TCP flows between the ends of an emulated path: each with its own congestion controller,
 * start and stop, sampled at given times by what the kernel tells of it (TCP_INFO).
 *
 * One process sends (flows_send, outside), one receives (flows_receive, inside); each waits on
 * epoll and an absolute timer for whatever is next. What both write is in memory shared with the
 * process that made struct flows, which lets them begin and reads the samples in the end.
 *
 * The window is the controller's alone: in the namespaces of both ends socket buffers may grow to
 * 1 GiB, which is what TCP's window scale allows, and no metrics pass from flow to flow. flows_at
 * tells how long a flow was limited by a buffer all the same. A flow that stops is reset: what is
 * under way arrives, nothing more is sent.
 */
#ifndef EMU_FLOWS_H
#define EMU_FLOWS_H

#include <netinet/in.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLOWS_NAME 16 /* of a controller, with the NUL */

/* Flow i's ports: FLOWS_FROM_PORT + i outside, FLOWS_PORT inside; iperf3 (emu/iperf3.h) has
 * FLOWS_PORT + i inside. */
#define FLOWS_PORT 5201
#define FLOWS_FROM_PORT 10000

struct flow_plan {
	char controller[FLOWS_NAME];
	uint64_t start_ns, stop_ns; /* since time 0; stop 0: to the end */
};

struct flows_conf {
	int n;
	const struct flow_plan *plan; /* [n] a port each; kept by the caller, as is: */
	const uint64_t *sample_ns;    /* [samples] growing; the last is the end */
	int samples;
	bool ecn;  /* flows ask for it */
	bool pace; /* also those of controllers that do not ask for it */
};

/* What the sender knew of a flow at a sample; zeros before it began, the last that was known after.
 */
struct flow_sample {
	uint64_t rwnd_us, sndbuf_us;  /* limited by the receive window, the send buffer */
	uint32_t cwnd;		      /* packets */
	uint32_t srtt_us, min_rtt_us; /* 0: no RTT sample yet; min_rtt_us over its life */
	uint32_t retrans, rtos;	      /* packets; times, 0 from kernels before 6.7 */
};

struct flows_shared;

struct flows {
	const struct flows_conf *conf;
	struct flows_shared *shared;
	size_t bytes; /* of it */
	char peer[INET_ADDRSTRLEN];
};

/* 0 or -ENOMEM. */
int flows_init(struct flows *f, const struct flows_conf *conf);
void flows_free(struct flows *f);

/* What the processes at the ends run; arg is struct flows, whose peer is the receiver's address.
 * They print and return an exit status. */
int flows_send(void *arg);
int flows_receive(void *arg);

/* Waits up to ms for both to be set up. Whether they are. */
bool flows_ready(struct flows *f, int ms);

/* Time 0, in ns of CLOCK_MONOTONIC: they begin. */
void flows_begin(struct flows *f, uint64_t start_ns);

const struct flow_sample *flows_at(const struct flows *f, int flow, int sample);

/* Bytes that the receiver had in order then. */
uint64_t flows_received(const struct flows *f, int flow, int sample);

/* Why a flow ended before its time (errno), 0: it did not. */
int flows_error(const struct flows *f, int flow);

/*
 * Whether this kernel has a congestion controller, loaded if it must be and may. Prints which there
 * are, naming where the name came from. 0, -ENOENT or -errno.
 */
int flows_controller(const char *name, const char *where);

#endif
