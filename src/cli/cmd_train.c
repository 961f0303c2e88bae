/* canopy train: trains a policy in the simulator. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/work.h"
#include "cli/cmd.h"
#include "learn/train.h"

static const struct opt opts[] = {
	CMD_COMMON_OPTS,
	{OPT_SPEC, 's', "spec", "FILE", NULL, 0, 0, NULL, "read options from a spec file"},
	{OPT_FILE, 'o', "output", "FILE", NULL, 0, 0, NULL, "the model file to write (needed)"},
	{OPT_FILE, 0, "dir", "DIR", NULL, 0, 0, NULL,
		"the run's folder: checkpoints, curves, best and last model [OUTPUT.run]"},
	{OPT_FLAG, 0, "restart", NULL, "no", 0, 0, NULL,
		"begin anew although the folder has a checkpoint"},
	{OPT_INT, 'j', "threads", "N", NULL, 1, 1024, NULL, "worker threads, all cores by default"},
	TRAIN_OPTS,
	{.kind = OPT_END},
};

// Options that say where to and how, not what is trained.
static const char *const how[] = {
	"help", "verbose", "quiet", "spec", "output", "dir", "restart", "threads", NULL};

static char *run_dir(const struct opts *o, const char *output)
{
	static const char end[] = ".safetensors";
	size_t n = strlen(output), k = sizeof(end) - 1;

	if (opts_text(o, "dir"))
		return file_path("%s", opts_text(o, "dir"));
	n -= n > k && !strcmp(output + n - k, end) ? k : 0;
	return file_path("%.*s.run", (int)n, output);
}

static int run(struct opts *o)
{
	struct train_conf conf;
	struct train_io io;
	char *dir;
	int err;

	if (o->nargs && opts_load(o, o->args[0]))
		return EXIT_USAGE;
	io = (struct train_io){
		.output = opts_text(o, "output"),
		.threads = opts_given(o, "threads") ? (int)opts_int(o, "threads") : work_cpus(),
		.restart = opts_flag(o, "restart"),
	};
	if (!io.output || !*io.output) {
		pr_err("name the model file with --output\n");
		return EXIT_USAGE;
	}
	if (train_conf_init(&conf, o, how))
		return EXIT_FAILED;
	io.dir = dir = run_dir(o, io.output);
	err = train_run(&conf, &io);
	train_conf_free(&conf);
	free(dir);
	return err ? EXIT_FAILED : EXIT_OK;
}

const struct cmd cmd_train[] = {
	{"train", NULL, "[SPEC]", 0, 1, "Train a policy in the simulator",
		"Runs many environments at once, fills a replay, and updates actor and critics "
		"(TD3)\n"
		"at a fixed rate; the model that does best on held-out set-ups is written. The "
		"same\n"
		"command goes on from the last checkpoint after it was stopped or killed, and "
		"gives the\n"
		"same model as if it had not been. The run's folder has run.spec, by which train makes "
		"it\n"
		"again elsewhere, metrics.jsonl and event files for TensorBoard; `canopy report` draws "
		"it.\n\n"
		"--properties names what is to be proven. With --lambda each decision's certificate is "
		"part of\n"
		"its reward; with --loss-weight the actor's loss has the distance by which bounds over "
		"whole\n"
		"regions leave their targets; with --shield windows are moved into them as flows run.\n\n"
		"  canopy train specs/train/orca-quick.spec -o orca.safetensors\n"
		"  canopy train specs/train/deep-buffer-quick.spec -o deep.safetensors",
		opts, run},
	{.name = NULL},
};
