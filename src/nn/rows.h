/*
 * Element-wise steps of training over the rows of a batch, and sums over rows.
 *
 * Every sum has a fixed order, so that the same rows give the same bits whatever the machine's
 * vectors. Matrices are dense, row-major (rows, n).
 */
#ifndef NN_ROWS_H
#define NN_ROWS_H

/* Every row of z becomes b[n]; with a[rows] and wa[n], b + a[r] * wa. */
void rows_fill(float *z, int rows, int n, const float *b, const float *a, const float *wa);

/* Leaky ReLU in place, 0 <= slope <= 1. */
void rows_leaky(float *z, int rows, int n, float slope);

/* d *= slope where h <= 0: the derivative at the input of the ReLU whose output is h. */
void rows_leaky_back(float *d, const float *h, int rows, int n, float slope);

/* y[r] = x[r] . w + b */
void rows_dot(float *y, const float *x, int rows, int n, const float *w, float b);

/* d[r] = g[r] * w, times slope where h[r] <= 0: back through rows_dot and the ReLU before it. */
void rows_dot_back(
	float *d, const float *g, const float *h, int rows, int n, const float *w, float slope);

/* sum = (or, if add, +=) sum over rows of g[r] * x[r]; g NULL: of x[r]. */
void rows_sum(float *sum, const float *x, const float *g, int rows, int n, int add);

/* What batch norm's statistics are made of: sum of z, then sum of (z - sum / rows)^2. */
void rows_moments(float *sum, float *square, const float *z, int rows, int n);

/* z becomes (z - mean) * inv, h that + beta and through the leaky ReLU. */
void rows_normalise(float *z, float *h, int rows, int n, const float *mean, const float *inv,
	const float *beta, float slope);

/* sum of d and of d * x over rows. */
void rows_products(float *sum, float *product, const float *d, const float *x, int rows, int n);

/* d = inv * (d - mean_d - x * mean_dx): back through the normalisation by the batch's own
 * statistics. */
void rows_normalise_back(float *d, const float *x, int rows, int n, const float *inv,
	const float *mean_d, const float *mean_dx);

/* d *= inv */
void rows_scale(float *d, int rows, int n, const float *inv);

#endif
