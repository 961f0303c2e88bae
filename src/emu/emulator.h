/*
 * The emulator on the real clock: moves frames between two ports through the two directions of the
 * path (emu/path.h), each at the time it is due.
 *
 * One thread does everything. It sleeps until the next packet is due, or, where a packet that comes
 * could be due before that, until one comes. As the kernel stamps arrivals and a path does
 * everything at due times, what it decides does not depend on when it wakes; only how late packets
 * leave does, which is measured.
 */
#ifndef EMU_EMULATOR_H
#define EMU_EMULATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "emu/path.h"
#include "emu/pool.h"
#include "emu/port.h"
#include "emu/quality.h"

enum { ENGINE_DOWN, ENGINE_UP, ENGINE_DIRS };

struct emulator;

/* One direction: from its port to the other direction's. */
struct emulator_dir {
	struct emulator *e;
	struct path path;
	struct port port; /* where its packets come from */
	struct port *out;
	bool wants_packets;	     /* to be woken by one that comes */
	uint64_t due_ns[PORT_BATCH]; /* of what waits in out's batch */
	uint32_t slot[PORT_BATCH];
};

struct emulator {
	struct emulator_dir dir[ENGINE_DIRS];
	struct pool pool;
	struct quality *quality;
	bool ecn;		    /* packets may be marked */
	int flow_port[ENGINE_DIRS]; /* a packet's flow is its port at that end (outside, inside)
				       minus this; both 0: all are flow 0 */
	uint64_t start_ns;	    /* CLOCK_MONOTONIC at time 0 of the paths */
	uint64_t packet_ns;	    /* when the last packet came */
	uint64_t tick_ns;	    /* the time of the paths at which the owner is called next */
	uint64_t spin_ns;	    /* the due time that is spun for rather than slept */
};

/* Memory for packets of at most mtu bytes, memory bytes in all. The ports and paths are the owner's
 * to open, with emulator_out and emulator_gone in the paths' conf. 0 or -ENOMEM. */
int emulator_init(struct emulator *e, struct quality *q, uint32_t mtu, uint64_t memory);
void emulator_free(struct emulator *e);

/* What a path of the engine calls; arg is its struct emulator_dir. */
void emulator_out(void *arg, const struct pkt *k, uint64_t due_ns);
void emulator_gone(void *arg, const struct pkt *k, uint64_t now_ns);

/* Time 0 is now. */
void emulator_start(struct emulator *e);

/*
 * Runs until tick returns 0. It is called at 0 and then at the times it returns, each later than
 * the one before, when everything due up to that time of the paths has happened and nothing later
 * has, capacity counted: how late the emulator is changes nothing of what the links have then.
 */
typedef uint64_t emulator_tick_fn(void *arg, uint64_t now_ns);
void emulator_run(struct emulator *e, emulator_tick_fn *tick, void *arg);

/* Nanoseconds since emulator_start. */
uint64_t emulator_now(const struct emulator *e);

#endif
