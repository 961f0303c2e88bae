/* mahimahi's tools, one after the other: each takes its arguments off the words that are left. */
#include "emu/mahimahi.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/opts.h"

#define SECONDS_MAX 1e6
#define TEXT_MAX 256 /* of a queue and its arguments */

/* What is left to read, and the stages so far in the order of the tools. */
struct reader {
	struct mahimahi *m;
	const char *tool;
	char **word; /* [n] behind the tool's name */
	int n;
	struct {
		struct path_stage stage;
		bool inner; /* its tool is behind mm-link */
	} stage[MAHIMAHI_DIRS][PATH_STAGES];
	int nstages[MAHIMAHI_DIRS];
};

/* --- Words --- */

static void skip(struct reader *r, int n)
{
	r->word += n;
	r->n -= n;
}

static int want(const struct reader *r, int n, const char *usage)
{
	if (r->n >= n)
		return 0;
	pr_err("usage: %s %s [COMMAND...]\n", r->tool, usage);
	return -EINVAL;
}

static int number(const struct reader *r, const char *what, const char *text, double hi, double *v)
{
	if (opts_number(text, 0, hi, v))
		return 0;
	pr_err("%s: %s '%s' is not a number from 0 to %g\n", r->tool, what, text, hi);
	return -EINVAL;
}

static int direction(const struct reader *r, int *dir)
{
	static const char *const names[] = {[MAHIMAHI_UP] = "uplink", [MAHIMAHI_DOWN] = "downlink"};
	const char *near;

	for (int i = 0; i < MAHIMAHI_DIRS; i++)
		if (!strcmp(r->word[0], names[i])) {
			*dir = i;
			return 0;
		}
	near = opts_nearest(r->word[0], names, MAHIMAHI_DIRS);
	pr_err("%s: '%s' is neither uplink nor downlink%s%s%s\n", r->tool, r->word[0],
		near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
	return -EINVAL;
}

static void add_stage(struct reader *r, int dir, const struct path_stage *stage)
{
	int i = r->nstages[dir]++;

	r->stage[dir][i].stage = *stage;
	r->stage[dir][i].inner = r->m->link[MAHIMAHI_UP].trace;
}

static void __attribute__((format(printf, 2, 3))) say(struct reader *r, const char *fmt, ...)
{
	size_t n = strlen(r->m->prefix);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->m->prefix + n, MAHIMAHI_PREFIX - n, fmt, ap);
	va_end(ap);
}

/* --- Tools --- */

static int read_delay(struct reader *r)
{
	struct mahimahi *m = r->m;
	int i = m->ndelays;
	struct path_stage stage = {.kind = PATH_DELAY, .delay = &m->delays[i]};
	double ms;
	int err = want(r, 1, "MS");

	if (!err)
		err = number(r, "delay", r->word[0], DELAY_MAX_MS, &ms);
	if (err)
		return err;
	skip(r, 1);
	m->steps[i] = (struct delay_step){0, ms * 1e6};
	m->delays[i] = (struct delay_schedule){&m->steps[i], 1};
	m->ndelays++;
	add_stage(r, MAHIMAHI_DOWN, &stage);
	add_stage(r, MAHIMAHI_UP, &stage);
	say(r, "[delay %g ms] ", ms);
	return 0;
}

static int read_loss(struct reader *r)
{
	struct path_stage stage = {.kind = PATH_LOSS};
	int dir, err = want(r, 2, "uplink|downlink RATE");

	if (!err)
		err = direction(r, &dir);
	if (!err)
		err = number(r, "loss rate", r->word[1], 1, &stage.loss);
	if (err)
		return err;
	skip(r, 2);
	add_stage(r, dir, &stage);
	say(r, "[loss %s=%g] ", dir == MAHIMAHI_UP ? "up" : "down", stage.loss);
	return 0;
}

