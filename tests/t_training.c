/* Metrics of training runs read back, hostile ones refused by file and line, and their curves in a
 * report. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/gnuplot.h"
#include "base/log.h"
#include "learn/history.h"
#include "learn/metrics.h"
#include "refusal.h"
#include "report/report.h"
#include "report/training.h"

static char dir[] = "/tmp/canopy-training-XXXXXX";

static char *in_dir(const char *name)
{
	return file_path("%s/%s", dir, name);
}

static int set_up(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	char *cmd = file_path("rm -r '%s'", dir);
	int err = system(cmd);

	free(cmd);
	return err;
}

/* --- Reading --- */

#define HEAD "{\"step\":0,\"wall_s\":0,\"held_out/score\":0.5,\"held_out/best\":null}\n"

static int parse(const char *text)
{
	struct history h;
	int err = history_parse(&h, text, strlen(text), "m.jsonl");

	if (!err)
		history_free(&h);
	return err;
}

static void lines_become_scalars(void **state)
{
	static const char text[] = HEAD
		"{\"step\":0,\"wall_s\":0.5,\"held_out/score\":0.25,\"held_out/best\":0.25}\n"
		"{\"step\":100,\"wall_s\":1.5,\"q\":1,\"loss\":null}\n"
		"{\"step\":100,\"wall_s\":2,\"held_out/score\":0.75,\"held_out/best\":0.75}\n"
		"{\"step\":200,\"wall_s\":3,\"loss\":-2e-3,\"q\":4}\n"
		"{\"step\":200,\"wall_s\":3.5,\"held_out/score\":0.75,\"held_out/best\":0.75}\n";
	const struct history_scalar *s;
	struct history h;

	assert_int_equal(history_parse(&h, text, sizeof(text) - 1, "m"), 0);
	assert_int_equal(h.step, 200);
	assert_int_equal(h.lines, 6);
	assert_true(h.wall_s == 3.5);
	s = history_find(&h, "held_out/score");
	assert_true(s && s->n == 3 && s->cubic == 0.5); // CUBIC's is no point of the run
	assert_true(s->point[0].step == 0 && s->point[0].value == 0.25);
	assert_true(history_best(s) == &s->point[1]); // the first of equal ones is kept
	assert_true(history_at(s, 100) == 0.75 && isnan(history_at(s, 150)));
	s = history_find(&h, "loss");
	assert_true(s && s->n == 2 && isnan(s->cubic) && isnan(s->point[0].value));
	assert_true(s->point[1].step == 200 && s->point[1].value == -2e-3);
	assert_null(history_find(&h, "los"));
	assert_null(history_best(history_find(&h, "nothing")));
	history_free(&h);
}

static void half_a_line_is_left_out(void **state)
{
	char text[] = HEAD "{\"step\":100,\"wall_s\":1,\"q\":1}\n", *said;
	int err;

	for (size_t cut = sizeof(HEAD); cut < sizeof(text) - 1; cut++) {
		struct history h;

		log_set_level(LOG_ERR);
		assert_int_equal(history_parse(&h, text, cut, "m"), 0);
		assert_int_equal(h.lines, 1);
		history_free(&h);
		log_set_level(LOG_INFO);
	}
	said = said_by(parse, HEAD "{\"st", &err);
	assert_int_equal(err, 0);
	assert_non_null(strstr(said, "m.jsonl:2: half a line"));
	free(said);
	assert_int_equal(parse(""), 0);
}

