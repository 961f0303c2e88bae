/* Exact fractions: lowest terms, every overflow noticed. */
#include "cert/rational.h"

#include <errno.h>

#define DIGITS 18 /* of a literal: its numerator and denominator stay below 2^63 */
#define FAR ((int64_t)1 << 62)
#define DOUBLE_EXACT ((__int128)1 << 53)

static __int128 gcd(__int128 a, __int128 b)
{
	while (b) {
		__int128 r = a % b;

		a = b;
		b = r;
	}
	return a < 0 ? -a : a;
}

// The least number has no negative; everything else has.
static bool negatable(__int128 a)
{
	return a != (__int128)((unsigned __int128)1 << 127);
}

static int reduce(struct rational *out, __int128 num, __int128 den)
{
	__int128 g;

	if (!den)
		return -EDOM;
	if (!negatable(num) || !negatable(den))
		return -EOVERFLOW;
	g = gcd(num, den);
	if (den < 0)
		g = -g;
	*out = (struct rational){num / g, den / g};
	return 0;
}

int rational_add(struct rational *out, struct rational a, struct rational b)
{
	__int128 g = gcd(a.den, b.den), x, y, num, den;

	if (__builtin_mul_overflow(a.num, b.den / g, &x) ||
		__builtin_mul_overflow(b.num, a.den / g, &y) ||
		__builtin_add_overflow(x, y, &num) ||
		__builtin_mul_overflow(a.den, b.den / g, &den))
		return -EOVERFLOW;
	return reduce(out, num, den);
}

int rational_sub(struct rational *out, struct rational a, struct rational b)
{
	if (!negatable(b.num))
		return -EOVERFLOW;
	b.num = -b.num;
	return rational_add(out, a, b);
}

int rational_mul(struct rational *out, struct rational a, struct rational b)
{
	__int128 g = gcd(a.num, b.den), h = gcd(b.num, a.den), num, den;

	if (__builtin_mul_overflow(a.num / g, b.num / h, &num) ||
		__builtin_mul_overflow(a.den / h, b.den / g, &den))
		return -EOVERFLOW;
	return reduce(out, num, den);
}

int rational_div(struct rational *out, struct rational a, struct rational b)
{
	struct rational inverse;
	int err = reduce(&inverse, b.den, b.num);

	return err ? err : rational_mul(out, a, inverse);
}

int rational_compare(int *out, struct rational a, struct rational b)
{
	__int128 g = gcd(a.den, b.den), x, y;

	if (__builtin_mul_overflow(a.num, b.den / g, &x) ||
		__builtin_mul_overflow(b.num, a.den / g, &y))
		return -EOVERFLOW;
	*out = (x > y) - (x < y);
	return 0;
}

static int64_t limited(__int128 n)
{
	return n > FAR ? FAR : n < -FAR ? -FAR : (int64_t)n;
}

int64_t rational_floor(struct rational a)
{
	__int128 q = a.num / a.den;

	return limited(q - (a.num % a.den < 0));
}

int64_t rational_ceil(struct rational a)
{
	__int128 q = a.num / a.den;

	return limited(q + (a.num % a.den > 0));
}

int rational_double(double *out, struct rational a)
{
	if (a.num >= DOUBLE_EXACT || a.num <= -DOUBLE_EXACT || a.den >= DOUBLE_EXACT)
		return -EOVERFLOW;
	*out = (double)a.num / (double)a.den;
	return 0;
}

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

int rational_read(struct rational *out, const char *s)
{
	struct rational r = {0, 1};
	bool point = false;
	int n = 0, digits = 0;

	for (;; n++) {
		if (s[n] == '.' && !point && digit(s[n + 1])) {
			point = true;
			continue;
		}
		if (!digit(s[n]))
			break;
		if (++digits > DIGITS)
			return 0;
		r.num = 10 * r.num + (s[n] - '0');
		r.den *= point ? 10 : 1;
	}
	if (!digits)
		return 0;
	reduce(out, r.num, r.den);
	return n;
}
