/* How late a polling process of a late emulator runs. */
#ifndef SIM_WAKEUP_H
#define SIM_WAKEUP_H

#include "base/rng.h"

/*
 * How long a process in poll() takes to run once its timer has fired: 20 us plus an exponential of
 * 35 us; once a packet has come: 2 us plus an exponential of 11 us; either way once in 64 times
 * another of 0.8 ms while something else has the processor. Fitted to what `bench/poll` measures on
 * Linux 6.18 with 2 cores: poll(NULL, 0, 1) is late, slack included, by p10 77 to 81, p50 89 to
 * 105, p90 118 to 150, p99 600 to 1067 us; a hop of a packet that takes 8 us of work, p10 16, p50
 * 20, p90 42 us, and over six hops p99 219 us on average.
 */
struct wakeup {
	uint32_t timer_ns, packet_ns;
};
struct wakeup wakeup_draw(struct rng *r);

#endif
