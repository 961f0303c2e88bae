/* Exact certificates: golden values, a slow obvious method, ties and degenerate networks, hostile
 * input. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cert_nets.h"
#include "exact_slow.h"

static const struct engine_ops *const engines[] = {NULL, &engine_exact1, &engine_exact2};

static bool near(double a, double b, double tolerance)
{
	if (fabs(a - b) <= tolerance)
		return true;
	printf("%.17g is not %.17g\n", a, b);
	return false;
}

// Small integers, so that zeros of many neurons meet, at the ends and at the kink too; some neurons
// are copies of others, some do not depend on their input, some are nothing at all.
static struct mlp *tied_net(int n, const int *dims, uint64_t seed)
{
	struct mlp *m = mlp_new(n, dims, 0.25);
	struct rng r;

	rng_init(&r, seed, 0);
	for (int l = 0; l < n; l++) {
		struct mlp_layer *f = &m->layer[l];

		for (int j = 0; j < f->out; j++) {
			int kind = (int)(rng_uniform(&r) * 6),
			    twin = j ? (int)(rng_uniform(&r) * j) : 0;

			f->b[j] = kind == 0   ? f->b[twin]
				  : kind == 1 ? 0
					      : (int)(rng_uniform(&r) * 5) - 2;
			for (int k = 0; k < f->in; k++)
				f->w[k * f->out + j] = kind == 0   ? f->w[k * f->out + twin]
						       : kind <= 2 ? 0
								   : (int)(rng_uniform(&r) * 3) - 1;
		}
	}
	mlp_pack(m);
	return m;
}

static const int small_shapes[][6] = {{1, 5, 1}, {2, 3, 1, 1}, {2, 4, 17, 1}, {3, 6, 9, 13, 1},
	{3, 7, 20, 31, 1}, {4, 5, 8, 7, 6, 1}, {4, 3, 2, 16, 5, 1}};
#define SMALL_SHAPES ((int)(sizeof(small_shapes) / sizeof(small_shapes[0])))

// One or two inputs of a small network, sometimes tied as the frames' are, often across the kink.
static void small_region(struct rng *g, struct region *r, int nin, int dims, bool integers)
{
	double x[REGION_INPUTS];
	int first = (int)(rng_uniform(g) * nin), tied = (first + 1) % nin;

	for (int k = 0; k < nin; k++)
		x[k] = integers ? (int)(rng_uniform(g) * 5) - 2 : rng_normal(g);
	region_point(r, x, nin);
	r->ndims = nin < 2 ? 1 : dims;
	for (int d = 0; d < r->ndims; d++) {
		int input = (first + 2 * d) % nin;
		double lo = integers ? (int)(rng_uniform(g) * 3) - 2 : rng_normal(g);
		double width =
			integers ? 1 + (int)(rng_uniform(g) * 3) : pow(10, 1 - 4 * rng_uniform(g));

		r->dim[d] = (struct region_dim){input,
			d == 0 && nin > 3 && rng_uniform(g) < 0.5 ? tied : -1, lo, lo + width};
	}
}

// Against the slow method; pieces too where they are well defined.
static void check_against_slow(const struct mlp *m, struct rng *g, int cases, bool integers)
{
	struct actor *a;
	void *state[3];

	assert_int_equal(actor_new(&a, m), 0);
	for (int d = 1; d <= 2; d++)
		state[d] = engines[d]->open(a);
	for (int i = 0; i < cases; i++) {
		struct engine_ask ask = {.slices = 1, .real = true};
		struct engine_answer o;
		struct slow want;
		double middle = rng_normal(g), scale;
		int d;

		small_region(g, &ask.region, m->layer[0].in, 1 + i % 2, integers);
		d = ask.region.ndims;
		ask.band = (struct band){.lo = middle, .hi = middle + rng_uniform(g)};
		want = slow_run(m, &ask.region, &ask.band);
		scale = 1 + fabs(want.lo) + fabs(want.hi);
		assert_int_equal(engines[d]->run(state[d], &ask, &o), 0);
		assert_true(near(o.real_lo, want.lo, 1e-10 * scale));
		assert_true(near(o.real_hi, want.hi, 1e-10 * scale));
		assert_true(o.y_lo <= want.lo && want.hi <= o.y_hi &&
			    o.y_hi - o.y_lo < want.hi - want.lo + 1e-8 * scale);
		assert_true(near(o.exact, want.share, 1e-9));
		assert_true(o.proven <= o.exact + 1e-12 && o.proven > o.exact - 1e-6);
		assert_true(1 - o.refuted >= o.exact - 1e-12 && 1 - o.refuted < o.exact + 1e-6);
		if (!integers)
			assert_int_equal(o.pieces, want.pieces);
	}
	for (int d = 1; d <= 2; d++)
		engines[d]->close(state[d]);
	actor_free(a);
}

static void test_random_nets(void **unused)
{
	struct rng g;

	rng_init(&g, 11, 0);
	for (int i = 0; i < SMALL_SHAPES; i++)
		for (int seed = 0; seed < 4; seed++) {
			struct mlp *m =
				random_net(small_shapes[i][0], small_shapes[i] + 1, 1.2, seed);

			check_against_slow(m, &g, 20, false);
			mlp_free(m);
		}
}

static void test_ties(void **unused)
{
	struct rng g;

	rng_init(&g, 12, 0);
	for (int i = 0; i < SMALL_SHAPES; i++)
		for (int seed = 0; seed < 12; seed++) {
			struct mlp *m = tied_net(small_shapes[i][0], small_shapes[i] + 1, seed);

			check_against_slow(m, &g, 20, true);
			mlp_free(m);
		}
}

// The same bits with every instruction set.
static void test_instruction_sets(void **unused)
{
	static const char *const isas[] = {"c", "avx2", "avx512"};
	const char *best = mlp_kernel();
	struct actor *a = random_actor(4, (int[]){7, 33, 50, 9, 1}, 1.2, 8);
	struct rng g;

	rng_init(&g, 13, 0);
	for (int i = 0; i < 6; i++) {
		struct engine_ask ask = {.slices = 1};
		struct engine_answer o, first = {0};
		int dims;

		small_region(&g, &ask.region, 7, 1 + i % 2, false);
		dims = ask.region.ndims;
		band_make(&ask.band, 90, 110, 100);
		for (int s = 0; s < 3; s++) {
			void *state;

			if (mlp_select(isas[s]))
				continue;
			state = engines[dims]->open(a);
			assert_int_equal(engines[dims]->run(state, &ask, &o), 0);
			engines[dims]->close(state);
			if (s == 0)
				first = o;
			assert_true(o.proven == first.proven && o.refuted == first.refuted);
			assert_true(o.exact == first.exact && o.slack == first.slack);
			assert_true(o.y_lo == first.y_lo && o.y_hi == first.y_hi);
			assert_true(o.real_lo == first.real_lo && o.real_hi == first.real_hi);
			assert_int_equal(o.pieces, first.pieces);
		}
	}
	mlp_select(best);
	free_actor(a);
}

/*
 * Layers that each fold 0..1 `teeth` times: y goes from 0 to 1 and back teeth^layers times in all.
 * A hinge at c is max(0, t - c) = (leaky(t - c) + slope leaky(c - t)) / (1 - slope^2).
 */
