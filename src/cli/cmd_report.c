/* canopy report: tables, plots and one HTML page from result folders. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cli/cmd.h"
#include "report/report.h"

static const struct opt opts[] = {
	CMD_COMMON_OPTS,
	{OPT_FILE, 'o', "output", "FILE", "report.html", 0, 0, NULL, "the page to write"},
	{OPT_TEXTS, 0, "figures", "FORMAT,...", NULL, 0, 0, NULL,
		"also save every figure for a paper: svg, png, pdf"},
	{OPT_FILE, 0, "figures-dir", "DIR", "figures", 0, 0, NULL, "where the figures go"},
	{.kind = OPT_END},
};

static int check_formats(char *const *formats, int n)
{
	static const char *const known[] = {"svg", "png", "pdf"};

	for (int i = 0; i < n; i++) {
		const char *near = opts_nearest(formats[i], known, 3);

		if (near && !strcmp(near, formats[i]))
			continue;
		pr_err("--figures: '%s' is none of svg, png, pdf\n", formats[i]);
		return -1;
	}
	return 0;
}

static int run(struct opts *o)
{
	struct report_conf conf = {
		.page = opts_text(o, "output"), .figures_dir = opts_text(o, "figures-dir")};
	struct result_set set = {0};
	char **formats = NULL;
	int status = EXIT_USAGE, err = 0;

	conf.nformats = opts_texts(o, "figures", &formats);
	conf.formats = formats;
	if (check_formats(formats, conf.nformats))
		goto out;
	status = EXIT_FAILED;
	for (int i = 0; i < o->nargs && !err; i++) {
		size_t before = set.n;

		err = results_load(o->args[i], &set);
		if (!err && set.n == before)
			pr_warn("%s: no runs%s\n", o->args[i],
				before ? " that were not there already" : "");
	}
	if (!err && !set.n)
		pr_err("nothing to report on: no finished run in the given folder%s\n",
			o->nargs > 1 ? "s" : "");
	else if (!err && !report_write(&set, &conf))
		status = EXIT_OK;
	if (!status)
		pr_info("%zu runs, page in %s\n", set.n, conf.page);
out:
	result_set_free(&set);
	free(formats);
	return status;
}

const struct cmd cmd_report[] = {
	{"report", NULL, "DIR...", 1, -1, "Draw plots and tables of results into one HTML page",
		"Reads the result folders that canopy eval wrote; several are shown as one. The "
		"page holds\n"
		"utilisation against queueing delay, time series, tables and how the runs were "
		"made; it needs\n"
		"nothing but itself. Figures need gnuplot; without it the page has the tables.",
		opts, run},
	{.name = NULL},
};