static void what_no_run_writes_is_refused(void **state)
{
	static const struct refusal refusals[] = {
		{HEAD "\n", "m.jsonl:2: not JSON"},
		{HEAD "7\n", "m.jsonl:2: not an object"},
		{HEAD "[1]\n", "m.jsonl:2: not an object"},
		{"{\"wall_s\":1}\n", "m.jsonl:1: 'step' is missing"},
		{"{\"step\":1}\n", "m.jsonl:1: 'wall_s' is missing"},
		{"{\"step\":1.5,\"wall_s\":1}\n", "m.jsonl:1: 'step' is not a whole number"},
		{"{\"step\":-1,\"wall_s\":1}\n", "m.jsonl:1: 'step' is -1, not within 0"},
		{"{\"step\":9e18,\"wall_s\":1}\n", "m.jsonl:1: 'step' is not a whole number"},
		{"{\"step\":9000000000000000000,\"wall_s\":1}\n", "m.jsonl:1: 'step' is 9e+18"},
		{"{\"step\":1,\"wall_s\":\"x\"}\n", "m.jsonl:1: 'wall_s' is not a number"},
		{"{\"step\":1,\"wall_s\":1,\"q\":true}\n", "'q' is not a number or null"},
		{"{\"step\":1,\"wall_s\":1,\"q\":{\"q\":1}}\n", "'q' is not a number or null"},
		{"{\"step\":1,\"wall_s\":1,\"q\":1e999}\n", "m.jsonl:1: not JSON"},
		{"{\"step\":1,\"wall_s\":1,\"q\":NaN}\n", "m.jsonl:1: not JSON"},
		{"{\"step\":1,\"wall_s\":1,\"q\":1,\"q\":2}\n", "m.jsonl:1: not JSON: duplicate"},
		{"{\"step\":1,\"wall_s\":1,\"\":1}\n",
			"a scalar's name has 1 to 96 letters, not 0"},
		{"{\"step\":2,\"wall_s\":1,\"q\":1}\n{\"step\":2,\"wall_s\":1,\"q\":1}\n",
			"m.jsonl:2: 'q' at step 2 comes after step 2"},
		{"{\"step\":2,\"wall_s\":1,\"q\":1}\n{\"step\":1,\"wall_s\":1,\"q\":null}\n",
			"m.jsonl:2: 'q' at step 1 comes after step 2"},
	};

	check_refusals(parse, refusals, sizeof(refusals) / sizeof(refusals[0]));
}

static void sizes_have_limits(void **state)
{
	char *text, *said, *name = in_dir("huge"), *path;
	size_t len;
	int err;
	FILE *f = open_memstream(&text, &len);

	fprintf(f, "{\"step\":1,\"wall_s\":1,\"%0120d\":1}\n", 7);
	fflush(f);
	said = said_by(parse, text, &err);
	assert_non_null(strstr(said, "m.jsonl:1: a scalar's name has 1 to 96 letters, not 120"));
	free(said);
	rewind(f);
	fprintf(f, "{\"step\":1,\"wall_s\":1,\"q\":%0100000d}\n", 1);
	fflush(f);
	said = said_by(parse, text, &err);
	assert_non_null(strstr(said, "m.jsonl:1: a line of 100"));
	free(said);
	rewind(f);
	fputs("{\"step\":1,\"wall_s\":1", f);
	for (int i = 0; i <= HISTORY_MAX_SCALARS; i++)
		fprintf(f, ",\"s%d\":1", i);
	fputs("}\n", f);
	fputc(0, f);
	fclose(f);
	said = said_by(parse, text, &err);
	assert_non_null(strstr(said, "m.jsonl:1: 's512' is one scalar too many, 512 can be read"));
	free(said);
	free(text);
	// a file of 2 GiB that takes no room
	assert_int_equal(file_mkdirs(name), 0);
	path = file_path("%s/" METRICS_FILE, name);
	f = fopen(path, "w");
	assert_int_equal(ftruncate(fileno(f), (off_t)2 << 30), 0);
	fclose(f);
	log_set_level(-1);
	{
		struct history h;

		assert_int_equal(history_load(&h, name), -EFBIG);
	}
	log_set_level(LOG_INFO);
	unlink(path);
	free(path);
	free(name);
}

/* --- TensorBoard's file, by protoc from the published schema --- */

static const char schema[] =
	"syntax = \"proto3\";\npackage tensorflow;\n"
	"message Summary { message Value { string tag = 1; float simple_value = 2; }\n"
	"  repeated Value value = 1; }\n"
	"message Event { double wall_time = 1; int64 step = 2;\n"
	"  oneof what { string file_version = 3; bytes graph_def = 4; Summary summary = 5; } }\n";

