/* The commands of `canopy`: one table row each; help, completion and the man page come from the table. */
#ifndef CLI_CMD_H
#define CLI_CMD_H

#include "base/opts.h"

enum { EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_NOT_CERTIFIED };

#define CMD_COMMAND (-2)

struct cmd {
	const char *name;  /* "eval" */
	const char *verb;  /* "show" of `canopy model show`, or NULL */
	const char *args;  /* positional arguments, for usage: "TRACE..." */
	int min_args, max_args; /* max < 0: any number, CMD_COMMAND: a command with its own options */
	const char *summary;    /* one line */
	const char *details;    /* paragraphs for --help and the man page, or NULL */
	const struct opt *opts;
	int (*run)(struct opts *o); /* returns an exit status */
};

/* Every row of an option table begins with these. */
#define CMD_COMMON_OPTS                                                                                \
	{OPT_FLAG, 'h', "help", NULL, NULL, 0, 0, NULL, "show this help"},                             \
	{OPT_FLAG, 'v', "verbose", NULL, NULL, 0, 0, NULL, "say more"},                                \
	{OPT_FLAG, 'q', "quiet", NULL, NULL, 0, 0, NULL, "warnings and errors only"}

/* Tables of commands, each ended by a row without a name; one per file cmd_*.c. */
extern const struct cmd cmd_trace[], cmd_model[], cmd_train[], cmd_eval[], cmd_certify[], cmd_check[], cmd_emu[], cmd_mm[], cmd_compare[],
	cmd_report[];

#endif
