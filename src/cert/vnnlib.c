/* Writing VNN-LIB. */
#include "cert/vnnlib.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "policy/action.h"

#define DECIMALS 1074 // of any double
#define DIGITS 309    // before the point

// The exact value.
static void put_number(FILE *f, double v, enum vnnlib_mode mode)
{
	char text[DIGITS + DECIMALS + 2];
	int n = snprintf(text, sizeof(text), "%.*f", DECIMALS, fabs(v));

	while (text[n - 1] == '0' && text[n - 2] != '.')
		text[--n] = '\0';
	if (v < 0)
		fprintf(f, mode == VNNLIB_EXACT ? "(- %s)" : "-%s", text);
	else
		fputs(text, f);
}

static void put_bound(
	FILE *f, const char *op, const char *name, int i, double v, enum vnnlib_mode mode)
{
	fprintf(f, "(%s %s_%d ", op, name, i);
	put_number(f, v, mode);
	fputc(')', f);
}

static void put_range(FILE *f, int i, double lo, double hi, enum vnnlib_mode mode)
{
	fputs("(assert ", f);
	put_bound(f, ">=", "X", i, lo, mode);
	fputs(")\n(assert ", f);
	put_bound(f, "<=", "X", i, hi, mode);
	fputs(")\n", f);
}

// The tied input at v, rounded down or up.
static double tied_toward(double v, double to)
{
	double tied = region_tied(v), rest = tied == 1 ? 0 : fma(REGION_TIED_SLOPE, v, -tied);

	return (to < 0 ? rest < 0 : rest > 0) ? nextafter(tied, to) : tied;
}

static void put_tie(FILE *f, const struct region_dim *d, enum vnnlib_mode mode)
{
	if (mode == VNNLIB_EXACT)
		fprintf(f,
			"(assert (or (and (<= X_%d 0.8) (= X_%d (* 1.25 X_%d))) (and (>= X_%d 0.8) "
			"(= X_%d 1.0))))\n",
			d->input, d->tied, d->input, d->input, d->tied);
	else
		put_range(f, d->tied, tied_toward(d->lo, -INFINITY), tied_toward(d->hi, INFINITY),
			mode);
}

static void put_inputs(FILE *f, const struct region *r, enum vnnlib_mode mode)
{
	bool varied[REGION_INPUTS] = {false};

	for (int d = 0; d < r->ndims; d++) {
		varied[r->dim[d].input] = true;
		if (r->dim[d].tied >= 0)
			varied[r->dim[d].tied] = true;
	}
	for (int i = 0; i < r->nin; i++)
		if (!varied[i])
			put_range(f, i, r->x[i], r->x[i], mode);
	for (int d = 0; d < r->ndims; d++) {
		put_range(f, r->dim[d].input, r->dim[d].lo, r->dim[d].hi, mode);
		if (r->dim[d].tied >= 0)
			put_tie(f, &r->dim[d], mode);
	}
}

static void put_output(FILE *f, const struct band *b, enum vnnlib_mode mode)
{
	double lo = band_empty(b) ? 0 : b->sure_lo, hi = band_empty(b) ? 0 : b->sure_hi;
	bool both = isfinite(lo) && isfinite(hi);

	fputs(both ? "(assert (or " : "(assert ", f);
	if (isfinite(lo))
		put_bound(f, "<=", "Y", 0, lo, mode);
	if (both)
		fputc(' ', f);
	if (isfinite(hi))
		put_bound(f, ">=", "Y", 0, hi, mode);
	fputs(both ? "))\n" : ")\n", f);
}

static void put_comments(
	FILE *f, const struct region *r, enum vnnlib_mode mode, const char *comment)
{
	while (comment && *comment) {
		int n = (int)strcspn(comment, "\n");

		fprintf(f, "; %.*s\n", n, comment);
		comment += n + (comment[n] == '\n');
	}
	fputs("; Y_0: the output before tanh. Satisfiable: a counterexample; else the claim "
	      "holds.\n",
		f);
	for (int d = 0; mode == VNNLIB_BOX && d < r->ndims; d++)
		if (r->dim[d].tied >= 0)
			fprintf(f,
				"; X_%d is min(1, 1.25 X_%d); here it varies by itself: a larger "
				"region "
				"than the claim's.\n",
				r->dim[d].tied, r->dim[d].input);
}

int vnnlib_format(char **text, size_t *len, const struct region *r, const struct band *b,
	enum vnnlib_mode mode, const char *comment)
{
	char *out = NULL;
	size_t n;
	FILE *f;
	bool failed;

	if (!region_valid(r))
		return -EINVAL;
	if (!band_empty(b) && isinf(b->sure_lo) && isinf(b->sure_hi))
		return -EDOM;
	f = open_memstream(&out, &n);
	if (!f)
		return -ENOMEM;
	put_comments(f, r, mode, comment);
	for (int i = 0; i < r->nin; i++)
		fprintf(f, "(declare-const X_%d Real)\n", i);
	fputs("(declare-const Y_0 Real)\n", f);
	put_inputs(f, r, mode);
	put_output(f, b, mode);
	failed = ferror(f);
	if (fclose(f) || failed) {
		free(out);
		return -ENOMEM;
	}
	*text = out;
	*len = n;
	return 0;
}

int vnnlib_write(const struct region *r, const struct band *b, enum vnnlib_mode mode,
	const char *comment, const char *path)
{
	size_t len;
	char *text;
	int err = vnnlib_format(&text, &len, r, b, mode, comment);

	if (err) {
		pr_err("%s: %s\n", path,
			err == -EINVAL ? "the region holds numbers that make no sense"
			: err == -EDOM ? "every output hits the target, there is no counterexample "
					 "to state"
				       : strerror(-err));
		return err;
	}
	err = file_write(path, text, len);
	free(text);
	return err;
}

void vnnlib_band(struct band *b, const struct vnnlib_claim *c)
{
	// lo < y < hi is lo..hi of doubles
	double lo = c->lo == -INFINITY ? c->lo : nextafter(c->lo, INFINITY),
	       hi = c->hi == INFINITY ? c->hi : nextafter(c->hi, -INFINITY);
	bool empty = !(lo <= hi) || lo == INFINITY || hi == -INFINITY;

	if (empty) {
		lo = INFINITY;
		hi = -INFINITY;
	}
	*b = (struct band){ACTION_MIN_PERCENT + empty,
		empty ? ACTION_MIN_PERCENT : ACTION_MAX_PERCENT, lo, hi, lo, hi, lo, hi};
}
