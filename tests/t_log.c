/* Tests of mahimahi logs: the writer's bytes, metrics of our own and of recorded logs, broken
 * input. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/log.h"
#include "eval/log_metrics.h"
#include "sim/link_log.h"

#define LOGS "../shared/data/mahimahi-logs"
#define HEAD "# mahimahi mm-link (Downlink) [t] > x\n# base timestamp: 10\n"

#define assert_near(a, b, eps) assert_true((a) - (b) <= (eps) && (b) - (a) <= (eps))

static char dir[] = "/tmp/canopy-t_log-XXXXXX";

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

static struct link_log *open_log(const char *path)
{
	const struct link_log_conf conf = {.direction = "Downlink",
		.trace = "wired12",
		.command = "canopy eval",
		.queue = "droptail [packets=10]",
		.config = "[delay 10 ms]",
		.base_ms = 0};
	struct link_log *l;

	assert_int_equal(link_log_open(&l, path, &conf), 0);
	return l;
}

static void test_writer_bytes(void **state)
{
	char *path = file_path("%s/a.down", dir), *text, *want;
	struct link_log *l = open_log(path);
	size_t len;

	link_log_opportunity(l, 0);
	link_log_arrival(l, 7, 1504);
	link_log_arrival(l, 7, 80);
	link_log_drop(l, 7, 1, 80);
	link_log_departure(l, 1234567890123, 1504, 9);
	assert_int_equal(link_log_close(l), 0);
	assert_int_equal(file_read(path, 1 << 20, &text, &len), 0);
	want = file_path(
		"# mahimahi mm-link (Downlink) [wired12] > %s\n# command line: canopy eval\n"
		"# queue: droptail [packets=10]\n# init timestamp: 0\n# base timestamp: 0\n"
		"# mahimahi config: [delay 10 ms]\n"
		"0 # 1504\n7 + 1504\n7 + 80\n7 d 1 80\n1234567890123 - 1504 9\n",
		path);
	assert_string_equal(text, want);
	free(want);
	free(text);
	free(path);
}

// More lines than the writer's buffer holds come back complete.
static void test_round_trip(void **state)
{
	char *path = file_path("%s/b.down", dir);
	struct link_log *l = open_log(path);
	struct log_metrics m;

	for (uint64_t t = 0; t <= 50000; t++) {
		link_log_opportunity(l, t);
		link_log_arrival(l, t, 1504);
		if (t % 10 == 9)
			link_log_drop(l, t, 1, 1504);
		else
			link_log_departure(l, t, 1504, t % 100);
	}
	assert_int_equal(link_log_close(l), 0);
	assert_int_equal(log_metrics_read(&m, path, 0), 0);
	assert_int_equal(m.opportunities, 50000); // the one at 0 does not count
	assert_int_equal(m.arrivals, 50000);
	assert_int_equal(m.drops, 5000);
	assert_int_equal(m.departures, 45000);
	assert_near(m.duration_s, 49.999, 1e-9);
	assert_near(m.util_pct, 90, 1e-9);
	assert_near(m.capacity_mbps, 50000 * 1504 * 8 / 49999e3, 1e-9);
	assert_int_equal(m.qdelay_max_ms, 98);
	assert_int_equal(log_metrics_read(&m, path, 30), 0);
	assert_int_equal(m.opportunities, 20000);
	assert_near(m.duration_s, 19.999, 1e-9);
	free(path);
}

static int measure(struct log_metrics *m, const char *text, size_t len)
{
	FILE *f = fmemopen((void *)text, len, "rb");
	int err = log_metrics_stream(m, f, "text", 0);

	fclose(f);
	return err;
}

static void test_definitions(void **state)
{
	// A delay's p95 is sorted[int(.95 n)], drops count packets, an extra column is ignored.
	static const char text[] =
		HEAD "10 # 1504\n10 - 1504 999\n11 # 1504\n12 - 752 3 12.25\n12 d 2 3008\n"
		     "13 + 60\n14 - 752 1\n21 # 1504\n";
	struct log_metrics m;

	assert_int_equal(measure(&m, text, strlen(text)), 0);
	assert_int_equal(m.opportunities, 2);
	assert_int_equal(m.departures, 2);
	assert_int_equal(m.drops, 2);
	assert_near(m.duration_s, 0.010, 1e-12);
	assert_near(m.util_pct, 50, 1e-12);
	assert_near(m.qdelay_mean_ms, 2, 1e-12);
	assert_int_equal(m.qdelay_p50_ms, 3);
	assert_int_equal(m.qdelay_p95_ms, 3);
	assert_int_equal(m.qdelay_max_ms, 3);
}

static void test_one_instant(void **state)
{
	static const char text[] = HEAD "11 # 1504\n";
	struct log_metrics m;

	assert_int_equal(measure(&m, text, strlen(text)), 0);
	assert_near(m.capacity_mbps, 0, 0); // no time passed: no rate, and no NaN
	assert_near(m.util_pct, 0, 0);
}

static void test_broken_input(void **state)
{
	static const char *const texts[] = {"hello\n", "11 # 1504\n", HEAD, HEAD "11 # 15",
		HEAD "x # 1504\n", HEAD "11 ? 1504\n", HEAD "11 #\n", HEAD "11 # \n",
		HEAD "11 - 1504\n", HEAD "11 - 1504 x\n", HEAD "11 d 1\n", HEAD "-1 # 1504\n",
		HEAD "99999999999999999999999 # 1\n", HEAD "11 # 1.5\n", HEAD "11 - 1504 4194304\n",
		"# base timestamp: soon\n", HEAD "11  # 1504 \x80\n\xff\n", "\x1f\x8b\x08zzz"};
	char *big = malloc(100000);
	struct log_metrics m;

	log_set_level(LOG_ERR - 1);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(measure(&m, texts[i], strlen(texts[i])), -EINVAL);
	assert_int_equal(measure(&m, HEAD "11 # 1504\0\n", sizeof(HEAD) - 1 + 11), -EINVAL);
	memset(big, '#', 100000);
	assert_int_equal(measure(&m, big, 100000), -EINVAL);
	assert_int_equal(log_metrics_read(&m, "/nonexistent/log", 0), -ENOENT);
	assert_int_equal(log_metrics_read(&m, "/tmp", 0), -EIO);
	log_set_level(LOG_INFO);
	free(big);
}

static void test_full_disk(void **state)
{
	struct link_log *l;

	if (access("/dev/full", W_OK)) {
		print_message("skip: no /dev/full\n");
		skip();
	}
	l = open_log("/dev/full");
	log_set_level(LOG_ERR - 1);
	for (int i = 0; i < 100000; i++)
		link_log_opportunity(l, i);
	assert_int_equal(link_log_close(l), -ENOSPC);
	log_set_level(LOG_INFO);
}

static void recorded(const char *name, struct log_metrics *m)
{
	char *gz = file_path("%s/%s.log.gz", LOGS, name), *path = file_path("%s/%s", dir, name);
	char *cmd = file_path("gzip -dc '%s' >'%s'", gz, path);

	if (access(gz, R_OK)) {
		print_message("skip: no recorded logs at %s\n", LOGS);
		skip();
	}
	assert_int_equal(system(cmd), 0);
	assert_int_equal(log_metrics_read(m, path, 0), 0);
	free(cmd);
	free(path);
	free(gz);
}

static void test_recorded_wired12(void **state)
{
	struct log_metrics m;

	recorded("cubic-wired12-0.5bdp-q1", &m);
	assert_near(m.capacity_mbps, 12.03, .005);
	assert_near(m.throughput_mbps, 11.75, .005);
	assert_near(m.util_pct, 97.68, .005);
	assert_near(m.qdelay_mean_ms, 5.33, .005);
	assert_int_equal(m.qdelay_p95_ms, 10);
	assert_int_equal(m.drops, 39);
}

static void test_recorded_att(void **state)
{
	struct log_metrics m;

	recorded("bbr-ATT-LTE-driving-2016.down-5bdp-q1", &m);
	assert_near(m.capacity_mbps, 6.50, .005);
	assert_near(m.throughput_mbps, 6.28, .005);
	assert_near(m.util_pct, 96.66, .005);
	assert_near(m.qdelay_mean_ms, 106.42, .005);
	assert_int_equal(m.qdelay_p95_ms, 332);
	assert_int_equal(m.drops, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writer_bytes),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_definitions),
		cmocka_unit_test(test_one_instant),
		cmocka_unit_test(test_broken_input),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_recorded_wired12),
		cmocka_unit_test(test_recorded_att),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