static struct mlp *sawtooth(int layers, int teeth)
{
	const double slope = 0.2, scale = 1 / (1 - slope * slope);
	int dims[MLP_MAX_LAYERS + 1] = {1};
	struct mlp *m;

	for (int l = 0; l < layers; l++)
		dims[l + 1] = 2 * teeth;
	dims[layers + 1] = 1;
	m = mlp_new(layers + 1, dims, slope);
	for (int l = 0; l <= layers; l++) {
		struct mlp_layer *f = &m->layer[l];

		for (int j = 0; j < f->out; j++) { // t - c in even neurons, c - t in odd ones
			double sign = j & 1 ? -1 : 1;

			f->b[j] = l < layers ? -sign * (j / 2) / teeth : 0;
			for (int k = 0; k < f->in;
				k++) { // t is a sum of hinges but for what layer 0 reads
				double bend = k / 2 == 0    ? teeth
					      : (k / 2) & 1 ? -2 * teeth
							    : 2 * teeth;

				f->w[k * f->out + j] =
					sign * (l ? bend * scale * (k & 1 ? slope : 1) : 1);
			}
		}
	}
	mlp_pack(m);
	return m;
}

static void test_sawtooth(void **unused)
{
	struct engine_ask ask = {.slices = 1, .real = true, .band = {.lo = 0.25, .hi = 0.75}};
	struct engine_answer o;

	region_point(&ask.region, (double[]){0}, 1);
	region_vary(&ask.region, 0, 0, 1);
	for (int layers = 1; layers <= 3; layers++) {
		struct mlp *m = sawtooth(layers, 9);
		struct actor *a;
		void *state;

		assert_int_equal(actor_new(&a, m), 0);
		state = engine_exact1.open(a);
		assert_int_equal(engine_exact1.run(state, &ask, &o), 0);
		assert_true(near(o.real_lo, 0, 1e-10) && near(o.real_hi, 1, 1e-10));
		assert_true(near(o.exact, 0.5, 1e-9));
		assert_true(o.pieces >= pow(9, layers));
		engine_exact1.close(state);
		actor_free(a);
		mlp_free(m);
	}
}

