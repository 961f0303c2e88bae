/* Training runs: killed ones give the bytes of undisturbed ones, threads do not matter, specs and
 * checkpoints that do not fit, set-ups, curves. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/rng.h"
#include "learn/checkpoint.h"
#include "learn/tfevents.h"
#include "learn/train.h"
#include "trace/generate.h"
#include "nn/blas.h"
#include "policy/policy.h"

static char dir[] = "/tmp/canopy-train-XXXXXX";
static const struct opt table[] = {TRAIN_OPTS, {.kind = OPT_END}};
static const char *const skip_none[] = {NULL};

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

// Options given as "key=value" up to NULL, over the defaults.
static int configure(struct train_conf *c, struct opts *o, const char *const *settings)
{
	int err = 0;

	opts_init(o, table);
	for (; *settings && !err; settings++) {
		char *key = file_path("%s", *settings), *eq = strchr(key, '=');

		*eq = 0;
		err = opts_set(o, key, eq + 1, 2, key);
		free(key);
	}
	if (!err)
		err = train_conf_init(c, o, skip_none);
	if (err)
		opts_free(o);
	return err;
}

// A run of seconds: 4 environments, 3 segments, an evaluation each.
static const char *const small[] = {"rates=12,24", "delays=10,20", "emulator=ideal", "hidden=16,12",
	"batch=100", "transitions=3000", "updates=150", "warmup=500", "replay=1500",
	"checkpoint-every=1000", "eval-every=1000", "log-every=500", "eval-decisions=20",
	"eval-rates=18", "eval-traces=cellular:3", "eval-delays=15", "features=extended", NULL};

// Trains into DIR/name; 0 or -errno.
static int train(const char *name, int threads, const char *const *settings)
{
	char *out = file_path("%s/%s.safetensors", dir, name), *run = file_path("%s/%s", dir, name);
	struct train_io io = {.output = out, .dir = run, .threads = threads};
	struct train_conf c;
	struct opts o;
	int err = configure(&c, &o, settings);

	if (!err) {
		err = train_run(&c, &io);
		train_conf_free(&c);
		opts_free(&o);
	}
	free(out);
	free(run);
	return err;
}

static void assert_same_file(const char *a, const char *b, const char *name)
{
	char *data[2],
		*path[2] = {file_path("%s/%s%s", dir, a, name), file_path("%s/%s%s", dir, b, name)};
	size_t len[2];

	for (int i = 0; i < 2; i++)
		assert_int_equal(file_read(path[i], 1 << 28, &data[i], &len[i]), 0);
	assert_int_equal(len[0], len[1]);
	assert_memory_equal(data[0], data[1], len[0]);
	for (int i = 0; i < 2; i++) {
		free(data[i]);
		free(path[i]);
	}
}

// The models' name is the output's, the only thing that may differ.
static void assert_same_run(const char *a, const char *b)
{
	struct model *m[2];

	assert_same_file(a, b, "/checkpoint.safetensors");
	assert_same_file(a, b, "/checkpoint.previous.safetensors");
	for (int k = 0; k < 3; k++) {
		const char *const names[] = {
			"/best.safetensors", "/last.safetensors", ".safetensors"};
		char *path[2] = {file_path("%s/%s%s", dir, a, names[k]),
			file_path("%s/%s%s", dir, b, names[k])};

		for (int i = 0; i < 2; i++) {
			assert_int_equal(model_load(&m[i], path[i]), 0);
			free(path[i]);
		}
		assert_string_equal(m[0]->sha256, m[1]->sha256);
		assert_string_equal(m[0]->info.training, m[1]->info.training);
		assert_ptr_equal(m[0]->states, &state_extended);
		model_free(m[0]);
		model_free(m[1]);
	}
}

static void test_threads_do_not_matter(void **state)
{
	assert_int_equal(train("one", 1, small), 0);
	assert_int_equal(train("three", 3, small), 0);
	assert_same_run("one", "three");
}

// Trains in a child that is killed after so many microseconds; whether it came to its end.
static bool train_and_kill(const char *name, unsigned us)
{
	pid_t child = fork();
	int status;

	if (!child) {
		log_set_level(LOG_WARN);
		_exit(train(name, 2, small) ? 1 : 0);
	}
	usleep(us);
	kill(child, SIGKILL);
	assert_true(waitpid(child, &status, 0) == child);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
	return WIFEXITED(status);
}

static int lines_of(const char *name)
{
	char *path = file_path("%s/%s/metrics.jsonl", dir, name), *data;
	size_t len;
	int n = 0;
	double last = -1;

	assert_int_equal(file_read(path, 1 << 24, &data, &len), 0);
	for (char *line = data, *end; (end = strchr(line, '\n')); line = end + 1, n++) {
		json_t *o = json_loadb(line, end - line, JSON_REJECT_DUPLICATES, NULL);
		double step = json_number_value(json_object_get(o, "step"));

		assert_true(json_is_object(o) && step >= last);
		last = step;
		json_decref(o);
	}
	free(data);
	free(path);
	return n;
}

static void test_killed_runs_give_the_same_bytes(void **state)
{
	struct rng rng;
	unsigned us = 10000;
	int kills = 0;

	rng_init(&rng, (uint64_t)getpid(), 0); // anywhere at all
	assert_int_equal(train("whole", 2, small), 0);
	while (!train_and_kill("killed", us + (unsigned)rng_below(&rng, us))) {
		kills++;
		us += us / 16; // in the end long enough for the last interval
		assert_true(kills < 200);
	}
	print_message("killed %d times\n", kills);
	assert_true(kills > 0);
	assert_same_run("whole", "killed");
	assert_int_equal(lines_of("whole"), lines_of("killed"));
	// finished: nothing is left to do, and the same comes out
	assert_int_equal(train("killed", 1, small), 0);
	assert_same_run("whole", "killed");
}

static void damage(const char *name)
{
	char *path = file_path("%s/%s", dir, name);
	FILE *f = fopen(path, "r+");

	assert_non_null(f);
	fseek(f, -100, SEEK_END);
	fputs("damage", f);
	fclose(f);
	free(path);
}

static void test_damaged_checkpoint_falls_back(void **state)
{
	const char *const other[] = {"seed=2", "transitions=2000", NULL};
	const char *settings[32];
	int n = 0;

	assert_int_equal(train("hurt", 2, small), 0);
	damage("hurt/checkpoint.safetensors");
	log_set_level(-1);
	assert_int_equal(train("hurt", 2, small), 0);
	assert_same_run("whole", "hurt");
	damage("hurt/checkpoint.safetensors");
	damage("hurt/checkpoint.previous.safetensors");
	assert_int_equal(train("hurt", 2, small), -EBADMSG);
	for (; small[n]; n++)
		settings[n] = small[n];
	for (int i = 0; i < 2; i++) {
		settings[n] = other[i];
		settings[n + 1] = NULL;
		assert_int_equal(train("whole", 2, settings), -EINVAL);
	}
	log_set_level(LOG_INFO);
}

static void test_what_cannot_be_trained(void **state)
{
	const char *const bad[][3] = {{"hidden=16"}, {"hidden=16.5,4"}, {"batch=1"}, {"warmup=300"},
		{"start=hold"}, {"start=hold", "features=extended"}, {"delay-tolerance=0.5"},
		{"replay=255"}, {"rates=0"}, {"delays=0"}, {"lambda=1.5"}, {"features=mine"},
		{"traces=nosuchtrace"}, {"init=/nonexistent"}, {"lambda=0.5"},
		{"setups=random", "traces=wired12"}, {"eval-delays=-1"}, {"envs=1.5"},
		{"hidden=4096,4096,4096,4096,4096,4096,4096"}};
	const char *settings[16] = {"transitions=300", "updates=2", "warmup=100", "batch=10",
		"replay=1000"}; // lists append, so none of them is named here

	log_set_level(-1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int k = 5;

		for (int j = 0; bad[i][j]; j++)
			settings[k++] = bad[i][j];
		settings[k] = NULL;
		if (train("bad", 1, settings) >= 0)
			fail_msg("%s was trained", bad[i][0]);
	}
	log_set_level(LOG_INFO);
}

// A model to start from: evaluated first, and what training starts with.
static void test_init(void **state)
{
	char *init = file_path("init=%s/whole/last.safetensors", dir);
	const char *settings[32] = {"updates=0"};
	int n = 0;

	for (; small[n]; n++)
		settings[n] = small[n];
	settings[n] = init;
	settings[n + 1] = "updates=0";
	settings[n + 2] = NULL;
	assert_int_equal(train("started", 2, settings), 0);
	{
		char *a = file_path("%s/started/last.safetensors", dir);
		struct model *m[2];

		assert_int_equal(model_load(&m[0], a), 0);
		assert_int_equal(model_load(&m[1], strchr(init, '=') + 1), 0);
		assert_string_equal(m[0]->sha256, m[1]->sha256);
		model_free(m[0]);
		model_free(m[1]);
		free(a);
	}
	free(init);
}

static void test_published_setups(void **state)
{
	struct train_conf c;
	struct opts o;
	struct canopy_env_conf *e;
	double rates = 0;

	assert_int_equal(configure(&c, &o, (const char *[]){"buffers=5", NULL}), 0);
	assert_int_equal(c.setups.n, 256);
	e = calloc(c.setups.n, sizeof(*e));
	setups_fill(&c.setups, 0, e);
	for (int i = 0; i < 256; i++) {
		assert_true(e[i].rate_mbps == 6 * (1 + i / 8) && e[i].buffer_bdp == 5);
		rates += e[i].rate_mbps;
		for (int k = 0; k < i; k++)
			assert_true(e[k].seed != e[i].seed);
	}
	assert_true(rates == 256 * 99);
	assert_true(e[0].delay_ms == 10 && e[1].delay_ms == 2 && e[7].delay_ms == 200);
	free(e);
	train_conf_free(&c);
	opts_free(&o);
}

static void test_random_setups(void **state)
{
	enum { N = 2000 };
	static struct canopy_env_conf a[N], b[N];
	static char names[N][64];
	struct train_conf c;
	struct opts o;
	int traces = 0, slow = 0;

	assert_int_equal(configure(&c, &o,
				 (const char *[]){"setups=random", "envs=2000", "rates=10,1000",
					 "delays=4,9", "buffers=0.5,5", "trace-share=0.25", NULL}),
		0);
	setups_fill(&c.setups, 3, a);
	for (int i = 0; i < N; i++) {
		assert_true(a[i].rate_mbps >= 10 && a[i].rate_mbps <= 1000);
		assert_true(a[i].delay_ms >= 4 && a[i].delay_ms <= 9);
		assert_true(a[i].buffer_bdp >= 0.5 && a[i].buffer_bdp <= 5);
		traces += a[i].trace != NULL;
		slow += a[i].rate_mbps < 100;
		strcpy(names[i], a[i].trace ? a[i].trace : "");
		assert_true(!a[i].trace || trace_is_generated(a[i].trace));
	}
	assert_true(abs(traces - N / 4) < 100 && abs(slow - N / 2) < 120);
	setups_fill(&c.setups, 4, b);
	assert_true(a[0].rate_mbps != b[0].rate_mbps);
	setups_fill(&c.setups, 3, b);
	for (int i = 0; i < N; i++)
		assert_true(a[i].rate_mbps == b[i].rate_mbps &&
			    !strcmp(names[i], b[i].trace ? b[i].trace : ""));
	train_conf_free(&c);
	opts_free(&o);
}

/* --- TensorBoard's files, decoded by what the formats say --- */

