/* canopy: finds the command, parses its options, runs it; help, completion and the man page. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/work.h"
#include "cli/cmd.h"
#include "emu/mahimahi.h"

static const struct cmd *const groups[] = {
	cmd_trace, cmd_model, cmd_train, cmd_eval, cmd_certify, cmd_check, cmd_emu, cmd_mm, cmd_compare, cmd_report};
#define NGROUPS ((int)(sizeof(groups) / sizeof(groups[0])))

#define FOR_EACH_CMD(c)                                                                                \
	for (int g_ = 0; g_ < NGROUPS; g_++)                                                           \
		for (const struct cmd *c = groups[g_]; c->name; c++)

static void print_title(const struct cmd *c, FILE *out)
{
	fprintf(out, "canopy %s%s%s", c->name, c->verb ? " " : "", c->verb ? c->verb : "");
}

static void print_overview(FILE *out)
{
	fprintf(out, "usage: canopy COMMAND [options] [arguments]\n\n"
		     "Trains, certifies and evaluates learned TCP congestion controllers.\n\n");
	FOR_EACH_CMD(c)
	{
		char name[64];

		snprintf(name, sizeof(name), "%s%s%s", c->name, c->verb ? " " : "", c->verb ? c->verb : "");
		fprintf(out, "  %-18s %s\n", name, c->summary);
	}
	fprintf(out,
		"  %-18s %s\n  %-18s %s\n  %-18s %s\n\n"
		"canopy COMMAND --help tells more; man canopy tells all.\n",
		"completion", "Print a bash completion script", "manpage",
		"Print the manual page (troff)", "version", "Print the version");
}

static void print_help(const struct cmd *c)
{
	printf("usage: ");
	print_title(c, stdout);
	printf(" [options]%s%s\n\n%s.\n\n", *c->args ? " " : "", c->args, c->summary);
	if (c->details)
		printf("%s\n\n", c->details);
	opts_help(c->opts, stdout);
}

// The words that may stand after a word: an option's choices, or the options.
static void print_option_words(const struct opt *opts)
{
	printf(" case \"$prev\" in\n");
	for (const struct opt *t = opts; t->kind != OPT_END; t++)
		if (t->kind == OPT_WORD) {
			printf("\t\t--%s) files=\"\" words=\"", t->name);
			for (const char *w = t->words; *w; w++)
				putchar(*w == '|' ? ' ' : *w);
			printf("\" ;;\n");
		}
	printf("\t\t*) words=\"");
	for (const struct opt *t = opts; t->kind != OPT_END; t++) {
		printf("--%s ", t->name);
		if (t->kind == OPT_FLAG && t->dflt && !strcmp(t->dflt, "yes"))
			printf("--no-%s ", t->name);
	}
	printf("\" ;;\n\t\tesac ;;\n");
}

static void print_completion(void)
{
	printf("_canopy() {\n\tlocal cur=\"${COMP_WORDS[COMP_CWORD]}\" words=\"\" files=1\n"
	       "\tlocal prev=\"${COMP_WORDS[COMP_CWORD - 1]}\"\n"
	       "\tcase \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n");
	FOR_EACH_CMD(c)
	{
		printf("\t\"%s %s\"*)", c->name, c->verb ? c->verb : "");
		print_option_words(c->opts);
	}
	printf("\tesac\n\tif [ \"$COMP_CWORD\" = 1 ]; then files=\"\" words=\"");
	for (int g = 0; g < NGROUPS; g++)
		printf("%s ", groups[g]->name);
	printf("completion manpage version\"\n\telif [ \"$COMP_CWORD\" = 2 ]; then\n"
	       "\t\tcase \"${COMP_WORDS[1]}\" in\n");
	for (int g = 0; g < NGROUPS; g++) {
		if (!groups[g]->verb)
			continue;
		printf("\t\t%s) files=\"\" words=\"", groups[g]->name);
		for (const struct cmd *c = groups[g]; c->name; c++)
			printf(" %s", c->verb);
		printf("\" ;;\n");
	}
	printf("\t\tesac\n\tfi\n"
	       "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\"\n"
	       "\t\t[ -z \"$files\" ] || compgen -f -- \"$cur\")\n}\n"
	       "complete -o filenames -F _canopy canopy\n");
}

// Prints text with troff's control characters escaped.
static void print_troff(const char *s)
{
	bool line_start = true;

	for (; *s; s++) {
		if (line_start && (*s == '.' || *s == '\''))
			printf("\\&");
		if (*s == '\\')
			printf("\\e");
		else if (*s == '-')
			printf("\\-");
		else
			putchar(*s);
		line_start = *s == '\n';
	}
}

static void print_man_cmd(const struct cmd *c)
{
	printf(".SS \"");
	print_title(c, stdout);
	printf(" [options] %s\"\n", c->args);
	print_troff(c->summary);
	printf(".\n");
	if (c->details) {
		printf(".PP\n.nf\n");
		print_troff(c->details);
		printf("\n.fi\n");
	}
	for (const struct opt *t = c->opts + 3; t->kind != OPT_END; t++) {
		printf(".TP\n.B ");
		if (t->letter)
			printf("\\-%c, ", t->letter);
		printf("\\-\\-%s %s\n", t->name, t->arg ? t->arg : "");
		print_troff(t->help);
		if (t->words)
			printf(" (%s)", t->words);
		if (t->dflt && t->kind != OPT_FLAG) {
			printf(" [");
			for (const char *s = t->dflt; *s; s++)
				printf("%c%s", *s, *s == ',' ? "\\:" : ""); // where a line may break
			printf("]");
		}
		putchar('\n');
	}
}

static void print_manpage(void)
{
	printf(".TH CANOPY 1 \"\" \"canopy %s\" \"User commands\"\n.ad l\n.SH NAME\n"
	       "canopy \\- train, certify and evaluate learned TCP congestion controllers\n.SH SYNOPSIS\n"
	       ".B canopy\n.I command\n[options] [arguments]\n.SH DESCRIPTION\n"
	       "A policy network adjusts TCP CUBIC's window about every 20 ms. canopy loads such policies,\n"
	       "runs them and the classic controllers over network traces in a packet-level simulator of\n"
	       "the Linux stack, and reports utilisation against queueing delay.\n"
	       ".PP\nA spec file holds lines of \"key = value\" whose keys are the long option names; # starts\n"
	       "a comment. The command line wins over the spec file. " OPTS_LISTS "\n.SH COMMANDS\n"
	       "Every command takes \\-h (help), \\-v (say more) and \\-q (warnings and errors only).\n",
		CANOPY_VERSION);
	FOR_EACH_CMD(c) print_man_cmd(c);
	printf(".SH EXIT STATUS\n0 done, 1 failed, 2 wrong usage, 3 not certified.\n.SH FILES\n"
	       "The formats of models, results, decisions and logs are documented in doc/formats.md.\n");
}

static void print_group(const char *name, FILE *out)
{
	fprintf(out, "usage:\n");
	FOR_EACH_CMD(c)
	if (!strcmp(c->name, name))
		fprintf(out, "  canopy %s %s [options] %s\n", c->name, c->verb, c->args);
}

// `canopy trace --help`
static bool is_group_help(int argc, char **argv)
{
	if (argc != 3 || (strcmp(argv[2], "--help") && strcmp(argv[2], "-h")))
		return false;
	for (int g = 0; g < NGROUPS; g++)
		if (!strcmp(groups[g]->name, argv[1]))
			return groups[g]->verb != NULL;
	return false;
}

static const struct cmd *find_cmd(int argc, char **argv, int *used)
{
	const char *names[64];
	int n = 0;

	*used = 0;
	FOR_EACH_CMD(c)
	{
		if (strcmp(c->name, argv[1])) {
			names[n++] = c->name;
			continue;
		}
		*used = 2;
		if (!c->verb || (argc > 2 && !strcmp(c->verb, argv[2]))) {
			*used += c->verb != NULL;
			return c;
		}
	}
	if (*used == 2) {
		if (argc > 2)
			pr_err("canopy %s has no '%s'\n", argv[1], argv[2]);
		print_group(argv[1], stderr);
	} else {
		const char *near = opts_nearest(argv[1], names, n);

		pr_err("there is no command '%s'%s%s%s\n", argv[1], near ? ", did you mean '" : "", near ? near : "",
			near ? "'?" : "");
	}
	return NULL;
}

// A program called as one of mahimahi's tools, or told its name first, is that tool.
static bool is_mahimahi(int *argc, char ***argv)
{
	if (!mahimahi_knows((*argv)[0])) {
		if (*argc < 2 || !mahimahi_knows((*argv)[1]))
			return false;
		--*argc;
		++*argv;
	}
	return true;
}

static void on_signal(int sig)
{
	work_stop();
	signal(sig, SIG_DFL); // a second one ends at once
}

static int run_cmd(const struct cmd *c, int argc, char **argv)
{
	struct opts o;
	int status = EXIT_USAGE;

	opts_init(&o, c->opts);
	o.first_ends = c->max_args == CMD_COMMAND;
	if (opts_parse(&o, argc, argv))
		goto out;
	if (opts_flag(&o, "help")) {
		print_help(c);
		status = EXIT_OK;
		goto out;
	}
	log_set_level(LOG_INFO + opts_flag(&o, "verbose") - opts_flag(&o, "quiet"));
	if (!c->max_args && o.nargs)
		pr_err("'%s' is no option, and there are no arguments\n", o.args[0]);
	if (o.nargs < c->min_args || (c->max_args >= 0 && o.nargs > c->max_args)) {
		fprintf(stderr, "usage: ");
		print_title(c, stderr);
		fprintf(stderr, " [options]%s%s (--help tells more)\n", *c->args ? " " : "",
			c->args);
		goto out;
	}
	status = c->run(&o);
out:
	opts_free(&o);
	return status;
}

// A full disk behind standard output is a failure; of a reader that has seen enough (head) nothing
// is said.
static int flush_output(int status)
{
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

	if (!fflush(stdout) && !ferror(stdout))
		return status;
	if (poll(&out, 1, 0) != 1 || !(out.revents & POLLERR))
		pr_err("standard output: cannot write\n");
	return status ? status : EXIT_FAILED;
}

// Opens what stands at 0 to 2 if closed, so that no result file takes the number and gets our
// messages; the wrong way round, so that using it stays an error.
static void hold_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	const struct cmd *c;
	int used, status = EXIT_OK;

	hold_streams();
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	signal(SIGPIPE, SIG_IGN);
	if (argc && is_mahimahi(&argc, &argv))
		return flush_output(run_cmd(cmd_mm, argc, argv));
	if (argc < 2) {
		print_overview(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		print_overview(stdout);
	else if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "version"))
		puts("canopy " CANOPY_VERSION);
	else if (!strcmp(argv[1], "completion"))
		print_completion();
	else if (!strcmp(argv[1], "manpage"))
		print_manpage();
	else if (is_group_help(argc, argv))
		print_group(argv[1], stdout);
	else
		status = (c = find_cmd(argc, argv, &used)) ? run_cmd(c, argc - used, argv + used)
							   : EXIT_USAGE;
	return flush_output(status);
}
