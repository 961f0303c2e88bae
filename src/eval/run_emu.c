/* Starts a run over the emulator in a process of its own and takes its record over. */
#include "eval/run_emu.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/progress.h"
#include "base/work.h"
#include "eval/emulate.h"

#define LOOK_MS 100 /* between looks at how far it is */
#define STOP_S 3    /* it has to end when asked to */

/* What the process and we share. */
struct shared {
	_Atomic double done_s;
	int err;
	struct run_result result; /* its flows are: */
	struct flow_result flows[];
};

uint64_t *run_emu_times(const struct run_conf *c, int *n)
{
	uint64_t end = run_end_ns(c), cut = run_cut_ns(c);
	uint64_t bin = RUN_BIN_MS * 1000000ull, *t = calloc(end / bin + 3, sizeof(*t));

	*n = 0;
	for (uint64_t at = bin; t && at < end; at += bin) {
		if (cut > at - bin && cut < at)
			t[(*n)++] = cut;
		t[(*n)++] = at;
	}
	if (t && cut < end && (!*n || cut > t[*n - 1]))
		t[(*n)++] = cut;
	if (t)
		t[(*n)++] = end;
	return t;
}

/* --- In the process --- */

static void on_stop(int sig)
{
	work_stop();
}

static void tick(void *arg, double s)
{
	struct shared *to = arg;

	atomic_store(&to->done_s, atomic_load(&to->done_s) + s);
}

// Signals of the terminal are our parent's to pass on.
static void __attribute__((noreturn))
child(struct shared *s, const struct run_conf *conf, const struct run_io *io, pid_t parent)
{
	struct run_io own = *io;

	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, on_stop);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
	own.tick = tick;
	own.arg = s;
	s->err = emulate(&s->result, conf, &own);
	if (!s->err)
		memcpy(s->flows, s->result.flows, conf->flows * sizeof(*s->flows));
	_exit(EXIT_SUCCESS);
}

/* --- Outside it --- */

// Passes on how far it is, and that it is to stop. Its status.
static int follow(pid_t pid, struct shared *s, const struct run_io *io)
{
	int fd = syscall(SYS_pidfd_open, pid, 0), status = 0;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	double told = 0, asked = 0, done;

	while (fd >= 0 && poll(&p, 1, LOOK_MS) != 1) {
		done = atomic_load(&s->done_s);
		if (io->tick && done > told)
			io->tick(io->arg, done - told);
		told = done;
		if (work_stopped() && !asked) {
			asked = progress_clock();
			kill(pid, SIGTERM);
		} else if (asked && progress_clock() - asked > STOP_S) {
			kill(pid, SIGKILL);
		}
	}
	if (fd >= 0)
		close(fd);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (io->tick)
		io->tick(io->arg, atomic_load(&s->done_s) - told);
	return status;
}

static int take(struct run_result *out, const struct shared *s, const struct run_conf *conf)
{
	struct flow_result *flows = calloc(conf->flows, sizeof(*flows));

	if (!flows)
		return -ENOMEM;
	memcpy(flows, s->flows, conf->flows * sizeof(*flows));
	*out = s->result;
	out->flows = flows;
	return 0;
}

int run_emulated(struct run_result *out, const struct run_conf *conf, const struct run_io *io)
{
	size_t bytes = sizeof(struct shared) + conf->flows * sizeof(struct flow_result);
	struct shared *s =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t parent = getpid(), pid;
	int err, status;

	if (s == MAP_FAILED)
		return -ENOMEM;
	pid = fork();
	if (!pid)
		child(s, conf, io, parent);
	if (pid < 0) {
		err = -errno;
		pr_err("run %s: %s\n", conf->id, strerror(-err));
		goto out;
	}
	status = follow(pid, s, io);
	err = s->err;
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		err = work_stopped() ? -EINTR : -EIO;
		if (err == -EIO)
			pr_err("run %s: its process ended early\n", conf->id);
	}
	if (!err)
		err = take(out, s, conf);
out:
	munmap(s, bytes);
	return err;
}
