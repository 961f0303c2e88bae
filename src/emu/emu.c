/* Puts the emulator together, runs it and takes it down again. */
#include "emu/emu.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/work.h"
#include "emu/emulator.h"
#include "emu/logpipe.h"
#include "emu/netns.h"
#include "emu/spawn.h"
#include "emu/status.h"
#include "emu/summary.h"
#include "sim/link_log.h"

#define UNLIMITED_BPS 1000000000000ull /* a link so fast that there is none */
#define NS_PER_S 1000000000ull
#define NICE -20
#define PREFIX "MAHIMAHI_SHELL_PREFIX"
#define ENVIRONMENT 9 /* variables and the NULL */

struct run {
	const struct emu_conf *conf;
	struct netns net;
	struct spawn inside, outside;
	struct emulator engine;
	struct quality quality;
	struct status status;
	struct logpipe *pipe[ENGINE_DIRS];
	struct link_log *log[ENGINE_DIRS];
	struct trace once[ENGINE_DIRS]; /* traces that end, see open_once */
	uint64_t end_ns;		/* when the first of them does */
	uint64_t asked_ns;		/* when the command was asked to end, 0: it was not */
	bool asked_again, outside_ended;
};

static const struct trace unlimited = {.name = "unlimited", .rate_bps = UNLIMITED_BPS};
static const char *const names[ENGINE_DIRS] = {"down", "up"};

/* --- Signals --- */

static volatile sig_atomic_t stop_signals, stop_by_user;

// A signal of the terminal has reached the command as well; one that was sent has not.
static void on_stop(int sig, siginfo_t *info, void *context)
{
	stop_signals++;
	if (info->si_code <= 0)
		stop_by_user = 1;
}

static void catch_signals(void)
{
	struct sigaction stop = {.sa_sigaction = on_stop, .sa_flags = SA_SIGINFO}, hangup;

	stop_signals = stop_by_user = work_stopped(); // one may have come before
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGHUP, NULL, &hangup);
	if (hangup.sa_handler != SIG_IGN) // nohup
		sigaction(SIGHUP, &stop, NULL);
	signal(SIGPIPE, SIG_IGN);
}

// What an emulator around this one said; one line.
static const char *inherited(const char *name, const char *otherwise)
{
	const char *text = getenv(name);

	return text && !strpbrk(text, "\r\n") ? text : otherwise;
}

/* --- Logs --- */

// What stands in a log's line of mahimahi's configuration.
static char *describe(const struct emu_conf *c)
{
	if (c->outer)
		return file_path("%s%s", inherited(PREFIX, ""), c->outer);
	if (!c->delay)
		return NULL;
	return file_path(c->delay->n > 1 ? "[delay schedule]" : "[delay %g ms]",
		c->delay->steps[0].delay_ns * 1e-6);
}

static int open_log(struct run *r, int dir, const struct emu_dir *d)
{
	const struct emu_conf *c = r->conf;
	char queue[QUEUE_TEXT], *config = describe(c);
	char *path =
		d->log ? file_path("%s", d->log) : file_path("%s/%s.log", c->log_dir, names[dir]);
	struct timespec t;
	struct link_log_conf lc = {.direction = dir ? "Uplink" : "Downlink",
		.trace = d->trace ? d->trace->name : unlimited.name,
		.command = c->title,
		.queue = queue_text(&d->queue, queue),
		.config = config,
		.shown = path,
		.actual = c->log_actual};
	int err;

	clock_gettime(CLOCK_REALTIME, &t);
	lc.init_ms = t.tv_sec * 1000 + t.tv_nsec / 1000000;
	err = logpipe_open(&r->pipe[dir], path);
	if (!err)
		err = link_log_open(&r->log[dir], logpipe_entry(r->pipe[dir]), &lc);
	free(config);
	free(path);
	return err;
}

static int close_logs(struct run *r)
{
	int err = 0, e;

	for (int i = 0; i < ENGINE_DIRS; i++) {
		e = link_log_close(r->log[i]);
		err = err ? err : e;
		e = logpipe_close(r->pipe[i]);
		err = err ? err : e;
	}
	return err;
}

/* --- Setting up --- */

// The trace again, with one more opportunity so far away that it is never reached.
static const struct trace *open_once(struct run *r, int i, const struct trace *t)
{
	struct trace *once = &r->once[i];
	uint64_t end_ns = t->t_ms[t->n - 1] * 1000000ull;

	*once = *t;
	once->t_ms = malloc((t->n + 1) * sizeof(*t->t_ms));
	if (!once->t_ms)
		abort();
	memcpy(once->t_ms, t->t_ms, t->n * sizeof(*t->t_ms));
	once->t_ms[once->n++] = UINT32_MAX;
	if (end_ns < r->end_ns)
		r->end_ns = end_ns;
	return once;
}

