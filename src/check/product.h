/*
 * The checker's inner loops: products of a matrix with rows of numbers, for three instruction sets.
 *
 * w is (in, stride), stride a multiple of PRODUCT_PAD, all of it aligned to 64 bytes; x rows have
 * in numbers, y rows stride, at distances xs and ys. A sum's order is not promised; a sum of n
 * products is within n * UPWARD_UNIT times the sum of their magnitudes of the exact one, and, while
 * rounding is upward, not below it.
 */
#ifndef CHECK_PRODUCT_H
#define CHECK_PRODUCT_H

#include <stdbool.h>

#define PRODUCT_PAD 16 /* doubles */

struct product {
	const double *w,
		*b; /* b: what product_rows starts its sums with, (stride), or NULL for 0 */
	int in, stride;
	bool magnitudes; /* of w: |w| */
};

/* y[r] = x[r] . w + b for some rows. */
void product_rows(const struct product *p, int rows, const double *x, int xs, double *y, int ys);

/* y[r] = w . x[r] for up to 8 rows: x rows have stride numbers, y rows in. */
void product_back(const struct product *p, int rows, const double *x, int xs, double *y, int ys);

/* to += a w and to += a |w|, n numbers. */
void product_add(const double *w, int n, double a, double *to);
void product_add_magnitudes(const double *w, int n, double a, double *to);

/* lo and hi [n]: the least and greatest of rows of n numbers, n a multiple of PRODUCT_PAD. */
void product_spread(int n, int rows, const double *x, int xs, double *lo, double *hi);

/*
 * For the rows row[] of z, at the corners of a set, of which other z are means, bent[j] of which
 * they err besides error[j]: widens z_lo and z_hi to all z, and adds to bent[j] rest * min(largest
 * z[j], -smallest z[j]) where that is positive. Whether any bent[j] is positive then. Rounding is
 * upward.
 */
struct product_bend {
	const double *error;
	double *bent, *z_lo, *z_hi;
};
bool product_bend(int n, int rows, const int *row, const double *x, int xs, double rest,
	const struct product_bend *b);

/* r = x minus the sum of factor[i] times of[i], i < parts; 0 where that is no more than least[j].
 */
void product_residual(int n, int parts, const double *const *of, const double *factor,
	const double *x, const double *least, double *r);

/* y = leaky(x) = max(x, slope x), n numbers in each row. */
void product_leaky(int n, int rows, double slope, const double *x, int xs, double *y, int ys);

#endif
