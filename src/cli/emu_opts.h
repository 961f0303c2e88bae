/* What the commands that run the emulator have in common. */
#ifndef CLI_EMU_OPTS_H
#define CLI_EMU_OPTS_H

#include "base/opts.h"
#include "emu/emu.h"
#include "emu/netns.h"

/* Rows of their option tables. */
#define EMU_RUN_OPTS                                                                               \
	{OPT_FLAG, 0, "ecn", NULL, "no", 0, 0, NULL,                                               \
		"codel and pie mark packets of ECN-capable transports instead of dropping them"},  \
		{OPT_INT, 0, "seed", "N", "1", 0, 1e15, NULL, "seed of all that is random"},       \
		{OPT_FLAG, 0, "late", NULL, "no", 0, 0, NULL,                                      \
			"as late as mahimahi's processes, which sleep whole milliseconds"},        \
		{OPT_FLAG, 0, "log-actual", NULL, "no", 0, 0, NULL,                                \
			"logs say besides when packets really left"},                              \
		{OPT_FILE, 0, "json", "FILE", NULL, 0, 0, NULL, "write the summary here"},         \
		{OPT_TEXT, 0, "outside", "COMMAND", NULL, 0, 0, NULL,                              \
			"run a shell command at the other end, in a namespace of its own"},        \
		{OPT_INT, 0, "mtu", "BYTES", "1500", NETNS_MTU_MIN, NETNS_MTU_MAX, NULL,           \
			"largest IP packet"},                                                      \
		{OPT_INT, 0, "memory", "MB", "512", 1, 1 << 20, NULL,                              \
			"for packets under way or waiting"},                                       \
		{OPT_FLAG, 0, "status", NULL, "yes", 0, 0, NULL,                                   \
			"a live line on a terminal (--no-status: none)"},                          \
	{                                                                                          \
		OPT_FLAG, 0, "realtime", NULL, "yes", 0, 0, NULL,                                  \
			"run ahead of other programs and keep processors awake, where allowed"     \
	}

/* Reads them. c->title is malloc'ed; name is the command's. */
void emu_opts_read(struct emu_conf *c, const struct opts *o, const char *name);

/* Opens a trace, for a run that ends with it if once is set. Prints. 0 or -errno. */
int emu_opts_trace(struct trace **out, const char *what, bool once);

/* Runs a command (ended by NULL; none: a shell). Returns an exit status; prints. */
int emu_opts_run(struct emu_conf *c, char *const *command);

#endif
