/* canopy certify: what a model provably does over regions of states. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/work.h"
#include "cli/certify.h"
#include "cli/cmd.h"

#define OWN_PROPERTY "--over, --given, --then"

static const struct opt opts[] = {
	CMD_COMMON_OPTS,
	{OPT_TEXT, 'p', "properties", "FILE", NULL, 0, 0, NULL,
		"property file, or the name of a shipped one; by default what the model was trained for, else "
		"deep-buffer"},
	{OPT_TEXTS, 0, "let", "NAME=VALUE", NULL, 0, 0, NULL, "set parameters of the property file"},
	{OPT_TEXT, 0, "pick", "NAME", NULL, 0, 0, NULL, "the set or property of the file that counts"},
	{OPT_FLAG, 0, "shield", NULL, NULL, 0, 0, NULL,
		"certify the shielded policy, whose window is moved to the nearest one that the properties allow in "
		"the state it is in"},
	{OPT_TEXT, 0, "shield-properties", "FILE", NULL, 0, 0, NULL,
		"... by a shield of other properties than those judged: a file, or a shipped one"},
	{OPT_WORD, 'e', "engine", "ENGINE", "auto", 0, 0, "auto|box|exact|linear",
		"auto is exact up to two dimensions, linear beyond"},
	{OPT_INT, 'N', "slices", "N", "5", 1, 100000, NULL, "box: slices of a region"},
	{OPT_INT, 0, "budget", "CELLS", "1000", 0, 1e12, NULL, "linear: cells it may bound for each part"},
	{OPT_WORD, 0, "semantics", "WHICH", "sound", 0, 0, "sound|published",
		"published gives the numbers of the published code, defects included, for comparison"},
	{OPT_TEXT, 0, "setups", "NAME", "reference", 0, 0, NULL,
		"without DECISIONS: where to draw them from, a name or a spec file of canopy eval"},
	{OPT_INT, 'n', "decisions", "N", "2000", 0, 1e9, NULL, "judge about N of the decisions, evenly spread; 0: all"},
	{OPT_TEXT, 0, "over", "TEXT", NULL, 0, 0, NULL, "a property of your own: its region, 'inv_rtt in [0.75, 1]'"},
	{OPT_TEXT, 0, "given", "TEXT", NULL, 0, 0, NULL, "... when it triggers, 'dcwnd[-1..-3] <= 0'"},
	{OPT_TEXT, 0, "then", "TEXT", NULL, 0, 0, NULL, "... its target, 'dcwnd in [0, 25]'"},
	{OPT_REALS, 0, "state", "X,...", NULL, -1e300, 1e300, NULL,
		"one decision instead of recorded ones: its state, oldest frame first"},
	{OPT_INT, 0, "cwnd", "PKTS", NULL, 1, 1e9, NULL, "... the window it is based on"},
	{OPT_INT, 0, "prev", "PKTS", "0", 0, 1e9, NULL, "... the previously installed window, 0 for none"},
	{OPT_REALS, 0, "changes", "PKTS,...", NULL, -1e9, 1e9, NULL, "... installed changes, newest first"},
	{OPT_FILE, 'o', "output", "FILE", NULL, 0, 0, NULL, "write the certificate, for canopy check"},
	{OPT_FILE, 0, "vnnlib", "DIR", NULL, 0, 0, NULL, "write every part as VNN-LIB, for other verifiers"},
	{OPT_WORD, 0, "vnnlib-inputs", "WHICH", "exact", 0, 0, "exact|box",
		"exact keeps delay_metric tied to inv_rtt; box gives it a range of its own, as VNN-COMP's tools want"},
	{OPT_FILE, 0, "claims", "FILE", NULL, 0, 0, NULL,
		"decide the claims of a VNN-LIB file instead; exit with 3 unless all are proven"},
	{OPT_FILE, 0, "picture", "FILE", NULL, 0, 0, NULL,
		"draw a part as .svg, .png or .pdf: the first refuted one, else the first, or --part's"},
	{OPT_TEXT, 0, "part", "DECISION:PROPERTY", NULL, 0, 0, NULL, "the part to draw, decisions counted from 1"},
	{OPT_FILE, 0, "replay", "FILE", NULL, 0, 0, NULL,
		"run the model on the counterexamples of a certificate and show states and windows"},
	{OPT_REAL, 0, "require", "QC", NULL, 0, 1, NULL, "exit with 3 if the model's QC is below"},
	{OPT_FLAG, 0, "json", NULL, NULL, 0, 0, NULL, "print JSON"},
	{OPT_INT, 'j', "threads", "N", NULL, 1, 1024, NULL, "worker threads, all cores by default"},
	{.kind = OPT_END},
};

// Properties that training's spec names stand where none are asked for: a model has only their name.
static int set_trained(struct certify *c, struct opts *o)
{
	static const char *const keys[] = {"properties", "let"};
	const char *spec = c->model->info.training;
	int err = 0;

	if (!spec || c->model->info.properties || opts_text(o, "properties") || opts_text(o, "over"))
		return 0;
	for (int i = 0; !err && i < 2; i++) {
		char *line = file_path("\n%s = ", keys[i]), *value;
		const char *at = strstr(spec, line);

		if (at) {
			at += strlen(line);
			value = file_path("%.*s", (int)strcspn(at, "\n"), at);
			err = opts_set(o, keys[i], value, 1, "the model's training");
			free(value);
		}
		free(line);
	}
	c->trained = opts_text(o, "properties");
	return err;
}

// The property file asked for: of the command line's parts, a file, the model's own, or the default.
static int load_properties(struct certify *c, const struct opts *o)
{
	const char *over = opts_text(o, "over"), *given = opts_text(o, "given"), *then = opts_text(o, "then");
	const char *file = opts_text(o, "properties"), *own = c->model->info.properties;
	char **let, *text;
	int nlet = opts_texts(o, "let", &let), err;

	if ((over || given || then) && (!over || !then || file)) {
		pr_err("a property of your own needs --over and --then, and no --properties\n");
		err = -EINVAL;
	} else if (over) {
		text = file_path("property own\n over %s\n%s%s%s then %s\n", over, given ? " given " : "",
			given ? given : "", given ? "\n" : "", then);
		err = property_parse(&c->properties, text, OWN_PROPERTY, (const char *const *)let, nlet);
		free(text);
	} else if (!file && own) {
		err = property_parse(&c->properties, own, "the model's properties", (const char *const *)let, nlet);
	} else {
		err = property_load(&c->properties, file ? file : "deep-buffer", (const char *const *)let, nlet);
	}
	if (nlet)
		free(let);
	if (err && c->trained)
		pr_err("that is what %s was trained for; --properties names others\n", c->model_path);
	if (!err && opts_text(o, "pick"))
		err = property_pick(c->properties, opts_text(o, "pick"));
	return err;
}

// The properties that a shield enforces, if there is to be one.
static int load_shield(struct certify *c, const struct opts *o)
{
	const char *other = opts_text(o, "shield-properties");
	int err = other ? property_load(&c->shielding, other, NULL, 0) : 0;

	if (!err && (other || opts_flag(o, "shield")))
		err = shield_new(&c->shield, other ? c->shielding : c->properties);
	c->conf.shield = c->shield;
	if (!err && !c->shield && c->model->info.shield)
		pr_warn("%s was trained behind a shield; this is about the bare policy (--shield)\n", c->model_path);
	return err;
}

static int load_model(struct certify *c, const char *path)
{
	int err = model_load(&c->model, path);

	if (err)
		return err;
	c->mlp = model_fold(c->model);
	return c->mlp ? actor_new(&c->actor, c->mlp) : -ENOMEM;
}

static void release(struct certify *c)
{
	actor_free(c->actor);
	mlp_free(c->mlp);
	model_free(c->model);
	shield_free(c->shield);
	property_free(c->shielding);
	property_free(c->properties);
	certify_free_decisions(c);
}

static int judge_decisions(struct certify *c)
{
	static const char *const alone[] = {
		"output", "vnnlib", "picture", "require", "json", "shield", "shield-properties"};
	bool published = !strcmp(opts_text(c->opts, "semantics"), "published");
	int err;

	for (size_t i = 0; published && i < sizeof(alone) / sizeof(alone[0]); i++)
		if (opts_given(c->opts, alone[i])) {
			pr_err("--%s: not with --semantics published, whose numbers certify nothing\n", alone[i]);
			return -EINVAL;
		}
	err = load_properties(c, c->opts);
	if (!err)
		err = load_shield(c, c->opts);
	for (int i = 1; !err && c->shield && i < 3; i++)
		if (opts_given(c->opts, alone[i])) {
			pr_err("--%s: not with --shield, since it shows the network alone\n", alone[i]);
			err = -EINVAL;
		}
	if (!err)
		err = certify_decisions(c, c->opts->nargs > 1 ? c->opts->args[1] : NULL);
	if (err)
		return err;
	return published ? certify_published(c) : certify_run(c);
}

static int run(struct opts *o)
{
	struct certify c = {
		.model_path = o->args[0],
		.opts = o,
		.threads = opts_given(o, "threads") ? opts_int(o, "threads") : work_cpus(),
		.conf = {.engine = engine_find(opts_text(o, "engine")),
			.slices = opts_int(o, "slices"),
			.budget = opts_int(o, "budget"),
			.witness = true},
	};
	int err = load_model(&c, o->args[0]);

	if (!err)
		err = set_trained(&c, o);
	if (!err)
		err = opts_text(o, "replay")   ? certify_replay(&c, opts_text(o, "replay"))
		      : opts_text(o, "claims") ? certify_claims(&c, opts_text(o, "claims"))
					       : judge_decisions(&c);
	release(&c);
	if (err == -ERANGE)
		return EXIT_NOT_CERTIFIED;
	return err ? EXIT_FAILED : EXIT_OK;
}

const struct cmd cmd_certify[] = {
	{"certify", NULL, "MODEL [DECISIONS]", 1, 2, "Prove what a model does over regions of network states",
		"DECISIONS is a result folder of canopy eval --decisions, or one of its decision files; without, "
		"decisions are drawn from simulated set-ups (--setups). For every decision and every property that "
		"triggers on it an engine bounds the model over the property's region. Shares are of the region: "
		"proven to meet the target, refuted, and exact where the engine can tell. QC is exact where there "
		"is one, else proven. Beside it stand the trigger rate, what doing nothing (a = 0) and holding the "
		"window would get on the same decisions, and the ceiling: what any window at all could.",
		opts, run},
	{.name = NULL},
};
