/* Reads the axes, checks them, and multiplies them out. */
#include "eval/plan.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/log.h"
#include "emu/iperf3.h"
#include "policy/setup.h"
#include "sim/world.h"

static bool on_emu(const struct opts *o)
{
	return !strcmp(opts_text(o, "on"), "emu");
}

// Options that say nothing of a run where it is to be.
static int check_place(const struct opts *o)
{
	static const char *const simulated[] = {"hz", "noise", "noise-feature", "noise-kind",
		"properties", "let", "engine", "slices", "budget", "fallback"};
	bool iperf3 = !strcmp(opts_text(o, "with"), "iperf3");

	for (size_t i = 0; i < sizeof(simulated) / sizeof(simulated[0]) && on_emu(o); i++)
		if (opts_given(o, simulated[i])) {
			pr_err("--%s: is of the simulator; with --on emu there is none\n", simulated[i]);
			return -EINVAL;
		}
	if (on_emu(o) && !strcmp(opts_text(o, "emulator"), "grid")) {
		pr_err("--emulator: --on emu knows ideal and mahimahi\n");
		return -EINVAL;
	}
	if (opts_given(o, "with") && !on_emu(o)) {
		pr_err("--with: goes with --on emu\n");
		return -EINVAL;
	}
	if (on_emu(o) && !strcmp(opts_text(o, "pacing"), "off")) {
		pr_err("--pacing: the kernel's controllers pace or not as they do; --on emu knows auto and on\n");
		return -EINVAL;
	}
	if (iperf3 && !strcmp(opts_text(o, "pacing"), "on")) {
		pr_err("--pacing: iperf3 paces at a fixed rate only\n");
		return -EINVAL;
	}
	if (iperf3 && opts_real(o, "flow-time") != floor(opts_real(o, "flow-time"))) {
		pr_err("--flow-time: iperf3 takes whole seconds\n");
		return -EINVAL;
	}
	return iperf3 ? iperf3_have() : 0;
}

static int read_schemes(struct plan *g, const struct opts *o)
{
	char **names;
	int n = opts_texts(o, "controllers", &names), err = 0;

	g->schemes.kernel = on_emu(o);
	for (int i = 0; i < n && !err; i++)
		err = scheme_add(&g->schemes, names[i]);
	free(names);
	return err;
}

static int open_trace(struct run_trace *t, const char *what, const char *opt)
{
	int err = trace_open(&t->trace, what);

	if (err)
		return err;
	if (strlen(t->trace->name) >= RESULTS_NAME) {
		pr_err("--%s: the name of '%s' is longer than %d bytes\n", opt, what,
			RESULTS_NAME - 1);
		return -EINVAL;
	}
	trace_digest(t->trace, t->digest);
	return 0;
}

static int read_traces(struct plan *g, const struct opts *o)
{
	char **names;
	int n = opts_texts(o, "traces", &names), err = 0;

	g->traces = calloc(n + 1, sizeof(*g->traces));
	if (!g->traces)
		err = -ENOMEM;
	else if (!n)
		pr_err("no traces: name some with --traces\n"), err = -EINVAL;
	for (int i = 0; i < n && !err; i++) {
		err = open_trace(&g->traces[i], names[i], "traces");
		g->ntraces = i + 1;
		for (int k = 0; k < i && !err; k++) {
			if (strcmp(g->traces[k].trace->name, g->traces[i].trace->name))
				continue;
			pr_err("--traces: two are called '%s'\n", g->traces[i].trace->name);
			err = -EINVAL;
		}
	}
	free(names);
	return err ? err : open_trace(&g->uplink, opts_text(o, "uplink"), "uplink");
}

// A list of distinct numbers.
static int read_axis(const struct opts *o, const char *name, double **v, int *n)
{
	*n = opts_reals(o, name, v);
	if (!*n) {
		pr_err("--%s: an empty list\n", name);
		return -EINVAL;
	}
	for (int i = 0; i < *n; i++)
		for (int k = 0; k < i; k++)
			if ((*v)[i] == (*v)[k]) {
				pr_err("--%s: %g is named twice\n", name, (*v)[i]);
				return -EINVAL;
			}
	return 0;
}

static int word_index(const char *words, const char *word)
{
	int i = 0;

	for (size_t n = strlen(word); strncmp(words, word, n) || (words[n] && words[n] != '|'); i++)
		words += strcspn(words, "|") + 1;
	return i;
}

static uint64_t ns_of(const struct opts *o, const char *name)
{
	return opts_real(o, name) * 1e6 + 0.5;
}

static void read_aqm(struct run_conf *c, const struct opts *o)
{
	if (c->queue == QUEUE_CODEL)
		c->aqm = (struct aqm_conf){ns_of(o, "codel-target"), ns_of(o, "codel-interval"), 0};
	else if (c->queue == QUEUE_PIE)
		c->aqm = (struct aqm_conf){ns_of(o, "pie-target"), ns_of(o, "pie-update"),
			ns_of(o, "pie-burst")};
}

