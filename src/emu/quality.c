/* Lateness, unintended loss, foreign load and the verdict. */
#include "emu/quality.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

	hist_add(q->late, ns, 1);
	if (ns > q->late_max_ns)
		q->late_max_ns = ns;
}

double quality_late_us(const struct quality *q, double rank)
{
	return hist_quantile_ns(q->late, rank) * 1e-3;
}

void quality_start(struct quality *q)
{
	cpu_read(&q->start);
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
	struct cpu_times now;

	cpu_read(&now);
	cpu_shares(&q->start, &now, &q->emulator_pct, &q->foreign_pct);
	judge(q);
}

json_t *quality_json(const struct quality *q)
{
	return json_pack(
		"{s:b, s:s, s:I, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:b}",
		"trusted", q->trusted, "reason", q->reason, "packets", (json_int_t)q->late->total,
		"late_p50_us", quality_late_us(q, 0.5), "late_p99_us", quality_late_us(q, 0.99),
		"late_p999_us", quality_late_us(q, 0.999), "late_max_us", q->late_max_ns * 1e-3,
		"ring_drops", (json_int_t)q->ring_drops, "send_drops", (json_int_t)q->send_drops,
		"device_drops", (json_int_t)q->device_drops, "memory_drops",
		(json_int_t)q->memory_drops, "oversize", (json_int_t)q->oversize,
		"emulator_cpu_pct", q->emulator_pct, "foreign_cpu_pct", q->foreign_pct, "realtime",
		q->realtime);
}
