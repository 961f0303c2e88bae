/* canopy eval: runs a grid of controllers over traces, simulated or emulated. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/work.h"
#include "cli/cmd.h"
#include "emu/netns.h"
#include "eval/eval.h"
#include "eval/table.h"

static const struct opt opts[] = {
	CMD_COMMON_OPTS,
	{OPT_SPEC, 's', "spec", "FILE", NULL, 0, 0, NULL, "read options from a spec file"},
	{OPT_FILE, 'o', "output", "DIR", NULL, 0, 0, NULL,
		"result folder: made, resumed or extended"},
	PLAN_OPTS,
	{OPT_FLAG, 0, "series", NULL, "yes", 0, 0, NULL, "write time series (--no-series: none)"},
	{OPT_FLAG, 0, "logs", NULL, "no", 0, 0, NULL, "write mahimahi logs of both links"},
	{OPT_FLAG, 0, "pcap", NULL, "no", 0, 0, NULL,
		"write packet captures that Wireshark reads, taken before the bottleneck"},
	{OPT_FLAG, 0, "decisions", NULL, "no", 0, 0, NULL,
		"write every report and decision of policy flows"},
	{OPT_INT, 'j', "threads", "N", NULL, 1, 1024, NULL,
		"runs at a time: by default as many as there are cores, on emu one"},
	{.kind = OPT_END},
};

// The options that say what is run, for the results' header; not where to and how.
static json_t *spec_of(const struct opts *o)
{
	static const char *const out[] = {"help", "verbose", "quiet", "spec", "output", "series",
		"logs", "pcap", "decisions", "threads"};
	json_t *spec = json_object();

	for (int i = 0; spec && i < o->n; i++) {
		bool skip = !o->text[i];

		for (size_t k = 0; k < sizeof(out) / sizeof(out[0]); k++)
			skip = skip || !strcmp(o->table[i].name, out[k]);
		if (skip)
			continue;
		if (json_object_set_new(spec, o->table[i].name, json_string(o->text[i]))) {
			pr_err("--%s: '%s' is not UTF-8 text\n", o->table[i].name, o->text[i]);
			json_decref(spec);
			return NULL;
		}
	}
	return spec;
}

static void warn_of_buffers(const struct plan *g)
{
	for (int i = 0; i < g->schemes.nmodels; i++) {
		const struct scheme_model *m = g->schemes.models[i];
		double made_for = m->model->info.buffer_bdp;

		for (int k = 0; k < g->nbuffers && !isnan(made_for); k++)
			if ((g->buffers[k] < 1) != (made_for < 1))
				pr_warn("%s was made for %g BDP buffers, not for %g BDP\n",
					m->path, made_for, g->buffers[k]);
	}
}

// Who learnt behind a shield counts on it.
static void warn_of_shields(const struct plan *g)
{
	bool bare[SCHEME_MODELS] = {false}, shielded[SCHEME_MODELS] = {false};

	for (int i = 0; i < g->schemes.n; i++)
		for (int k = 0; k < g->schemes.schemes[i].n; k++) {
			const struct sender *s = &g->schemes.schemes[i].senders[k];

			for (int m = 0; m < g->schemes.nmodels; m++)
				if (s->model == g->schemes.models[m]) {
					bare[m] |= s->variant == SENDER_PLAIN;
					shielded[m] |= s->variant == SENDER_SHIELD;
				}
		}
	for (int m = 0; m < g->schemes.nmodels; m++)
		if (bare[m] && !shielded[m] && g->schemes.models[m]->model->info.shield)
			pr_warn("%s was trained behind a shield, %s@shield has it\n",
				g->schemes.models[m]->path, g->schemes.models[m]->path);
}

static int by_id(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct ids {
	const char **id; /* [n] sorted */
	int n;
};

static bool in_plan(void *arg, const struct run_result *r)
{
	const struct ids *ids = arg;
	const char *key = r->id;

	return bsearch(&key, ids->id, ids->n, sizeof(*ids->id), by_id);
}

static void warn_of_idle(const struct result_set *set, struct ids *ids)
{
	int idle = 0;

	for (size_t i = 0; i < set->n; i++)
		idle += set->runs[i].acted_pct == 0 && in_plan(ids, &set->runs[i]);
	if (idle)
		pr_warn("in %d run%s the policy never acted: slow start never ended\n", idle,
			idle > 1 ? "s" : "");
}

