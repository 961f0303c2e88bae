/* What certificates rest on: regions, bands, the slack of execution. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cert_nets.h"
#include "policy/action.h"

static const char *const isas[] = {"c", "avx2", "avx512"};
#define ISAS 3

static void test_region(void **unused)
{
	struct region r;
	double x[STATE_SIZE] = {0}, lo[STATE_SIZE], hi[STATE_SIZE], t[2] = {0.5, 0.9};

	region_point(&r, x, STATE_SIZE);
	assert_int_equal(region_vary(&r, -1, 0, 1), -EINVAL);
	assert_int_equal(region_vary(&r, STATE_SIZE, 0, 1), -EINVAL);
	assert_int_equal(region_vary(&r, 0, 1, 0), -EINVAL);
	assert_int_equal(region_vary(&r, 0, NAN, 1), -EINVAL);
	assert_int_equal(region_vary(&r, 0, 0, INFINITY), -EINVAL);
	assert_int_equal(r.ndims, 0);
	assert_int_equal(region_vary(&r, 68, 0.25, 0.75), 0);
	assert_int_equal(region_vary(&r, 68, 0, 1), -EINVAL); // varies already
	assert_int_equal(region_vary(&r, 69, 0, 1), -EINVAL); // follows 68
	assert_int_equal(region_vary(&r, 5, 0.5, 1), 0);
	assert_int_equal(region_vary(&r, 61, 0.5, 0.5), 0); // fixed
	assert_int_equal(r.ndims, 2);
	region_state(&r, t, x);
	assert_true(x[68] == 0.5 && x[69] == 0.625 && x[5] == 0.9 && x[6] == 1);
	assert_true(x[61] == 0.5 && x[62] == 0.625);
	region_hull(&r, lo, hi);
	assert_true(lo[69] == 0.3125 && hi[69] == 0.9375 && lo[6] == 0.625 && hi[6] == 1);
	assert_true(region_valid(&r));
	r.dim[0].hi = r.dim[0].lo;
	assert_false(region_valid(&r));
	region_point(&r, x, STATE_SIZE);
	assert_int_equal(region_vary(&r, 69, 0, 1), 0);
	assert_int_equal(region_vary(&r, 68, 0, 1), -EINVAL); // its follower varies by itself
	r.x[3] = NAN;
	assert_false(region_valid(&r));
}

// Execution of a pre-activation: by the sender, and by one that computes in double throughout.
static int percent_float(double y)
{
	return action_percent(mlp_action((float)y));
}

static int percent_double(double y)
{
	return action_percent(tanh(y));
}

// Around the pre-activation at which a band of percents first..last begins or ends.
static void check_edge(const struct band *b, double edge)
{
	float f = (float)edge;
	double d = edge;

	for (int i = 0; i < 2000; i++)
		f = nextafterf(f, -INFINITY);
	for (int i = 0; i < 4001; i++, f = nextafterf(f, INFINITY)) {
		int p = percent_float(f);
		bool hit = p >= b->first && p <= b->last;

		assert_true(hit || !band_holds(b, f, f));
		assert_true(!hit || !band_fails(b, f, f));
	}
	for (int i = 0; i < 500; i++)
		d = nextafter(d, -INFINITY);
	for (int i = 0; i < 1001; i++, d = nextafter(d, INFINITY)) {
		int p = percent_double(d);
		bool hit = p >= b->first && p <= b->last;

		assert_true(hit || !band_holds(b, d, d));
		assert_true(!hit || !band_fails(b, d, d));
	}
}

static void test_band_edges(void **unused)
{
	for (int m = ACTION_MIN_PERCENT + 1; m <= ACTION_MAX_PERCENT; m++) {
		long double a = logl(m / 100.0L) / logl(4);
		double edge = m < ACTION_MAX_PERCENT ? (double)atanhl(a) : 9.0109133472;
		struct band above, below; // windows of 100 packets are percents

		band_make(&above, m, 1000, 100);
		band_make(&below, 0, m - 1, 100);
		assert_int_equal(above.first, m);
		assert_int_equal(above.last, ACTION_MAX_PERCENT);
		assert_int_equal(below.first, ACTION_MIN_PERCENT);
		assert_int_equal(below.last, m - 1);
		assert_true(above.hi == INFINITY && below.lo == -INFINITY && above.lo == below.hi);
		if (m < ACTION_MAX_PERCENT)
			assert_true(fabs(above.lo - edge) < 1e-12 * (1 + fabs(edge)));
		else
			assert_true(above.lo == INFINITY);
		// inside one another, and no wider apart than the actions of neighbouring floats
		assert_true(above.miss_lo <= above.lo && above.lo <= above.sure_lo);
		assert_true(below.sure_hi <= below.hi && below.hi <= below.miss_hi);
		assert_true(tanh(above.sure_lo) - tanh(above.miss_lo) < 0x1p-22);
		assert_true(tanh(below.miss_hi) - tanh(below.sure_hi) < 0x1p-22);
		check_edge(&above, edge);
		check_edge(&below, edge);
	}
}

static void test_band_windows(void **unused)
{
	struct rng g;

	rng_init(&g, 3, 0);
	for (int i = 0; i < 3000; i++) {
		uint32_t w = (uint32_t)(pow(10, 7 * rng_uniform(&g)) * rng_uniform(&g));
		int64_t lo = (int64_t)(w * 5 * rng_uniform(&g)) - 10;
		int64_t hi = lo + (int64_t)((w + 10) * (rng_uniform(&g) - 0.1));
		struct band b;
		int hits = 0;

		band_make(&b, lo, hi, w);
		for (int m = ACTION_MIN_PERCENT; m <= ACTION_MAX_PERCENT; m++) {
			int64_t window = action_window(m, w);
			bool hit = window >= lo && window <= hi;

			hits += hit;
			assert_int_equal(hit, m >= b.first && m <= b.last);
		}
		assert_int_equal(band_empty(&b), hits == 0);
		if (hits == 0)
			assert_true(band_fails(&b, -1, 1) && !band_holds(&b, 0, 0));
		if (hits == ACTION_MAX_PERCENT - ACTION_MIN_PERCENT + 1)
			assert_true(band_holds(&b, -1e300, 1e300));
		assert_false(band_holds(&b, NAN, NAN) || band_fails(&b, NAN, NAN));
	}
}

static double *row(int n)
{
	double *p = aligned_alloc(
		ACTOR_ALIGN, (n * sizeof(double) + ACTOR_ALIGN - 1) / ACTOR_ALIGN * ACTOR_ALIGN);

	memset(p, 0, n * sizeof(double));
	return p;
}

// Ranges of the sums over a box by interval arithmetic.
struct ranges {
	struct actor_ranges r;
	double *lo[MLP_MAX_LAYERS], *hi[MLP_MAX_LAYERS];
};

static void ranges_init(struct ranges *r, const struct actor *a)
{
	for (int l = 0; l + 1 < a->n; l++) {
		r->r.z_lo[l] = r->lo[l] = row(a->layer[l].stride);
		r->r.z_hi[l] = r->hi[l] = row(a->layer[l].stride);
	}
}

static void ranges_free(struct ranges *r, const struct actor *a)
{
	for (int l = 0; l + 1 < a->n; l++) {
		free(r->lo[l]);
		free(r->hi[l]);
	}
}

static void ranges_set(
	struct ranges *r, const struct actor *a, const double *x_lo, const double *x_hi)
{
	const double *lo = x_lo, *hi = x_hi;

	r->r.x_lo = x_lo;
	r->r.x_hi = x_hi;
	for (int l = 0; l + 1 < a->n; l++) {
		const struct actor_layer *layer = &a->layer[l];

		for (int o = 0; o < layer->out; o++) {
			double sum[2] = {layer->b[o], layer->b[o]};

			for (int k = 0; k < layer->in; k++) {
				double w = layer->w[(size_t)k * layer->stride + o];
				double h[2] = {l && lo[k] < 0 ? a->slope * lo[k] : lo[k],
					l && hi[k] < 0 ? a->slope * hi[k] : hi[k]};

				sum[0] += w * h[w < 0];
				sum[1] += w * h[w >= 0];
			}
			r->lo[l][o] = sum[0];
			r->hi[l][o] = sum[1];
		}
		lo = r->lo[l];
		hi = r->hi[l];
	}
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

// Executed against reference at points and over boxes; prints how much of the slack is used.
static void check_slack(const struct actor *a, const char *name, uint64_t seed)
{
	double *scratch = malloc(actor_slack_scratch(a) * sizeof(double)), ratio[400],
	       x[REGION_INPUTS];
	float *run = malloc(mlp_scratch(a->mlp) * sizeof(float));
	double lo[REGION_INPUTS], hi[REGION_INPUTS], exact, slack;
	struct ranges r;
	struct rng g;

	rng_init(&g, seed, 0);
	ranges_init(&r, a);
	for (int i = 0; i < 400; i++) {
		double width = i % 4 ? 0 : pow(10, -1 - 4 * rng_uniform(&g)),
		       size = i % 7 ? 1 : 1e4;

		for (int k = 0; k < a->layer[0].in; k++) {
			lo[k] = size * rng_uniform(&g);
			hi[k] = lo[k] + width;
		}
		ranges_set(&r, a, lo, hi);
		slack = actor_slack(a, &r.r, scratch);
		for (int j = 0; j < (width > 0 ? 20 : 1); j++) {
			for (int k = 0; k < a->layer[0].in; k++)
				x[k] = lo[k] + rng_uniform(&g) * (hi[k] - lo[k]);
			mlp_forward_ref(a->mlp, x, &exact, 1);
			ratio[i] = fabs(actor_run(a, x, run) - exact) / slack;
			assert_true(ratio[i] <= 1);
		}
		if (i % 4)
			continue;
		ratio[i] = 0; // boxes do not count for tightness
	}
	qsort(ratio, 400, sizeof(*ratio), by_value);
	print_message("%s: executed differs by %.4f of the slack in the median, %.4f at most\n",
		name, ratio[250], ratio[399]);
	ranges_free(&r, a);
	free(scratch);
	free(run);
}

static void test_slack(void **unused)
{
	char name[64];

	for (int i = 0; i < SHAPES; i++) {
		struct actor *a = random_actor(shapes[i][0], shapes[i] + 1, 1, i);

		snprintf(name, sizeof(name), "random network %d, %d layers", i, shapes[i][0]);
		check_slack(a, name, i);
		free_actor(a);
	}
}

static void test_slack_orca(void **unused)
{
	struct actor *a;

	need_file(ORCA ".index");
	assert_int_equal(actor_new(&a, orca_net()), 0);
	check_slack(a, "Orca", 1);
	free_actor(a);
}

// What the bound's formula gives at one state, where every derivative is known: sums over layers of
// |dy/dz| (rounding
// (|h| |w| + |b|) + what the activation before adds), naively.
static double naive_slack(const struct actor *a, const struct ranges *r, const double *x)
{
	double *by_sum = row(a->width + REGION_INPUTS), *by_input = row(a->width + REGION_INPUTS),
	       bound = 0;

	by_sum[0] = 1;
	for (int l = a->n - 1; l >= 0; l--) {
		const struct actor_layer *layer = &a->layer[l];

		for (int o = 0; o < layer->out; o++)
			bound += fabs(by_sum[o]) * layer->rounding * fabs(layer->b[o]);
		for (int k = 0; k < layer->in; k++) {
			double h = l ? r->lo[l - 1][k] : x[k], added, mags = 0;
			bool below = l && h < 0;

			h = below ? a->slope * h : h;
			added = layer->rounding * fabs(h) + (l == 0	    ? 0x1p-24 * fabs(h)
								    : below ? 0x1p-23 * fabs(h)
									    : 0);
			by_input[k] = 0;
			for (int o = 0; o < layer->out; o++) {
				double w = layer->w[(size_t)k * layer->stride + o];

				by_input[k] += w * by_sum[o];
				mags += fabs(w * by_sum[o]);
			}
			bound += added * mags;
			by_input[k] *= below ? a->slope : 1;
		}
		memcpy(by_sum, by_input, layer->in * sizeof(double));
	}
	free(by_sum);
	free(by_input);
	return bound;
}

static void test_slack_formula(void **unused)
{
	for (int i = 0; i < SHAPES; i++) {
		struct actor *a = random_actor(shapes[i][0], shapes[i] + 1, 1, i);
		double *scratch = malloc(actor_slack_scratch(a) * sizeof(double)), x[REGION_INPUTS];
		struct ranges r;
		struct rng g;
		int loose = 0;

		rng_init(&g, i, 0);
		ranges_init(&r, a);
		for (int j = 0; j < 50; j++) {
			double got, want;

			for (int k = 0; k < a->layer[0].in; k++)
				x[k] = rng_normal(&g);
			ranges_set(&r, a, x, x);
			got = actor_slack(a, &r.r, scratch);
			want = naive_slack(a, &r, x);
			assert_true(got >= want);
			loose += got > 1.02 * want; // a sum within its error of 0
		}
		assert_true(loose <= 2);
		ranges_free(&r, a);
		free(scratch);
		free_actor(a);
	}
}

// Where execution may overflow or ranges are none, there is no bound; the bound is the same on
// every machine.
static void test_slack_hostile(void **unused)
{
	static const double bad[] = {NAN, INFINITY, 1e300, 1e39};
	const char *best = mlp_kernel();
	struct actor *a = random_actor(3, (int[]){5, 20, 30, 1}, 1, 1);
	double *scratch = malloc(actor_slack_scratch(a) * sizeof(double)), lo[5] = {0},
	       hi[5] = {1, 1, 1, 1, 1};
	double slack[ISAS] = {0}, first = 0;
	struct ranges r;

	ranges_init(&r, a);
	for (int s = 0; s < ISAS; s++) {
		if (mlp_select(isas[s]))
			continue;
		ranges_set(&r, a, lo, hi);
		slack[s] = actor_slack(a, &r.r, scratch);
		first = first > 0 ? first : slack[s];
		assert_true(slack[s] > 0 && slack[s] < 1e-3 && slack[s] == first);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		hi[3] = bad[i];
		ranges_set(&r, a, lo, hi);
		assert_true(actor_slack(a, &r.r, scratch) == INFINITY);
		hi[3] = 1;
		lo[2] = bad[i];
		ranges_set(&r, a, lo, hi);
		assert_true(actor_slack(a, &r.r, scratch) == INFINITY);
		lo[2] = 0;
		ranges_set(&r, a, lo, hi);
		r.hi[1][7] = bad[i];
		assert_true(actor_slack(a, &r.r, scratch) == INFINITY);
	}
	ranges_free(&r, a);
	free(scratch);
	mlp_select(best);
	free_actor(a);
}

static void test_bad_weights(void **unused)
{
	static const double bad[] = {NAN, INFINITY, 1e39};

	for (int i = 0; i < 6; i++) {
		struct mlp *m = random_net(2, (int[]){4, 5, 1}, 1, 1);
		struct actor *a = NULL;

		*(i & 1 ? &m->layer[1].w[3] : &m->layer[0].b[2]) = bad[i / 2];
		mlp_pack(m);
		assert_int_equal(actor_new(&a, m), -EBADMSG);
		assert_null(a);
		mlp_free(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_region),
		cmocka_unit_test(test_band_edges),
		cmocka_unit_test(test_band_windows),
		cmocka_unit_test(test_slack),
		cmocka_unit_test(test_slack_formula),
		cmocka_unit_test(test_slack_orca),
		cmocka_unit_test(test_slack_hostile),
		cmocka_unit_test(test_bad_weights),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
