/* How late a polling process of a late emulator runs. */
#ifndef SIM_WAKEUP_H
#define SIM_WAKEUP_H

#include "base/rng.h"

/*
 * How long a process in poll() takes to run once its timer has fired: 20 us plus an exponential of
 * 35 us; once a packet has come: 2 us plus an exponential of 11 us; either way another of 0.8 ms
 * once in 110 ms, however many sleeps those are. Fitted to what `bench/poll` measures on Linux 6.18
 * with 2 cores: poll(NULL, 0, 1) is late, slack included, by p10 77 to 81, p50 89 to 105, p90 118
 * to 150 us; over 0.2 ms late 7.0, 8.5 and 5.9 times a second with sleeps of 0.25, 1 and 4 ms; a hop
 * of a packet that takes 8 us of work, p10 16, p50 20, p90 42 us, and over six hops p99 219 us on
 * average.
 */
struct wakeup {
	uint32_t timer_ns, packet_ns;
	uint32_t other_ns; /* more, from other_at_ns on */
	uint64_t other_at_ns;
};

/* A process runs at now_ns: draws how long it will take to run when it is woken next. */
void wakeup_draw(struct wakeup *u, struct rng *r, uint64_t now_ns);

/* The same of a process that starts, at 0. */
static inline void wakeup_begin(struct wakeup *u, struct rng *r)
{
	u->other_at_ns = 0;
	wakeup_draw(u, r, 0);
}

static inline uint64_t wakeup_late(const struct wakeup *u, uint64_t at_ns)
{
	return at_ns >= u->other_at_ns ? at_ns + u->other_ns : at_ns;
}

/* When it runs whose timer fires, or to which a packet comes, at at_ns. */
static inline uint64_t wakeup_by_timer(const struct wakeup *u, uint64_t at_ns)
{
	return wakeup_late(u, at_ns + u->timer_ns);
}
static inline uint64_t wakeup_by_packet(const struct wakeup *u, uint64_t at_ns)
{
	return wakeup_late(u, at_ns + u->packet_ns);
}

#endif
