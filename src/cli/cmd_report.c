/* canopy report: tables, plots and one HTML page from result folders. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "cli/cmd.h"
#include "report/report.h"
#include "report/training.h"

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

// A folder may be of results, of a training run, or both.
static int load(const char *dir, struct result_set *set, struct training *t)
{
	bool trained = training_is(dir);
	char *runs = file_path("%s/runs.jsonl", dir);
	bool evaluated = !access(runs, F_OK);
	size_t before = set->n;
	int err = 0;

	free(runs);
	if (access(dir, F_OK)) {
		err = -errno;
		pr_err("%s: %s\n", dir, strerror(-err));
		return err;
	}
	if (!trained && !evaluated) {
		pr_err("%s: has neither runs.jsonl (canopy eval) nor metrics.jsonl (canopy "
		       "train)\n",
			dir);
		return -ENOENT;
	}
	if (trained)
		err = training_add(t, dir);
	if (err || !evaluated)
		return err;
	err = results_load(dir, set);
	if (!err && set->n == before)
		pr_warn("%s: no runs%s\n", dir, before ? " that were not there already" : "");
	return err;
}

static int run(struct opts *o)
{
	struct report_conf conf = {
		.page = opts_text(o, "output"), .figures_dir = opts_text(o, "figures-dir")};
	static struct training training;
	struct result_set set = {0};
	char **formats = NULL;
	int status = EXIT_USAGE, err = 0;

	conf.nformats = opts_texts(o, "figures", &formats);
	conf.formats = formats;
	if (check_formats(formats, conf.nformats))
		goto out;
	status = EXIT_FAILED;
	for (int i = 0; i < o->nargs && !err; i++)
		err = load(o->args[i], &set, &training);
	if (!err && !set.n && !training.n)
		pr_err("nothing to report on: no finished run in the given folder%s\n",
			o->nargs > 1 ? "s" : "");
	else if (!err && !report_write(&set, &training, &conf))
		status = EXIT_OK;
	if (!status)
		pr_info("%zu runs, %d training runs, page in %s\n", set.n, training.n, conf.page);
out:
	training_free(&training);
	result_set_free(&set);
	free(formats);
	return status;
}

const struct cmd cmd_report[] = {
	{"report", NULL, "DIR...", 1, -1, "Draw plots and tables of results into one HTML page",
		"Reads the result folders that canopy eval wrote; several are shown as one. The "
		"page holds\n"
		"utilisation against queueing delay, time series, tables and how the runs were "
		"made. Folders\n"
		"of training runs (canopy train) may stand beside them or alone: their curves are "
		"overlaid.\n"
		"The page needs nothing but itself. Figures need gnuplot; without it the page has "
		"the tables.\n\n"
		"  canopy report orca.run canopy.run results/lte -o training.html",
		opts, run},
	{.name = NULL},
};
