/* canopy emu: runs a command behind an emulated path, with the real kernel on both ends. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "cli/cmd.h"
#include "cli/emu_opts.h"

static const struct opt opts[] = {
	CMD_COMMON_OPTS,
	{OPT_SPEC, 's', "spec", "FILE", NULL, 0, 0, NULL, "read options from a spec file"},
	{OPT_TEXT, 'D', "down", "TRACE", NULL, 0, 0, NULL,
		"link towards the command: a trace file, a generated trace, a rate like 100mbit"},
	{OPT_TEXT, 'U', "up", "TRACE", NULL, 0, 0, NULL, "link from the command; none: no limit"},
	{OPT_FLAG, 0, "once", NULL, "no", 0, 0, NULL,
		"end the run where the first trace ends, instead of repeating it"},
	{OPT_REAL, 'd', "delay", "MS", "0", 0, DELAY_MAX_MS, NULL, "one-way propagation delay"},
	{OPT_FILE, 0, "delay-file", "FILE", NULL, 0, 0, NULL,
		"delay that changes: lines of a time in s and a delay in ms"},
	{OPT_REAL, 0, "jitter", "MS", "0", 0, DELAY_MAX_MS, NULL,
		"vary each packet's delay by up to this, in order"},
	{OPT_TEXT, 'Q', "queue", "QUEUE", "infinite", 0, 0, NULL,
		"queue of both links: packets, or KIND[:packets=N,bytes=N,...]"},
	{OPT_TEXT, 0, "down-queue", "QUEUE", NULL, 0, 0, NULL, "queue towards the command"},
	{OPT_TEXT, 0, "up-queue", "QUEUE", NULL, 0, 0, NULL, "queue from the command"},
	{OPT_REAL, 'l', "loss", "P", "0", 0, 1, NULL, "random loss, each direction"},
	{OPT_REAL, 0, "down-loss", "P", NULL, 0, 1, NULL, "random loss towards the command"},
	{OPT_REAL, 0, "up-loss", "P", NULL, 0, 1, NULL, "random loss from the command"},
	{OPT_REALS, 0, "loss-burst", "P,R[,B[,G]]", NULL, 0, 1, NULL,
		"loss in bursts besides: good turns bad with probability P a packet, back with R; "
		"bad loses B (default 1), good G (default 0)"},
	{OPT_REALS, 0, "onoff", "ON,OFF", NULL, 0, 1e6, NULL,
		"the path is away now and then: mean seconds on and off, exponential"},
	{OPT_FLAG, 0, "periodic", NULL, "no", 0, 0, NULL, "on and off always last the same"},
	{OPT_FILE, 'o', "log", "DIR", NULL, 0, 0, NULL,
		"write mahimahi logs of both links, down.log and up.log, and summary.json"},
	EMU_RUN_OPTS,
	{.kind = OPT_END},
};

/* What the options name, to be freed. */
struct parts {
	struct trace *down, *up;
	struct delay_schedule delay;
	char *outer;
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
		err = emu_opts_trace(trace, what, opts_flag(o, "once"));
	d->trace = *trace;
	d->once = d->trace && opts_flag(o, "once");
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

	if (n && (n != 2 || v[0] <= 0 || !onoff_times(out, v[0], v[1], opts_flag(o, "periodic")))) {
		pr_err("--onoff: wants ON,OFF in seconds, ON over 0, a microsecond or more\n");
		err = -EINVAL;
	} else if (!n && opts_flag(o, "periodic")) {
		pr_err("--periodic: goes with --onoff\n");
		err = -EINVAL;
	}
	free(v);
	return err;
}

static int parse_delay(const struct opts *o, struct parts *p)
{
	int err = 0;

	if (opts_text(o, "delay-file"))
		err = delay_load(&p->delay, opts_text(o, "delay-file"));
	else
		delay_constant(&p->delay, opts_real(o, "delay") * 1e6);
	if (!err)
		p->outer = file_path(p->delay.n > 1 ? "[delay schedule]" : "[delay %g ms]",
			p->delay.steps[0].delay_ns * 1e-6);
	return err;
}

static int parse(const struct opts *o, struct emu_conf *c, struct parts *p)
{
	struct chain_dir *down = &c->path.dir[ENGINE_DOWN], *up = &c->path.dir[ENGINE_UP];
	struct path_stage onoff = {.kind = PATH_ONOFF}, delay = {.kind = PATH_DELAY};
	int err = parse_link(o, "down", down, &p->down);

	if (!err)
		err = parse_link(o, "up", up, &p->up);
	if (!err)
		err = parse_burst(o, &down->burst_loss);
	up->burst_loss = down->burst_loss;
	if (!err)
		err = parse_onoff(o, &onoff.onoff);
	if (!err)
		err = parse_delay(o, p);
	if (err)
		return err;
	delay.delay = &p->delay;
	delay.jitter_ns = opts_real(o, "jitter") * 1e6;
	chain_delay(&c->path, &delay);
	for (int i = 0; i < ENGINE_DIRS && onoff.onoff.on_ns; i++)
		path_add(&c->path.dir[i].before, &onoff);
	c->outer = p->outer;
	c->log_dir = opts_text(o, "log");
	emu_opts_read(c, o, "emu");
	return 0;
}

static int run(struct opts *o)
{
	struct emu_conf c = {.title = NULL};
	struct parts p = {.down = NULL};
	int status, err = parse(o, &c, &p);

	if (err)
		status = err == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	else
		status = emu_opts_run(&c, o->args);
	trace_free(p.down);
	trace_free(p.up);
	delay_schedule_free(&p.delay);
	free(p.outer);
	free((char *)c.title);
	return status;
}

const struct cmd cmd_emu[] = {
	{"emu", NULL, "[--] [COMMAND...]", 0, CMD_COMMAND, "Run a command behind an emulated path",
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
		"left and whether the run can be trusted; canopy trace log measures the logs.\n"
		"canopy mm takes mahimahi's own command lines.",
		opts, run},
	{.name = NULL},
};
