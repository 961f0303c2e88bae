/* Statistics against published values, closed forms and simulated nulls. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/stats.h"

#define assert_near(x, y, eps) assert_true(fabs((x) - (y)) <= (eps))
#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

// Student's t, two-sided, from the standard tables to as many digits as they have.
static void t_table(void **state)
{
	static const struct {
		double level, df, t;
	} table[] = {{0.05, 1, 12.7062047}, {0.05, 2, 4.30265273}, {0.05, 5, 2.57058184},
		{0.05, 10, 2.22813885}, {0.05, 30, 2.04227246}, {0.05, 120, 1.97993041},
		{0.01, 1, 63.6567412}, {0.01, 5, 4.03214298}, {0.001, 10, 4.58689386},
		{0.1, 3, 2.35336343}, {0.05, 1000, 1.96233908}};

	for (int i = 0; i < COUNT(table); i++)
		assert_near(stats_t_two_sided(table[i].level, table[i].df) / table[i].t, 1, 1e-8);
	// closed forms: df 1 is Cauchy's distribution, df 2 algebraic
	for (double t = -40; t <= 40; t += 0.37) {
		assert_near(stats_t_cdf(t, 1), 0.5 + atan(t) / M_PI, 1e-12);
		assert_near(stats_t_cdf(t, 2), 0.5 + t / (2 * sqrt(2 + t * t)), 1e-12);
	}
	assert_near(stats_beta(2, 3, 0.4), 0.5248, 1e-12);
	assert_near(stats_beta(0.5, 0.5, 0.25), 1.0 / 3, 1e-12);
	assert_true(isnan(stats_t_two_sided(0.05, 0)));
	assert_true(isinf(stats_t_two_sided(0, 5)));
}

// Student's sleep data (Biometrika 6, 1908), with the answers of R's t.test.
static void student_sleep(void **state)
{
	static const double x[] = {0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0},
			    y[] = {1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4};
	struct stats_diff d = stats_paired(x, y, 10, 0.05);

	assert_near(d.diff, -1.58, 1e-12);
	assert_near(d.p, 0.00283289, 1e-8);
	assert_near(d.lo, -2.4598858, 1e-7);
	assert_near(d.hi, -0.7001142, 1e-7);
	d = stats_welch(x, 10, y, 10, 0.05);
	assert_near(d.p, 0.07939414, 1e-8);
	assert_near(d.lo, -3.3654832, 1e-7);
	assert_near(d.hi, 0.2054832, 1e-7);
}

// Hollander and Wolfe's depression scores (1973), as in R's wilcox.test: V = 40.
static void signed_ranks(void **state)
{
	static const double x[] = {1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30},
			    y[] = {0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29};
	static const double ties[] = {0, 1, 1, NAN, -1, 1};
	double d[9], many[402], exact, normal;
	int used;

	for (int i = 0; i < 9; i++)
		d[i] = x[i] - y[i];
	assert_near(stats_signed_rank(d, 9, &used), 0.0390625, 1e-15);
	assert_int_equal(used, 9);
	assert_near(stats_signed_rank(ties, 6, &used), 0.625, 1e-15); // 2 (1 + 4) / 16
	assert_int_equal(used, 4);
	assert_near(stats_signed_rank(ties, 1, &used), 1, 0);
	for (int i = 0; i < 402; i++)
		many[i] = (i % 5 % 2 ? -1 : 1) * (1.0 + i / 2);
	exact = stats_signed_rank(many, 400, &used);
	normal = stats_signed_rank(many, 402, &used);
	assert_near(exact, 5.05040130821e-4, 1e-14); // of a slow transcription elsewhere
	assert_near(normal, 5.81169880258e-4, 1e-14);
	assert_int_equal(stats_signed_rank_least(0.05), 6);
}

static void holm(void **state)
{
	static const double p[] = {0.01, 0.04, NAN, 0.03, 0.005},
			    want[] = {0.03, 0.06, NAN, 0.06, 0.02};
	double out[5];

	assert_int_equal(stats_holm(out, p, 5), 0);
	for (int i = 0; i < 5; i++)
		assert_true(isnan(want[i]) ? isnan(out[i]) : fabs(out[i] - want[i]) < 1e-15);
}

static void degenerate_samples(void **state)
{
	static const double ten[] = {10, 10, 10, 10, 10}, two[] = {2, 2, 2, 2, 2},
			    rise[] = {1, 2, 3, 4, 5}, next[] = {2, 3, 4, 5, 6},
			    gaps[] = {1, NAN, NAN, NAN, 3};
	struct stats_diff d = stats_paired(ten, two, 5, 0.05);

	assert_near(d.p, 2.0 / 252, 1e-12);
	assert_near(d.lo, 8, 0);
	assert_near(stats_welch(ten, 5, two, 4, 0.05).p, 2.0 / 126, 1e-12);
	assert_near(stats_welch(ten, 5, ten, 5, 0.05).p, 1, 0);
	assert_near(stats_paired(rise, next, 5, 0.05).p, 1.0 / 16, 1e-12);
	d = stats_paired(gaps, rise, 5, 0.05);
	assert_int_equal(d.na, 2);
	assert_near(d.diff, -1, 1e-12);
	d = stats_paired(gaps, rise, 4, 0.05);
	assert_int_equal(d.na, 1);
	assert_true(isnan(d.p) && isnan(d.lo) && d.diff == 0);
	d = stats_welch(gaps, 0, rise, 5, 0.05);
	assert_true(isnan(d.p) && isnan(d.diff));
}

// Strata: the mean of two samples has the error of both, not their distance.
static void pooled_means(void **state)
{
	static const double x[] = {1, 2, 3}, y[] = {101, 102, 103}, one[] = {7};
	struct summary s[2] = {summary_of(x, 3), summary_of(y, 3)}, all = summary_pool(s, 2);

	assert_near(all.mean, 52, 1e-12);
	assert_near(all.se, sqrt(2 * (1 / 3.0) / 4), 1e-12);
	assert_near(all.df, 4, 1e-9);
	assert_near(summary_half_width(&all, 0.05), 2.77644511 * all.se, 1e-7);
	s[1] = summary_of(one, 1);
	all = summary_pool(s, 2);
	assert_int_equal(all.n, 4);
	assert_true(isnan(all.se) && isnan(summary_half_width(&all, 0.05)));
}

// The most of n nulls that a test of that level may reject, five deviations beyond what is
// expected.
static int most(int n, double level)
{
	return n * level + 5 * sqrt(n * level * (1 - level));
}

enum null { NORMAL, WHOLE, SKEWED, NULLS };

static double draw(struct rng *r, enum null kind)
{
	double z = rng_normal(r);

	return kind == NORMAL ? z : kind == WHOLE ? round(z) : exp(z / 2);
}

// Nothing is there, so little may be found: for normal, whole and skewed numbers.
static void nulls_are_kept(void **state)
{
	enum { TRIALS = 4000, N = 5 };
	struct rng r;

	rng_init(&r, 42, 0);
	for (int kind = 0; kind < NULLS; kind++) {
		int welch = 0, paired = 0;

		for (int i = 0; i < TRIALS; i++) {
			double x[N], y[N];

			for (int k = 0; k < N; k++) {
				double both = rng_normal(&r); // what a seed does to either side

				x[k] = draw(&r, kind) + (kind == NORMAL ? both : 0);
				y[k] = draw(&r, kind) + (kind == NORMAL ? both : 0);
			}
			paired += stats_paired(x, y, N, 0.05).p <= 0.05;
			welch += stats_welch(x, N, y, N, 0.05).p <= 0.05;
		}
		assert_true(paired <= most(TRIALS, 0.05));
		assert_true(welch <= most(TRIALS, 0.05));
		if (kind == NORMAL) // exact there
			assert_true(paired >= TRIALS * 0.05 - 5 * sqrt(TRIALS * 0.05));
	}
}

// Twenty nulls at once: any rejection is one too many; and signed ranks of numbers of all sizes.
static void families_are_kept(void **state)
{
	enum { TRIALS = 1000, N = 5 };
	int family = 0, ranks = 0, used;
	struct rng r;

	rng_init(&r, 43, 0);
	for (int i = 0; i < TRIALS; i++) {
		double p[20], d[20], x[N], y[N];
		bool any = false;

		for (int s = 0; s < 20; s++) {
			for (int k = 0; k < N; k++) {
				x[k] = rng_normal(&r);
				y[k] = rng_normal(&r);
			}
			p[s] = stats_paired(x, y, N, 0.05).p;
			d[s] = (1 + s) * rng_normal(&r);
		}
		assert_int_equal(stats_holm(p, p, 20), 0);
		for (int s = 0; s < 20; s++)
			any |= p[s] <= 0.05;
		family += any;
		ranks += stats_signed_rank(d, 20, &used) <= 0.05;
	}
	assert_true(family <= most(TRIALS, 0.05) && family > 20);
	assert_true(ranks <= most(TRIALS, 0.05) && ranks > 20);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_table),
		cmocka_unit_test(student_sleep),
		cmocka_unit_test(signed_ranks),
		cmocka_unit_test(holm),
		cmocka_unit_test(degenerate_samples),
		cmocka_unit_test(pooled_means),
		cmocka_unit_test(nulls_are_kept),
		cmocka_unit_test(families_are_kept),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
