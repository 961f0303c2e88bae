/* One run of the emulator: namespaces, a command behind the emulated path, logs, a summary. */
#ifndef EMU_EMU_H
#define EMU_EMU_H

#include <stdbool.h>

#include "emu/chain.h"

#define EMU_MEMORY_MB 512 /* for packets by default */

struct emu_conf {
	struct chain_conf path;
	const char *log_dir;	      /* made; NULL: no logs */
	const char *log[ENGINE_DIRS]; /* a link's file; NULL: that in log_dir, if any */
	bool log_actual;
	const char *json;  /* file of the summary besides LOG_DIR/summary.json, or NULL */
	const char *title; /* the command line, for the logs and the summary */
	/* mahimahi's words for the path, "[delay 10 ms] [link] ", passed on to the command, and
	 * those for what is outside of the link, for its log; NULL: none */
	const char *prefix, *outer;
	char *const *argv;   /* the command, ended by NULL */
	const char *outside; /* a shell command for the other end, NULL: none */
	bool status;
};

/*
 * Runs the command until it ends, a trace with once does, or a signal asks to stop: then the
 * command is asked, given EMU_GRACE_S and killed. *status is the command's exit status, 0 where a
 * trace's end ended it. Prints. 0 or -errno.
 */
#define EMU_GRACE_S 2
int emu_run(const struct emu_conf *conf, int *status);

#endif
