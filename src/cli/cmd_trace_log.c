/* canopy trace log: metrics of mahimahi link logs as a table or CSV. */
#include "cli/cmd_trace_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "eval/log_metrics.h"

const struct opt cmd_trace_log_opts[] = {
	CMD_COMMON_OPTS,
	{OPT_REAL, 0, "skip-end", "S", "0", 0, 1e9, NULL, "leave out the last S seconds"},
	{OPT_FLAG, 0, "csv", NULL, "no", 0, 0, NULL, "print CSV"},
	{.kind = OPT_END},
};

#define HEAD_CSV                                                                                   \
	"log,duration_s,capacity_mbps,throughput_mbps,util_pct,qdelay_mean_ms,qdelay_p50_ms,"      \
	"qdelay_p95_ms,qdelay_max_ms,arrivals,departures,drops"

// A file name as a CSV field.
static void print_field(const char *s)
{
	if (!strpbrk(s, "\",\n")) {
		printf("%s", s);
		return;
	}
	putchar('"');
	for (; *s; s++) {
		if (*s == '"')
			putchar('"');
		putchar(*s);
	}
	putchar('"');
}

static void print_row(const char *path, const struct log_metrics *m, bool csv, int width)
{
	if (csv)
		print_field(path);
	else
		printf("%-*s", width, path);
	printf(csv ? ",%.3f,%.3f,%.3f,%.2f,%.2f,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
		     ",%" PRIu64 ",%" PRIu64 "\n"
		   : " %9.3f %9.2f %9.2f %7.2f %8.2f %6" PRIu64 " %6" PRIu64 " %6" PRIu64
		     " %9" PRIu64 " %9" PRIu64 " %7" PRIu64 "\n",
		m->duration_s, m->capacity_mbps, m->throughput_mbps, m->util_pct, m->qdelay_mean_ms,
		m->qdelay_p50_ms, m->qdelay_p95_ms, m->qdelay_max_ms, m->arrivals, m->departures,
		m->drops);
}

static void print_head(bool csv, int width)
{
	if (csv)
		puts(HEAD_CSV);
	else
		printf("%-*s %9s %9s %9s %7s %8s %6s %6s %6s %9s %9s %7s\n", width, "log",
			"seconds", "capacity", "through", "util%", "mean ms", "p50", "p95", "max",
			"arrivals", "departed", "drops");
}

int cmd_trace_log_run(struct opts *o)
{
	bool csv = opts_flag(o, "csv");
	int status = EXIT_OK, width = 3, rows = 0;

	for (int i = 0; i < o->nargs; i++)
		if ((int)strlen(o->args[i]) > width)
			width = strlen(o->args[i]);
	for (int i = 0; i < o->nargs; i++) {
		struct log_metrics m;

		if (log_metrics_read(&m, o->args[i], opts_real(o, "skip-end"))) {
			status = EXIT_FAILED;
			continue;
		}
		if (!rows++)
			print_head(csv, width);
		print_row(o->args[i], &m, csv, width);
	}
	return status;
}
