/* mahimahi's command lines as they are read, and the blocks of addresses of emulators in emulators.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/log.h"
#include "base/rng.h"
#include "emu/block.h"
#include "emu/mahimahi.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof(*(a))))
#define MS_NS 1000000ull
#define WORDS 64

static struct mahimahi m;

// Words separated by one blank; | stands for a blank in a word.
static int parse(const char *line)
{
	static char text[4096];
	char *rest = text, *word, *words[WORDS];
	int n = 0;

	snprintf(text, sizeof(text), "%s", line);
	while ((word = strsep(&rest, " "))) {
		for (char *p = word; *p; p++)
			if (*p == '|')
				*p = ' ';
		words[n++] = word;
	}
	words[n] = NULL;
	return mahimahi_parse(&m, n, words);
}

// The stages of a side, "D10 L0.5 O1/2" with delays in ms and times in s, and the command.
static char *shape(const struct path_stages *s)
{
	char *text = file_path("%s", "");

	for (int i = 0; i < s->n; i++) {
		const struct path_stage *g = &s->stage[i];
		char *old = text, *sep = i ? " " : "";

		if (g->kind == PATH_DELAY)
			text = file_path("%s%sD%g", old, sep, g->delay->steps[0].delay_ns * 1e-6);
		else if (g->kind == PATH_LOSS)
			text = file_path("%s%sL%g", old, sep, g->loss);
		else
			text = file_path("%s%s%c%g/%g", old, sep, g->onoff.periodic ? 'P' : 'O',
				g->onoff.on_ns * 1e-9, g->onoff.off_ns * 1e-9);
		free(old);
	}
	return text;
}

static void assert_shape(const struct path_stages *s, const char *wanted)
{
	char *is = shape(s);

	assert_string_equal(is, wanted);
	free(is);
}

static char *command(void)
{
	char *text = file_path("%s", "");

	for (char **w = m.command; *w; w++) {
		char *old = text;

		text = file_path("%s%s%s", old, *old ? " " : "", *w);
		free(old);
	}
	return text;
}

static void tools_stand_in_the_order_of_packets(void **state)
{
	static const struct {
		const char *line, *down_before, *down_after, *up_before, *up_after, *command;
	} row[] = {
		{"mm-delay 10 mm-link a b cmd -x --once", "D10", "", "", "D10", "cmd -x --once"},
		{"mm-delay 20 mm-link a b mm-loss downlink .1 -- cmd --once", "D20", "L0.1", "",
			"D20", "cmd --once"},
		{"mm-link a b mm-delay 7 mm-loss uplink .5 cmd", "", "D7", "L0.5 D7", "", "cmd"},
		{"mm-onoff uplink 5 .1 mm-onoff downlink 4 .2 mm-loss uplink .3 mm-loss downlink "
		 ".4 c",
			"O4/0.2 L0.4", "", "", "L0.3 O5/0.1", "c"},
		{"mm-delay 1 mm-loss uplink 0.5 mm-delay 2 mm-link a b mm-intermittent uplink 1 2 "
		 "c",
			"D1 D2", "", "P1/2", "D2 L0.5 D1", "c"},
		{"/usr/bin/mm-delay 0.5 ./mm-delay 3 -- x y", "D0.5 D3", "", "", "D3 D0.5", "x y"},
		{"mm-delay 1 -- mm-loss uplink 0 -- cmd", "D1", "", "", "L0 D1", "cmd"},
		{"mm-delay 1", "D1", "", "", "D1", ""},
		{"mm-delay 1 mm-meter cmd", "D1", "", "", "D1", "mm-meter cmd"},
	};

	for (int i = 0; i < COUNT(row); i++) {
		char *cmd;

		assert_int_equal(parse(row[i].line), 0);
		assert_shape(&m.before[MAHIMAHI_DOWN], row[i].down_before);
		assert_shape(&m.after[MAHIMAHI_DOWN], row[i].down_after);
		assert_shape(&m.before[MAHIMAHI_UP], row[i].up_before);
		assert_shape(&m.after[MAHIMAHI_UP], row[i].up_after);
		assert_false(m.again);
		cmd = command();
		assert_string_equal(cmd, row[i].command);
		free(cmd);
		mahimahi_free(&m);
	}
}

// Options before, between and behind traces, other tools and the command, as getopt_long has them.
static void link_options_stand_anywhere(void **state)
{
	static const char *const line[] = {
		"mm-link up down --uplink-log=u --downlink-log d --once cmd",
		"mm-link --once up --uplink-log=u down -dd cmd",
		"mm-link up -u u down cmd --once --downlink-log=d",
		"mm-link --once -u u -d d up down -- cmd",
		"mm-link --once --uplink-l=u --downlink-l=d -- up down cmd",
		"mm-link up down mm-loss uplink 0.5 --once -u u --downlink-log=d cmd",
		"mm-link up down --meter-all --once -u u --downlink-log=d -- cmd",
	};

	for (int i = 0; i < COUNT(line); i++) {
		assert_int_equal(parse(line[i]), 0);
		assert_string_equal(m.link[MAHIMAHI_UP].trace, "up");
		assert_string_equal(m.link[MAHIMAHI_DOWN].trace, "down");
		assert_string_equal(m.link[MAHIMAHI_UP].log, "u");
		assert_string_equal(m.link[MAHIMAHI_DOWN].log, "d");
		assert_true(m.once);
		assert_int_equal(m.meter, i == 6);
		assert_string_equal(m.command[0], "cmd");
		assert_null(m.command[1]);
		mahimahi_free(&m);
	}
	// what only the command knows ends mm-link's options, though not before a command
	assert_int_equal(parse("mm-link a b iperf3 -c host --once"), 0);
	assert_false(m.once);
	assert_string_equal(m.command[3], "--once");
	mahimahi_free(&m);
	assert_int_equal(parse("mm-link a b -c host"), -EINVAL);
}

static void queues_are_mahimahi_s(void **state)
{
	static const struct {
		const char *kind, *args, *shown;
	} row[] = {{"droptail", "packets=100", "droptail [packets=100]"},
		{"drophead", "packets=5,|bytes=3000", "drophead [bytes=3000, packets=5]"},
		{"droptail", "\"bytes=9\"", "droptail [bytes=9]"},
		{"droptail", "packets=0,bytes=9", "droptail [bytes=9]"},
		{"droptail", "packets=3|bytes=9", "droptail [bytes=9, packets=3]"},
		{"codel", "target=7,interval=90,packets=60",
			"codel [packets=60, target=7, interval=90]"},
		{"pie", "qdelay_ref=20,max_burst=50,packets=8",
			"pie [packets=8, target=20, update=30, burst=50]"},
		{"pie", "", "pie [target=15, update=30, burst=150]"}, {"infinite", "", "infinite"}};
	char buf[QUEUE_TEXT];

	for (int i = 0; i < COUNT(row); i++) {
		char *line = file_path("mm-link a b --downlink-queue=%s --downlink-queue-args=%s c",
			row[i].kind, row[i].args);

		assert_int_equal(parse(line), 0);
		assert_string_equal(queue_text(&m.link[MAHIMAHI_DOWN].queue, buf), row[i].shown);
		assert_string_equal(queue_text(&m.link[MAHIMAHI_UP].queue, buf), "infinite");
		mahimahi_free(&m);
		free(line);
	}
}

static void what_has_no_place_runs_inside(void **state)
{
	char line[1024] = "mm-link a b", *cmd;

	assert_int_equal(parse("mm-delay 1 mm-link a b mm-link c d --once x"), 0);
	assert_true(m.again);
	assert_true(m.once); // the first takes it, as getopt_long would
	cmd = command();
	assert_string_equal(cmd, "mm-link c d x");
	free(cmd);
	mahimahi_free(&m);
	for (int i = 0; i < PATH_STAGES + 2; i++)
		strcat(line, " mm-delay 1");
	assert_int_equal(parse(strcat(line, " x")), 0);
	assert_true(m.again);
	assert_int_equal(m.after[MAHIMAHI_DOWN].n, PATH_STAGES);
	cmd = command();
	assert_string_equal(cmd, "mm-delay 1 mm-delay 1 x");
	free(cmd);
	mahimahi_free(&m);
}

static void the_prompt_is_mahimahi_s(void **state)
{
	assert_int_equal(
		parse("mm-delay 10 mm-loss uplink 0.01 mm-link a b mm-onoff downlink 5 .1"), 0);
	assert_string_equal(
		m.prefix, "[delay 10 ms] [loss up=0.01] [link] [onoff (down) on=5s off=0.1s] ");
	assert_int_equal(m.outer, strlen("[delay 10 ms] [loss up=0.01] "));
	mahimahi_free(&m);
}

static void bad_lines_are_refused(void **state)
{
	static const char *const bad[] = {"mm-delay", "mm-delay ", "mm-delay x", "mm-delay -1",
		"mm-delay 1e9", "mm-delay nan", "mm-loss", "mm-loss uplink", "mm-loss up 0.1",
		"mm-loss uplink 1.1", "mm-loss uplink -0.1", "mm-loss 0.1 uplink",
		"mm-onoff uplink 1", "mm-onoff uplink 0 0", "mm-onoff uplink 1e-9 1e-9",
		"mm-onoff uplink 1e7 1", "mm-intermittent downlink 1 x", "mm-link", "mm-link a",
		"mm-link a --once", "mm-link a b --uplink-queue=droptail",
		"mm-link a b --uplink-queue", "mm-link a b --uplink-queue=red",
		"mm-link a b --uplink-queue-args=packets=1",
		"mm-link a b --uplink-queue=droptail --uplink-queue-args=packets=0",
		"mm-link a b --uplink-queue=droptail --uplink-queue-args=packets",
		"mm-link a b --uplink-queue=droptail --uplink-queue-args==",
		"mm-link a b --uplink-queue=droptail --uplink-queue-args=packets=1,packets",
		"mm-link a b --uplink-queue=pie --uplink-queue-args=interval=3",
		"mm-link a b --uplink-queue=:packets=1", "mm-link a b --once=3",
		"mm-link a b --onec", "mm-link a b -z", "mm-link a b --", "mm-delay 1 mm-loss",
		"mm-nothing 3", "ls", ""};
	char *longer = malloc(5000);

	for (int i = 0; i < COUNT(bad); i++) {
		bool fine = !strcmp(bad[i], "mm-link a b --"); // a shell

		if (parse(bad[i]) != (fine ? 0 : -EINVAL))
			fail_msg("'%s' was %s", bad[i], fine ? "refused" : "taken");
		mahimahi_free(&m);
	}
	memset(longer, '1', 4000);
	longer[4000] = 0;
	for (int i = 0; i < 2; i++) {
		char *words[] = {"mm-link", "a", "b", i ? "--uplink-queue" : "--uplink-queue-args",
			longer, NULL};

		assert_int_equal(mahimahi_parse(&m, 5, words), -EINVAL);
	}
	free(longer);
}

/* --- Addresses --- */

