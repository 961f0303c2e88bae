/* A command behind a first process of its own process namespace. */
#include "emu/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

#define CANNOT_START 127
#define KILLED_BY 128

static volatile sig_atomic_t command; /* in the first process: the command's id */

static void pass_on(int sig)
{
	kill(command, sig);
}

// What asks the command to end waits until there is one to ask.
static void hold_requests(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(how, &set, NULL);
}

static int as_exit(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : KILLED_BY + WTERMSIG(status);
}

// The command's view of processes is its own; where /proc cannot be mounted it keeps the old one.
static void mount_proc(void)
{
	if (!mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

static void __attribute__((noreturn)) run_command(const struct spawn_what *w)
{
	signal(SIGTERM, SIG_DFL);
	if (signal(SIGHUP, SIG_DFL) == SIG_IGN) // nohup
		signal(SIGHUP, SIG_IGN);
	hold_requests(SIG_UNBLOCK);
	if (w->main) {
		signal(SIGINT, SIG_IGN);
		_exit(w->main(w->arg));
	}
	execvp(w->argv[0], w->argv);
	pr_err("%s: %s\n", w->name, strerror(errno));
	_exit(CANNOT_START);
}

// Process 1 of the namespace: waits for everything, ends with the command.
static void __attribute__((noreturn)) first_process(const struct spawn_what *w, int gate)
{
	struct sigaction pass = {.sa_handler = pass_on};
	char byte;
	int status;
	pid_t pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (read(gate, &byte, 1) != 1)
		_exit(CANNOT_START); // the emulator is gone
	signal(SIGINT, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	mount_proc();
	for (char *const *env = w->env; env && *env; env++)
		putenv(*env);
	command = fork();
	if (!command)
		run_command(w);
	sigaction(SIGTERM, &pass, NULL);
	sigaction(SIGHUP, &pass, NULL);
	hold_requests(SIG_UNBLOCK);
	do
		pid = waitpid(-1, &status, 0);
	while (pid != command && (pid > 0 || errno == EINTR));
	_exit(pid == command ? as_exit(status) : CANNOT_START);
}

int spawn_prepare(struct spawn *s, const struct spawn_what *what, int netns, int back)
{
	struct clone_args args = {.flags = CLONE_NEWPID | CLONE_NEWNS, .exit_signal = SIGCHLD};
	int gate[2], err = 0;
	pid_t pid;

	memset(s, 0, sizeof(*s));
	if (pipe2(gate, O_CLOEXEC))
		return -errno;
	if (setns(netns, CLONE_NEWNET))
		err = -errno;
	hold_requests(SIG_BLOCK);
	pid = err ? -1 : (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (!pid) {
		close(gate[1]);
		first_process(what, gate[0]);
	}
	if (pid < 0 && !err)
		err = -errno;
	hold_requests(SIG_UNBLOCK);
	close(gate[0]);
	if (setns(back, CLONE_NEWNET) && !err)
		err = -errno;
	if (err) {
		pr_err("%s: a process namespace: %s\n", what->name, strerror(-err));
		close(gate[1]);
		return err;
	}
	s->pid = pid;
	s->gate = gate[1];
	return 0;
}

void spawn_go(struct spawn *s)
{
	if (write(s->gate, "", 1) != 1)
		pr_warn("the command ended before it started\n");
}

bool spawn_poll(struct spawn *s)
{
	int status;

	if (s->pid && !s->ended && waitpid(s->pid, &status, WNOHANG) == s->pid) {
		s->ended = true;
		s->status = as_exit(status);
	}
	return s->ended;
}

void spawn_ask(const struct spawn *s)
{
	if (s->pid && !s->ended)
		kill(s->pid, SIGTERM);
}

void spawn_kill(struct spawn *s)
{
	int status;

	if (!s->pid)
		return;
	close(s->gate);
	if (!s->ended) {
		kill(s->pid, SIGKILL);
		while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR)
			;
		s->ended = true;
		s->status = as_exit(status);
	}
	s->pid = 0;
}
