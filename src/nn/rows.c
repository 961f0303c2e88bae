/* Loops that the compiler vectorises for the machine it finds at run time. */
#include "nn/rows.h"

#include <math.h>
#include <string.h>

#include "nn/clones.h"

#define LANES 32 /* chains of a dot product */

CLONES void rows_fill(float *z, int rows, int n, const float *b, const float *a, const float *wa)
{
	for (int r = 0; r < rows; r++, z += n)
		if (!a)
			memcpy(z, b, n * sizeof(*z));
		else
			for (int i = 0; i < n; i++)
				z[i] = b[i] + a[r] * wa[i];
}

CLONES void rows_leaky(float *z, int rows, int n, float slope)
{
	for (int i = 0; i < rows * n; i++)
		z[i] = z[i] > 0 ? z[i] : slope * z[i];
}

CLONES void rows_leaky_back(float *d, const float *h, int rows, int n, float slope)
{
	for (int i = 0; i < rows * n; i++)
		d[i] *= h[i] > 0 ? 1 : slope;
}

CLONES void rows_dot(float *y, const float *x, int rows, int n, const float *w, float b)
{
	for (int r = 0; r < rows; r++, x += n) {
		float lane[LANES] = {0};
		int i = 0;

		for (; i + LANES <= n; i += LANES)
			for (int k = 0; k < LANES; k++)
				lane[k] += x[i + k] * w[i + k];
		for (int k = 0; i + k < n; k++)
			lane[k] += x[i + k] * w[i + k];
		for (int half = LANES / 2; half; half /= 2)
			for (int k = 0; k < half; k++)
				lane[k] += lane[k + half];
		y[r] = lane[0] + b;
	}
}

CLONES void rows_dot_back(
	float *d, const float *g, const float *h, int rows, int n, const float *w, float slope)
{
	for (int r = 0; r < rows; r++, d += n, h += n)
		for (int i = 0; i < n; i++)
			d[i] = g[r] * w[i] * (h[i] > 0 ? 1 : slope);
}

CLONES void rows_sum(float *sum, const float *x, const float *g, int rows, int n, int add)
{
	if (!add)
		memset(sum, 0, n * sizeof(*sum));
	for (int r = 0; r < rows; r++, x += n) {
		float f = g ? g[r] : 1;

		for (int i = 0; i < n; i++)
			sum[i] += f * x[i];
	}
}

CLONES void rows_moments(float *sum, float *square, const float *z, int rows, int n)
{
	const float each = 1.0f / rows;

	memset(sum, 0, n * sizeof(*sum));
	memset(square, 0, n * sizeof(*square));
	for (int r = 0; r < rows; r++)
		for (int i = 0; i < n; i++)
			sum[i] += z[(size_t)r * n + i];
	for (int r = 0; r < rows; r++, z += n)
		for (int i = 0; i < n; i++) {
			float off = z[i] - sum[i] * each;

			square[i] += off * off;
		}
}

CLONES void rows_normalise(float *z, float *h, int rows, int n, const float *mean, const float *inv,
	const float *beta, float slope)
{
	for (int r = 0; r < rows; r++, z += n, h += n)
		for (int i = 0; i < n; i++) {
			float y;

			z[i] = (z[i] - mean[i]) * inv[i];
			y = z[i] + beta[i];
			h[i] = y > 0 ? y : slope * y;
		}
}

CLONES void rows_products(
	float *sum, float *product, const float *d, const float *x, int rows, int n)
{
	memset(sum, 0, n * sizeof(*sum));
	memset(product, 0, n * sizeof(*product));
	for (int r = 0; r < rows; r++, d += n, x += n)
		for (int i = 0; i < n; i++) {
			sum[i] += d[i];
			product[i] += d[i] * x[i];
		}
}

CLONES void rows_normalise_back(float *d, const float *x, int rows, int n, const float *inv,
	const float *mean_d, const float *mean_dx)
{
	for (int r = 0; r < rows; r++, d += n, x += n)
		for (int i = 0; i < n; i++)
			d[i] = inv[i] * (d[i] - mean_d[i] - x[i] * mean_dx[i]);
}

CLONES void rows_scale(float *d, int rows, int n, const float *inv)
{
	for (int r = 0; r < rows; r++, d += n)
		for (int i = 0; i < n; i++)
			d[i] *= inv[i];
}
