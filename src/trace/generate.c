/* Names of generated traces: a small grammar for each kind, and what it makes. */
#include "trace/generate.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/log.h"
#include "base/opts.h"
#include "trace/cellular.h"
#include "trace/curve.h"

#define MIN_KBPS 10
#define MAX_KBPS 10000000
#define MAX_PERIOD_MS 600000
#define LONG_S 30

// What a name stands for: exactly one of the three is set.
struct recipe {
	uint64_t smooth_bps;
	struct curve curve;
	struct cellular cellular;
	double nominal_mbps;
};

/*
 * Reads a whole name. 0; -ENOENT when it is another kind of name; -EINVAL with *why when it is this
 * kind but asks for something impossible.
 */
typedef int read_fn(struct recipe *r, const char *name, const char **why);

static bool take_text(const char **s, const char *text)
{
	size_t n = strlen(text);

	if (strncmp(*s, text, n))
		return false;
	*s += n;
	return true;
}

// A decimal in units of 10^-digits. Saturates far above every limit; false without a number or with
// finer digits.
static bool take_decimal(const char **s, int digits, uint64_t *out)
{
	const char *p = *s;
	uint64_t v = 0;
	bool point = false;

	if (*p < '0' || *p > '9')
		return false;
	for (;; p++) {
		if (*p == '.' && !point && p[1] >= '0' && p[1] <= '9') {
			point = true;
			continue;
		}
		if (*p < '0' || *p > '9')
			break;
		if (point && digits-- == 0)
			return false;
		if (v < UINT64_MAX / 100)
			v = v * 10 + (uint64_t)(*p - '0');
	}
	while (digits-- > 0 && v < UINT64_MAX / 100)
		v *= 10;
	*s = p;
	*out = v;
	return true;
}

static const char *const bad_rate = "a rate is 0.01 to 10000 Mbit/s, in whole kbit/s";
static const char *const bad_period = "a period is 4 to 600000 ms";

static int take_kbps(const char **s, uint32_t *kbps, const char **why)
{
	uint64_t v;

	if (!take_decimal(s, 3, &v) || v < MIN_KBPS || v > MAX_KBPS) {
		*why = bad_rate;
		return -EINVAL;
	}
	*kbps = (uint32_t)v;
	return 0;
}

static int read_smooth(struct recipe *r, const char *name, const char **why)
{
	static const char *const units[] = {"kbit", "mbit", "gbit"};
	const char *unit = name + strspn(name, "0123456789.");
	uint64_t bps;
	int u = 0;

	while (u < 3 && strcmp(unit, units[u]))
		u++;
	if (u == 3 || unit == name)
		return -ENOENT;
	if (!take_decimal(&name, 3 * (u + 1), &bps) || name != unit || bps < MIN_KBPS * 1000ull ||
		bps > MAX_KBPS * 1000ull) {
		*why = "a smooth rate is 10kbit to 10gbit, in whole bit/s";
		return -EINVAL;
	}
	r->smooth_bps = bps;
	r->nominal_mbps = (double)bps / 1e6;
	return 0;
}

// The first piece's rate is the nominal one.
static void add_piece(struct recipe *r, uint32_t ms, uint32_t from_kbps, uint32_t to_kbps)
{
	if (!r->curve.n)
		r->nominal_mbps = from_kbps / 1e3;
	r->curve.piece[r->curve.n++] = (struct piece){ms, from_kbps, to_kbps};
}

static int read_wired(struct recipe *r, const char *name, const char **why)
{
	uint32_t kbps = 0;
	int err;

	if (!take_text(&name, "wired") || strchr(name, '-') || *name < '0' || *name > '9')
		return -ENOENT;
	err = take_kbps(&name, &kbps, why);
	if (err || *name)
		return *why ? err : -ENOENT;
	add_piece(r, 1, kbps, kbps);
	return 0;
}

// The published files change at 6999 and loop at 13999 ms, having no opportunity in ms 7000; these
// at 7000 and 14000.
static int read_wired_step(struct recipe *r, const char *name, const char **why)
{
	uint32_t kbps = 0;
	uint64_t factor = 0, seconds = LONG_S, other;
	bool up;

	if (!take_text(&name, "wired") || !strchr(name, '-') || *name < '0' || *name > '9')
		return -ENOENT;
	if (take_kbps(&name, &kbps, why))
		return -EINVAL;
	*why = "a step has a factor from 2, u or d, and seconds or long";
	if (!take_text(&name, "-") || !take_decimal(&name, 0, &factor) || !take_text(&name, "x-"))
		return -EINVAL;
	up = take_text(&name, "u-");
	if (!up && !take_text(&name, "d-"))
		return -EINVAL;
	if (strcmp(name, "long") && (!take_decimal(&name, 0, &seconds) || strcmp(name, "s")))
		return -EINVAL;
	if (factor < 2 || factor > 1000 || seconds < 1 || seconds > MAX_PERIOD_MS / 1000)
		return -EINVAL;
	other = up ? kbps * factor : kbps / factor;
	if (other < MIN_KBPS || other > MAX_KBPS || (!up && kbps % factor)) {
		*why = bad_rate;
		return -EINVAL;
	}
	*why = NULL;
	add_piece(r, (uint32_t)seconds * 1000, kbps, kbps);
	add_piece(r, (uint32_t)seconds * 1000, (uint32_t)other, (uint32_t)other);
	return 0;
}

