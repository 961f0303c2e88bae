/*
 * mahimahi's command lines, one tool in the other, as one emulated path:
 *
 *	mm-delay MS                             one-way delay, both directions
 *	mm-loss uplink|downlink P               random loss
 *	mm-onoff uplink|downlink ON OFF         mean seconds on and off, exponential
 *	mm-intermittent uplink|downlink ON OFF  seconds, always the same
 *	mm-link UPLINK DOWNLINK [OPTION...]     traces; its options below
 *
 * Each is followed by the command that it runs, which may be another of them; the first is the
 * outermost. Packets towards the command meet the tools from the outermost in, those from it the
 * other way round. Arguments and meanings are mahimahi's; besides, numbers may have fractions, `--`
 * may stand before any command, and a trace may be whatever trace_open knows.
 *
 * mm-link's options stand anywhere before `--`, even behind its command, as getopt_long lets them;
 * behind a command, a word that looks like an option but is none of mm-link's ends them.
 *
 * A path has one link: a second mm-link, or a stage too many, begins the command that another
 * emulator is to run inside this one.
 */
#ifndef EMU_MAHIMAHI_H
#define EMU_MAHIMAHI_H

#include <stdbool.h>

#include "emu/path.h"
#include "emu/queue.h"

enum { MAHIMAHI_UP, MAHIMAHI_DOWN, MAHIMAHI_DIRS };

/* One direction of mm-link; texts are the arguments' own. */
struct mahimahi_link {
	const char *trace; /* NULL: there is no mm-link */
	const char *log;   /* NULL: none */
	struct queue_conf queue;
};

#define MAHIMAHI_PREFIX 1024

struct mahimahi {
	struct mahimahi_link link[MAHIMAHI_DIRS];
	bool once, meter; /* mm-link's --once; one of its --meter options */
	/* in the order in which packets of the direction meet them */
	struct path_stages before[MAHIMAHI_DIRS], after[MAHIMAHI_DIRS];
	struct delay_schedule delays[PATH_STAGES]; /* of the stages, in steps */
	struct delay_step steps[PATH_STAGES];
	int ndelays;
	char prefix[MAHIMAHI_PREFIX]; /* what mahimahi's prompt says: "[delay 10 ms] [link] " */
	int outer;		      /* bytes of it before "[link] " */
	char **command;		      /* words, ended by NULL; none: a shell */
	bool again;   /* the command is one of the tools, for an emulator of its own */
	char **words; /* the memory of command */
};

/* Whether a program's name, folders before it or not, is one of the tools. */
bool mahimahi_knows(const char *program);

/*
 * Reads argv[0..argc), which begins with a tool. *out must stay where it is: it points into itself.
 * Prints. 0 or -EINVAL.
 */
int mahimahi_parse(struct mahimahi *out, int argc, char **argv);

void mahimahi_free(struct mahimahi *m);

/* The tools' usage, for people. */
const char *mahimahi_usage(void);

#endif
