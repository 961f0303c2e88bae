/* One run of the emulator: namespaces, a command behind the emulated path, logs, a summary. */
#ifndef EMU_EMU_H
#define EMU_EMU_H

#include <stdbool.h>
#include <stdint.h>

#include "emu/delay.h"
#include "emu/onoff.h"
#include "emu/path.h"
#include "emu/quality.h"
#include "emu/queue.h"
#include "sim/loss.h"
#include "trace/trace.h"

#define EMU_MEMORY_MB 512 /* for packets by default */

/* A direction of the path. */
struct emu_dir {
	const struct trace *trace; /* NULL: no limit to the rate */
	bool once; /* the run ends with the trace, which must not be a smooth rate */
	struct queue_conf queue;
	double loss;
	struct loss_conf burst_loss;
	struct path_stages before, after; /* besides what both directions have */
	const char *log;		  /* a file; NULL: that in log_dir, if any */
};

/*
 * Both directions have the same delay and times off; towards the command delay comes first and the
 * link last, from it the other way round, with the directions' own stages next to the link.
 */
struct emu_conf {
	struct emu_dir down, up;	    /* towards the command; from it */
	const struct delay_schedule *delay; /* one-way, both directions; NULL: none */
	uint64_t jitter_ns;
	struct onoff_conf onoff;
	bool ecn;
	uint32_t mtu;
	uint64_t memory, seed;
	const char *log_dir; /* made; NULL: no logs */
	bool log_actual;
	const char *json;  /* file of the summary besides LOG_DIR/summary.json, or NULL */
	const char *title; /* the command line, for the logs and the summary */
	/* mahimahi's words for the path, "[delay 10 ms] [link] ", passed on to the command, and
	 * those for what is outside of the link, for its log; NULL: none, and the delay's */
	const char *prefix, *outer;
	char *const *argv;   /* the command, ended by NULL */
	const char *outside; /* a shell command for the other end, NULL: none */
	bool own_outside;
	bool status, realtime;
};

/*
 * Runs the command until it ends, a trace with once does, or a signal asks to stop: then the
 * command is asked, given EMU_GRACE_S and killed. *status is the command's exit status, 0 where a
 * trace's end ended it. Prints. 0 or -errno.
 */
#define EMU_GRACE_S 2
int emu_run(const struct emu_conf *conf, int *status);

#endif
