/* What the tests of VNN-LIB share: regions, a band, their files, a scratch folder. */
#ifndef TESTS_VNNLIB_FIXTURE_H
#define TESTS_VNNLIB_FIXTURE_H

#include <math.h>

#include "base/rng.h"
#include "cert/vnnlib.h"
#include "trace_fixture.h"

#define SMALLEST 0x1p-1074

static char dir[] = "/tmp/canopy-vnnlib-XXXXXX";

static const struct band some = {.first = 50, .last = 150, .sure_lo = -0.3, .sure_hi = 0.7};

static inline char *written(const struct region *r, const struct band *b, enum vnnlib_mode mode)
{
	char *text;
	size_t len;

	assert_int_equal(vnnlib_format(&text, &len, r, b, mode, "one\ntwo"), 0);
	assert_int_equal(strlen(text), len);
	return text;
}

// A state of full size with numbers of every sign and size, some inputs varied.
static inline void random_region(struct region *r, struct rng *rng)
{
	double x[STATE_SIZE];

	for (int i = 0; i < STATE_SIZE; i++)
		x[i] = ldexp(rng_normal(rng), (int)rng_below(rng, 40) - 30);
	x[3] = 0;
	x[4] = SMALLEST;
	region_point(r, x, STATE_SIZE);
	for (int f = FRAME_HISTORY - 1; f >= 0; f--) {
		double lo = rng_uniform(rng), hi = lo + rng_uniform(rng);

		if (rng_below(rng, 2))
			assert_int_equal(
				region_vary(r, f * FRAME_FEATURES + FRAME_INV_RTT, lo, hi), 0);
		if (rng_below(rng, 2))
			assert_int_equal(
				region_vary(r, f * FRAME_FEATURES + FRAME_LOSS, -hi, lo), 0);
	}
}

static inline int enter(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static inline int leave(void **state)
{
	char *cmd = file_path("rm -r '%s'", dir);
	int err = system(cmd);

	free(cmd);
	return err;
}

#endif