static void assert_addresses(const struct block *b, const char *in4, const char *in6)
{
	char text[INET6_ADDRSTRLEN];
	struct in_addr a4 = block_addr4(b, BLOCK_INSIDE);
	struct in6_addr a6 = block_addr6(b, BLOCK_INSIDE);

	assert_string_equal(inet_ntop(AF_INET, &a4, text, sizeof(text)), in4);
	assert_string_equal(inet_ntop(AF_INET6, &a6, text, sizeof(text)), in6);
}

static void blocks_lie_in_blocks(void **state)
{
	struct block a, b, c, d;

	assert_true(block_pick(&a, NULL, 16383));
	assert_addresses(&a, "100.127.255.2", "fdca:6e6f:7079:3fff::2");
	assert_false(block_pick(&b, NULL, 16384));
	assert_true(block_pick(&b, &a, 6));
	assert_addresses(&b, "100.127.255.226", "fdca:6e6f:7079:3fff:7::2");
	assert_false(block_pick(&c, &a, 7));
	assert_true(block_pick(&c, &b, 0));
	assert_addresses(&c, "100.127.255.230", "fdca:6e6f:7079:3fff:7:1:0:2");
	assert_false(block_pick(&d, &c, 0));
	assert_int_equal(block_count(BLOCK_LEVELS), 0);
}

