/*
 * The environments of a training run, from its spec: a grid, or draws from a distribution.
 *
 * grid: (rates and traces) x delays x buffers, in this order, outermost first; the same in every
 * segment but for seeds. random: `envs` of them, drawn anew for every segment: rate, delay and
 * buffer log-uniform between the least and the largest of their list, and for a share of them a
 * generated trace around that rate: half cellular links, half rate steps. A set-up depends on the
 * seed, the segment and its index alone.
 */
#ifndef LEARN_SETUPS_H
#define LEARN_SETUPS_H

#include "base/opts.h"
#include "canopy/env.h"

#define SETUPS_MAX 65536

struct setups {
	bool random;
	int n; /* environments */
	double *rates, *delays, *buffers;
	char **traces;
	int nrates, ndelays, nbuffers, ntraces;
	double trace_share;
	struct canopy_env_conf base; /* what all share; uplink and noise_feature are ours */
	char *uplink, *noise_feature;
	uint64_t seed;
	char (*names)[64]; /* [n] of generated traces */
};

/* clang-format off */
#define SETUPS_RATES "6,12,18,24,30,36,42,48,54,60,66,72,78,84,90,96,102,108,114,120,126,132,138," \
	"144,150,156,162,168,174,180,186,192"

/* Rows of an option table: the set-ups to train on ... */
#define SETUPS_OPTS \
	{OPT_WORD, 0, "setups", "KIND", "grid", 0, 0, "grid|random", \
		"all combinations of rates or traces, delays and buffers; or draws from between their extremes"}, \
	{OPT_INT, 0, "envs", "N", "256", 1, SETUPS_MAX, NULL, "environments, if random"}, \
	{OPT_REALS, 0, "rates", "MBPS", SETUPS_RATES, 0.01, 1e4, NULL, "constant link rates"}, \
	{OPT_TEXTS, 't', "traces", "TRACES", NULL, 0, 0, NULL, \
		"trace files or generated traces, beside the rates (grid)"}, \
	{OPT_REAL, 0, "trace-share", "P", "0", 0, 1, NULL, \
		"share of environments on a generated trace (random)"}, \
	{OPT_REALS, 0, "delays", "MS", "10,2,25,50,75,100,150,200", 0.01, 1e4, NULL, \
		"one-way propagation delays"}, \
	{OPT_REALS, 'b', "buffers", "BDPS", "2", 0.001, 1e4, NULL, \
		"queue sizes in bandwidth-delay products of the nominal rate"}, \
	{OPT_TEXT, 0, "uplink", "TRACE", "wired48", 0, 0, NULL, "trace of the ACKs' link"}, \
	{OPT_REAL, 0, "loss", "P", "0", 0, 0.5, NULL, "random loss probability, each direction"}, \
	{OPT_REAL, 0, "noise", "SIZE", "0", 0, 1, NULL, "relative noise on what the policy observes"}, \
	{OPT_WORD, 0, "noise-feature", "NAME", "inv_rtt", 0, 0, "thr|pacing|loss|samples|dt|inv_rtt", \
		"the noisy feature"}, \
	{OPT_WORD, 0, "noise-kind", "KIND", "uniform", 0, 0, "uniform|gaussian", "distribution of the noise"}, \
	{OPT_REAL, 0, "receive-window", "X", "4", 1, 1e6, NULL, \
		"receive window as a multiple of what path and queue hold: bounds runaway windows"}, \
	{OPT_REAL, 0, "delay-tolerance", "X", "1.25", 1, 1e3, NULL, \
		"the raw reward's delay factor is min(1, X * min_rtt / srtt): queues of X - 1 minimum RTTs cost nothing"}, \
	{OPT_REAL, 0, "drop-price", "X", NULL, 0.01, 1e4, NULL, \
		"delivered packets that a lost one costs in the raw reward; the published 5 by default"}, \
	{OPT_INT, 0, "episode", "N", "0", 0, 1e12, NULL, \
		"decisions of an episode, 0: until the next checkpoint"}, \
	{OPT_WORD, 0, "emulator", "KIND", "mahimahi", 0, 0, "mahimahi|grid|ideal", \
		"delays: as late as mahimahi's processes, on its millisecond grid but punctual, or exact"}

/* ... and the ones held out, a grid; the rest is as in training. */
#define SETUPS_EVAL_OPTS \
	{OPT_REALS, 0, "eval-rates", "MBPS", "9,33,81,165", 0.01, 1e4, NULL, "held-out constant rates"}, \
	{OPT_TEXTS, 0, "eval-traces", "TRACES", "cellular:101,cellular:102:24,wired24-4x-d-7s,wired12-4x-u-7s", \
		0, 0, NULL, "held-out traces"}, \
	{OPT_REALS, 0, "eval-delays", "MS", "5,30,80", 0.01, 1e4, NULL, "held-out delays"}, \
	{OPT_REALS, 0, "eval-buffers", "BDPS", NULL, 0.001, 1e4, NULL, "held-out queues, those of training by default"}
/* clang-format on */

/* From options with both sets of rows; held_out picks the second. 0 or -EINVAL, printed. */
int setups_init(struct setups *s, const struct opts *o, bool held_out, uint64_t seed);
void setups_free(struct setups *s);

/* The n environments of a segment; confs' texts stay the set-ups', until the next call. */
void setups_fill(struct setups *s, uint64_t segment, struct canopy_env_conf *confs);

#endif