// What protoc makes of an event.
static char *decode(const char *event, size_t len)
{
	char *in = in_dir("event"), *out = in_dir("event.txt"), *cmd, *text;

	assert_int_equal(file_write(in, event, len), 0);
	cmd = file_path(
		"protoc -I%s --decode=tensorflow.Event %s/event.proto <%s >%s", dir, dir, in, out);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(file_read(out, 1 << 20, &text, &len), 0);
	free(cmd);
	free(in);
	free(out);
	return text;
}

static void tensorboard_has_the_same(void **state)
{
	static const char *const names[] = {
		"reward/raw", "reward/qc", "held_out_triggered/recover"};
	static const double values[][3] = {{0.5, NAN, -3}, {1e-20, 0.25, 7e30}};
	char *run = in_dir("tb.run"), *proto = in_dir("event.proto"), *path, *data, *text,
	     want[200];
	struct metrics *m;
	size_t len, at = 0;
	glob_t found;
	int events = 0;

	if (system("command -v protoc >/dev/null")) {
		print_message("skip: protoc is not installed\n");
		free(run);
		free(proto);
		skip();
	}
	assert_int_equal(file_write(proto, schema, sizeof(schema) - 1), 0);
	assert_int_equal(file_mkdirs(run), 0);
	assert_int_equal(metrics_open(&m, run, 0), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(metrics_add(m, 12800000 + i, 3, names, values[i]), 0);
	assert_int_equal(metrics_close(m), 0);
	path = file_path("%s/events.out.tfevents.*", run);
	assert_int_equal(glob(path, 0, NULL, &found), 0);
	assert_int_equal(file_read(found.gl_pathv[0], 1 << 20, &data, &len), 0);
	for (uint64_t n; at < len; at += 16 + n, events++) {
		memcpy(&n, data + at, 8);
		assert_true(n < len && at + 16 + n <= len);
		text = decode(data + at + 12, n);
		// fields that the schema lacks come as numbers
		assert_true(*text < '0' || *text > '9');
		assert_null(strstr(text, "\n  1: "));
		assert_non_null(strstr(text, "wall_time: "));
		if (!events)
			assert_non_null(strstr(text, "file_version: \"brain.Event:2\""));
		for (int k = 0; events && k < 3; k++) {
			snprintf(want, sizeof(want),
				"  value {\n    tag: \"%s\"\n    simple_value: %.8g\n  }\n",
				names[k], values[events - 1][k]);
			assert_true(!strstr(text, want) == isnan(values[events - 1][k]));
		}
		if (events) {
			snprintf(want, sizeof(want), "\nstep: %d\n", 12800000 + events - 1);
			assert_non_null(strstr(text, want));
		}
		free(text);
	}
	assert_true(at == len && events == 3);
	globfree(&found);
	free(data);
	free(path);
	free(proto);
	free(run);
}

/* --- Reports --- */

#define LOGGED 1000
#define EVALUATED 10
#define EVERY 1000 /* transitions between lines */

static double score_of(int seed, int i)
{
	return 0.5 + 0.02 * i - 0.01 * (i > 6) * (i - 6) * (seed + 3);
}

// A folder as a run leaves one.
static void make_run(const char *name, int seed, bool certified)
{
	static const char *const held_out[] = {"held_out/score", "held_out/best", "held_out/qc"};
	static const char *const names[] = {"reward/raw", "reward/trained", "reward/qc",
		"critic/loss1", "actor/extra_states", "time/environments", "time/updates"};
	char *path = in_dir(name);
	struct metrics *m;

	assert_int_equal(file_mkdirs(path), 0);
	assert_int_equal(metrics_open(&m, path, 0), 0);
	assert_int_equal(metrics_add(m, 0, 3, held_out, (double[]){0.375, NAN, NAN}), 0);
	for (int i = 1; i <= LOGGED; i++) {
		double v[] = {i + seed, i + seed + (certified ? 1 : 0), certified ? 0.5 : NAN,
			i <= 10 ? NAN : 100.0 / i, 0, 0.25, 0.5};

		assert_int_equal(metrics_add(m, i * EVERY, 7, names, v), 0);
		if (i % (LOGGED / EVALUATED) == 0)
			assert_int_equal(metrics_add(m, i * EVERY, 3, held_out,
						 (double[]){score_of(seed, i / 100), 0,
							 certified ? 0.75 : NAN}),
				0);
	}
	assert_int_equal(metrics_close(m), 0);
	free(path);
}

static int panel_of(const char *slug)
{
	int p = 0;

	while (p < training_npanels() && strcmp(training_panels[p].slug, slug))
		p++;
	assert_true(p < training_npanels());
	return p;
}

static char *script(const struct training *t, const char *slug, int run)
{
	const struct look look = {430, 240, 12, false, false};
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_int_equal(training_plot(f, t, panel_of(slug), run, &look), 0);
	fclose(f);
	return text;
}

// The curves as they go to gnuplot, beside means by hand.
static void curves_are_right(void **state)
{
	static struct training t;
	char *run = in_dir("one.run"), *text, *at;
	double x, y, sum = 0;

	make_run("one.run", 0, true);
	assert_int_equal(training_add(&t, run), 0);
	assert_string_equal(t.run[0].name, "one");
	text = script(&t, "reward", -1);
	at = strstr(text, "$t0 << EOD\n");
	assert_non_null(at);
	at = strchr(at, '\n') + 1;
	for (int i = 1, last = 0; i <= LOGGED; i++) { // at most 240 points: 5 lines each
		sum += i;
		if (i % 5)
			continue;
		assert_int_equal(sscanf(at, "%lf %lf", &x, &y), 2);
		assert_true(x == i * EVERY / 1e3 && fabs(y - sum / (i - last)) < 1e-3);
		at = strchr(at, '\n') + 1;
		last = i;
		sum = 0;
	}
	assert_memory_equal(at, "EOD\n", 4);
	assert_non_null(strstr(text, "$t1 << EOD\n5 4\n10 9\n")); // with certificate: one more
	assert_non_null(strstr(text, "\"raw\""));
	assert_non_null(strstr(text, "\"with certificate\""));
	assert_non_null(strstr(text, "set xlabel 'thousand transitions'"));
	free(text);
	text = script(&t, "held-out-score", -1); // best is the 6th of 0.52, 0.54, ...
	assert_non_null(strstr(text, "$t0 << EOD\n100 0.52\n200 0.54\n"));
	assert_non_null(strstr(text, "using (600):(0.62) with points"));
	assert_non_null(strstr(text, "first 0.375"));
	assert_non_null(strstr(text, "'CUBIC'"));
	free(text);
	text = script(&t, "critic-loss", -1); // 10 lines without a value are a gap
	assert_non_null(strstr(text, "$t0 << EOD\n\n\n15 "));
	assert_non_null(strstr(text, "set logscale y"));
	free(text);
	text = script(&t, "time", 0); // stacked
	assert_non_null(strstr(text, "$t0 << EOD\n5 0.25\n"));
	assert_non_null(strstr(text, "$t1 << EOD\n5 0.75\n"));
	free(text);
	assert_false(training_has(&t, panel_of("extra-states"), -1)); // 0 throughout
	assert_false(training_has(&t, panel_of("updates-rate"), -1));
	assert_false(training_has(&t, panel_of("time"), -1));
	training_free(&t);
	free(run);
}

static int canopy(const char *args, char **said)
{
	char *log = in_dir("said"),
	     *cmd = file_path("%s report %s >%s 2>&1", getenv("CANOPY"), args, log);
	size_t len;
	int status = system(cmd);

	assert_int_equal(file_read(log, 1 << 20, said, &len), 0);
	free(cmd);
	free(log);
	return WEXITSTATUS(status);
}

static int count(const char *text, const char *what)
{
	int n = 0;

	for (const char *p = text; (p = strstr(p, what)); p++)
		n++;
	return n;
}

static void need_program(void)
{
	if (getenv("CANOPY"))
		return;
	print_message("skip: CANOPY names no program\n");
	skip();
}

static void command_shows_runs(void **state)
{
	char *args, *said, *text, *page = in_dir("page.html");
	bool drawn = gnuplot_have();
	size_t len;

	need_program();
	make_run("a.run", 0, false);
	make_run("b.run", 1, true);
	make_run("<b>&'$(id)`", 2, true);
	// named twice and with a slash: one run
	args = file_path("'%s/a.run' %s/b.run/ \"%s/<b>&'\\$(id)\\`\" %s/b.run/ -o %s", dir, dir,
		dir, dir, page);
	assert_int_equal(canopy(args, &said), 0);
	assert_non_null(strstr(said, "named twice"));
	free(said);
	assert_int_equal(file_read(page, 64 << 20, &text, &len), 0);
	assert_non_null(strstr(text, "3 training runs</p>"));
	assert_non_null(strstr(text, "&lt;b&gt;&amp;&#39;$(id)`</td>"));
	assert_null(strstr(text, "<b>"));
	assert_int_equal(count(text, "<table class=\"sort\">"), 1);
	// best of a: its 6th evaluation of 0.02 more each; CUBIC's the same for all
	assert_non_null(
		strstr(text, "a</td><td>1000000</td><td>0.0</td><td>600000</td><td>0.620<"));
	assert_int_equal(count(text, "<tr><td>CUBIC</td>"), 1);
	assert_non_null(strstr(text, "<td>0.375</td>"));
	if (drawn) // score, QC; reward, QC; critic loss; time of each
		assert_int_equal(count(text, "role=\"img\""), 2 + 2 + 1 + 3);
	else
		assert_non_null(strstr(text, "No figures"));
	assert_int_equal(count(text, "<svg"), count(text, "</svg>"));
	assert_null(strstr(text, "src="));
	assert_null(strstr(text, "href=\"http"));
	free(text);
	free(args);
	free(page);
}

static void damaged_runs_are_named(void **state)
{
	char *bad = in_dir("bad.run"), *path = file_path("%s/" METRICS_FILE, bad), *args, *said;
	static const char text[] = HEAD "{\"step\":1,\"wall_s\":1,\"q\":\"1\"}\n";

	need_program();
	assert_int_equal(file_mkdirs(bad), 0);
	assert_int_equal(file_write(path, text, sizeof(text) - 1), 0);
	args = file_path("%s -o %s/bad.html", bad, dir);
	assert_int_equal(canopy(args, &said), 1);
	assert_non_null(strstr(said, "bad.run/metrics.jsonl:2: 'q' is not a number or null\n"));
	free(said);
	assert_int_equal(file_write(path, HEAD "{\"step\"", sizeof(HEAD) + 6), 0); // killed at once
	assert_int_equal(canopy(args, &said), 0);
	assert_non_null(strstr(said, "metrics.jsonl:2: half a line"));
	free(said);
	assert_int_equal(file_write(path, "", 0), 0);
	assert_int_equal(canopy(args, &said), 0);
	assert_non_null(strstr(said, "no metrics yet"));
	free(said);
	unlink(path);
	assert_int_equal(canopy(args, &said), 1);
	assert_non_null(strstr(said, "neither runs.jsonl"));
	free(said);
	free(args);
	free(path);
	free(bad);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_become_scalars),
		cmocka_unit_test(half_a_line_is_left_out),
		cmocka_unit_test(what_no_run_writes_is_refused),
		cmocka_unit_test(sizes_have_limits),
		cmocka_unit_test(tensorboard_has_the_same),
		cmocka_unit_test(curves_are_right),
		cmocka_unit_test(command_shows_runs),
		cmocka_unit_test(damaged_runs_are_named),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