static int add_stages(struct path_conf *pc, const struct emu_conf *c, bool towards_command)
{
	struct path_stage delay = {
		.kind = PATH_DELAY, .delay = c->delay, .jitter_ns = c->jitter_ns};
	struct path_stage onoff = {.kind = PATH_ONOFF, .onoff = c->onoff};
	struct path_stages own = pc->before;
	bool fits = true;

	pc->before.n = 0;
	if (c->delay && towards_command)
		fits = path_add(&pc->before, &delay);
	if (c->onoff.on_ns)
		fits = path_add(&pc->before, &onoff) && fits;
	for (int i = 0; i < own.n; i++)
		fits = path_add(&pc->before, &own.stage[i]) && fits;
	if (c->delay && !towards_command)
		fits = path_add(&pc->after, &delay) && fits;
	return fits ? 0 : -E2BIG;
}

static int open_direction(struct run *r, int i, const struct emu_dir *d, const char *dev)
{
	const struct emu_conf *c = r->conf;
	struct emulator_dir *e = &r->engine.dir[i];
	const struct trace *trace = d->once ? open_once(r, i, d->trace) : d->trace;
	struct path_conf pc = {.link = {.trace = trace ? trace : &unlimited,
				       .queue = d->queue.kind,
				       .limit_pkts = d->queue.limit_pkts,
				       .limit_bytes = d->queue.limit_bytes,
				       .aqm = d->queue.aqm,
				       .loss = d->loss,
				       .burst_loss = d->burst_loss,
				       .log = r->log[i],
				       .stats = true},
		.before = d->before,
		.after = d->after,
		.seed = 2 * c->seed + i,
		.out = emulator_out,
		.gone = emulator_gone,
		.arg = e};
	int err = add_stages(&pc, c, i == ENGINE_DOWN);

	if (!err)
		err = path_init(&e->path, &pc);
	return err ? err : port_open(&e->port, dev, c->mtu);
}

static int open_engine(struct run *r)
{
	const struct emu_conf *c = r->conf;
	int err = emulator_init(&r->engine, &r->quality, c->mtu, c->memory);

	if (!err && c->log_dir)
		err = file_mkdirs(c->log_dir);
	if (!err && (c->log_dir || c->down.log))
		err = open_log(r, ENGINE_DOWN, &c->down);
	if (!err && (c->log_dir || c->up.log))
		err = open_log(r, ENGINE_UP, &c->up);
	if (!err)
		err = open_direction(r, ENGINE_DOWN, &c->down, NETNS_OUTSIDE);
	if (!err)
		err = open_direction(r, ENGINE_UP, &c->up, NETNS_INSIDE);
	r->engine.ecn = c->ecn;
	if (err == -ENOMEM)
		pr_err("no memory for %" PRIu64 " MB of packets\n", c->memory >> 20);
	return err;
}

// The outermost outside: an emulator inside another passes on what it was told.
static const char *base(const struct run *r)
{
	const char *outside = r->net.outside.addr4;

	return r->net.nested ? inherited("MAHIMAHI_BASE", outside) : outside;
}

// What a command learns about where it is; ended by NULL. One block: free it.
static char **environment(const struct run *r, bool inside)
{
	const struct netns_end *self = inside ? &r->net.inside : &r->net.outside;
	const struct netns_end *peer = inside ? &r->net.outside : &r->net.inside;
	const char *prefix = r->conf->prefix;
	char *text = file_path("MAHIMAHI_BASE=%s\nCANOPY_ADDR=%s\nCANOPY_ADDR6=%s\nCANOPY_PEER=%s\n"
			       "CANOPY_PEER6=%s\nCANOPY_SIDE=%s\nCANOPY_DEV=%s\n" PREFIX "=%s%s",
		base(r), self->addr4, self->addr6, peer->addr4, peer->addr6,
		inside ? "inside" : "outside", self->dev, inherited(PREFIX, ""),
		prefix ? prefix : "");
	char **env = malloc(ENVIRONMENT * sizeof(*env)), *item;
	int n = 0;

	if (!env)
		abort();
	for (char *rest = text; (item = strsep(&rest, "\n"));)
		env[n++] = item;
	env[n] = NULL;
	return env;
}

static int prepare(struct run *r, struct spawn *s, char *const *argv, bool inside)
{
	char **env = environment(r, inside);
	int netns = inside ? r->net.inside.netns : r->net.outside.netns;
	int err = spawn_prepare(s, argv, env, netns, r->net.middle);

	free(env[0]);
	free(env);
	return err;
}

