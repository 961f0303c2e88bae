/*
 * Statistics of small samples: means with confidence intervals, t tests, exact rank tests, Holm's
 * correction.
 *
 * Probabilities come from the regularised incomplete beta function by its continued fraction
 * (Abramowitz and Stegun 26.5.8), good to about 1e-10 up to 1e5 degrees of freedom. Levels are
 * two-sided everywhere: 0.05 means a 95 % interval.
 */
#ifndef BASE_STATS_H
#define BASE_STATS_H

#define STATS_LEVEL 0.05 /* of intervals in tables and plots */

/* I_x(a, b) for a, b > 0 and x in [0, 1]. */
double stats_beta(double a, double b, double x);

/* P(T <= t) of Student's t with df > 0 degrees of freedom, which need not be whole. */
double stats_t_cdf(double t, double df);

/* The t with P(|T| <= t) = 1 - level; INFINITY where level <= 0, NaN without degrees of freedom. */
double stats_t_two_sided(double level, double df);

/*
 * A sample or several pooled. n values; mean NaN when none; std the sample's, NaN below two; se the
 * standard error of the mean and df its degrees of freedom, NaN where the values do not tell.
 */
struct summary {
	int n;
	double mean, std, se, df;
};

/* Of x[n], skipping NaN. */
struct summary summary_of(const double *x, int n);

/*
 * The mean over all values of several samples whose means differ by design (strata): se has the
 * scatter within the samples only, df is Welch and Satterthwaite's; both NaN where some sample is
 * of one value. std is that of the samples' means.
 */
struct summary summary_pool(const struct summary *s, int n);

/* Half the width of the confidence interval of the mean, NaN where there is none. */
double summary_half_width(const struct summary *s, double level);

/* What two samples say about the difference of their means, a - b. */
struct stats_diff {
	int na, nb; /* values used; of a paired test equal */
	double mean_a, mean_b, diff;
	double lo, hi; /* confidence interval, NaN with too few repeats */
	double p;      /* two-sided, NaN with too few repeats */
};

/*
 * Student's test on the pairs x[i], y[i], leaving out pairs with a NaN; Welch's test (Biometrika
 * 34, 1947) on independent samples. Either needs two repeats. Where nothing varies a t test is
 * void: the p of the exact permutation test on fully separate samples stands in, 2 / C(na + nb, na)
 * if both samples are constant, else 2^(1-n) for n equal differences; and 1 where the difference is
 * 0.
 */
struct stats_diff stats_paired(const double *x, const double *y, int n, double level);
struct stats_diff stats_welch(const double *x, int nx, const double *y, int ny, double level);

/*
 * Wilcoxon's signed-rank test that x[n] is symmetric about 0, two-sided: zeros and NaN are left
 * out, ties share their mean rank, the distribution is exact (with these ties) up to 400 values and
 * normal with the tie correction above. *used counts the values taken. NaN when memory is out, 1
 * when nothing is left.
 */
double stats_signed_rank(const double *x, int n, int *used);

/* Fewest values with which stats_signed_rank can fall to the level: 2^(1-n) <= level. */
int stats_signed_rank_least(double level);

/*
 * Holm's step-down adjustment (Scand. J. Statist. 6, 1979): rejecting where out[i] <= level keeps
 * the chance of any false rejection below it, whatever the dependence. NaN stays NaN and does not
 * count. out may be p. 0 or -ENOMEM.
 */
int stats_holm(double *out, const double *p, int n);

#endif
