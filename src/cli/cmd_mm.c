/* canopy mm: mahimahi's command lines. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "cli/cmd.h"
#include "cli/emu_opts.h"
#include "emu/mahimahi.h"

#define SELF_MAX 4096
#define AGAIN_WORDS 4 /* what comes before a command that is a tool again */

static const struct opt opts[] = {
	CMD_COMMON_OPTS,
	EMU_RUN_OPTS,
	{.kind = OPT_END},
};

static int open_direction(
	struct chain_dir *d, struct trace **trace, const struct mahimahi *m, int dir)
{
	const struct mahimahi_link *l = &m->link[dir];
	int err = l->trace ? emu_opts_trace(trace, l->trace, m->once) : 0;

	d->trace = *trace;
	d->once = m->once;
	d->queue = l->queue;
	d->before = m->before[dir];
	d->after = m->after[dir];
	return err;
}

// The command; where it is a tool again, this program with it. Free it.
static char **make_command(const struct mahimahi *m, char *self, char *seed, bool quiet)
{
	int n = 0, k = 0;
	char **words;

	while (m->command[n])
		n++;
	words = calloc(n + AGAIN_WORDS + 1, sizeof(*words));
	if (!words)
		abort();
	if (m->again) {
		words[k++] = self;
		words[k++] = "mm";
		words[k++] = seed;
		words[k++] = quiet ? "-q" : "--no-status";
	}
	memcpy(words + k, m->command, n * sizeof(*words));
	return words;
}

static int run_path(const struct opts *o, const struct mahimahi *m)
{
	struct emu_conf c = {.prefix = m->prefix,
		.log = {[ENGINE_DOWN] = m->link[MAHIMAHI_DOWN].log,
			[ENGINE_UP] = m->link[MAHIMAHI_UP].log}};
	char self[SELF_MAX], *outer = file_path("%.*s", m->outer, m->prefix), *seed = NULL;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	struct trace *down = NULL, *up = NULL;
	char **command = NULL;
	int status, err = open_direction(&c.path.dir[ENGINE_UP], &up, m, MAHIMAHI_UP);

	self[n > 0 ? n : 0] = 0;
	if (!err)
		err = open_direction(&c.path.dir[ENGINE_DOWN], &down, m, MAHIMAHI_DOWN);
	if (err) {
		status = err == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
		goto out;
	}
	c.outer = outer;
	emu_opts_read(&c, o, "mm");
	if (m->meter && !*m->command)
		pr_warn("mm-link: there are no graphs; the end of the run says what they would\n");
	seed = file_path("--seed=%" PRIu64, c.path.seed + 1);
	command = make_command(m, self, seed, opts_flag(o, "quiet"));
	status = emu_opts_run(&c, command);
out:
	trace_free(down);
	trace_free(up);
	free(command);
	free(seed);
	free(outer);
	free((char *)c.title);
	return status;
}

static int run(struct opts *o)
{
	struct mahimahi m;
	int status;

	if (o->nargs > 1 && (!strcmp(o->args[1], "--help") || !strcmp(o->args[1], "-h"))) {
		printf("usage: canopy mm [options] TOOL...\n\n%s\n", mahimahi_usage());
		return EXIT_OK;
	}
	if (mahimahi_parse(&m, o->nargs, o->args))
		return EXIT_USAGE;
	status = run_path(o, &m);
	mahimahi_free(&m);
	return status;
}

const struct cmd cmd_mm[] = {
	{"mm", NULL, "[--] MM-TOOL ARGUMENTS...", 1, CMD_COMMAND, "Run mahimahi's command lines",
		"The tools of mahimahi, one in the other, with their own arguments:\n\n"
		"  canopy mm-delay 10 mm-link UP DOWN --uplink-queue=droptail \\\n"
		"      --uplink-queue-args=\"packets=100\" --downlink-log=LOG -- COMMAND\n"
		"  canopy mm-delay 20 mm-link UP DOWN mm-loss downlink .01 -- COMMAND\n"
		"  canopy mm --seed 3 --json summary.json mm-delay 10 mm-link UP DOWN\n\n"
		"mm-delay MS; mm-loss uplink|downlink P; mm-onoff and mm-intermittent\n"
		"uplink|downlink ON OFF; mm-link UP DOWN with --once, --uplink-log, "
		"--uplink-queue\n"
		"(infinite, droptail, drophead, codel, pie), --uplink-queue-args, the same for\n"
		"downlink, and --meter-all, for which the live line stands. They make one path in\n"
		"one process; only a second mm-link is an emulator of its own inside the first, "
		"and\n"
		"any tool may be called again inside. Links to canopy with the tools' names are "
		"the\n"
		"tools (make install MAHIMAHI=1). Unlike mahimahi's there is no NAT: what is "
		"inside\n"
		"reaches this machine at $MAHIMAHI_BASE and nothing beyond it; and PIE and CoDel "
		"are\n"
		"those of the RFCs (PIE with mahimahi's update of 30 ms). For all else see canopy "
		"emu.",
		opts, run},
	{.name = NULL},
};