static void warn_of_doubts(const struct result_set *set, struct ids *ids)
{
	const char *why = NULL;
	int n = 0;

	for (size_t i = 0; i < set->n; i++)
		if (set->runs[i].trusted == 0 && in_plan(ids, &set->runs[i])) {
			why = why ? why : set->runs[i].doubt;
			n++;
		}
	if (n)
		pr_warn("do not trust %d of %d runs (%s%s)\n", n, ids->n, why,
			n > 1 ? ", for one" : "");
}

// The table of the plan's runs, as the folder has them.
static int show_table(const struct plan *g, const char *dir)
{
	struct result_set set = {.n = 0};
	struct ids ids = {calloc(g->n, sizeof(*ids.id)), g->n};
	int err = ids.id ? results_load(dir, &set) : -ENOMEM;

	for (int i = 0; i < g->n && ids.id; i++)
		ids.id[i] = g->runs[i].id;
	if (!err) {
		qsort(ids.id, ids.n, sizeof(*ids.id), by_id);
		table_print(stdout, &set, in_plan, &ids);
		warn_of_idle(&set, &ids);
		warn_of_doubts(&set, &ids);
	}
	result_set_free(&set);
	free(ids.id);
	return err;
}

static int run(struct opts *o)
{
	struct eval_conf conf = {
		.dir = opts_text(o, "output"),
		.series = opts_flag(o, "series"),
		.logs = opts_flag(o, "logs"),
		.pcap = opts_flag(o, "pcap"),
		.decisions = opts_flag(o, "decisions"),
	};
	struct plan g;
	bool emu;
	int err;

	if (!conf.dir || !*conf.dir) {
		pr_err("name a result folder with --output\n");
		return EXIT_USAGE;
	}
	emu = !strcmp(opts_text(o, "on"), "emu");
	conf.threads = opts_given(o, "threads") ? opts_int(o, "threads") : emu ? 1 : work_cpus();
	if (emu && (conf.pcap || conf.decisions)) {
		pr_err("--%s: is of the simulator; with --on emu there is none\n",
			conf.pcap ? "pcap" : "decisions");
		return EXIT_FAILED;
	}
	if (plan_init(&g, o))
		return EXIT_FAILED;
	warn_of_buffers(&g);
	warn_of_shields(&g);
	conf.spec = spec_of(o);
	if (emu && netns_privileges(&emu)) {
		json_decref(conf.spec);
		plan_free(&g);
		return EXIT_FAILED;
	}
	err = conf.spec ? eval_run(&g, &conf) : -EINVAL;
	json_decref(conf.spec);
	if (!err)
		err = show_table(&g, conf.dir);
	plan_free(&g);
	return err ? EXIT_FAILED : EXIT_OK;
}

const struct cmd cmd_eval[] = {
	{"eval", NULL, "", 0, 0, "Run controllers over traces, simulated or with the real kernel",
		"Runs every combination of controllers, traces, buffers, delays, losses, noises and\n"
		"seeds, and prints utilisation, queueing delay and drops. The queue may manage itself\n"
		"(--queue codel or pie, with --ecn to mark instead of dropping); --loss-burst loses\n"
		"packets in bursts (Gilbert-Elliott) besides --loss. Runs that the folder has are\n"
		"not made again, so the same command resumes, and more --runs or --traces extend it;\n"
		"a stored run is told by everything that determines it. canopy report draws the folder.\n\n"
		"  canopy eval -c cubic,bbr -t wired12,cellular:1 -o results/first\n\n"
		"--on emu makes the same runs, as long as they last, with this kernel's TCP over the\n"
		"emulator (canopy emu), both ends in namespaces of their own. The controllers are the\n"
		"kernel's, whatever it has; records, series and logs are the same, and say besides how\n"
		"far a run can be trusted. Socket buffers may grow so far that they limit no flow. Seeds\n"
		"decide starts and losses; the rest of a run is never the same twice. One run at a time,\n"
		"unless -j asks for more, which then compete for processors. --pcap, --decisions,\n"
		"policies, --noise and --hz are the simulator's; with --emulator mahimahi packets leave\n"
		"as late as by its processes. Needs root or user namespaces. canopy report and canopy\n"
		"compare take both kinds of folders together.\n\n"
		"  canopy eval --on emu -c cubic,bbr -t wired12,cellular:1 -o results/kernel\n"
		"  canopy report results/first results/kernel",
		opts, run},
	{.name = NULL},
};
