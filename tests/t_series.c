/* The time series of runs: what is written is read back, what is malformed refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "synthetic.h"

static const struct synthetic orca = {"orca", true, 95, 0.35};

static void series_round_trip(void **state)
{
	char dir[] = "/tmp/t_series.XXXXXX", cmd[64];
	struct flow_result flow;
	struct run_result run = synthetic_run(&orca, "ATT-LTE", 30, 5, 3, &flow);
	struct series s;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(series_load(&s, dir, run.id), -ENOENT);
	assert_int_equal(synthetic_series(dir, &run, &orca), 0);
	assert_int_equal(series_load(&s, dir, run.id), 0);
	assert_int_equal(s.rows, 300);
	assert_int_equal(s.flows, 1);
	assert_true(series_at(&s, 0)[SERIES_T] == 0.1);
	assert_true(isnan(series_at(&s, 49)[SERIES_QDELAY]));
	assert_true(series_at(&s, 7)[SERIES_CAPACITY] == synthetic_capacity(30, 0.1 * 8));
	series_free(&s);
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	assert_int_equal(system(cmd), 0);
}

static void malformed_series_are_refused(void **state)
{
#define HEAD "# {\"format\":\"canopy-series\",\"version\":1}\n"
#define NAMES "t_s,capacity_mbps,throughput_mbps,qdelay_ms,queue_pkts,drops"
	static const char *const bad[] = {"", "t_s\n1\n", HEAD,
		"# {\"format\":\"canopy-series\",\"version\":2}\n" NAMES "\n",
		HEAD NAMES ",rate_mbps_1\n", HEAD NAMES ",rate_mbps_2,cwnd_2,srtt_ms_2\n",
		HEAD NAMES "\n1,2,3\n", HEAD NAMES "\n1,2,3,4,5,x\n",
		HEAD NAMES "\n1,2,3,4,5,nan\n", HEAD NAMES "\n1,2,3,4,5,6,7\n",
		HEAD NAMES "\n2,2,3,4,5,6\n1,2,3,4,5,6\n", HEAD NAMES "\n,2,3,4,5,6\n"};
	static const char good[] = HEAD NAMES "\n1,2,3,,5,6\n2,2,3,4,5,6";
	char *text = strdup(good);
	struct series s;

	assert_int_equal(series_parse(&s, text, strlen(text), "test"), 0);
	assert_int_equal(s.rows, 2);
	series_free(&s);
	free(text);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		text = strdup(bad[i]);
		assert_int_equal(series_parse(&s, text, strlen(text), "test"), -EINVAL);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(series_round_trip),
		cmocka_unit_test(malformed_series_are_refused),
	};

	log_set_level(-1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
