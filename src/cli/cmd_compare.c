/* canopy compare: which differences between two sets of runs are more than chance. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cli/cmd.h"
#include "eval/compare_show.h"

static const struct opt opts[] = {
	CMD_COMMON_OPTS,
	{OPT_TEXTS, 0, "a", "WHAT,...", NULL, 0, 0, NULL,
		"runs of A: a controller, or COLUMN=VALUE"},
	{OPT_TEXTS, 0, "b", "WHAT,...", NULL, 0, 0, NULL, "runs of B"},
	{OPT_TEXTS, 'm', "metrics", "COLUMNS",
		"util_pct,throughput_mbps,qdelay_mean_ms,qdelay_p95_ms,drops", 0, 0, NULL,
		"what is compared: number columns of results"},
	{OPT_REAL, 'l', "level", "P", "0.05", 1e-9, 0.5, NULL,
		"significance level; intervals have 1 - P"},
	{OPT_WORD, 0, "test", "KIND", "auto", 0, 0, "auto|paired|welch",
		"pairs of equal seeds, independent repeats, or pairs where all seeds are equal"},
	{OPT_FLAG, 0, "json", NULL, "no", 0, 0, NULL, "print JSON"},
	{.kind = OPT_END},
};

static int read_filter(struct compare_filter *f, const struct opts *o, const char *name,
	const char *where, char ***texts)
{
	int n = opts_texts(o, name, texts), err = 0;

	for (int i = 0; i < n && !err; i++)
		err = compare_filter_add(f, (*texts)[i], where);
	return err;
}

static int read_metrics(struct compare_conf *conf, const struct opts *o)
{
	char **names = NULL;
	int n = opts_texts(o, "metrics", &names), err = 0;

	for (int i = 0; i < n && !err; i++) {
		const struct col *c = results_col(names[i]);

		if (!c || c->type == COL_TEXT) {
			pr_err("--metrics: '%s' is no number column of results\n", names[i]);
			err = -1;
		} else if (i == COMPARE_METRICS) {
			pr_err("--metrics: at most %d\n", COMPARE_METRICS);
			err = -1;
		} else {
			conf->metrics[conf->nmetrics++] = c;
		}
	}
	free(names);
	return err;
}

static enum compare_test read_test(const struct opts *o)
{
	const char *test = opts_text(o, "test");

	return !strcmp(test, "paired")	? COMPARE_PAIRED
	       : !strcmp(test, "welch") ? COMPARE_WELCH
					: COMPARE_AUTO;
}

static int compare(const struct compare_conf *conf, bool json)
{
	struct compare c;
	int err = compare_init(&c, conf);

	if (err)
		return err;
	if (json)
		err = compare_json(stdout, &c);
	else
		compare_print(stdout, &c);
	compare_free(&c);
	return err;
}

static int run(struct opts *o)
{
	struct result_set a = {0}, b = {0};
	struct compare_conf conf = {.a = &a,
		.b = &b,
		.name_a = o->args[0],
		.name_b = o->args[o->nargs - 1],
		.test = read_test(o),
		.level = opts_real(o, "level")};
	char **texts_a = NULL, **texts_b = NULL;
	int status = EXIT_USAGE;

	if (read_filter(&conf.only_a, o, "a", "--a", &texts_a) ||
		read_filter(&conf.only_b, o, "b", "--b", &texts_b) || read_metrics(&conf, o))
		goto out;
	status = EXIT_FAILED;
	if (!results_load(conf.name_a, &a) && !results_load(conf.name_b, &b) &&
		!compare(&conf, opts_flag(o, "json")))
		status = EXIT_OK;
out:
	result_set_free(&a);
	result_set_free(&b);
	free(texts_a);
	free(texts_b);
	return status;
}

const struct cmd cmd_compare[] = {
	{"compare", NULL, "A [B]", 1, 2, "Test the differences between two sets of runs",
		"Pairs the set-ups of two result folders, or of one with itself, and tells for "
		"each metric how\n"
		"far A is from B, how sure that is over seeds, and which differences are more than "
		"chance when\n"
		"so many are looked at. --a and --b choose runs by controller or any column of "
		"results; what\n"
		"they name need not agree. doc/formats.md says which tests are made.\n\n"
		"  canopy compare results/before results/after\n"
		"  canopy compare results/lte --a orca --b cubic\n"
		"  canopy compare results/noise --a orca,noise=0 --b orca,noise=0.05",
		opts, run},
	{.name = NULL},
};
