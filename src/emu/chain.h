/*
 * The emulated path put together on this machine: network, both directions, emulator, quality. What
 * runs at its ends, and for how long, is the owner's.
 *
 * All zero to begin with; then network, ends (c.net has their namespaces), engine, run, and in the
 * end judge and close, which also follow a failure.
 */
#ifndef EMU_CHAIN_H
#define EMU_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "emu/emulator.h"
#include "emu/netns.h"
#include "emu/path.h"
#include "emu/quality.h"
#include "emu/queue.h"
#include "sim/loss.h"
#include "trace/trace.h"

/* A direction of the path. */
struct chain_dir {
	const struct trace *trace; /* NULL: no limit to the rate */
	bool once; /* it ends, see struct chain; then it must not be a smooth rate */
	struct queue_conf queue;
	double loss;
	struct loss_conf burst_loss;
	struct path_stages before, after; /* the link; their schedules are kept by the caller */
};

struct chain_conf {
	struct chain_dir dir[ENGINE_DIRS]; /* towards the inside; from it */
	int flow_port[ENGINE_DIRS];	   /* see struct emulator */
	bool ecn;
	bool late; /* as mahimahi's processes: the path's poll_ns is Linux's */
	uint32_t mtu;
	uint64_t memory, seed; /* bytes for packets; of all that is random */
	bool own_outside, realtime;
};

/* Gives directions that have no stages yet the same delay, as mm-delay around mm-link: towards the
 * inside before the link, from it behind. */
void chain_delay(struct chain_conf *c, const struct path_stage *delay);

extern const struct trace chain_unlimited; /* what stands for no limit */

struct chain {
	const struct chain_conf *conf; /* kept by the caller */
	struct netns net;
	struct emulator engine;
	struct quality quality;
	int latency; /* a file that is open while packets are moved: processors do not sleep */
	struct trace once[ENGINE_DIRS]; /* traces that end */
	uint64_t end_ns; /* when the first of them does, after chain_start; UINT64_MAX: never */
};

/* All print; 0 or -errno. Logs (NULL: none) are the caller's to close after chain_run. */
int chain_network(struct chain *c, const struct chain_conf *conf);
int chain_engine(struct chain *c, struct link_log *const log[ENGINE_DIRS]);

/* Time 0 is now, ahead of other programs and with processors kept awake where that is wanted and
 * allowed. */
void chain_start(struct chain *c);

/* emulator_run; then counts what was lost. */
void chain_run(struct chain *c, emulator_tick_fn *tick, void *arg);

/* Takes the processors' times and judges, when what ran at the ends has been waited for. */
void chain_judge(struct chain *c);

void chain_close(struct chain *c);

#endif
