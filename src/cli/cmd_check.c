/* canopy check: verifies a certificate file with the checker of its own. */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "check/check.h"
#include "cli/cmd.h"

static const struct opt check_opts[] = {
	CMD_COMMON_OPTS,
	{.kind = OPT_END},
};

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int run_check(struct opts *o)
{
	double start = seconds();
	struct check_report r;
	int err = check_file(o->args[0], o->args[1], &r);

	if (err == -EKEYREJECTED) {
		printf("rejected: %s is no certificate of %s\n", o->args[0], o->args[1]);
		return EXIT_NOT_CERTIFIED;
	}
	if (err)
		return EXIT_FAILED;
	printf("verified: %ld decisions, %ld parts on %ld of them, %ld leaves, in %.3f s\n",
		r.decisions, r.parts, r.triggered, r.leaves, seconds() - start);
	if (r.parts)
		printf("proven %.6f, refuted %.6f of a part, in the mean\n",
			r.proven / (double)r.parts, r.refuted / (double)r.parts);
	return EXIT_OK;
}

const struct cmd cmd_check[] = {
	{"check", NULL, "CERTIFICATE MODEL", 2, 2, "Verify a certificate file",
		"Proves every claim of a file that canopy certify wrote again, by a checker that "
		"shares no "
		"code with the\n"
		"engines and rounds outward everywhere: model, decisions, regions and targets are "
		"those that the\n"
		"property text asks for, the bound on every leaf of every partition holds, and the "
		"shares follow "
		"from\n"
		"them. Exits with 0 if all of it is true, 3 if the file was altered, claims too "
		"much or is about\n"
		"another model, and 1 if it cannot be read. --verbose tells about every part.",
		check_opts, run_check},
	{.name = NULL},
};
