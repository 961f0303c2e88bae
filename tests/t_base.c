/* Base modules: options and spec files, files, random numbers, digests, worker threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/minmax.h"
#include "base/opts.h"
#include "base/rng.h"
#include "base/work.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static const struct opt table[] = {
	{OPT_FLAG, 'f', "flag", NULL, NULL, 0, 0, NULL, "a flag"},
	{OPT_TEXT, 't', "text", "TEXT", NULL, 0, 0, NULL, "a text"},
	{OPT_WORD, 'w', "word", "WORD", "one", 0, 0, "one|two", "a word"},
	{OPT_INT, 'i', "int", "N", "3", -5, 10, NULL, "a whole number"},
	{OPT_REAL, 0, "real", "X", "0.5", 0, 1, NULL, "a number"},
	{OPT_TEXTS, 0, "texts", "A,B", NULL, 0, 0, NULL, "texts"},
	{OPT_REALS, 0, "reals", "X,Y", "1,2", 0, 100, NULL, "numbers"},
	{OPT_SPEC, 's', "spec", "FILE", NULL, 0, 0, NULL, "a spec file"},
	{.kind = OPT_END},
};

static int parse(struct opts *o, int argc, const char *const *words)
{
	char *argv[16], *copy[16];
	int err;

	for (int i = 0; i < argc; i++)
		copy[i] = argv[i] = strdup(words[i]);
	opts_init(o, table);
	err = opts_parse(o, argc, argv);
	o->nargs = err ? 0 : o->nargs;
	for (int i = 0; i < o->nargs; i++)
		o->args[i] = (char *)words[0]; // the copies go away; count is all that is looked at
	for (int i = 0; i < argc; i++)
		free(copy[i]);
	return err;
}

#define PARSE(o, ...)                                                                              \
	parse(o, (int)LEN(((const char *const[]){__VA_ARGS__})), (const char *const[]){__VA_ARGS__})

static void options_are_read(void **state)
{
	struct opts o;
	double *reals;
	char **texts;

	assert_int_equal(PARSE(&o, "-fi7", "--text=a b", "arg", "--word", "two", "--texts", "a,b",
				 "--texts", "c", "--reals", "4,5.5,6", "--", "--int"),
		0);
	assert_true(opts_flag(&o, "flag"));
	assert_int_equal(opts_int(&o, "int"), 7);
	assert_string_equal(opts_text(&o, "text"), "a b");
	assert_string_equal(opts_text(&o, "word"), "two");
	assert_true(
		opts_real(&o, "real") == 0.5 && !opts_given(&o, "real") && opts_given(&o, "int"));
	assert_int_equal(opts_texts(&o, "texts", &texts), 3);
	assert_string_equal(texts[2], "c");
	assert_int_equal(opts_reals(&o, "reals", &reals), 3);
	assert_true(reals[1] == 5.5);
	assert_int_equal(o.nargs, 2);
	free(texts);
	free(reals);
	opts_free(&o);
	assert_int_equal(PARSE(&o, "--flag", "--no-flag"), 0);
	assert_false(opts_flag(&o, "flag"));
	opts_free(&o);
}

static void bad_options_are_refused(void **state)
{
	static const char *const bad[] = {"--nope", "--int=11", "--int=1.5", "--int=", "--int= 1",
		"--real=nan", "--real=1e-3x", "--word=three", "--word=one|two",
		"--word=", "--flag=maybe", "--reals=1,,2", "--reals=1, ,2", "--reals=101", "--text",
		"-i", "-z", "--no-int", "--spec=/nonexistent"};

	log_set_level(-1);
	for (size_t i = 0; i < LEN(bad); i++) {
		struct opts o;

		if (!PARSE(&o, bad[i]))
			fail_msg("%s was accepted", bad[i]);
		opts_free(&o);
	}
	log_set_level(LOG_INFO);
}

static int load(struct opts *o, const char *text)
{
	char *copy = strdup(text);
	int err = opts_load_text(o, copy, strlen(text), "x.spec");

	free(copy);
	return err;
}

static void spec_files_rank_below_the_command_line(void **state)
{
	struct opts o;

	assert_int_equal(PARSE(&o, "--int", "4"), 0);
	assert_int_equal(
		load(&o, "# comment\n int = 9 # more\r\n\nreal=0.25\ntext = a = b\nflag = yes"), 0);
	assert_int_equal(opts_int(&o, "int"), 4);
	assert_true(opts_real(&o, "real") == 0.25);
	assert_string_equal(opts_text(&o, "text"), "a = b");
	assert_true(opts_flag(&o, "flag"));
	opts_free(&o);
}

static void lists_take_blanks_around_items(void **state)
{
	struct opts o;
	double *reals;
	char **texts;

	assert_int_equal(PARSE(&o, "--reals", "1, 2.5 ,3", "--texts", " a b, c ", "--texts=d"), 0);
	assert_int_equal(opts_reals(&o, "reals", &reals), 3);
	assert_true(reals[1] == 2.5 && reals[2] == 3);
	assert_int_equal(opts_texts(&o, "texts", &texts), 3);
	assert_string_equal(texts[0], "a b");
	assert_string_equal(opts_text(&o, "texts"), "a b,c,d"); // as recorded with results
	free(reals);
	free(texts);
	opts_free(&o);
}

static void bad_spec_files_are_refused(void **state)
{
	static const char *const bad[] = {
		"int", "nope = 1", "int = x", "= 1", "flag = 1", "spec = x", "int = 1\nint"};
	char nul[] = "int = 1\0\n";
	struct opts o;

	log_set_level(-1);
	for (size_t i = 0; i < LEN(bad); i++) {
		opts_init(&o, table);
		if (!load(&o, bad[i]))
			fail_msg("'%s' was accepted", bad[i]);
		opts_free(&o);
	}
	opts_init(&o, table);
	assert_int_equal(opts_load_text(&o, nul, sizeof(nul) - 1, "x"), -EINVAL);
	opts_free(&o);
	log_set_level(LOG_INFO);
}

static void nearest_word_is_found(void **state)
{
	static const char *const words[] = {"delay", "duration", "seed", "traces"};

	assert_string_equal(opts_nearest("dealy", words, 4), "delay");
	assert_string_equal(opts_nearest("trace", words, 4), "traces");
	assert_string_equal(opts_nearest("seed", words, 4), "seed");
	assert_null(opts_nearest("policy", words, 4));
	assert_null(opts_nearest("x", words, 0));
}

static void numbers_are_whole_texts(void **state)
{
	double v = 7;

	assert_true(opts_number("1e3", 0, 1e4, &v) && v == 1000);
	assert_false(opts_number("", 0, 1, &v) || opts_number(" 1", 0, 1, &v) ||
		     opts_number("1 ", 0, 1, &v) || opts_number("nan", -1, 1, &v) ||
		     opts_number("2", 0, 1, &v) || opts_number("inf", 0, 1, &v));
	assert_true(v == 1000);
}

static void files_are_replaced_whole(void **state)
{
	char dir[] = "/tmp/canopy-base-XXXXXX", *path, *deep, *data = NULL;
	size_t len = 0;
	struct stat st;

	assert_non_null(mkdtemp(dir));
	deep = file_path("%s/a/b", dir);
	path = file_path("%s/f", deep);
	assert_int_equal(file_mkdirs(deep), 0);
	assert_int_equal(file_mkdirs(deep), 0);
	assert_int_equal(file_write(path, "first", 5), 0);
	assert_int_equal(file_write(path, "2\0nd", 4), 0);
	assert_int_equal(file_read(path, 4, &data, &len), 0);
	assert_int_equal(len, 4);
	assert_memory_equal(data, "2\0nd", 5);
	free(data);
	data = NULL;
	log_set_level(-1);
	assert_int_equal(file_read(path, 3, &data, &len), -EFBIG);
	assert_true(file_write(dir, "x", 1) < 0);
	assert_int_equal(file_mkdirs(path), -ENOTDIR);
	assert_int_equal(file_mkdirs(""), -ENOENT);
	assert_int_equal(file_read(deep, 100, &data, &len), -EISDIR);
	log_set_level(LOG_INFO);
	assert_null(data);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(deep), 0); // nothing left beside the file
	free(path);
	path = file_path("%s/a", dir);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(dir), 0);
	assert_true(stat(dir, &st) < 0);
	free(path);
	free(deep);
}

// Replacing /dev/stdout or /dev/null by a file would break the machine for everybody else.
static void devices_and_links_stay(void **state)
{
	char dir[] = "/tmp/canopy-base-XXXXXX", *pipe_path, *path, *name, *data = NULL, got[4] = "";
	size_t len = 0;
	struct stat st;
	int fd;

	assert_non_null(mkdtemp(dir));
	pipe_path = file_path("%s/pipe", dir);
	path = file_path("%s/file", dir);
	name = file_path("%s/link", dir);
	assert_int_equal(mkfifo(pipe_path, 0600), 0);
	fd = open(pipe_path, O_RDWR);
	assert_int_equal(file_write(pipe_path, "abc", 3), 0);
	assert_int_equal(read(fd, got, 3), 3);
	assert_string_equal(got, "abc");
	assert_true(!stat(pipe_path, &st) && S_ISFIFO(st.st_mode));
	assert_int_equal(file_write(path, "old", 3), 0);
	assert_int_equal(symlink("file", name), 0);
	assert_int_equal(file_write(name, "new", 3), 0);
	assert_true(!lstat(name, &st) && S_ISLNK(st.st_mode));
	assert_int_equal(file_read(path, 10, &data, &len), 0);
	assert_string_equal(data, "new");
	close(fd);
	assert_int_equal(unlink(pipe_path) | unlink(name) | unlink(path) | rmdir(dir), 0);
	free(data);
	free(pipe_path);
	free(path);
	free(name);
}

static void random_streams_repeat_and_differ(void **state)
{
	struct rng a, b, c, d;
	int same = 0;

	rng_init(&a, 1, 2);
	rng_init(&b, 1, 2);
	rng_init(&c, 1, 3);
	rng_init(&d, 2, 2);
	for (int i = 0; i < 1000; i++) {
		uint64_t x = rng_u64(&a), y = rng_u64(&c), z = rng_u64(&d);

		assert_true(x == rng_u64(&b));
		same += x == y || x == z || y == z;
	}
	assert_int_equal(same, 0);
}

// Sample means over n draws: within 5 standard errors of the exact moments (a seed fixed, so never
// flaky).
static void random_moments_are_right(void **state)
{
	enum { N = 200000 };
	double u1 = 0, u2 = 0, n1 = 0, n2 = 0, n4 = 0, e1 = 0, e2 = 0, se = 5 / sqrt(N);
	int below[7] = {0};
	struct rng r;

	rng_init(&r, 42, 0);
	for (int i = 0; i < N; i++) {
		double u = rng_uniform(&r), x = rng_normal(&r), e = rng_exp(&r);

		assert_true(u >= 0 && u < 1 && e >= 0 && isfinite(e));
		u1 += u / N;
		u2 += u * u / N;
		n1 += x / N;
		n2 += x * x / N;
		n4 += x * x * x * x / N;
		e1 += e / N;
		e2 += e * e / N;
		below[rng_below(&r, 7)]++;
	}
	// Standard deviations of one draw: u 1/sqrt(12), u^2 sqrt(4/45), x 1, x^2 sqrt 2, x^4 sqrt
	// 96, e 1, e^2 sqrt 20.
	assert_true(fabs(u1 - 0.5) < se * 0.2887 && fabs(u2 - 1 / 3.0) < se * 0.2982);
	assert_true(fabs(n1) < se && fabs(n2 - 1) < se * 1.4143 && fabs(n4 - 3) < se * 9.798);
	assert_true(fabs(e1 - 1) < se && fabs(e2 - 2) < se * 4.4722);
	for (int i = 0; i < 7; i++)
		assert_true(fabs(below[i] - N / 7.0) < 5 * sqrt(N * 6 / 49.0));
}

static void sha256_known_answers(void **state)
{
	// FIPS 180-4 examples: "", "abc", and the 448-bit message, in one and in three parts.
	const char *m = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
	struct hash_part parts[] = {{m, 1}, {m + 1, 0}, {m + 1, 55}}, abc = {"abc", 3};
	char hex[HASH_HEX];

	hash_sha256(hex, NULL, 0);
	assert_string_equal(
		hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	hash_sha256(hex, &abc, 1);
	assert_string_equal(
		hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	hash_sha256(hex, parts, 3);
	assert_string_equal(
		hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void crc32c_known_answers(void **state)
{
	// RFC 3720, B.4.
	uint8_t zeros[32] = {0}, ones[32], up[32], down[32];

	for (int i = 0; i < 32; i++) {
		ones[i] = 0xff;
		up[i] = (uint8_t)i;
		down[i] = (uint8_t)(31 - i);
	}
	assert_int_equal(hash_crc32c("", 0), 0);
	assert_int_equal(hash_crc32c("123456789", 9), 0xe3069283);
	assert_int_equal(hash_crc32c(zeros, 32), 0x8a9136aa);
	assert_int_equal(hash_crc32c(ones, 32), 0x62a8ab43);
	assert_int_equal(hash_crc32c(up, 32), 0x46dd794e);
	assert_int_equal(hash_crc32c(down, 32), 0x113fdb5c);
	assert_int_equal(hash_crc32c_masked("123456789", 9),
		(uint32_t)(((0xe3069283u >> 15) | (0xe3069283u << 17)) + 0xa282ead8u));
}

struct count {
	int next, fail_job, fail_done;
	int done_calls, order_errors;
	int result[500];
	pthread_mutex_t lock;
	int started, threads;
};

static int job(void *arg, int i, int thread)
{
	struct count *c = arg;
	struct rng r;

	if (thread < 0 || thread >= c->threads)
		return -ERANGE;
	rng_init(&r, 1, (uint64_t)i);
	if (rng_below(&r, 4) == 0)
		usleep((useconds_t)rng_below(&r, 300));
	pthread_mutex_lock(&c->lock);
	c->started++;
	pthread_mutex_unlock(&c->lock);
	c->result[i] = i * i;
	return i == c->fail_job ? -EDOM : 0;
}

// Runs under work_run's own lock: reads and writes without one, which TSan checks.
static int done(void *arg, int i)
{
	struct count *c = arg;

	c->order_errors += i != c->next++ || c->result[i] != i * i;
	c->done_calls++;
	return i == c->fail_done ? -EPIPE : 0;
}

static int run(struct count *c, int threads, int jobs, int fail_job, int fail_done)
{
	struct work w = {threads, jobs, c, job, done};
	int err;

	memset(c, 0, sizeof(*c));
	c->threads = threads;
	c->fail_job = fail_job;
	c->fail_done = fail_done;
	pthread_mutex_init(&c->lock, NULL);
	err = work_run(&w);
	pthread_mutex_destroy(&c->lock);
	return err;
}

static void work_hands_results_on_in_order(void **state)
{
	static struct count c;

	for (int threads = 1; threads <= 8; threads += threads) {
		assert_int_equal(run(&c, threads, 500, -1, -1), 0);
		assert_int_equal(c.done_calls, 500);
		assert_int_equal(c.started, 500);
		assert_int_equal(c.order_errors, 0);
	}
	assert_int_equal(run(&c, 4, 0, -1, -1), 0);
	assert_int_equal(c.done_calls, 0);
}

static void work_stops_at_the_first_error(void **state)
{
	static struct count c;

	for (int threads = 1; threads <= 8; threads += threads) {
		assert_int_equal(run(&c, threads, 500, 100, -1), -EDOM);
		assert_int_equal(c.done_calls, 100); // every result before it, none after
		assert_int_equal(c.order_errors, 0);
		assert_true(c.started >= 101 && c.started <= 101 + 4 * threads);
		assert_int_equal(run(&c, threads, 500, -1, 50), -EPIPE);
		assert_true(c.started >= 51 && c.started <= 51 + 5 * threads);
		assert_int_equal(c.order_errors, 0);
	}
}

static int stopping_job(void *arg, int i, int thread)
{
	int err = job(arg, i, thread);

	if (i == 20)
		work_stop();
	return err;
}

// Last of all: a stop is for good.
static void work_stops_when_asked(void **state)
{
	static struct count c;
	struct work w = {3, 500, &c, stopping_job, done};

	c.threads = 3;
	c.fail_job = c.fail_done = -1;
	pthread_mutex_init(&c.lock, NULL);
	assert_false(work_stopped());
	assert_int_equal(work_run(&w), -EINTR);
	assert_true(work_stopped());
	assert_true(c.done_calls == c.started && c.started >= 21 && c.started <= 21 + 4 * 3);
	assert_int_equal(c.order_errors, 0);
	pthread_mutex_destroy(&c.lock);
}

// The windowed maximum is a sample of the window, at least the newest and never over the true maximum.
static void minmax_stays_in_its_window(void **state)
{
	enum { WINDOW = 50, N = 5000 };
	uint64_t v[N], exact = 0;
	struct minmax m;
	struct rng r;

	rng_init(&r, 11, 1);
	for (int i = 0; i < N; i++) {
		uint64_t got, most = 0;
		bool known = false;

		v[i] = rng_below(&r, 1000);
		if (!i)
			minmax_reset(&m, 0, v[0]);
		got = minmax_take(&m, true, WINDOW, i, v[i]);
		for (int k = i > WINDOW ? i - WINDOW : 0; k <= i; k++) {
			most = v[k] > most ? v[k] : most;
			known |= v[k] == got;
		}
		assert_true(known && got >= v[i] && got <= most);
		exact += got == most;
	}
	assert_true(exact > .8 * N); // three samples miss a maximum now and then
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(minmax_stays_in_its_window),
		cmocka_unit_test(options_are_read),
		cmocka_unit_test(bad_options_are_refused),
		cmocka_unit_test(spec_files_rank_below_the_command_line),
		cmocka_unit_test(lists_take_blanks_around_items),
		cmocka_unit_test(bad_spec_files_are_refused),
		cmocka_unit_test(nearest_word_is_found),
		cmocka_unit_test(numbers_are_whole_texts),
		cmocka_unit_test(files_are_replaced_whole),
		cmocka_unit_test(devices_and_links_stay),
		cmocka_unit_test(random_streams_repeat_and_differ),
		cmocka_unit_test(random_moments_are_right),
		cmocka_unit_test(sha256_known_answers),
		cmocka_unit_test(crc32c_known_answers),
		cmocka_unit_test(work_hands_results_on_in_order),
		cmocka_unit_test(work_stops_at_the_first_error),
		cmocka_unit_test(work_stops_when_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