// Reads "KINDp_a_b...": period and min..max rates.
static int read_pattern(const char *kind, const char *name, uint32_t *ms, uint32_t *kbps, int min,
	int max, const char **why)
{
	uint64_t period;
	int n = 0;

	if (!take_text(&name, kind) || *name < '0' || *name > '9')
		return -ENOENT;
	if (!take_decimal(&name, 0, &period) || period < 4 || period > MAX_PERIOD_MS) {
		*why = bad_period;
		return -EINVAL;
	}
	while (n < max && take_text(&name, "_"))
		if (take_kbps(&name, &kbps[n++], why))
			return -EINVAL;
	if (n < min || *name) {
		*why = "a pattern is a period in ms and rates in Mbit/s, joined by _";
		return -EINVAL;
	}
	*ms = (uint32_t)period;
	return n;
}

static int read_step(struct recipe *r, const char *name, const char **why)
{
	uint32_t ms, kbps[CURVE_PIECES];
	int n = read_pattern("step", name, &ms, kbps, 2, CURVE_PIECES, why);

	for (int i = 0; i < n; i++)
		add_piece(r, ms, kbps[i], kbps[i]);
	return n < 0 ? n : 0;
}

static int read_step_3(struct recipe *r, const char *name, const char **why)
{
	return strcmp(name, "step-10s-3-level") ? -ENOENT : read_step(r, "step10000_4_12_24", why);
}

/*
 * A rectangle, not a smooth hump: the edges are the hardest change of rate there is, mountain
 * already covers the gradual one, and it stays exact in integers.
 */
static int read_bump(struct recipe *r, const char *name, const char **why)
{
	uint32_t ms, kbps[2];
	int n = read_pattern("bump", name, &ms, kbps, 2, 2, why);

	if (n < 0)
		return n;
	add_piece(r, ms / 4, kbps[0], kbps[0]);
	add_piece(r, ms / 2, kbps[1], kbps[1]);
	add_piece(r, ms - ms / 4 - ms / 2, kbps[0], kbps[0]);
	return 0;
}

static int read_mountain(struct recipe *r, const char *name, const char **why)
{
	uint32_t ms, kbps[2];
	int n = read_pattern("mountain", name, &ms, kbps, 2, 2, why);

	if (n < 0)
		return n;
	add_piece(r, ms / 2, kbps[0], kbps[1]);
	add_piece(r, ms - ms / 2, kbps[1], kbps[0]);
	return 0;
}

static int read_sawtooth(struct recipe *r, const char *name, const char **why)
{
	uint32_t ms, kbps[2];
	int n = read_pattern("sawtooth", name, &ms, kbps, 2, 2, why);

	if (n >= 0)
		add_piece(r, ms, kbps[0], kbps[1]);
	return n < 0 ? n : 0;
}

static int read_cellular(struct recipe *r, const char *name, const char **why)
{
	uint64_t seed = 1, seconds = 60;
	uint32_t kbps = 8000;

	if (!take_text(&name, "cellular") || (*name && *name != ':'))
		return -ENOENT;
	*why = "a cellular link is cellular:SEED:MEAN:SECONDS, each a number (Mbit/s; 1 to 3600 s)";
	if (take_text(&name, ":") && !take_decimal(&name, 0, &seed))
		return -EINVAL;
	if (take_text(&name, ":") && take_kbps(&name, &kbps, why))
		return -EINVAL;
	if (take_text(&name, ":") && !take_decimal(&name, 0, &seconds))
		return -EINVAL;
	if (*name || seconds < 1 || seconds > 3600)
		return -EINVAL;
	*why = NULL;
	r->cellular = (struct cellular){seed, kbps, (uint32_t)seconds * 1000};
	return 0;
}

#define ROW(fn, syntax, example, help) {read_##fn, syntax, example},
static const struct {
	read_fn *read;
	const char *syntax, *example;
} kinds[] = {TRACE_GENERATORS(ROW)};
#define NKINDS ((int)(sizeof(kinds) / sizeof(kinds[0])))

