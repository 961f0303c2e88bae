/* canopy emu: runs a command behind an emulated path, with the real kernel on both ends. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "cli/cmd.h"
#include "emu/emu.h"
#include "emu/netns.h"

static const struct opt opts[] = {
	CMD_COMMON_OPTS,
	{OPT_SPEC, 's', "spec", "FILE", NULL, 0, 0, NULL, "read options from a spec file"},
	{OPT_TEXT, 'D', "down", "TRACE", NULL, 0, 0, NULL,
		"link towards the command: a trace file, a generated trace, a rate like 100mbit"},
	{OPT_TEXT, 'U', "up", "TRACE", NULL, 0, 0, NULL, "link from the command; none: no limit"},
	{OPT_REAL, 'd', "delay", "MS", "0", 0, DELAY_MAX_MS, NULL, "one-way propagation delay"},
	{OPT_FILE, 0, "delay-file", "FILE", NULL, 0, 0, NULL,
		"delay that changes: lines of a time in s and a delay in ms"},
	{OPT_REAL, 0, "jitter", "MS", "0", 0, DELAY_MAX_MS, NULL,
		"vary each packet's delay by up to this, in order"},
	{OPT_TEXT, 'Q', "queue", "QUEUE", "infinite", 0, 0, NULL,
		"queue of both links: packets, or KIND[:packets=N,bytes=N,...]"},
	{OPT_TEXT, 0, "down-queue", "QUEUE", NULL, 0, 0, NULL, "queue towards the command"},
	{OPT_TEXT, 0, "up-queue", "QUEUE", NULL, 0, 0, NULL, "queue from the command"},
	{OPT_FLAG, 0, "ecn", NULL, "no", 0, 0, NULL,
		"codel and pie mark packets of ECN-capable transports instead of dropping them"},
	{OPT_REAL, 'l', "loss", "P", "0", 0, 1, NULL, "random loss, each direction"},
	{OPT_REAL, 0, "down-loss", "P", NULL, 0, 1, NULL, "random loss towards the command"},
	{OPT_REAL, 0, "up-loss", "P", NULL, 0, 1, NULL, "random loss from the command"},
	{OPT_REALS, 0, "loss-burst", "P,R[,B[,G]]", NULL, 0, 1, NULL,
		"loss in bursts besides: good turns bad with probability P a packet, back with R; "
		"bad loses B (default 1), good G (default 0)"},
	{OPT_REALS, 0, "onoff", "ON,OFF", NULL, 0, 1e6, NULL,
		"the path is away now and then: mean seconds on and off, exponential"},
	{OPT_FLAG, 0, "periodic", NULL, "no", 0, 0, NULL, "on and off always last the same"},
	{OPT_INT, 0, "seed", "N", "1", 0, 1e15, NULL, "seed of all that is random"},
	{OPT_FILE, 'o', "log", "DIR", NULL, 0, 0, NULL,
		"write mahimahi logs of both links, down.log and up.log, and summary.json"},
	{OPT_FLAG, 0, "log-actual", NULL, "no", 0, 0, NULL,
		"logs say besides when packets really left"},
	{OPT_FILE, 0, "json", "FILE", NULL, 0, 0, NULL, "write the summary here"},
	{OPT_TEXT, 0, "outside", "COMMAND", NULL, 0, 0, NULL,
		"run a shell command at the other end, in a namespace of its own"},
	{OPT_INT, 0, "mtu", "BYTES", "1500", NETNS_MTU_MIN, NETNS_MTU_MAX, NULL,
		"largest IP packet"},
	{OPT_INT, 0, "memory", "MB", "512", 1, 1 << 20, NULL, "for packets under way or waiting"},
	{OPT_FLAG, 0, "status", NULL, "yes", 0, 0, NULL,
		"a live line on a terminal (--no-status: none)"},
	{OPT_FLAG, 0, "realtime", NULL, "yes", 0, 0, NULL,
		"run ahead of other programs, where allowed"},
	{.kind = OPT_END},
};

/* What the options name, to be freed. */
struct parts {
	struct trace *down, *up;
	struct delay_schedule delay;
	char *title;
};

static int parse_link(
	const struct opts *o, const char *name, struct chain_dir *d, struct trace **trace)
{
	char *queue = file_path("%s-queue", name), *loss = file_path("%s-loss", name);
	const char *what = opts_text(o, name), *from = opts_given(o, queue) ? queue : "queue";
	char *where = file_path("--%s", from);
	int err = queue_parse(&d->queue, opts_text(o, from), where);

	d->loss = opts_real(o, opts_given(o, loss) ? loss : "loss");
	if (!err && what)
		err = trace_open(trace, what);
	d->trace = *trace;
	free(where);
	free(queue);
	free(loss);
	return err;
}

static int parse_burst(const struct opts *o, struct loss_conf *out)
{
	double *v;
	int n = opts_reals(o, "loss-burst", &v), err = 0;

	if (n && (n < 2 || n > 4 || v[0] <= 0 || v[1] <= 0)) {
		pr_err("--loss-burst: wants P,R[,B[,G]] with P and R over 0\n");
		err = -EINVAL;
	} else if (n) {
		*out = (struct loss_conf){v[0], v[1], n > 2 ? v[2] : 1, n > 3 ? v[3] : 0};
	}
	free(v);
	return err;
}