static int read_onoff(struct reader *r)
{
	struct path_stage stage = {.kind = PATH_ONOFF};
	bool periodic = !strcmp(r->tool, "mm-intermittent");
	double on, off;
	int dir, err = want(r, 3, "uplink|downlink ON-SECONDS OFF-SECONDS");

	if (!err)
		err = direction(r, &dir);
	if (!err)
		err = number(r, "time on", r->word[1], SECONDS_MAX, &on);
	if (!err)
		err = number(r, "time off", r->word[2], SECONDS_MAX, &off);
	if (!err && !onoff_times(&stage.onoff, on, off, periodic)) {
		pr_err("%s: times on and off of %s and %s seconds are too short to follow\n",
			r->tool, r->word[1], r->word[2]);
		err = -EINVAL;
	}
	if (err)
		return err;
	skip(r, 3);
	add_stage(r, dir, &stage);
	say(r, "[%s (%s) on=%gs off=%gs] ", r->tool + strlen("mm-"),
		dir == MAHIMAHI_UP ? "up" : "down", on, off);
	return 0;
}

/* --- mm-link --- */

enum { ONCE = 1, METER, LOG, QUEUE, QUEUE_ARGS };
#define OPTION(name, arg, what, dir)                                                               \
	{                                                                                          \
		name, arg, NULL, (what)*MAHIMAHI_DIRS + (dir)                                      \
	}

static const struct option link_options[] = {
	OPTION("uplink-log", required_argument, LOG, MAHIMAHI_UP),
	OPTION("downlink-log", required_argument, LOG, MAHIMAHI_DOWN),
	OPTION("uplink-queue", required_argument, QUEUE, MAHIMAHI_UP),
	OPTION("downlink-queue", required_argument, QUEUE, MAHIMAHI_DOWN),
	OPTION("uplink-queue-args", required_argument, QUEUE_ARGS, MAHIMAHI_UP),
	OPTION("downlink-queue-args", required_argument, QUEUE_ARGS, MAHIMAHI_DOWN),
	OPTION("once", no_argument, ONCE, 0),
	OPTION("meter-uplink", no_argument, METER, 0),
	OPTION("meter-downlink", no_argument, METER, 0),
	OPTION("meter-uplink-delay", no_argument, METER, 0),
	OPTION("meter-downlink-delay", no_argument, METER, 0),
	OPTION("meter-all", no_argument, METER, 0),
	{NULL, 0, NULL, 0},
};
#define NOPTIONS ((int)(sizeof(link_options) / sizeof(link_options[0])) - 1)

/* mm-link as it is read: queues come together from two options. */
struct link_words {
	const char *queue[MAHIMAHI_DIRS], *args[MAHIMAHI_DIRS];
	char **plain; /* [n] words that are no options: the traces, then the command */
	int n;
};

static int unknown_option(const char *word)
{
	const char *names[NOPTIONS], *near;
	char name[TEXT_MAX];

	for (int i = 0; i < NOPTIONS; i++)
		names[i] = link_options[i].name;
	snprintf(name, sizeof(name), "%s", word + strspn(word, "-"));
	name[strcspn(name, "=")] = 0;
	near = opts_nearest(name, names, NOPTIONS);
	pr_err("mm-link: unknown option '%s'%s%s%s\n", word, near ? ", did you mean '--" : "",
		near ? near : "", near ? "'?" : "");
	return -EINVAL;
}

static void take_option(struct mahimahi *m, struct link_words *w, int what, int dir, char *value)
{
	if (what == ONCE)
		m->once = true;
	else if (what == METER)
		m->meter = true;
	else if (what == LOG)
		m->link[dir].log = value;
	else if (what == QUEUE)
		w->queue[dir] = value;
	else
		w->args[dir] = value;
}

// All words up to "--": options are taken, wherever they stand; argv[0] is the tool.
static int split_words(struct mahimahi *m, struct link_words *w, int argc, char **argv)
{
	optind = 0; // starts anew
	opterr = 0;
	for (;;) {
		int at = optind ? optind : 1,
		    c = getopt_long(argc, argv, "-:u:d:", link_options, NULL);

		if (c == -1)
			break;
		if (c == 1) {
			w->plain[w->n++] = optarg;
		} else if (c == 'u' || c == 'd') {
			m->link[c == 'u' ? MAHIMAHI_UP : MAHIMAHI_DOWN].log = optarg;
		} else if (c == ':') {
			pr_err("mm-link: '%s' needs a value\n", argv[at]);
			return -EINVAL;
		} else if (c != '?') {
			take_option(m, w, c / MAHIMAHI_DIRS, c % MAHIMAHI_DIRS, optarg);
		} else if (w->n <= MAHIMAHI_DIRS) {
			return unknown_option(argv[at]);
		} else { // the command's
			optind = at;
			break;
		}
	}
	while (optind < argc)
		w->plain[w->n++] = argv[optind++];
	return 0;
}

