/* Puts the emulator together, runs it and takes it down again. */
#include "emu/emu.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/work.h"
#include "emu/logpipe.h"
#include "emu/spawn.h"
#include "emu/status.h"
#include "emu/summary.h"
#include "sim/link_log.h"

#define NS_PER_S 1000000000ull
#define TICK_NS 20000000ull /* between looks at the commands */
#define PREFIX "MAHIMAHI_SHELL_PREFIX"
#define ENVIRONMENT 9 /* variables and the NULL */

struct run {
	const struct emu_conf *conf;
	struct chain chain;
	struct spawn inside, outside;
	struct status status;
	struct logpipe *pipe[ENGINE_DIRS];
	struct link_log *log[ENGINE_DIRS];
	uint64_t asked_ns; /* when the command was asked to end */
	bool asked, asked_again, outside_ended;
};

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
	return c->outer ? file_path("%s%s", inherited(PREFIX, ""), c->outer) : NULL;
}

static int open_log(struct run *r, int dir)
{
	const struct emu_conf *c = r->conf;
	const struct chain_dir *d = &c->path.dir[dir];
	char queue[QUEUE_TEXT], *config = describe(c);
	char *path = c->log[dir] ? file_path("%s", c->log[dir])
				 : file_path("%s/%s.log", c->log_dir, names[dir]);
	struct timespec t;
	struct link_log_conf lc = {.direction = dir ? "Uplink" : "Downlink",
		.trace = d->trace ? d->trace->name : chain_unlimited.name,
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

static int open_engine(struct run *r)
{
	const struct emu_conf *c = r->conf;
	int err = c->log_dir ? file_mkdirs(c->log_dir) : 0;

	for (int i = 0; i < ENGINE_DIRS && !err; i++)
		if (c->log_dir || c->log[i])
			err = open_log(r, i);
	return err ? err : chain_engine(&r->chain, r->log);
}

// The outermost outside: an emulator inside another passes on what it was told.
static const char *base(const struct run *r)
{
	const char *outside = r->chain.net.outside.addr4;

	return r->chain.net.nested ? inherited("MAHIMAHI_BASE", outside) : outside;
}

// What a command learns about where it is; ended by NULL. One block: free it.
static char **environment(const struct run *r, bool inside)
{
	const struct netns *net = &r->chain.net;
	const struct netns_end *self = inside ? &net->inside : &net->outside;
	const struct netns_end *peer = inside ? &net->outside : &net->inside;
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
	const struct netns *n = &r->chain.net;
	char **env = environment(r, inside);
	const struct spawn_what what = {.name = argv[0], .argv = argv, .env = env};
	int err = spawn_prepare(s, &what, inside ? n->inside.netns : n->outside.netns, n->middle);

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

/* --- Running --- */

static void ask_to_stop(struct run *r, uint64_t now)
{
	if (!r->asked) {
		r->asked = true;
		r->asked_ns = now;
		if (stop_by_user || now >= r->chain.end_ns)
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

static uint64_t tick(void *arg, uint64_t now)
{
	struct run *r = arg;
	uint64_t end = r->chain.end_ns, next = now + TICK_NS;

	status_show(&r->status, &r->chain.engine, now);
	if (r->conf->outside && !r->outside_ended && spawn_poll(&r->outside)) {
		r->outside_ended = true;
		if (r->outside.status)
			pr_warn("the command outside ended with status %d\n", r->outside.status);
	}
	if (spawn_poll(&r->inside))
		return 0;
	if (stop_signals || now >= end)
		ask_to_stop(r, now);
	if (r->inside.ended)
		return 0;
	return now < end && end < next ? end : next;
}

static void go(struct run *r)
{
	chain_start(&r->chain);
	status_init(&r->status, r->conf->status);
	if (r->conf->outside)
		spawn_go(&r->outside);
	spawn_go(&r->inside);
	chain_run(&r->chain, tick, r);
	status_end(&r->status);
	spawn_kill(&r->outside);
	chain_judge(&r->chain);
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
	int err = chain_network(&r->chain, &c->path);

	if (!err)
		err = prepare_commands(r);
	if (!err)
		err = open_engine(r);
	if (!err) {
		say_where(&r->chain.net);
		go(r);
		*status = r->asked && !stop_signals ? 0 : r->inside.status;
		err = summary_write(c, &r->chain.engine, &r->chain.quality, *status);
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
	catch_signals();
	err = run(r, status);
	spawn_kill(&r->inside);
	spawn_kill(&r->outside);
	closed = close_logs(r);
	chain_close(&r->chain);
	free(r);
	return err ? err : closed;
}