static int read_burst_loss(struct run_conf *c, const struct opts *o)
{
	double *v, all[] = {0, 1, 1, 0};
	int n = opts_reals(o, "loss-burst", &v);

	if (!n)
		return 0;
	if (n == 1 || n > 4 || v[0] == 0 || v[1] == 0) {
		pr_err("--loss-burst: wants P,R[,B[,G]] with P and R over 0\n");
		free(v);
		return -EINVAL;
	}
	memcpy(all, v, n * sizeof(*v));
	free(v);
	c->burst_loss = (struct loss_conf){all[0], all[1], all[2], all[3]};
	return 0;
}

// What all runs share.
static int read_common(struct run_conf *c, const struct plan *g, const struct opts *o)
{
	static const enum queue_kind kinds[] = {
		QUEUE_DROPTAIL, QUEUE_DROPHEAD, QUEUE_INFINITE, QUEUE_CODEL, QUEUE_PIE};
	const char *emulator = opts_text(o, "emulator");
	struct utsname u;

	if (!strcmp(emulator, "auto"))
		emulator = on_emu(o) ? "ideal" : "mahimahi";

	*c = (struct run_conf){
		.on = on_emu(o) ? RUN_EMU : RUN_SIM,
		.traffic = strcmp(opts_text(o, "with"), "iperf3") ? RUN_FLOWS : RUN_IPERF3,
		.up = &g->uplink,
		.queue = kinds[word_index(RUN_QUEUES, opts_text(o, "queue"))],
		.ecn = opts_flag(o, "ecn"),
		.noise.feature = frame_find(opts_text(o, "noise-feature")),
		.duration_s = opts_real(o, "duration"),
		.skip_end_s = opts_real(o, "skip-end"),
		.flows = opts_int(o, "flows"),
		.stagger_s = opts_real(o, "stagger"),
		.flow_s = opts_real(o, "flow-time"),
		.extra_ms = g->extra,
		.nextra = g->nextra,
		.guard = &g->guard,
		.pacing = word_index("off|on|auto", opts_text(o, "pacing")),
		.hz = opts_int(o, "hz"),
		.ms_delay = strcmp(emulator, "ideal") != 0,
		.poll_ns = strcmp(emulator, "mahimahi") ? 0 : WORLD_POLL_NS,
	};
	if (c->on == RUN_EMU && !uname(&u))
		snprintf(c->kernel, sizeof(c->kernel), "%s", u.release);
	if (c->pacing == 2)
		c->pacing = -1;
	if (c->skip_end_s >= c->duration_s) {
		pr_err("--skip-end: %g s leave nothing of a run of %g s\n", c->skip_end_s,
			c->duration_s);
		return -EINVAL;
	}
	read_aqm(c, o);
	return read_burst_loss(c, o);
}

static int count_flows(struct run_conf *c, const struct scheme *s, const struct opts *o)
{
	c->flows = opts_given(o, "flows") ? opts_int(o, "flows") : s->n;
	if (c->flows < s->n) {
		pr_err("--flows: %d cannot mix the %d controllers of '%s'\n", c->flows, s->n,
			s->name);
		return -EINVAL;
	}
	if (c->stagger_s * (c->flows - 1) + 0.02 >= c->duration_s - c->skip_end_s) {
		pr_err("--stagger: flow %d would start at %g s, after the end of a run of %g s\n",
			c->flows, c->stagger_s * (c->flows - 1), c->duration_s - c->skip_end_s);
		return -EINVAL;
	}
	return 0;
}

static int size_queue(struct run_conf *c, const struct opts *o)
{
	double pkts;

	c->nominal_mbps =
		c->down->trace->nominal_mbps ? c->down->trace->nominal_mbps : SETUP_CELLULAR_MBPS;
	if (opts_given(o, "nominal"))
		c->nominal_mbps = opts_real(o, "nominal");
	if (c->queue == QUEUE_INFINITE) {
		c->buffer_bdp = c->queue_pkts = 0;
		return 0;
	}
	pkts = setup_queue_pkts(c->buffer_bdp, c->nominal_mbps, c->delay_ms);
	if (pkts > 1e8) {
		pr_err("--buffers: %g BDP at %g Mbit/s and %g ms is a queue of %.0f packets\n",
			c->buffer_bdp, c->nominal_mbps, c->delay_ms, pkts);
		return -EINVAL;
	}
	c->queue_pkts = pkts;
	return 0;
}

// Index into the axes of a point of the product; see the order in plan.h.
enum { SEED, DELAY, LOSS, NOISE, TRACE, BUFFER, SCHEME, AXES };

// Adds the run at that point, if it is one of its own.
static int add_run(
	struct plan *g, const struct run_conf *common, const struct opts *o, const int at[AXES])
{
	struct run_conf *c = &g->runs[g->n];
	bool gaussian = !strcmp(opts_text(o, "noise-kind"), "gaussian");
	int err;

