/*
 * Adam (Kingma and Ba, ICLR 2015) as TensorFlow has it: with
 * rate_t = rate * sqrt(1 - beta2^t) / (1 - beta1^t),
 *
 *	m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2, w -= rate_t m / (sqrt(v) +
 *1e-8).
 */
#ifndef NN_ADAM_H
#define NN_ADAM_H

#include <stddef.h>
#include <stdint.h>

#define ADAM_BETA1 0.9
#define ADAM_BETA2 0.999
#define ADAM_EPSILON 1e-8

/* rate_t of step t, from 1. */
double adam_rate(double rate, uint64_t t);

/* One step of n weights; every weight by itself, so a block can be split anywhere. */
void adam_step(float *w, float *m, float *v, const float *g, size_t n, double rate_t);

/* Polyak's average: target += tau * (w - target). */
void adam_follow(float *target, const float *w, size_t n, float tau);

#endif