// More pieces than there is room for: nothing is answered.
static void test_too_many_pieces(void **unused)
{
	struct engine_ask ask = {.slices = 1, .band = {.lo = 0.25, .hi = 0.75}};
	struct engine_answer o = {.pieces = 42};
	struct mlp *m = sawtooth(5, 17);
	struct actor *a;
	void *state;

	region_point(&ask.region, (double[]){0}, 1);
	region_vary(&ask.region, 0, 0, 1);
	assert_int_equal(actor_new(&a, m), 0);
	state = engine_exact1.open(a);
	assert_int_equal(engine_exact1.run(state, &ask, &o), -E2BIG);
	assert_int_equal(o.pieces, 42);
	engine_exact1.close(state);
	actor_free(a);
	mlp_free(m);
}

static void test_too_many_polygons(void **unused)
{
	struct engine_ask ask = {.slices = 1, .band = {.lo = 0, .hi = 1}};
	struct engine_answer o = {.pieces = 42};
	struct actor *a = random_actor(3, (int[]){2, 400, 400, 1}, 3, 5);
	void *state = engine_exact2.open(a);

	region_point(&ask.region, (double[]){0, 0}, 2);
	for (int d = 0; d < 2; d++)
		region_vary(&ask.region, d, -100, 100);
	assert_int_equal(engine_exact2.run(state, &ask, &o), -E2BIG);
	assert_int_equal(o.pieces, 42);
	region_point(&ask.region, (double[]){0, 0}, 2); // and it still works afterwards
	for (int d = 0; d < 2; d++)
		region_vary(&ask.region, d, 0, 1e-3);
	assert_int_equal(engine_exact2.run(state, &ask, &o), 0);
	engine_exact2.close(state);
	free_actor(a);
}

// Never "holds" or "fails" by accident.
static void test_hostile(void **unused)
{
	static const double bad[] = {NAN, INFINITY, -INFINITY, 1e300, -1e300, 1e39, 1e38, 1e36};
	struct actor *a = random_actor(3, (int[]){7, 30, 20, 1}, 2, 3);

	for (int dims = 1; dims <= 2; dims++) {
		void *state = engines[dims]->open(a);

		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
			for (int where = 0; where < 3; where++) {
				struct engine_ask ask = {.slices = 1, .witness = true};
				struct engine_answer o = {0};
				double x[7] = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7};
				int err;

				x[6] = where ? x[6] : bad[i];
				region_point(&ask.region, x, 7);
				for (int d = 0; d < dims; d++)
					ask.region.dim[ask.region.ndims++] =
						(struct region_dim){d, -1, 0, 1};
				if (where == 1)
					ask.region.dim[0].lo = bad[i];
				if (where == 2)
					ask.region.dim[dims - 1].hi = bad[i];
				band_make(&ask.band, -1000, 1000, 100); // everything hits
				err = engines[dims]->run(state, &ask, &o);
				assert_true(err == 0 || err == -EINVAL || err == -E2BIG);
				if (err == 0 && fabs(bad[i]) > 1e37) {
					assert_true(o.proven == 0 && o.refuted == 0);
					assert_true(o.y_lo == -INFINITY && o.y_hi == INFINITY);
				}
			}
		engines[dims]->close(state);
	}
	free_actor(a);
}

// A slope so flat that the engine's own rounding cannot be told from its slack.
static void test_flat_slope(void **unused)
{
	struct mlp *m = random_net(3, (int[]){3, 9, 8, 1}, 1, 1);
	struct engine_ask ask = {.slices = 1};
	struct engine_answer o;
	struct actor *a;

	m->slope = 1e-12;
	assert_int_equal(actor_new(&a, m), 0);
	region_point(&ask.region, (double[]){1, 2, 3}, 3);
	band_make(&ask.band, 90, 110, 100);
	for (int d = 1; d <= 2; d++) {
		void *state = engines[d]->open(a);

		region_vary(&ask.region, d, 0, 1);
		assert_int_equal(engines[d]->run(state, &ask, &o), 0);
		assert_true(o.proven == 0 && o.refuted == 0 && o.y_hi == INFINITY);
		engines[d]->close(state);
	}
	free_actor(a);
}

static void test_wrong_dimension(void **unused)
{
	struct actor *a = random_actor(2, (int[]){3, 4, 1}, 1, 1);
	struct engine_ask ask = {.slices = 1};
	struct engine_answer o;

	region_point(&ask.region, (double[]){1, 2, 3}, 3);
	for (int dims = 0; dims <= 3; dims++) {
		for (int d = 1; d <= 2; d++) {
			void *state = engines[d]->open(a);

			assert_int_equal(engines[d]->run(state, &ask, &o), d == dims ? 0 : -EINVAL);
			engines[d]->close(state);
		}
		region_vary(&ask.region, dims, 0, 1);
	}
	free_actor(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_nets),
		cmocka_unit_test(test_ties),
		cmocka_unit_test(test_instruction_sets),
		cmocka_unit_test(test_sawtooth),
		cmocka_unit_test(test_too_many_pieces),
		cmocka_unit_test(test_too_many_polygons),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_flat_slope),
		cmocka_unit_test(test_wrong_dimension),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
