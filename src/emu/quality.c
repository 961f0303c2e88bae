/* Lateness, unintended loss, foreign load and the verdict. */
#include "emu/quality.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define LATE_UNIT_NS 1000

int quality_init(struct quality *q)
{
	memset(q, 0, sizeof(*q));
	q->late = calloc(1, sizeof(*q->late));
	if (!q->late)
		return -ENOMEM;
	q->late->unit_ns = LATE_UNIT_NS;
	return 0;
}

void quality_free(struct quality *q)
{
	free(q->late);
	q->late = NULL;
}

void quality_late(struct quality *q, int64_t late_ns)
{
	uint64_t ns = late_ns > 0 ? late_ns : 0;

	hist_add(q->late, ns);
	if (ns > q->late_max_ns)
		q->late_max_ns = ns;
}

double quality_late_us(const struct quality *q, double rank)
{
	return hist_quantile_ns(q->late, rank) * 1e-3;
}

static double seconds(const struct timeval *t)
{
	return t->tv_sec + t->tv_usec * 1e-6;
}

static double used(int who)
{
	struct rusage u;

	return getrusage(who, &u) ? 0 : seconds(&u.ru_utime) + seconds(&u.ru_stime);
}

static void read_cpu(struct quality_cpu *c)
{
	uint64_t v[8] = {0};
	FILE *f = fopen("/proc/stat", "r");
	double ticks = sysconf(_SC_CLK_TCK);

	memset(c, 0, sizeof(*c));
	c->own_s = used(RUSAGE_SELF);
	c->children_s = used(RUSAGE_CHILDREN);
	if (!f)
		return;
	// user nice system idle iowait irq softirq steal
	if (fscanf(f, "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
		      " %" SCNu64 " %" SCNu64,
		    &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]) == 8)
		for (int i = 0; i < 8; i++) {
			c->all_s += v[i] / ticks;
			c->busy_s += i == 3 || i == 4 ? 0 : v[i] / ticks;
		}
	fclose(f);
}

void quality_start(struct quality *q)
{
	read_cpu(&q->start);
}

static void __attribute__((format(printf, 2, 3))) blame(struct quality *q, const char *fmt, ...)
{
	size_t n = strlen(q->reason);
	va_list ap;

	if (n && n + 2 < QUALITY_REASON)
		n += snprintf(q->reason + n, QUALITY_REASON - n, "; ");
	va_start(ap, fmt);
	vsnprintf(q->reason + n, QUALITY_REASON - n, fmt, ap);
	va_end(ap);
}

static void judge(struct quality *q)
{
	uint64_t lost = q->ring_drops + q->send_drops + q->device_drops + q->memory_drops;
	double p99 = quality_late_us(q, 0.99);

	q->reason[0] = 0;
	if (lost)
		blame(q, "%" PRIu64 " packets lost by the emulator's devices", lost);
	if (q->oversize)
		blame(q, "%" PRIu64 " packets longer than the MTU refused", q->oversize);
	if (p99 > QUALITY_LATE_P99_US)
		blame(q, "1 %% of the packets left over %.1f ms late", p99 / 1e3);
	if (q->late_max_ns > QUALITY_LATE_MAX_US * 1000ull)
		blame(q, "a packet left %.0f ms late", q->late_max_ns * 1e-6);
	if (q->foreign_pct > QUALITY_FOREIGN_PCT)
		blame(q, "other programs used %.0f %% of the processors", q->foreign_pct);
	q->trusted = !q->reason[0];
}

void quality_end(struct quality *q)
{
	struct quality_cpu now;
	double all, own, foreign;

	read_cpu(&now);
	all = now.all_s - q->start.all_s;
	own = now.own_s - q->start.own_s;
	foreign = now.busy_s - q->start.busy_s - own - (now.children_s - q->start.children_s);
	q->emulator_pct = all > 0 ? 100 * own / (all / sysconf(_SC_NPROCESSORS_ONLN)) : 0;
	q->foreign_pct = all > 0 && foreign > 0 ? 100 * foreign / all : 0;
	judge(q);
}

json_t *quality_json(const struct quality *q)
{
	return json_pack("{s:b, s:s, s:I, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:b}",
		"trusted", q->trusted, "reason", q->reason, "packets", (json_int_t)q->late->total,
		"late_p50_us", quality_late_us(q, 0.5), "late_p99_us", quality_late_us(q, 0.99),
		"late_p999_us", quality_late_us(q, 0.999), "late_max_us", q->late_max_ns * 1e-3,
		"ring_drops", (json_int_t)q->ring_drops, "send_drops", (json_int_t)q->send_drops,
		"device_drops", (json_int_t)q->device_drops, "memory_drops",
		(json_int_t)q->memory_drops, "oversize", (json_int_t)q->oversize,
		"emulator_cpu_pct", q->emulator_pct, "foreign_cpu_pct", q->foreign_pct, "realtime",
		q->realtime);
}