// What the published evaluation names: fixed rates, steps (where the exact set is not known, its
// range), patterns.
static const char *const published[] = {
	"wired6",
	"wired12",
	"wired24",
	"wired48",
	"wired96",
	"wired192",
	"wired12-2x-u-7s",
	"wired12-4x-u-7s",
	"wired12-8x-u-7s",
	"wired24-2x-u-7s",
	"wired24-4x-u-7s",
	"wired24-8x-u-7s",
	"wired48-2x-u-7s",
	"wired48-4x-u-7s",
	"wired96-2x-u-7s",
	"wired96-4x-u-7s",
	"wired12-2x-d-7s",
	"wired24-2x-d-7s",
	"wired24-4x-d-7s",
	"wired48-2x-d-7s",
	"wired48-4x-d-7s",
	"wired48-8x-d-7s",
	"wired96-2x-d-7s",
	"wired96-4x-d-7s",
	"wired96-8x-d-7s",
	"wired192-2x-d-7s",
	"wired192-4x-d-7s",
	"wired192-8x-d-7s",
	"wired24-2x-u-long",
	"wired48-2x-d-long",
	"bump1000_12_24",
	"bump100_6_12",
	"bump500_24_12",
	"bump500_96_48",
	"mountain500_12_24",
	"sawtooth1000_12_24",
	"sawtooth100_12_24",
	"sawtooth500_24_12",
	"sawtooth500_96_48",
	"bump1000_24_48",
	"bump500_12_24",
	"bump500_48_96",
	"bump50_6_12",
	"mountain500_48_96",
	"sawtooth1000_24_48",
	"sawtooth500_12_24",
	"sawtooth500_48_96",
	"sawtooth50_12_24",
	"step-10s-3-level",
};
#define NPUBLISHED ((int)(sizeof(published) / sizeof(published[0])))

// The kind's row, -ENOENT or -EINVAL with *kind and *why.
static int read_name(struct recipe *r, const char *name, int *kind, const char **why)
{
	int err = -ENOENT;

	*why = NULL;
	for (int i = 0; i < NKINDS && err == -ENOENT; i++) {
		memset(r, 0, sizeof(*r));
		*kind = i;
		err = kinds[i].read(r, name, why);
	}
	return err;
}

static int bad_name(const char *name, int err, int kind, const char *why)
{
	const char *names[NKINDS + NPUBLISHED], *near;

	for (int i = 0; i < NKINDS + NPUBLISHED; i++)
		names[i] = i < NPUBLISHED ? published[i] : kinds[i - NPUBLISHED].example;
	near = opts_nearest(name, names, NKINDS + NPUBLISHED);
	if (err == -EINVAL)
		pr_err("%s: %s (%s)\n", name, why, kinds[kind].syntax);
	else if (near)
		pr_err("%s: neither a file nor a generated trace, did you mean '%s'?\n", name,
			near);
	else
		pr_err("%s: neither a file nor a generated trace (canopy trace gen lists those)\n",
			name);
	return err;
}

int trace_generate(struct trace **out, const char *name)
{
	struct build b = {NULL, 0, 0};
	struct trace *t = NULL;
	struct recipe r;
	const char *why;
	int kind = 0, err = read_name(&r, name, &kind, &why);

	if (err)
		return bad_name(name, err, kind, why);
	if (r.curve.n)
		err = curve_build(&b, &r.curve, GENERATE_LOOP_MS);
	else if (r.cellular.duration_ms)
		err = cellular_build(&b, &r.cellular);
	if (!err)
		err = build_finish(&t, &b, name);
	build_free(&b);
	if (err) {
		pr_err("%s: %s\n", name,
			err == -EFBIG ? "more than 33 million opportunities in one round; "
					"a lower rate, a shorter period or a smooth rate will do"
				      : strerror(-err));
		return err;
	}
	t->rate_bps = r.smooth_bps;
	t->nominal_mbps = r.nominal_mbps;
	*out = t;
	return 0;
}

double trace_generated_nominal(const char *name)
{
	struct recipe r;
	const char *why;
	int kind;

	return read_name(&r, name, &kind, &why) ? 0 : r.nominal_mbps;
}

int trace_is_generated(const char *name)
{
	struct recipe r;
	const char *why;
	int kind;

	return read_name(&r, name, &kind, &why) == 0;
}

void trace_generators_list(FILE *out)
{
	for (int i = 0; i < NPUBLISHED; i++)
		fprintf(out, "%s\n", published[i]);
	for (int i = 0; i < NKINDS; i++) {
		bool listed = false;

		for (int k = 0; k < NPUBLISHED; k++)
			listed |= !strcmp(kinds[i].example, published[k]);
		if (!listed)
			fprintf(out, "%s\n", kinds[i].example);
	}
}