static uint32_t crc32c_slow(const unsigned char *p, size_t n)
{
	uint32_t c = 0xffffffff;

	while (n--) {
		c ^= *p++;
		for (int k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ 0x82f63b78 : c >> 1;
	}
	c = ~c;
	return ((c >> 15) | (c << 17)) + 0xa282ead8u;
}

static uint64_t varint(const unsigned char **p)
{
	uint64_t v = 0;

	for (int shift = 0;; shift += 7) {
		v |= (uint64_t)(**p & 127) << shift;
		if (!(*(*p)++ & 128))
			return v;
	}
}

struct event {
	double wall;
	int64_t step;
	char version[32], tags[8][80];
	float values[8];
	int n;
};

static void decode(struct event *e, const unsigned char *p, const unsigned char *end, int depth)
{
	while (p < end) {
		uint64_t key = varint(&p), field = key >> 3, type = key & 7, len;

		if (type == 0) {
			e->step = (int64_t)varint(&p);
		} else if (type == 1) {
			memcpy(&e->wall, p, 8);
			p += 8;
		} else if (type == 5) {
			memcpy(&e->values[e->n++], p, 4);
			p += 4;
		} else {
			len = varint(&p);
			if (depth == 0 && field == 3)
				memcpy(e->version, p, len);
			else if (depth == 2 && field == 1)
				memcpy(e->tags[e->n], p, len);
			else
				decode(e, p, p + len, depth + 1);
			p += len;
		}
	}
	assert_ptr_equal(p, end);
}

static const unsigned char *record(struct event *e, const unsigned char *p)
{
	uint64_t len;
	uint32_t crc;

	memset(e, 0, sizeof(*e));
	memcpy(&len, p, 8);
	memcpy(&crc, p + 8, 4);
	assert_int_equal(crc, crc32c_slow(p, 8));
	memcpy(&crc, p + 12 + len, 4);
	assert_int_equal(crc, crc32c_slow(p + 12, len));
	decode(e, p + 12, p + 12 + len, 0);
	return p + 16 + len;
}

static void test_event_files(void **state)
{
	char *data;
	size_t len;
	FILE *f = open_memstream(&data, &len);
	const char *const tags[] = {"reward/raw", "missing", "q"};
	const double values[] = {0.25, NAN, -3e9};
	const unsigned char *p;
	struct event e;

	assert_int_equal(tfevents_begin(f, 1.5), 0);
	assert_int_equal(tfevents_scalars(f, 2.5, 12800000, 3, tags, values), 0);
	fclose(f);
	p = record(&e, (unsigned char *)data);
	assert_true(e.wall == 1.5);
	assert_string_equal(e.version, "brain.Event:2");
	p = record(&e, p);
	assert_true(e.wall == 2.5 && e.step == 12800000 && e.n == 2);
	assert_string_equal(e.tags[0], "reward/raw");
	assert_string_equal(e.tags[1], "q");
	assert_true(e.values[0] == 0.25f && e.values[1] == -3e9f);
	assert_ptr_equal(p, data + len);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads_do_not_matter),
		cmocka_unit_test(test_killed_runs_give_the_same_bytes),
		cmocka_unit_test(test_damaged_checkpoint_falls_back),
		cmocka_unit_test(test_what_cannot_be_trained),
		cmocka_unit_test(test_init),
		cmocka_unit_test(test_published_setups),
		cmocka_unit_test(test_random_setups),
		cmocka_unit_test(test_event_files),
	};

	if (blas_load()) {
		print_message("skip: there is no OpenBLAS here\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
