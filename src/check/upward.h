/*
 * Directed rounding: between upward_begin and upward_end every sum, product and quotient of doubles
 * is rounded up, so the value of an expression that rises with each of its roundings is an upper
 * bound; lower bounds are negated upper bounds of the negation. Files that include this are built
 * with -frounding-math; fused multiply-adds are welcome, they too round up.
 */
#ifndef CHECK_UPWARD_H
#define CHECK_UPWARD_H

#include <fenv.h>
#include <math.h>
#include <stdbool.h>

#define UPWARD_UNIT 0x1p-52 /* relative error of one operation, at most */
#define UPWARD_TINY 1e-300  /* absolute error of one, where it underflows, with much to spare */

/* The rounding that was, for upward_end. Not for code that rounds to nearest: strtod, printf, libm.
 */
static inline int upward_begin(void)
{
	int was = fegetround();

	fesetround(FE_UPWARD);
	return was;
}

static inline void upward_end(int was)
{
	fesetround(was);
}

static inline double down_add(double a, double b)
{
	return -(-a - b);
}

static inline double down_mul(double a, double b)
{
	return -(-a * b);
}

static inline double down_div(double a, double b)
{
	return -(-a / b);
}

/* Whether this machine, compiler and C library do round as told. */
static inline bool upward_works(void)
{
	volatile double one = 1, tiny = 0x1p-60, three = 3;
	int was = upward_begin();
	double above = one + tiny, below = down_add(one, -tiny), third = one / three;
	bool works =
		above > 1 && below < 1 && third > down_div(one, three) && down_add(one, tiny) == 1;

	upward_end(was);
	return works;
}

#endif
