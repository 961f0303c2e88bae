/*
 * Exact arithmetic on fractions of 128-bit integers, in which targets are compared: a window is in
 * the target or it is not, whatever the machine rounds.
 *
 * Values are kept in lowest terms, den > 0. Every function returns 0, -EDOM for a division by zero
 * or -EOVERFLOW for a result that 128 bits cannot hold; out is untouched then. out may be an
 * operand.
 */
#ifndef CERT_RATIONAL_H
#define CERT_RATIONAL_H

#include <stdbool.h>
#include <stdint.h>

struct rational {
	__int128 num, den;
};

static inline struct rational rational_of(int64_t n)
{
	return (struct rational){n, 1};
}

int rational_add(struct rational *out, struct rational a, struct rational b);
int rational_sub(struct rational *out, struct rational a, struct rational b);
int rational_mul(struct rational *out, struct rational a, struct rational b);
int rational_div(struct rational *out, struct rational a, struct rational b);

/* *out = -1, 0, 1 for a < b, a = b, a > b. */
int rational_compare(int *out, struct rational a, struct rational b);

/* The largest integer <= a and the smallest >= a, limited to [-2^62, 2^62]. */
int64_t rational_floor(struct rational a);
int64_t rational_ceil(struct rational a);

/* The nearest double to a when num and den are below 2^53, so that 19/20 is what 0.95 means.
 * -EOVERFLOW beyond. */
int rational_double(double *out, struct rational a);

/* Reads digits, with a decimal point or not, at the start of s: 25, 0.25, .99. Returns the
 * characters taken, 0 if there is no number or it has more than 18 digits. */
int rational_read(struct rational *out, const char *s);

#endif
