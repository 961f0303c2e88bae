/* Statistics of traces. */
#include "trace/describe.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "trace/build.h"
#include "trace/generate.h"

void trace_rates(const struct trace *t, uint32_t bin_ms, uint32_t n, double *mbps)
{
	uint64_t base = 0;

	for (uint32_t i = 0; i < n; i++)
		mbps[i] = t->n ? 0 : (double)t->rate_bps / 1e6;
	for (size_t k = 0; t->n;) {
		uint64_t at = base + t->t_ms[k], bin = at ? (at - 1) / bin_ms : 0;

		if (bin >= n)
			return;
		mbps[bin] += TRACE_QUANTUM * 8 / 1e3 / bin_ms;
		if (++k == t->n) {
			base += t->t_ms[t->n - 1];
			k = 0;
		}
	}
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

// First lag whose autocorrelation is under 1/e, in s.
static double coherence(const double *x, uint32_t n, double mean, double var)
{
	for (uint32_t lag = 1; lag < n && lag <= DESCRIBE_LAG_MAX; lag++) {
		double sum = 0;

		for (uint32_t i = 0; i + lag < n; i++)
			sum += (x[i] - mean) * (x[i + lag] - mean);
		if (sum / (n - lag) < var * exp(-1))
			return lag * DESCRIBE_BIN_MS / 1e3;
	}
	return -1;
}

static int describe_rates(struct trace_facts *f, const struct trace *t)
{
	uint64_t bins =
		t->n ? ((uint64_t)t->t_ms[t->n - 1] + DESCRIBE_BIN_MS - 1) / DESCRIBE_BIN_MS : 0;
	uint32_t n = bins < 10 ? 10 : bins < DESCRIBE_BINS_MAX ? (uint32_t)bins : DESCRIBE_BINS_MAX;
	double *x = malloc(n * sizeof(*x)), mean = 0, var = 0;

	if (!x)
		return -ENOMEM;
	trace_rates(t, DESCRIBE_BIN_MS, n, x);
	for (uint32_t i = 0; i < n; i++)
		mean += x[i] / n;
	for (uint32_t i = 0; i < n; i++)
		var += (x[i] - mean) * (x[i] - mean) / n;
	if (var < 1e-12 * mean * mean) // a constant, but for rounding
		var = 0;
	f->cv = mean > 0 ? sqrt(var) / mean : 0;
	f->coherence_s = var > 0 ? coherence(x, n, mean, var) : 0;
	qsort(x, n, sizeof(*x), by_value);
	f->p5_mbps = x[n * 5ull / 100];
	f->p25_mbps = x[n / 4];
	f->p50_mbps = x[n / 2];
	f->p75_mbps = x[n * 3ull / 4];
	f->p95_mbps = x[n * 95ull / 100];
	f->peak_mbps = x[n - 1];
	free(x);
	return 0;
}

static void describe_gaps(struct trace_facts *f, const struct trace *t)
{
	uint32_t before = 0; // the loop's seam: the last opportunity of the round before
	double silent = 0;

	for (size_t i = 0; i < t->n; i++) {
		double gap = t->t_ms[i] - before;

		f->outage_max_ms = fmax(f->outage_max_ms, gap);
		if (gap >= DESCRIBE_OUTAGE_MS) {
			f->outages++;
			silent += gap;
		}
		before = t->t_ms[i];
	}
	f->outage_pct = t->n ? 100 * silent / t->t_ms[t->n - 1] : 0;
}

// In 1500-byte opportunities, the unit of names.
static double nominal_mean_mbps(const struct trace *t)
{
	return trace_mean_bps(t) / 1e6 *
	       (t->n ? TRACE_OPPORTUNITY_BITS / (8.0 * TRACE_QUANTUM) : 1);
}

int trace_describe(struct trace_facts *f, const struct trace *t)
{
	struct trace_facts made = {0};
	struct trace *named = NULL;
	int err = describe_rates(&made, t);

	if (err)
		return err;
	describe_gaps(&made, t);
	made.duration_s = t->n ? t->t_ms[t->n - 1] / 1e3 : 0;
	made.opportunities = t->n;
	made.mean_mbps = trace_mean_bps(t) / 1e6;
	made.real_mbps = nominal_mean_mbps(t);
	made.nominal_mbps = t->nominal_mbps;
	made.promised_mbps = t->nominal_mbps;
	if (t->nominal_mbps > 0 && trace_is_generated(t->name)) {
		err = trace_generate(&named, t->name);
		if (err)
			return err;
		made.promised_mbps = nominal_mean_mbps(named);
		trace_free(named);
	}
	*f = made;
	return 0;
}
