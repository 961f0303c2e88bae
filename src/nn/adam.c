/* Adam and Polyak averaging. */
#include "nn/adam.h"

#include <math.h>

#include "nn/clones.h"

double adam_rate(double rate, uint64_t t)
{
	return rate * sqrt(1 - pow(ADAM_BETA2, (double)t)) / (1 - pow(ADAM_BETA1, (double)t));
}

CLONES void adam_step(float *w, float *m, float *v, const float *g, size_t n, double rate_t)
{
	const float b1 = ADAM_BETA1, b2 = ADAM_BETA2, epsilon = ADAM_EPSILON, rate = (float)rate_t;

	for (size_t i = 0; i < n; i++) {
		m[i] = b1 * m[i] + (1 - b1) * g[i];
		v[i] = b2 * v[i] + (1 - b2) * g[i] * g[i];
		w[i] -= rate * m[i] / (__builtin_sqrtf(v[i]) + epsilon);
	}
}

CLONES void adam_follow(float *target, const float *w, size_t n, float tau)
{
	for (size_t i = 0; i < n; i++)
		target[i] += tau * (w[i] - target[i]);
}