// "packets=100, bytes=0" as queue_parse wants it: other names, no blanks or quotes, no limits of 0.
static int rewrite_args(const char *args, char *out, size_t len, const char *where)
{
	static const char *const names[][2] = {
		{"qdelay_ref=", "target="}, {"max_burst=", "burst="}};
	char copy[TEXT_MAX], *rest = copy, *item;
	size_t n = 0;

	if (strlen(args) >= sizeof(copy)) {
		pr_err("%s: longer than %zu bytes\n", where, sizeof(copy) - 1);
		return -EINVAL;
	}
	strcpy(copy, args);
	while ((item = strsep(&rest, ", \"'"))) {
		const char *key = "";

		if (!*item || !strcmp(item, "packets=0") || !strcmp(item, "bytes=0"))
			continue;
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (!strncmp(item, names[i][0], strlen(names[i][0]))) {
				key = names[i][1];
				item += strlen(names[i][0]);
				break;
			}
		n += snprintf(out + n, len - n, "%s%s%s", n ? "," : "", key, item);
	}
	return 0;
}

static int read_queue(struct queue_conf *q, const char *kind, const char *args, const char *side)
{
	// mahimahi's PIE updates every 30 ms
	bool pie = kind && !strcmp(kind, "pie");
	char text[3 * TEXT_MAX], rest[2 * TEXT_MAX] = "", where[TEXT_MAX];
	int err = 0;

	snprintf(where, sizeof(where), "mm-link: --%s-queue-args", side);
	if (args)
		err = rewrite_args(args, rest, sizeof(rest), where);
	if (err)
		return err;
	if (!args)
		snprintf(where, sizeof(where), "mm-link: --%s-queue", side);
	if (kind && strlen(kind) >= TEXT_MAX)
		kind = "?";
	snprintf(text, sizeof(text), "%s%s%s%s%s", kind ? kind : "infinite",
		*rest || pie ? ":" : "", pie ? "update=30" : "", *rest && pie ? "," : "", rest);
	return queue_parse(q, text, where);
}

static int read_link(struct reader *r)
{
	struct mahimahi *m = r->m;
	struct link_words w = {.plain = calloc(r->n + 1, sizeof(*w.plain))};
	int err;

	if (!w.plain)
		abort();
	err = split_words(m, &w, r->n + 1, r->word - 1);
	if (!err && w.n < MAHIMAHI_DIRS) {
		pr_err("usage: mm-link UPLINK-TRACE DOWNLINK-TRACE [OPTION...] [COMMAND...]\n");
		err = -EINVAL;
	}
	if (!err)
		err = read_queue(&m->link[MAHIMAHI_UP].queue, w.queue[MAHIMAHI_UP],
			w.args[MAHIMAHI_UP], "uplink");
	if (!err)
		err = read_queue(&m->link[MAHIMAHI_DOWN].queue, w.queue[MAHIMAHI_DOWN],
			w.args[MAHIMAHI_DOWN], "downlink");
	if (!err) {
		m->link[MAHIMAHI_UP].trace = w.plain[0];
		m->link[MAHIMAHI_DOWN].trace = w.plain[1];
		m->outer = strlen(m->prefix);
		say(r, "[link] ");
		r->n = w.n - MAHIMAHI_DIRS;
		memcpy(r->word, w.plain + MAHIMAHI_DIRS, (r->n + 1) * sizeof(*w.plain));
	}
	free(w.plain);
	return err;
}

/* --- The chain --- */

static const struct {
	const char *name;
	int (*read)(struct reader *r);
} tools[] = {{"mm-delay", read_delay}, {"mm-loss", read_loss}, {"mm-onoff", read_onoff},
	{"mm-intermittent", read_onoff}, {"mm-link", read_link}};
