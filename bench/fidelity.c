/*
 * The simulator beside Linux 6.18 over mahimahi: every row of the reference table, and which miss
 * the aim of utilisation within 3 points and mean queueing delay within 15 % or 2 ms. The kernel's figure is
 * mostly one run, the simulator's the median of its seeds, with their range beside it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/world.h"

#define DATA "../shared/data/"

enum { COLUMNS = 25, SEEDS = 15 };

/* In both recorded logs the handshake reaches the queue 24 to 25 ms after the trace's start ("base timestamp"),
 * one path delay after it was sent. The draw of each run adds up to 5 ms. */
#define START_MS 14

struct row {
	char *col[COLUMNS]; /* cc, trace, bdp_mult, queue_pkts, rep, secs, ... */
};

struct figures {
	double util, mean_ms, p95_ms, drops;
};

// Splits one line of the table; false unless it has all columns.
static bool split(char *line, struct row *r)
{
	int n = 0;

	line[strcspn(line, "\r\n")] = 0;
	for (char *s; n < COLUMNS && (s = strsep(&line, ",")); n++)
		r->col[n] = s;
	return n == COLUMNS;
}

static struct figures simulate(
	const struct row *r, const struct trace *down, const struct trace *up, int seed)
{
	uint32_t queue = atoi(r->col[3]);
	struct flow_conf f = {.cc = cc_find(r->col[0]),
		.delay_ms = 10,
		.start_ns = START_MS * MS + seed * 317 * 1000,
		.pacing = -1};
	struct world_conf conf = {.down = {.trace = down,
					  .queue = QUEUE_DROPTAIL,
					  .limit_pkts = queue,
					  .stats = true},
		.up = {.trace = up, .queue = QUEUE_DROPTAIL, .limit_pkts = queue},
		.ms_delay = true,
		.poll_ns = WORLD_POLL_NS,
		.seed = seed,
		.nflows = 1,
		.flows = &f};
	struct world *w = world_new(&conf);
	const struct link_stats *s = world_down(w);
	struct figures out;

	world_run(w, atof(r->col[5]) * SEC);
	out = (struct figures){100.0 * s->bytes_out / s->capacity_bytes,
		s->delay_sum_ns * 1e-6 / s->departures, link_delay_quantile_ms(s, .95), s->drops};
	world_free(w);
	return out;
}

static int by_mean(const void *a, const void *b)
{
	double x = ((const struct figures *)a)->mean_ms, y = ((const struct figures *)b)->mean_ms;

	return x < y ? -1 : x > y;
}

// The run of median delay over a few seeds: one run of a drop-tail path is one draw.
static struct figures median(const struct row *r, const struct trace *down, const struct trace *up,
	struct figures *lo, struct figures *hi)
{
	struct figures f[SEEDS];

	for (int i = 0; i < SEEDS; i++) {
		f[i] = simulate(r, down, up, i + 1);
		*lo = i ? (struct figures){fmin(lo->util, f[i].util), fmin(lo->mean_ms, f[i].mean_ms), 0, 0} : f[0];
		*hi = i ? (struct figures){fmax(hi->util, f[i].util), fmax(hi->mean_ms, f[i].mean_ms), 0, 0} : f[0];
	}
	qsort(f, SEEDS, sizeof(f[0]), by_mean);
	return f[SEEDS / 2];
}

// Rows measured on a busy machine, repeats, and 192 Mbit/s at 5 BDP (hidden drops) are no targets.
static bool is_target(const struct row *r)
{
	bool hidden = !strcmp(r->col[1], "wired192") && !strcmp(r->col[2], "5") &&
		      strcmp(r->col[0], "bbr");

	return !strcmp(r->col[24], "1") && atof(r->col[23]) <= 20 && !hidden;
}

static bool misses(const struct figures *s, const struct row *r)
{
	double util = atof(r->col[9]), mean = atof(r->col[10]), off = fabs(s->mean_ms - mean);

	return fabs(s->util - util) > 3 || (off > 2 && off > .15 * mean);
}

static int run_row(const struct row *r, const struct trace *up, int counts[2])
{
	char path[512];
	struct trace *down;
	struct figures s, lo, hi;

	snprintf(path, sizeof(path), DATA "traces/%s", r->col[1]);
	if (!cc_find(r->col[0]) || trace_load(&down, path))
		return 1;
	s = median(r, down, up, &lo, &hi);
	trace_free(down);
	printf("%-6s %-26s %4s  %5.1f (%5.1f..%5.1f) /%5.1f  %6.1f (%5.1f..%5.1f) /%6.1f  %5.0f /%5.0f  %6.0f "
	       "/%6s  %s\n",
		r->col[0], r->col[1], r->col[2], s.util, lo.util, hi.util, atof(r->col[9]), s.mean_ms, lo.mean_ms,
		hi.mean_ms, atof(r->col[10]), s.p95_ms, atof(r->col[12]), s.drops, r->col[17],
		!is_target(r)	? "indication"
		: misses(&s, r) ? "MISS"
				: "ok");
	if (is_target(r))
		counts[misses(&s, r)]++;
	return 0;
}

int main(void)
{
	FILE *f = fopen(DATA "reference/linux-6.18-over-mahimahi.csv", "r");
	int counts[2] = {0, 0}, err = 0;
	char line[1024];
	struct trace *up;
	struct row r;

	if (!f) {
		printf("skipped: no reference table at " DATA "reference\n");
		return 0;
	}
	if (trace_load(&up, DATA "traces/wired192"))
		return 1;
	printf("simulator / Linux 6.18 over mahimahi; median of %d seeds by mean delay, and their range\n", SEEDS);
	printf("%-6s %-26s %4s  %28s  %29s  %12s  %14s\n", "", "trace", "BDP", "util % (range)", "mean ms (range)",
		"p95 ms", "drops");
	while (!err && fgets(line, sizeof(line), f))
		if (split(line, &r) && strcmp(r.col[24], "reference") && !strcmp(r.col[24], "1"))
			err = run_row(&r, up, counts);
	fclose(f);
	trace_free(up);
	printf("%d of %d target rows within 3 points of utilisation and 15 %% or 2 ms of mean "
	       "delay\n",
		counts[0], counts[0] + counts[1]);
	return err;
}
