/* Student's t by the incomplete beta function, tests on two samples, exact signed ranks, Holm's
 * correction. */
#include "base/stats.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#define EXACT_MAX 400

// The continued fraction of I_x(a, b), by Lentz's method; converges fast for x < (a + 1) / (a + b +
// 2).
static double beta_fraction(double a, double b, double x)
{
	const double tiny = 1e-300;
	double c = 1, d = 1 - (a + b) * x / (a + 1), f;

	d = 1 / (fabs(d) < tiny ? tiny : d);
	f = d;
	for (int m = 1; m < 10000; m++) {
		double k = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), step;

		d = 1 + k * d;
		c = 1 + k / c;
		d = 1 / (fabs(d) < tiny ? tiny : d);
		f *= d * (fabs(c) < tiny ? tiny : c);
		k = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
		d = 1 + k * d;
		c = 1 + k / c;
		d = 1 / (fabs(d) < tiny ? tiny : d);
		step = d * (fabs(c) < tiny ? tiny : c);
		f *= step;
		if (fabs(step - 1) < 1e-15)
			break;
	}
	return f;
}

// log(gamma) without lgamma's global sign, so that threads may call it.
static double log_gamma(double x)
{
	int sign;

	return lgamma_r(x, &sign);
}

double stats_beta(double a, double b, double x)
{
	double front;

	if (x <= 0 || x >= 1)
		return x <= 0 ? 0 : 1;
	front = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log1p(-x));
	if (x < (a + 1) / (a + b + 2))
		return front * beta_fraction(a, b, x) / a;
	return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

// P(|T| > t)
static double t_tails(double t, double df)
{
	return isinf(t) ? 0 : stats_beta(df / 2, 0.5, df / (df + t * t));
}

double stats_t_cdf(double t, double df)
{
	return t < 0 ? t_tails(t, df) / 2 : 1 - t_tails(t, df) / 2;
}

double stats_t_two_sided(double level, double df)
{
	double lo = 0, hi = 1;

	if (!(df > 0))
		return NAN;
	if (level >= 1)
		return 0;
	while (hi < DBL_MAX / 4 && t_tails(hi, df) > level)
		hi *= 2;
	if (level <= 0 || hi >= DBL_MAX / 4)
		return INFINITY;
	for (int i = 0; i < 2000 && hi - lo > 4 * DBL_EPSILON * hi; i++) {
		double mid = (lo + hi) / 2;

		if (t_tails(mid, df) > level)
			lo = mid;
		else
			hi = mid;
	}
	return (lo + hi) / 2;
}

struct summary summary_of(const double *x, int n)
{
	struct summary s = {0, NAN, NAN, NAN, NAN};
	double sum = 0, dev = 0;

	for (int i = 0; i < n; i++)
		if (!isnan(x[i])) {
			sum += x[i];
			s.n++;
		}
	if (!s.n)
		return s;
	s.mean = sum / s.n;
	for (int i = 0; i < n; i++)
		if (!isnan(x[i]))
			dev += (x[i] - s.mean) * (x[i] - s.mean);
	if (s.n > 1) {
		s.df = s.n - 1;
		s.std = sqrt(dev / s.df);
		s.se = s.std / sqrt(s.n);
	}
	return s;
}

struct summary summary_pool(const struct summary *s, int n)
{
	struct summary all = {0, NAN, NAN, NAN, NAN};
	double sum = 0, means = 0, dev = 0, var = 0, quad = 0;
	int samples = 0;

	for (int i = 0; i < n; i++)
		if (s[i].n) {
			all.n += s[i].n;
			sum += s[i].mean * s[i].n;
			means += s[i].mean;
			samples++;
		}
	if (!all.n)
		return all;
	all.mean = sum / all.n;
	for (int i = 0; i < n; i++) {
		double w = s[i].n * s[i].se / all.n;

		if (!s[i].n)
			continue;
		dev += (s[i].mean - means / samples) * (s[i].mean - means / samples);
		var += w * w;
		quad += w * w * w * w / s[i].df;
	}
	if (samples > 1)
		all.std = sqrt(dev / (samples - 1));
	if (!isnan(var)) {
		all.se = sqrt(var);
		all.df = quad > 0 ? var * var / quad : all.n - samples;
	}
	return all;
}

double summary_half_width(const struct summary *s, double level)
{
	if (isnan(s->se))
		return NAN;
	return s->se > 0 ? stats_t_two_sided(level, s->df) * s->se : 0;
}

// Is that scatter nothing but the rounding of numbers this large?
static bool constant(double std, double size)
{
	return std <= 1e-12 * fabs(size);
}

static double choose(int n, int k)
{
	return exp(log_gamma(n + 1) - log_gamma(k + 1) - log_gamma(n - k + 1));
}

static void t_test(struct stats_diff *d, double se, double df, double level)
{
	double half = stats_t_two_sided(level, df) * se;

	d->lo = d->diff - half;
	d->hi = d->diff + half;
	d->p = t_tails(d->diff / se, df);
}

// The test where nothing varies: p given, interval a point.
static void void_test(struct stats_diff *d, double p)
{
	d->lo = d->hi = d->diff;
	d->p = d->diff ? fmin(p, 1) : 1;
}

struct stats_diff stats_welch(const double *x, int nx, const double *y, int ny, double level)
{
	struct summary a = summary_of(x, nx), b = summary_of(y, ny);
	struct stats_diff d = {a.n, b.n, a.mean, b.mean, a.mean - b.mean, NAN, NAN, NAN};
	double va = a.se * a.se, vb = b.se * b.se;