#define NTOOLS ((int)(sizeof(tools) / sizeof(tools[0])))

static int find(const char *program)
{
	const char *slash = strrchr(program, '/'), *name = slash ? slash + 1 : program;

	for (int i = 0; i < NTOOLS; i++)
		if (!strcmp(tools[i].name, name))
			return i;
	return -1;
}

bool mahimahi_knows(const char *program)
{
	return find(program) >= 0;
}

// Whether one more tool has a place in this path.
static bool has_place(const struct reader *r, int tool)
{
	if (tools[tool].read == read_link)
		return !r->m->link[MAHIMAHI_UP].trace;
	return r->nstages[MAHIMAHI_UP] < PATH_STAGES && r->nstages[MAHIMAHI_DOWN] < PATH_STAGES;
}

// Towards the command packets meet the tools in their order, from it in the opposite one.
static void order_stages(struct reader *r)
{
	struct mahimahi *m = r->m;

	for (int i = 0; i < r->nstages[MAHIMAHI_DOWN]; i++)
		path_add(r->stage[MAHIMAHI_DOWN][i].inner ? &m->after[MAHIMAHI_DOWN]
							  : &m->before[MAHIMAHI_DOWN],
			&r->stage[MAHIMAHI_DOWN][i].stage);
	for (int i = r->nstages[MAHIMAHI_UP] - 1; i >= 0; i--)
		path_add(r->stage[MAHIMAHI_UP][i].inner ? &m->before[MAHIMAHI_UP]
							: &m->after[MAHIMAHI_UP],
			&r->stage[MAHIMAHI_UP][i].stage);
}

static int first_tool(const char *word)
{
	const char *names[NTOOLS], *near;
	int tool = find(word);

	if (tool >= 0)
		return tool;
	for (int i = 0; i < NTOOLS; i++)
		names[i] = tools[i].name;
	near = opts_nearest(word, names, NTOOLS);
	pr_err("'%s' is none of mm-delay, mm-loss, mm-onoff, mm-intermittent and mm-link%s%s%s\n",
		word, near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
	return -EINVAL;
}

int mahimahi_parse(struct mahimahi *out, int argc, char **argv)
{
	struct reader r = {.m = out, .n = argc};
	int tool, err = 0;

	memset(out, 0, sizeof(*out));
	out->words = calloc(argc + 1, sizeof(*out->words));
	if (!out->words)
		abort();
	memcpy(out->words, argv, argc * sizeof(*argv));
	r.word = out->words;
	tool = first_tool(argv[0]);
	if (tool < 0)
		err = tool;
	while (!err && tool >= 0 && has_place(&r, tool)) {
		r.tool = tools[tool].name;
		skip(&r, 1);
		err = tools[tool].read(&r);
		if (!err && r.n && !strcmp(r.word[0], "--"))
			skip(&r, 1);
		tool = !err && r.n ? find(r.word[0]) : -1;
	}
	if (err) {
		mahimahi_free(out);
		return err;
	}
	out->command = r.word;
	out->again = tool >= 0;
	order_stages(&r);
	return 0;
}

void mahimahi_free(struct mahimahi *m)
{
	free(m->words);
	m->words = m->command = NULL;
}

const char *mahimahi_usage(void)
{
	return "  mm-delay MS [COMMAND...]\n"
	       "  mm-loss uplink|downlink RATE [COMMAND...]\n"
	       "  mm-onoff uplink|downlink MEAN-ON-SECONDS MEAN-OFF-SECONDS [COMMAND...]\n"
	       "  mm-intermittent uplink|downlink ON-SECONDS OFF-SECONDS [COMMAND...]\n"
	       "  mm-link UPLINK-TRACE DOWNLINK-TRACE [OPTION...] [-- COMMAND...]\n"
	       "      --uplink-log=FILE --downlink-log=FILE --once --meter-all\n"
	       "      --uplink-queue=infinite|droptail|drophead|codel|pie --downlink-queue=...\n"
	       "      --uplink-queue-args=\"NAME=NUMBER, ...\" --downlink-queue-args=...\n"
	       "      (packets, bytes, target, interval, qdelay_ref, max_burst; times in ms)";
}