static int parse_onoff(const struct opts *o, struct onoff_conf *out)
{
	double *v;
	int n = opts_reals(o, "onoff", &v), err = 0;

	if (n && (n != 2 || v[0] <= 0)) {
		pr_err("--onoff: wants ON,OFF in seconds, ON over 0\n");
		err = -EINVAL;
	} else if (n) {
		*out = (struct onoff_conf){v[0] * 1e9, v[1] * 1e9, opts_flag(o, "periodic")};
	} else if (opts_flag(o, "periodic")) {
		pr_err("--periodic: goes with --onoff\n");
		err = -EINVAL;
	}
	free(v);
	return err;
}

// The options that were given and the command, on one line.
static char *make_title(const struct opts *o)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		abort();
	fprintf(f, "canopy %s emu --seed %s", CANOPY_VERSION, opts_text(o, "seed"));
	for (int i = 0; i < o->n; i++)
		if (o->rank[i] && strcmp(o->table[i].name, "seed"))
			fprintf(f, " --%s=%s", o->table[i].name, o->text[i]);
	fprintf(f, " --");
	for (int i = 0; i < o->nargs; i++)
		fprintf(f, " %s", o->args[i]);
	if (fclose(f))
		abort();
	for (char *p = text; *p; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	return text;
}

static int parse_path(const struct opts *o, struct chain_conf *c, struct parts *p)
{
	struct chain_dir *down = &c->dir[ENGINE_DOWN], *up = &c->dir[ENGINE_UP];
	int err = parse_link(o, "down", down, &p->down);

	if (!err)
		err = parse_link(o, "up", up, &p->up);
	if (!err)
		err = parse_burst(o, &down->burst_loss);
	up->burst_loss = down->burst_loss;
	if (!err)
		err = parse_onoff(o, &c->onoff);
	if (!err && opts_text(o, "delay-file"))
		err = delay_load(&p->delay, opts_text(o, "delay-file"));
	else if (!err)
		delay_constant(&p->delay, opts_real(o, "delay") * 1e6);
	if (err)
		return err;
	c->delay = &p->delay;
	c->jitter_ns = opts_real(o, "jitter") * 1e6;
	c->ecn = opts_flag(o, "ecn");
	c->mtu = opts_int(o, "mtu");
	c->memory = (uint64_t)opts_int(o, "memory") << 20;
	c->seed = opts_int(o, "seed");
	c->realtime = opts_flag(o, "realtime");
	return 0;
}

static int parse(const struct opts *o, struct emu_conf *c, struct parts *p)
{
	int err = parse_path(o, &c->path, p);

	if (err)
		return err;
	p->title = make_title(o);
	c->title = p->title;
	c->log_dir = opts_text(o, "log");
	c->log_actual = opts_flag(o, "log-actual");
	c->json = opts_text(o, "json");
	c->outside = opts_text(o, "outside");
	c->path.own_outside = c->outside != NULL;
	c->status = opts_flag(o, "status") && o->nargs; // not into an interactive shell
	return 0;
}

static int run(struct opts *o)
{
	const char *shell = getenv("SHELL");
	char *fallback[] = {(char *)(shell && *shell ? shell : "/bin/sh"), NULL};
	struct emu_conf c = {.argv = o->nargs ? o->args : fallback};
	struct parts p = {.title = NULL};
	int status = EXIT_FAILED, err = parse(o, &c, &p);

	if (err)
		status = err == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	else if (netns_privileges(&c.path.own_outside) || emu_run(&c, &status))
		status = EXIT_FAILED;
	trace_free(p.down);
	trace_free(p.up);
	delay_schedule_free(&p.delay);
	free(p.title);
	return status;
}

const struct cmd cmd_emu[] = {
	{"emu", NULL, "[--] [COMMAND...]", 0, -1, "Run a command behind an emulated path",
		"Like mm-delay, mm-link, mm-loss and mm-onoff in one, for real programs and the "
		"real\n"
		"kernel. The command (a shell if none) is inside; it finds the outside at\n"
		"$MAHIMAHI_BASE or $CANOPY_PEER ($CANOPY_PEER6), has the address $CANOPY_ADDR, and "
		"can\n"
		"be reached from outside there. Outside is this machine, or with --outside a "
		"command\n"
		"in a namespace of its own; from it packets go delay, loss, queue and link to the\n"
		"command, and back queue and link, then delay.\n\n"
		"  canopy emu --down wired48 --up wired192 --delay 10 --queue 80 --log run -- \\\n"
		"      sh -c 'iperf3 -c $MAHIMAHI_BASE -R'\n"
		"  canopy emu -D 100mbit -U 20mbit -d 20 -Q codel --outside 'iperf3 -s' -- \\\n"
		"      sh -c 'sleep 1; iperf3 -c $CANOPY_PEER'\n\n"
		"Needs root, or a system that lets users have namespaces (then the outside is a\n"
		"namespace of its own). Exits as the command does. At the end it says how late "
		"packets\n"
		"left and whether the run can be trusted; canopy trace log measures the logs.",
		opts, run},
	{.name = NULL},
};
