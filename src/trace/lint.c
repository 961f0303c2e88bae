/* Checks on a trace's name, rates and seam. */
#include "trace/lint.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>

#include "trace/describe.h"

#define RATE_TOLERANCE 0.01  // a name lies when the mean is off by more than this share
#define EMULATOR_MBPS 2000.0 // what the emulator keeps up with
#define SLOW_MBPS 0.1	     // a packet takes over 120 ms: retransmission timers fire
#define SILENCE_MS 1000.0
#define BURST_PKTS 8.0 // in one ms; a constant rate this fast is lumpy on the grid

struct lint {
	const struct trace *t;
	const struct trace_facts *f;
	FILE *out;
	int errors;
};

static void say(struct lint *l, bool error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void say(struct lint *l, bool error, const char *fmt, ...)
{
	va_list ap;

	fprintf(l->out, "%s: %s: ", l->t->name, error ? "error" : "warning");
	va_start(ap, fmt);
	vfprintf(l->out, fmt, ap);
	va_end(ap);
	putc('\n', l->out);
	l->errors += error;
}

static void check_name(struct lint *l)
{
	const struct trace_facts *f = l->f;

	if (f->promised_mbps > 0 && fabs(f->real_mbps / f->promised_mbps - 1) > RATE_TOLERANCE)
		say(l, true,
			"the name promises a mean of %.4g Mbit/s, the file delivers %.4g "
			"(1500-byte packets)",
			f->promised_mbps, f->real_mbps);
}

static void check_range(struct lint *l)
{
	if (l->f->peak_mbps > EMULATOR_MBPS)
		say(l, false, "peaks at %.4g Mbit/s, over the %g that the emulator keeps up with",
			l->f->peak_mbps, EMULATOR_MBPS);
	if (l->f->mean_mbps < SLOW_MBPS)
		say(l, false,
			"a mean of %.3g Mbit/s: one packet takes longer than a retransmission "
			"timer",
			l->f->mean_mbps);
}

// Sizes of the bursts in one ms: mean and largest away from the seam, and at the seam (0 joins the
// last ms).
struct bursts {
	double mean;
	size_t max, seam;
};

static struct bursts count_bursts(const struct trace *t)
{
	struct bursts b = {0, 0, 0};
	size_t groups = 0, in = 0;

	for (size_t i = 0; i < t->n; i += in) {
		for (in = 1; i + in < t->n && t->t_ms[i + in] == t->t_ms[i]; in++)
			;
		groups++;
		if (t->t_ms[i] == 0 || t->t_ms[i] == t->t_ms[t->n - 1])
			b.seam += in;
		else if (in > b.max)
			b.max = in;
	}
	b.mean = (double)t->n / (double)(groups ? groups : 1);
	return b;
}

static void check_grid(struct lint *l)
{
	struct bursts b = count_bursts(l->t);
	bool constant = l->f->cv < 0.02;
	uint32_t first = l->t->t_ms[0], round = l->t->t_ms[l->t->n - 1];

	if (constant && b.mean >= BURST_PKTS)
		say(l, false,
			"bursts of %.3g packets every ms; %.6gmbit is the same rate without the "
			"grid",
			b.mean, l->f->real_mbps);
	else if (constant && l->t->n > 1 && round % l->t->n && round > l->t->n)
		say(l, false,
			"%zu opportunities do not spread evenly over %u ms; %.6gmbit is the same "
			"rate evenly",
			l->t->n, round, l->f->real_mbps);
	if (b.max && b.seam > 8 && b.seam > 2 * b.max)
		say(l, false,
			"%zu opportunities at once where the trace loops, at most %zu elsewhere",
			b.seam, b.max);
	if (first >= DESCRIBE_OUTAGE_MS)
		say(l, false, "silent for %u ms at every start of the loop", first);
	if (l->f->outage_max_ms >= SILENCE_MS)
		say(l, false, "silent for up to %g ms", l->f->outage_max_ms);
}

int trace_lint(const struct trace *t, FILE *out)
{
	struct trace_facts f;
	struct lint l = {t, &f, out, 0};
	int err = trace_describe(&f, t);

	if (err)
		return err;
	check_name(&l);
	check_range(&l);
	if (t->n)
		check_grid(&l);
	return l.errors;
}
