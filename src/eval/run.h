/*
 * One run of an evaluation: a dumbbell in the simulator, or of this kernel's flows over the
 * emulator (eval/run_emu.h), its metrics, time series, logs and decisions.
 *
 * Everything that determines a run is in struct run_conf, and its id is a digest of that, so that equal ids
 * mean equal bytes, whatever the folder, the thread or the day.
 */
#ifndef EVAL_RUN_H
#define EVAL_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "eval/guard.h"
#include "eval/results.h"
#include "eval/scheme.h"
#include "obs/frame.h"
#include "sim/link.h"
#include "trace/trace.h"

#define RUN_EMU_VERSION 2 /* as SIM_VERSION, for runs over the emulator */

#define RUN_BIN_MS 100 /* of the time series */

#define RUN_KERNEL 65 /* as in struct utsname */

/* A trace with its digest, taken once. */
struct run_trace {
	struct trace *trace;
	char digest[65];
};

/* Where a run is: in virtual time, or over the emulator with this kernel's flows. */
enum run_on { RUN_SIM, RUN_EMU };

/* What makes the flows of RUN_EMU; names in RUN_TRAFFICS. */
enum run_traffic { RUN_FLOWS, RUN_IPERF3 };
#define RUN_TRAFFICS "flows|iperf3"
const char *run_traffic_name(enum run_traffic t);

struct run_conf {
	enum run_on on;
	enum run_traffic traffic;
	char kernel[RUN_KERNEL]; /* its release; empty for RUN_SIM */
	const struct scheme *scheme;
	const struct run_trace *down, *up;
	enum queue_kind queue;
	struct aqm_conf aqm;     /* zero but for CoDel and PIE */
	double nominal_mbps, buffer_bdp;
	uint32_t queue_pkts;     /* limit of both queues, 0 none */
	double delay_ms;         /* one-way */
	double loss;             /* each direction */
	struct loss_conf burst_loss; /* and in bursts; p 0: none */
	bool ecn;                /* all flows */
	struct frame_noise noise; /* of policy flows */
	const struct guard_conf *guard; /* of policy flows; its properties NULL: none */
	uint64_t seed;
	double duration_s, skip_end_s; /* metrics leave out the last skip_end_s */
	int flows;               /* flow i uses sender i % n */
	double stagger_s;        /* flow i starts at i * stagger_s, plus up to 20 ms drawn from the seed */
	double flow_s;           /* how long a flow sends, 0: to the end */
	const double *extra_ms;  /* [nextra] flow i's path is longer by extra_ms[i % nextra] one-way */
	int nextra;
	int pacing;              /* -1 as the controller asks, 0 off, 1 on */
	uint32_t hz;             /* of the simulator */
	bool ms_delay;           /* and poll_ns: of struct world_conf; over the emulator both or neither */
	uint32_t poll_ns;
	char id[17];
};

/* "droptail" and the like, as in the table of options. */
#define RUN_QUEUES "droptail|drophead|infinite|codel|pie"
const char *run_queue_name(enum queue_kind kind);

/* "target=5 interval=100", "target=15 update=15 burst=150" in ms, "" for other queues. Returns buf. */
const char *run_queue_args(const struct run_conf *conf, char buf[RESULTS_ARGS]);

/* "p=0.01 r=0.25 bad=1 good=0", "" without loss in bursts. Returns buf. */
const char *run_burst_args(const struct run_conf *conf, char buf[RESULTS_ARGS]);

/* "stagger=20 time=60 extra=0,40" in s and ms, what is 0 left out, cut where it does not fit. Returns buf. */
const char *run_flow_args(const struct run_conf *conf, char buf[RESULTS_NAME]);

/* The run's end, and that of its metrics. */
static inline uint64_t run_end_ns(const struct run_conf *c)
{
	return c->duration_s * 1e9;
}

static inline uint64_t run_cut_ns(const struct run_conf *c)
{
	return (c->duration_s - c->skip_end_s) * 1e9;
}

/* Who sends flow i. */
const struct sender *run_sender(const struct run_conf *conf, int flow);

/* When flow i starts and stops (0: never), in ns; rng: SETUP_START_STREAM, flows in order. */
void run_flow_times(const struct run_conf *conf, int flow, struct rng *rng, uint64_t *start_ns,
	uint64_t *stop_ns);

/* Where a link's log goes, malloc'ed. Opening it, at the path given, for a run that began init_ms
 * after the epoch: prints the error. 0 or -errno. */
char *run_log_path(const struct run_conf *conf, const char *dir, bool down);
struct link_log;
int run_log_open(struct link_log **out, const struct run_conf *conf, bool down, const char *path,
	uint64_t init_ms);

/* Everything that determines the run as canonical text, malloc'ed. */
char *run_text(const struct run_conf *conf);

/* Fills id: the first 16 digits of the SHA-256 of run_text. */
void run_id(struct run_conf *conf);

/* What to write besides the record, into DIR; and who wants to know how far the run is. */
struct run_io {
	const char *dir;
	bool series, logs, decisions, pcap;
	void (*tick)(void *arg, double simulated_s); /* after each simulated second or so; may be NULL */
	void *arg;
};

/*
 * Simulates and fills out, whose flows are malloc'ed and the caller's to free. Files appear whole or, for
 * logs and captures, are overwritten by the next attempt. Prints the error. 0 or -errno.
 */
int run_one(struct run_result *out, const struct run_conf *conf, const struct run_io *io);

#endif
