/*
 * iperf3 as the source of flows instead of emu/flows.h's own: a client and a server a flow.
 *
 * It knows whole seconds only, so a flow that sends to the end sends up to a second more; its data
 * begins a few round trips after the flow's start, with its control connection, which crosses the
 * path too. Samples come from its intervals of 0.1 s, put at the flow's start, and say nothing of
 * timeouts and limits.
 */
#ifndef EMU_IPERF3_H
#define EMU_IPERF3_H

#include <stddef.h>

#include "emu/flows.h"

/* 0, or prints that there is none and returns -ENOENT. */
int iperf3_have(void);

/* As flows_send and flows_receive. */
int iperf3_send(void *arg);
int iperf3_receive(void *arg);

/*
 * Reads a client's report (its JSON with the server's in it) on a flow that began at start_ns into
 * the samples at t_ns[n]. Returns 0, or -EINVAL with why filled.
 */
#define IPERF3_WHY 200
int iperf3_read(struct flow_sample *s, uint64_t *bytes, const uint64_t *t_ns, int n,
	uint64_t start_ns, const char *text, size_t len, char why[IPERF3_WHY]);

#endif
