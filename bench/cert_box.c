/* Box and linear certificates: us a region on one core, against the floor that the peak
 * multiply-add rate sets. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "cert/box.h"
#include "peak.h"

#define REGIONS 96
#define LEAST_S 1. /* of repetitions, the fastest of which counts */
#define PYTORCH_PER_S                                                                              \
	87000. /* batched boxes in float32, one thread: the figure to compare with                 \
		*/

static const int dims[] = {70, 256, 256, 1};

struct set {
	void *box, *linear;			    // engines' states
	struct region line[REGIONS], wide[REGIONS]; // the newest inv_rtt; all ten, by 5%
	double y_lo[REGIONS], y_hi[REGIONS];
};

static void batch(struct set *s)
{
	box_batch(s->box, s->line, REGIONS, 1, s->y_lo, s->y_hi);
}

static void ask_all(
	const struct engine_ops *ops, void *state, const struct region *r, int slices, long budget)
{
	struct engine_ask ask = {.slices = slices, .budget = budget};
	struct engine_answer o;

	band_make(&ask.band, 90, 110, 100);
	for (int i = 0; i < REGIONS; i++) {
		ask.region = r[i];
		ops->run(state, &ask, &o);
	}
}

static void box_5(struct set *s)
{
	ask_all(&engine_box, s->box, s->line, 5, 0);
}

static void box_50(struct set *s)
{
	ask_all(&engine_box, s->box, s->line, 50, 0);
}

static void linear_1(struct set *s)
{
	ask_all(&engine_linear, s->linear, s->line, 1, 1);
}

static void linear_5(struct set *s)
{
	ask_all(&engine_linear, s->linear, s->line, 5, 5);
}

static void linear_ten(struct set *s)
{
	ask_all(&engine_linear, s->linear, s->wide, 1, 1);
}

/*
 * FLOP of what cannot be spared, in units of a float multiply-add's 2: boxes, layer 1 by shared
 * inputs, then both products of layer 2 a slice; linear, in double (worth two), the pairs of
 * (functions + centre + box) through layer 2 and back with six bounds on y.
 */
#define MADDS(n) (2. * (n))
#define BOX(slices) MADDS(70 * 256 + 2 * 7 * 256 + (slices)*2. * (256 * 256 + 256))
#define LINEAR(inputs) (2 * MADDS(70 * 256 + 2 * ((inputs) + 2) * 256 * 256 + 6 * 256 * 256))

static const struct {
	const char *name;
	void (*run)(struct set *s);
	double flop;
} benches[] = {
	{"box, batched", batch, BOX(1)},
	{"box, N = 5", box_5, BOX(5)},
	{"box, N = 50", box_50, BOX(50)},
	{"linear, N = 1", linear_1, LINEAR(1)},
	{"linear, N = 5", linear_5, 5 * LINEAR(1)},
	{"linear, 10 inputs, a cell", linear_ten, LINEAR(10)},
};

static double best_us(void (*run)(struct set *s), struct set *s)
{
	double best = INFINITY, end = now_s() + LEAST_S;

	while (now_s() < end) {
		double start = now_s();

		run(s);
		best = fmin(best, now_s() - start);
	}
	return best * 1e6 / REGIONS;
}

static void bench_kernel(const char *kernel, struct set *s)
{
	double peak;

	if (mlp_select(kernel))
		return;
	peak = peak_of(kernel);
	printf("%s: peak %.0f GFLOP/s\n", kernel, peak);
	for (int i = 0; i < (int)(sizeof(benches) / sizeof(benches[0])); i++) {
		double us = best_us(benches[i].run, s), floor_us = benches[i].flop / peak / 1e3;

		printf("  %-26s %8.2f us a region, floor %7.2f us (%3.0f%%)", benches[i].name, us,
			floor_us, 100 * floor_us / us);
		if (i == 0)
			printf(", %.0f regions/s, %.1f x PyTorch", 1e6 / us,
				1e6 / us / PYTORCH_PER_S);
		printf("\n");
	}
}

static void fill_regions(struct set *s, struct rng *r)
{
	for (int i = 0; i < REGIONS; i++) {
		double x[STATE_SIZE];

		for (int k = 0; k < STATE_SIZE; k++)
			x[k] = rng_uniform(r);
		region_point(&s->line[i], x, STATE_SIZE);
		region_vary(&s->line[i], 68, 0.75, 1);
		region_point(&s->wide[i], x, STATE_SIZE);
		for (int f = 0; f < FRAME_HISTORY; f++) {
			int input = f * FRAME_FEATURES + FRAME_INV_RTT;

			region_vary(&s->wide[i], input, 0.95 * x[input], fmin(1, 1.05 * x[input]));
		}
	}
}

int main(void)
{
	struct mlp *m = mlp_new(3, dims, 0.2);
	struct set *s = calloc(1, sizeof(*s));
	struct actor *a = NULL;
	struct rng r;

	if (!m || !s)
		return 1;
	rng_init(&r, 1, 0);
	for (int i = 0; i < 3; i++)
		for (int k = 0; k < dims[i] * dims[i + 1]; k++)
			m->layer[i].w[k] = rng_normal(&r) / sqrt(dims[i]);
	mlp_pack(m);
	if (actor_new(&a, m))
		return 1;
	s->box = engine_box.open(a);
	s->linear = engine_linear.open(a);
	if (!s->box || !s->linear)
		return 1;
	fill_regions(s, &r);
	bench_kernel("avx512", s);
	bench_kernel("avx2", s);
	engine_box.close(s->box);
	engine_linear.close(s->linear);
	actor_free(a);
	mlp_free(m);
	free(s);
	return 0;
}
