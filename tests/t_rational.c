/* Exact arithmetic, and the expressions that stand on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/rng.h"
#include "cert/property.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static int64_t floor_div(int64_t a, int64_t b)
{
	int64_t q = a / b;

	return q - (a % b && (a < 0) != (b < 0));
}

static void test_rational(void **state)
{
	const struct rational huge = {(__int128)1 << 126, 1};
	struct rational r, tiny = {1, (__int128)1 << 126};
	struct rng rng;
	double d;
	int order;

	rng_init(&rng, 3, 0);
	for (int i = 0; i < 100000; i++) {
		int64_t a = (int64_t)rng_below(&rng, 2001) - 1000, b = 1 + rng_below(&rng, 50),
			c = (int64_t)rng_below(&rng, 2001) - 1000, e = 1 + rng_below(&rng, 50);
		struct rational x, y;

		assert_int_equal(rational_div(&x, rational_of(a), rational_of(b)), 0);
		assert_int_equal(rational_div(&y, rational_of(c), rational_of(-e)), 0);
		assert_int_equal(rational_sub(&r, x, y), 0); // a/b + c/e
		assert_true(rational_floor(r) == floor_div(a * e + c * b, b * e));
		assert_true(rational_ceil(r) == -floor_div(-(a * e + c * b), b * e));
		assert_int_equal(rational_mul(&r, x, y), 0);
		assert_true(r.num * b * e == -(__int128)a * c * r.den && r.den > 0);
		assert_int_equal(rational_compare(&order, x, y), 0);
		assert_int_equal(order, (a * e > -c * b) - (a * e < -c * b));
	}
	r = rational_of(7);
	assert_int_equal(rational_mul(&r, huge, huge), -EOVERFLOW);
	assert_int_equal(rational_add(&r, huge, huge), -EOVERFLOW);
	assert_int_equal(rational_add(&r, huge, tiny), -EOVERFLOW);
	assert_int_equal(rational_div(&r, huge, tiny), -EOVERFLOW);
	assert_int_equal(rational_compare(&order, huge, tiny), -EOVERFLOW);
	assert_int_equal(rational_div(&r, huge, rational_of(0)), -EDOM);
	assert_int_equal(rational_double(&d, huge), -EOVERFLOW);
	assert_true(r.num == 7 && r.den == 1);
	assert_true(rational_floor(huge) == (int64_t)1 << 62);
	assert_int_equal(rational_read(&r, "0.95,"), 4);
	assert_int_equal(rational_double(&d, r), 0);
	assert_true(d == 0.95);
	assert_int_equal(rational_read(&r, "1..3"), 1);
	assert_int_equal(rational_read(&r, ".5"), 2);
	assert_int_equal(rational_read(&r, "."), 0);
	assert_int_equal(rational_read(&r, "-1"), 0);
}

static double number(const char *text)
{
	char *file = file_path("let v = %s\nproperty p\nthen cwnd >= 4\n", text);
	struct property_file *f = NULL;
	double v;

	assert_int_equal(property_parse(&f, file, "p.txt", NULL, 0), 0);
	v = property_let(f, "v");
	free(file);
	property_free(f);
	return v;
}

static void test_expressions(void **state)
{
	static const struct {
		const char *text;
		double value;
	} all[] = {{"1 + 2 * 3", 7}, {"(1 + 2) * 3", 9}, {"8 / 4 / 2", 1}, {"8 - 4 - 2", 2},
		{"-2 * -3", 6}, {"- -2", 2}, {"1-.5", 0.5}, {"min(3, 1, 2) + max(4, 5)", 6},
		{"max(1)", 1}, {"2 * -(1 + 1)", -4}, {"1 / 3 * 3", 1}, {"007", 7}};

	for (size_t i = 0; i < LEN(all); i++)
		assert_true(number(all[i].text) == all[i].value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rational),
		cmocka_unit_test(test_expressions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
