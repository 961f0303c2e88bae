/* canopy eval: not written yet. */
#include "cli/cmd.h"

static const struct opt opts[] = {CMD_COMMON_OPTS, {.kind = OPT_END}};
static int run(struct opts *o)
{
	return EXIT_FAILED;
}
const struct cmd cmd_eval[] = {{"eval", NULL, "", 0, 0, "placeholder", NULL, opts, run}, {.name = NULL}};