static int prepare_commands(struct run *r)
{
	const struct emu_conf *c = r->conf;
	char *shell[] = {"/bin/sh", "-c", (char *)c->outside, NULL};
	int err = prepare(r, &r->inside, c->argv, true);

	if (!err && c->outside)
		err = prepare(r, &r->outside, shell, false);
	return err;
}

// Ahead of what it carries, where that is allowed; on time to the nanosecond.
static bool take_priority(void)
{
	struct sched_param p = {.sched_priority = 1};

	prctl(PR_SET_TIMERSLACK, 1);
	if (!sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &p))
		return true;
	return !setpriority(PRIO_PROCESS, 0, NICE);
}

static void lose_priority(void)
{
	struct sched_param p = {0};

	sched_setscheduler(0, SCHED_OTHER, &p);
	setpriority(PRIO_PROCESS, 0, 0);
}

/* --- Running --- */

static void ask_to_stop(struct run *r, uint64_t now)
{
	if (!r->asked_ns) {
		r->asked_ns = now;
		if (stop_by_user || now >= r->end_ns)
			spawn_ask(&r->inside);
	}
	if (stop_signals > 1 || now - r->asked_ns > EMU_GRACE_S * NS_PER_S) {
		pr_warn("the command does not end: killed\n");
		spawn_kill(&r->inside);
	} else if (!r->asked_again && now - r->asked_ns > EMU_GRACE_S * NS_PER_S / 2) {
		r->asked_again = true; // it may not have been ready to hear it
		spawn_ask(&r->inside);
	}
}

static bool tick(void *arg)
{
	struct run *r = arg;
	uint64_t now = emulator_now(&r->engine);

	status_show(&r->status, &r->engine, now);
	if (r->conf->outside && !r->outside_ended && spawn_poll(&r->outside)) {
		r->outside_ended = true;
		if (r->outside.status)
			pr_warn("the command outside ended with status %d\n", r->outside.status);
	}
	if (spawn_poll(&r->inside))
		return false;
	if (stop_signals || now >= r->end_ns)
		ask_to_stop(r, now);
	return !r->inside.ended;
}

static void count_drops(struct run *r)
{
	struct quality *q = &r->quality;

	for (int i = 0; i < ENGINE_DIRS; i++) {
		struct port *p = &r->engine.dir[i].port;

		port_read_drops(p);
		q->ring_drops += p->stats.ring_drops;
		q->send_drops += p->stats.send_drops;
		q->oversize += p->stats.oversize;
	}
	q->device_drops = netns_drops(&r->net);
	// A send that a device refused counts there too.
	q->device_drops -= q->device_drops < q->send_drops ? q->device_drops : q->send_drops;
}

static void go(struct run *r)
{
	r->quality.realtime = r->conf->realtime && take_priority();
	quality_start(&r->quality);
	status_init(&r->status, r->conf->status);
	emulator_start(&r->engine);
	if (r->conf->outside)
		spawn_go(&r->outside);
	spawn_go(&r->inside);
	emulator_run(&r->engine, tick, r);
	status_end(&r->status);
	lose_priority();
	count_drops(r);
	spawn_kill(&r->outside);
	quality_end(&r->quality);
}

static void say_where(const struct netns *n)
{
	pr_info("inside %s%s%s, outside %s%s%s (%s)\n", n->inside.addr4,
		*n->inside.addr6 ? " " : "", n->inside.addr6, n->outside.addr4,
		*n->outside.addr6 ? " " : "", n->outside.addr6,
		n->own_outside ? "a namespace of its own" : n->outside.dev);
}

static int run(struct run *r, int *status)
{
	const struct emu_conf *c = r->conf;
	int err = quality_init(&r->quality);

	if (!err)
		err = netns_open(&r->net, c->own_outside, c->mtu);
	if (!err)
		err = prepare_commands(r);
	if (!err)
		err = open_engine(r);
	if (!err) {
		say_where(&r->net);
		go(r);
		*status = r->asked_ns && !stop_signals ? 0 : r->inside.status;
		err = summary_write(c, &r->engine, &r->quality, *status);
	}
	return err;
}

int emu_run(const struct emu_conf *conf, int *status)
{
	struct run *r = calloc(1, sizeof(*r));
	int err, closed;

	if (!r)
		return -ENOMEM;
	r->conf = conf;
	r->end_ns = UINT64_MAX;
	catch_signals();
	err = run(r, status);
	spawn_kill(&r->inside);
	spawn_kill(&r->outside);
	closed = close_logs(r);
	emulator_free(&r->engine);
	netns_close(&r->net);
	quality_free(&r->quality);
	for (int i = 0; i < ENGINE_DIRS; i++)
		free(r->once[i].t_ms);
	free(r);
	return err ? err : closed;
}