// Every address is the inside of one block at most, and of the one that says so.
static void insides_are_recognised(void **state)
{
	struct rng r;

	rng_init(&r, 3, 1);
	for (int i = 0; i < 100000; i++) {
		uint32_t addr = 0x64400000u + rng_below(&r, 1u << 22);
		struct block b;

		// of the first part of a block nothing but the first four belongs to anyone
		if ((addr & 3) != BLOCK_INSIDE || (!(addr & 224) && addr & 28)) {
			assert_false(block_of_inside(&b, addr));
			continue;
		}
		assert_int_equal(block_of_inside(&b, addr), true);
		assert_int_equal(ntohl(block_addr4(&b, BLOCK_INSIDE).s_addr), addr);
		assert_int_equal(b.level, addr & 28 ? 2 : addr & 224 ? 1 : 0);
	}
	assert_false(block_of_inside(&(struct block){0}, 0x64400000u - 2));
	assert_false(block_of_inside(&(struct block){0}, 0x64800002u));
	assert_false(block_of_inside(&(struct block){0}, 0x0a000002u));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tools_stand_in_the_order_of_packets),
		cmocka_unit_test(link_options_stand_anywhere),
		cmocka_unit_test(queues_are_mahimahi_s),
		cmocka_unit_test(what_has_no_place_runs_inside),
		cmocka_unit_test(the_prompt_is_mahimahi_s),
		cmocka_unit_test(bad_lines_are_refused),
		cmocka_unit_test(blocks_lie_in_blocks),
		cmocka_unit_test(insides_are_recognised),
	};

	log_set_level(-1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