	*c = *common;
	c->scheme = &g->schemes.schemes[at[SCHEME]];
	c->down = &g->traces[at[TRACE]];
	c->seed = opts_int(o, "seed") + at[SEED];
	c->delay_ms = g->delays[at[DELAY]];
	c->loss = g->losses[at[LOSS]];
	c->buffer_bdp = g->buffers[at[BUFFER]];
	if (c->queue == QUEUE_INFINITE && at[BUFFER])
		return 0;
	if (scheme_model(c->scheme))
		c->noise.size = g->noises[at[NOISE]];
	else if (at[NOISE])
		return 0;
	if (c->noise.size > 0)
		c->noise.kind = gaussian ? FRAME_NOISE_NORMAL : FRAME_NOISE_UNIFORM;
	err = size_queue(c, o);
	if (!err)
		err = count_flows(c, c->scheme, o);
	if (err)
		return err;
	run_id(c);
	g->n++;
	return 0;
}

static int expand(struct plan *g, const struct opts *o)
{
	const int size[AXES] = {opts_int(o, "runs"), g->ndelays, g->nlosses, g->nnoises, g->ntraces,
		g->nbuffers, g->schemes.n};
	int at[AXES] = {0}, axis = AXES, err;
	double total = 1;
	struct run_conf common;

	for (int i = 0; i < AXES; i++)
		total *= size[i];
	if (total > PLAN_MAX_RUNS) {
		pr_err("a grid of %.0f runs is too large (at most %d)\n", total, PLAN_MAX_RUNS);
		return -EINVAL;
	}
	g->runs = calloc(total, sizeof(*g->runs));
	if (!g->runs)
		return -ENOMEM;
	err = read_common(&common, g, o);
	while (!err && axis >= 0) {
		err = add_run(g, &common, o, at);
		for (axis = AXES - 1; axis >= 0 && ++at[axis] == size[axis]; axis--)
			at[axis] = 0;
	}
	return err;
}

// What judges policies as they run. A fallback or shield without properties is that on those of its model.
static int read_guard(struct plan *g, const struct opts *o)
{
	const char *file = opts_text(o, "properties"), *own = NULL;
	const char *needs = NULL;
	char **let;
	int nlet, err;

	g->guard.qc = (struct qc_conf){.engine = engine_find(opts_text(o, "engine")),
		.slices = opts_int(o, "slices"),
		.budget = opts_int(o, "budget")};
	g->guard.threshold = opts_real(o, "fallback");
	for (int i = 0; i < g->schemes.n; i++)
		for (int v = SENDER_FALLBACK; v <= SENDER_SHIELD; v++)
			if (scheme_has(&g->schemes.schemes[i], v))
				needs = sender_variants[v];
	if (needs && !file && g->schemes.nmodels == 1) {
		const struct model_info *info = &g->schemes.models[0]->model->info;

		own = info->properties ? info->properties : info->shield;
	}
	if (needs && !file && !own) {
		pr_err("--controllers: %s needs --properties, what is to hold\n", needs);
		return -EINVAL;
	}
	if (!file && !own)
		return 0;
	nlet = opts_texts(o, "let", &let);
	err = file ? property_load(&g->guard.properties, file, (const char *const *)let, nlet)
		   : property_parse(&g->guard.properties, own, "the model's properties",
			     (const char *const *)let, nlet);
	if (nlet)
		free(let);
	err = err ? err : shield_new(&g->guard.shield, g->guard.properties);
	return err ? err : scheme_set_actors(&g->schemes);
}

static int check_extra(const struct plan *g)
{
	int flows = 0;

	for (int i = 0; i < g->n; i++)
		flows = g->runs[i].flows > flows ? g->runs[i].flows : flows;
	if (g->nextra <= flows)
		return 0;
	pr_err("--extra-delays: %d values, and no run has more than %d flow%s; raise --flows\n", g->nextra,
		flows, flows > 1 ? "s" : "");
	return -EINVAL;
}

int plan_init(struct plan *g, const struct opts *o)
{
	int err;

	memset(g, 0, sizeof(*g));
	g->nextra = opts_reals(o, "extra-delays", &g->extra);
	err = check_place(o);
	if (!err)
		err = read_axis(o, "buffers", &g->buffers, &g->nbuffers);
	if (!err)
		err = read_axis(o, "delays", &g->delays, &g->ndelays);
	if (!err)
		err = read_axis(o, "loss", &g->losses, &g->nlosses);
	if (!err)
		err = read_axis(o, "noise", &g->noises, &g->nnoises);
	if (!err)
		err = read_schemes(g, o);
	if (!err)
		err = read_traces(g, o);
	if (!err)
		err = read_guard(g, o);
	if (!err)
		err = expand(g, o);
	if (!err)
		err = check_extra(g);
	if (err)
		plan_free(g);
	return err;
}

void plan_free(struct plan *g)
{
	scheme_set_free(&g->schemes);
	shield_free(g->guard.shield);
	property_free(g->guard.properties);
	for (int i = 0; i < g->ntraces; i++)
		trace_free(g->traces[i].trace);
	free(g->traces);
	trace_free(g->uplink.trace);
	free(g->buffers);
	free(g->delays);
	free(g->losses);
	free(g->noises);
	free(g->extra);
	free(g->runs);
	memset(g, 0, sizeof(*g));
}