	if (a.n < 2 || b.n < 2)
		return d;
	if (constant(a.std, a.mean) && constant(b.std, b.mean))
		void_test(&d, 2 / choose(a.n + b.n, a.n));
	else
		t_test(&d, sqrt(va + vb), (va + vb) * (va + vb) / (va * va / a.df + vb * vb / b.df),
			level);
	return d;
}

struct stats_diff stats_paired(const double *x, const double *y, int n, double level)
{
	struct stats_diff d = {0, 0, 0, 0, NAN, NAN, NAN, NAN};
	double dev = 0, dev_a = 0, dev_b = 0, diff = 0, std;

	for (int i = 0; i < n; i++)
		if (!isnan(x[i]) && !isnan(y[i])) {
			d.mean_a += x[i];
			d.mean_b += y[i];
			diff += x[i] - y[i];
			d.na++;
		}
	d.nb = d.na;
	d.mean_a /= d.na;
	d.mean_b /= d.na;
	d.diff = diff / d.na;
	if (d.na < 2)
		return d;
	for (int i = 0; i < n; i++)
		if (!isnan(x[i]) && !isnan(y[i])) {
			dev += pow(x[i] - y[i] - d.diff, 2);
			dev_a += pow(x[i] - d.mean_a, 2);
			dev_b += pow(y[i] - d.mean_b, 2);
		}
	std = sqrt(dev / (d.na - 1));
	if (!constant(std, fmax(fabs(d.mean_a), fabs(d.mean_b))))
		t_test(&d, std / sqrt(d.na), d.na - 1, level);
	else if (constant(sqrt(dev_a), d.mean_a) && constant(sqrt(dev_b), d.mean_b))
		void_test(&d, 2 / choose(2 * d.na, d.na));
	else
		void_test(&d, ldexp(1, 1 - d.na));
	return d;
}

/* --- Signed ranks --- */

static int by_size(const void *a, const void *b)
{
	double x = fabs(*(const double *)a), y = fabs(*(const double *)b);

	return (x > y) - (x < y);
}

// P(W <= w) where W sums each of rank2[n] with chance 1/2; ranks and w are doubled to be whole.
// NaN: no memory.
static double below(const int *rank2, int n, int w)
{
	double *p, sum = 0;
	int top = 0;

	p = calloc(n * (n + 1) + 1, sizeof(*p)); // the doubled ranks sum to n (n + 1)
	if (!p)
		return NAN;
	p[0] = 1;
	for (int i = 0; i < n; i++) {
		top += rank2[i];
		for (int k = top; k >= 0; k--)
			p[k] = (p[k] + (k >= rank2[i] ? p[k - rank2[i]] : 0)) / 2;
	}
	for (int k = 0; k <= w; k++)
		sum += p[k];
	free(p);
	return sum;
}

// Fills the doubled mean ranks of |x|, sorted; returns the sum of t^3 - t over ties of t values.
static double rank(int *rank2, const double *x, int n)
{
	double ties = 0;

	for (int i = 0, j; i < n; i = j) {
		double t;

		for (j = i; j < n && fabs(x[j]) == fabs(x[i]); j++)
			;
		t = j - i;
		ties += t * t * t - t;
		for (int k = i; k < j; k++)
			rank2[k] = i + 1 + j;
	}
	return ties;
}

double stats_signed_rank(const double *x, int n, int *used)
{
	double *v = malloc((n + 1) * sizeof(*v)), p = NAN, ties;
	int *rank2 = malloc((n + 1) * sizeof(*rank2)), m = 0;
	double plus = 0, total;

	if (!v || !rank2)
		goto out;
	for (int i = 0; i < n; i++)
		if (!isnan(x[i]) && x[i] != 0)
			v[m++] = x[i];
	qsort(v, m, sizeof(*v), by_size);
	ties = rank(rank2, v, m);
	for (int i = 0; i < m; i++)
		plus += v[i] > 0 ? rank2[i] : 0;
	total = m * (m + 1.0);
	plus = fmin(plus, total - plus); // the rarer side, doubled as the ranks are
	if (!m)
		p = 1;
	else if (m <= EXACT_MAX)
		p = fmin(1, 2 * below(rank2, m, plus));
	else
		p = erfc((total / 4 - plus / 2 - 0.5) /
			 sqrt(2 * (m * (m + 1.0) * (2 * m + 1.0) - ties / 2) / 24));
	p = fmin(p, 1);
	*used = m;
out:
	free(v);
	free(rank2);
	return p;
}

int stats_signed_rank_least(double level)
{
	int n = 1;

	while (n < 60 && ldexp(1, 1 - n) > level)
		n++;
	return n;
}

/* --- Many tests --- */

static int by_p(const void *a, const void *b)
{
	double x = **(const double *const *)a, y = **(const double *const *)b;

	return (x > y) - (x < y);
}

int stats_holm(double *out, const double *p, int n)
{
	const double **sorted = malloc((n + 1) * sizeof(*sorted));
	double *adjusted = malloc((n + 1) * sizeof(*adjusted)), least = 0;
	int m = 0;

	if (!sorted || !adjusted) {
		free(sorted);
		free(adjusted);
		return -ENOMEM;
	}
	for (int i = 0; i < n; i++) {
		adjusted[i] = NAN;
		if (!isnan(p[i]))
			sorted[m++] = &p[i];
	}
	qsort(sorted, m, sizeof(*sorted), by_p);
	for (int i = 0; i < m; i++) {
		least = fmax(least, fmin(1, (m - i) * *sorted[i]));
		adjusted[sorted[i] - p] = least;
	}
	for (int i = 0; i < n; i++)
		out[i] = adjusted[i];
	free(sorted);
	free(adjusted);
	return 0;
}
