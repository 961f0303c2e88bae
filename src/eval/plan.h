/*
 * The runs of an evaluation: controllers x traces x buffers x delays x losses x noises x seeds.
 *
 * The order, outermost first: seed, delay, loss, noise, trace, buffer, controller; within each as named. So an
 * interrupted grid is a smaller one with fewer seeds. Noise is for policies: a scheme without one runs once,
 * at noise 0. An infinite queue has no size: it runs once, at buffer 0.
 */
#ifndef EVAL_PLAN_H
#define EVAL_PLAN_H

#include "base/opts.h"
#include "eval/run.h"

#define PLAN_MAX_RUNS 100000

struct plan {
	struct scheme_set schemes;
	struct run_trace *traces;
	int ntraces;
	struct run_trace uplink;
	struct guard_conf guard;
	double *buffers, *delays, *losses, *noises, *extra;
	int nbuffers, ndelays, nlosses, nnoises, nextra;
	struct run_conf *runs; /* [n] in the order above, ids filled */
	int n;
};

/* clang-format off */
/* Rows of an option table; the names are the keys of spec files. */
#define PLAN_OPTS \
	{OPT_WORD, 0, "on", "WHERE", "sim", 0, 0, "sim|emu", \
		"in the simulator, or over the emulator with this kernel's TCP, in real time"}, \
	{OPT_WORD, 0, "with", "SOURCE", "flows", 0, 0, RUN_TRAFFICS, \
		"on emu: what sends and receives, Canopy's own flows or iperf3"}, \
	{OPT_TEXTS, 'c', "controllers", "NAMES", "cubic", 0, 0, NULL, \
		"classic controllers and model files (on emu: the kernel's controllers); a+b mixes flows, " \
		"MODEL@zero fixes the action at 0, " \
		"@drift lets it drift, MODEL@fallback keeps CUBIC's window where too little is proven, " \
		"MODEL@shield installs the nearest window that the properties allow"}, \
	{OPT_TEXTS, 't', "traces", "TRACES", NULL, 0, 0, NULL, "mahimahi trace files or generated traces"}, \
	{OPT_REALS, 'b', "buffers", "BDPS", "0.5,5", 0, 1e4, NULL, \
		"queue sizes in bandwidth-delay products of the nominal rate"}, \
	{OPT_REALS, 0, "delays", "MS", "10", 0, 1e4, NULL, "one-way propagation delays"}, \
	{OPT_REALS, 0, "loss", "P", "0", 0, 0.5, NULL, "random loss probabilities, each direction"}, \
	{OPT_REALS, 0, "loss-burst", "P,R[,B[,G]]", NULL, 0, 1, NULL, \
		"loss in bursts besides: good turns bad with probability P a packet, back with R; " \
		"bad loses B (default 1), good G (default 0)"}, \
	{OPT_REALS, 0, "noise", "SIZES", "0", 0, 1, NULL, "relative noise on what a policy observes"}, \
	{OPT_WORD, 0, "noise-feature", "NAME", "inv_rtt", 0, 0, "thr|pacing|loss|samples|dt|inv_rtt", \
		"the noisy feature"}, \
	{OPT_WORD, 0, "noise-kind", "KIND", "uniform", 0, 0, "uniform|gaussian", "distribution of the noise"}, \
	{OPT_TEXT, 0, "properties", "FILE", NULL, 0, 0, NULL, \
		"record the QC of a policy's decisions on a property file or a shipped one"}, \
	{OPT_TEXTS, 0, "let", "NAME=VALUE", NULL, 0, 0, NULL, "set parameters of the property file"}, \
	{OPT_WORD, 0, "engine", "ENGINE", "auto", 0, 0, "auto|box|exact|linear", \
		"what proves: auto is exact up to two dimensions, linear beyond"}, \
	{OPT_INT, 0, "slices", "N", "5", 1, 100000, NULL, "box: slices of a region"}, \
	{OPT_INT, 0, "budget", "CELLS", "1000", 0, 1e12, NULL, "linear: cells it may bound for each part"}, \
	{OPT_REAL, 0, "fallback", "SHARE", "0.5", 0, 1, NULL, \
		"MODEL@fallback keeps CUBIC's window where less than this is proven"}, \
	{OPT_INT, 0, "seed", "N", "1", 0, 1e15, NULL, "first seed"}, \
	{OPT_INT, 'n', "runs", "N", "1", 1, PLAN_MAX_RUNS, NULL, "runs of each combination: seeds SEED, SEED + 1, ..."}, \
	{OPT_REAL, 'd', "duration", "S", "60", 0.1, 1e5, NULL, "seconds of a run"}, \
	{OPT_REAL, 0, "skip-end", "S", "0", 0, 1e5, NULL, "seconds at the end that metrics leave out"}, \
	{OPT_TEXT, 0, "uplink", "TRACE", "wired192", 0, 0, NULL, "trace of the ACKs' link"}, \
	{OPT_WORD, 0, "queue", "KIND", "droptail", 0, 0, RUN_QUEUES, "queue discipline, both directions"}, \
	{OPT_REAL, 0, "codel-target", "MS", "5", 0.001, 1e5, NULL, "CoDel: acceptable queueing delay"}, \
	{OPT_REAL, 0, "codel-interval", "MS", "100", 0.001, 1e5, NULL, "CoDel: how long it may be exceeded"}, \
	{OPT_REAL, 0, "pie-target", "MS", "15", 0.001, 1e5, NULL, "PIE: queueing delay to hold"}, \
	{OPT_REAL, 0, "pie-update", "MS", "15", 0.001, 1e5, NULL, \
		"PIE: time between updates of its drop probability"}, \
	{OPT_REAL, 0, "pie-burst", "MS", "150", 0, 1e5, NULL, "PIE: burst that passes untouched"}, \
	{OPT_FLAG, 0, "ecn", NULL, "no", 0, 0, NULL, "flows use ECN: CoDel and PIE mark instead of dropping"}, \
	{OPT_REAL, 0, "nominal", "MBPS", NULL, 0.01, 1e6, NULL, \
		"rate that sizes the queue, instead of what the trace's name says (30 where it says nothing)"}, \
	{OPT_INT, 0, "flows", "N", NULL, 1, RESULTS_MAX_FLOWS, NULL, "flows of a run, as many as mixed by default"}, \
	{OPT_REAL, 0, "stagger", "S", "0", 0, 1e5, NULL, "flow i starts after i times this"}, \
	{OPT_REAL, 0, "flow-time", "S", "0", 0, 1e5, NULL, "seconds that a flow sends, 0 to the end"}, \
	{OPT_REALS, 0, "extra-delays", "MS", "0", 0, 1e4, NULL, "added to the one-way delays of the flows in turn"}, \
	{OPT_WORD, 0, "pacing", "WHEN", "auto", 0, 0, "auto|on|off", "pacing; auto as the controller asks"}, \
	{OPT_INT, 0, "hz", "N", "250", 100, 1000, NULL, "kernel ticks a second"}, \
	{OPT_WORD, 0, "emulator", "KIND", "auto", 0, 0, "auto|mahimahi|grid|ideal", \
		"delays: as late as mahimahi's processes, on its millisecond grid but punctual, or exact; " \
		"auto is mahimahi in the simulator, ideal with --on emu"}
/* clang-format on */

/* Expands the options into runs. Prints what makes a grid impossible. 0 or -errno; on failure g is empty. */
int plan_init(struct plan *g, const struct opts *o);
void plan_free(struct plan *g);

#endif
