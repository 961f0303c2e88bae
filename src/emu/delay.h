/*
 * The delay stage: packets leave in the order they came, `delay` after they came.
 *
 *	due(k) = max(due(k - 1), t(k) + d(t(k)) + u(k))
 *
 * d is constant or follows a schedule, u is uniform in [-jitter, jitter] (a sum under 0 counts as
 * 0). Times are exact, not on mm-delay's millisecond grid. Nothing is dropped.
 *
 * With poll_ns the line is mm-delay's process instead, as sim/world.h has it: t is floored to
 * milliseconds, and packets leave when the process acts, which sleeps whole milliseconds from each
 * arrival and wake on.
 *
 * A schedule is a text file with two numbers a line, a time in seconds and a delay in ms that holds
 * from then on: times grow, the first is 0; # starts a comment. The last delay holds for ever.
 */
#ifndef EMU_DELAY_H
#define EMU_DELAY_H

#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "sim/pkt.h"
#include "sim/wakeup.h"

#define DELAY_MAX_MS 100000.0

struct delay_step {
	uint64_t from_ns, delay_ns;
};

struct delay_schedule {
	struct delay_step *steps; /* [n] from_ns grows, the first is 0 */
	size_t n;
};

/* Reads a schedule. Prints file and line of an error. 0 or -errno. */
int delay_load(struct delay_schedule *out, const char *path);

/* As delay_load on len bytes of text (NUL-terminated); path is for messages. */
int delay_parse(struct delay_schedule *out, const char *text, size_t len, const char *path);

/* The schedule of a constant. Aborts when memory is out. */
void delay_constant(struct delay_schedule *out, uint64_t delay_ns);

void delay_schedule_free(struct delay_schedule *s);

struct delay {
	const struct delay_schedule *schedule; /* kept by the caller */
	uint64_t jitter_ns;
	uint32_t poll_ns; /* timer slack of a polling process; 0: acts on time. Set it after
			     delay_init */
	size_t step;
	uint64_t last_ns; /* due time of the packet that came last */
	uint64_t wake_ns; /* when the process acts next */
	struct rng rng;
	struct wakeup wakeup;
	struct ring line; /* t_ns is the due time */
};

void delay_init(struct delay *d, const struct delay_schedule *s, uint64_t jitter_ns, uint64_t seed,
	uint64_t stream);
void delay_free(struct delay *d);

/* A packet comes at now_ns, which never falls. */
void delay_push(struct delay *d, const struct pkt *k, uint64_t now_ns);

/* When the first packet leaves, UINT64_MAX for none. */
uint64_t delay_due(const struct delay *d);

/* Takes it off: there is one. */
struct pkt delay_pop(struct delay *d);

#endif
