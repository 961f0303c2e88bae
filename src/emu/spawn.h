/*
 * A command in a network namespace, and everything that it starts.
 *
 * It runs in a process namespace of its own, whose first process waits for it: when the command
 * ends, and also when the emulator ends in whatever way, the kernel ends all that is left there.
 */
#ifndef EMU_SPAWN_H
#define EMU_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

struct spawn {
	pid_t pid; /* of the first process; 0: none */
	int gate;  /* the command starts when a byte is written here */
	bool ended;
	int status; /* exit status, 128 + signal, 127 where the command could not start */
};

/* What runs: a program, or a function of ours (whose interrupts are then ours to pass on). */
struct spawn_what {
	const char *name;	/* for messages */
	char *const *argv;	/* ended by NULL, or NULL: */
	int (*main)(void *arg); /* its value is the exit status */
	void *arg;
	char *const *env; /* "NAME=value" texts ended by NULL, added to ours; or NULL */
};

/* Prepares it in a namespace. Leaves the process in the namespace back. Prints. 0 or -errno. */
int spawn_prepare(struct spawn *s, const struct spawn_what *what, int netns, int back);

void spawn_go(struct spawn *s);

/* Looks whether it has ended. */
bool spawn_poll(struct spawn *s);

/* Asks the command to end (SIGTERM). */
void spawn_ask(const struct spawn *s);

/* Ends it and all that it started, and waits. One that never started is fine. */
void spawn_kill(struct spawn *s);

#endif
