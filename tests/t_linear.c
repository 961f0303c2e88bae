/* Linear bounds and branch and bound: against golden values, boxes, and the network itself. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cert/box.h"
#include "cert/relax.h"
#include "cert_tree.h"

#define EVERYTHING 1000000 // packets: more than any window here

static struct actor *orca;

static int load_orca(void **state)
{
	if (access(ORCA ".index", R_OK))
		return 0;
	return actor_new(&orca, orca_net());
}

static int free_orca(void **state)
{
	free_actor(orca);
	return 0;
}

static void corners(const struct region *r, double *lo, double *hi)
{
	for (int d = 0; d < r->ndims; d++) {
		lo[d] = r->dim[d].lo;
		hi[d] = r->dim[d].hi;
	}
}

static void bound_region(struct relax *x, const struct region *r, struct relax_bound *b)
{
	double lo[REGION_INPUTS], hi[REGION_INPUTS];

	corners(r, lo, hi);
	relax_region(x, r);
	relax_box(x, lo, hi, b);
}

// Exact inside linear inside box; beside the reference's linear bounds.
static void golden_boxes(void **state)
{
	double ratio = 0, worst = 0, over_exact = 0;
	int n = 0, looser = 0, lines = 0;
	struct relax *x;
	json_t *j, *c;
	size_t i;

	need_file(GOLDEN "boxes.json");
	need_file(ORCA ".index");
	x = relax_new(orca);
	j = golden_json(GOLDEN "boxes.json");
	json_array_foreach(json_object_get(j, "boxes"), i, c)
	{
		const json_t *crown = json_object_get(c, "crown_full_pre"),
			     *exact = json_object_get(c, "exact_pre");
		double width = json_number_value(json_array_get(crown, 1)) -
			       json_number_value(json_array_get(crown, 0));
		double lo, hi;
		struct relax_bound b;
		struct region r;

		golden_region(&r, c);
		bound_region(x, &r, &b);
		box_real(orca, &r, &lo, &hi);
		assert_true(b.lo >= lo - 1e-6 &&
			    b.hi <= hi + 1e-6); // up to what rounding adds to a point
		if (exact) {
			double from = json_number_value(json_array_get(exact, 0));
			double to = json_number_value(json_array_get(exact, 1));

			assert_true(b.lo <= from + 1e-12 && b.hi >= to - 1e-12);
			if (r.ndims) {
				over_exact += (b.hi - b.lo) / (to - from);
				lines++;
			}
		}
		if (!r.ndims) {
			assert_true(b.hi - b.lo < 1e-6);
			continue;
		}
		n++;
		ratio += (b.hi - b.lo) / width;
		worst = fmax(worst, (b.hi - b.lo) / width);
		looser += b.hi - b.lo > width * (1 + 1e-6);
	}
	print_message("width over the reference's linear bounds: mean %.4f, worst %.4f, looser in "
		      "%d of %d; over the "
		      "exact width: mean %.3f\n",
		ratio / n, worst, looser, n, over_exact / lines);
	assert_true(ratio / n < 1 && worst < 1.05 && looser < n / 4);
	json_decref(j);
	relax_free(x);
}

static void line_ask(struct engine_ask *ask, const json_t *c)
{
	const json_t *inv = json_object_get(c, "inv"), *target = json_object_get(c, "target");
	double x[STATE_SIZE];

	for (int k = 0; k < STATE_SIZE; k++)
		x[k] = json_number_value(json_array_get(json_object_get(c, "state"), k));
	region_point(&ask->region, x, STATE_SIZE);
	assert_int_equal(region_vary(&ask->region, 68, json_number_value(json_array_get(inv, 0)),
				 json_number_value(json_array_get(inv, 1))),
		0);
	if (!json_is_true(json_object_get(c, "consistent_delay_metric")))
		ask->region.dim[0].tied = -1;
	band_make(&ask->band, (int64_t)ceil(json_number_value(json_array_get(target, 0))),
		(int64_t)floor(json_number_value(json_array_get(target, 1))),
		(uint32_t)golden_number(c, "w"));
}

// Against the exact ranges and shares of lines, delay_metric tied or not: N slices, then branch and
// bound.
static void golden_lines(void **state)
{
	static const int slices[] = {1, 5};
	double wider[2] = {0}, unknown = 0;
	json_t *j, *c;
	size_t i;
	int n = 0;
	void *linear;

	need_file(GOLDEN "exact_lines.json");
	need_file(ORCA ".index");
	linear = engine_linear.open(orca);
	j = golden_json(GOLDEN "exact_lines.json");
	json_array_foreach(json_object_get(j, "lines"), i, c)
	{
		const json_t *range = json_object_get(c, "pre_range");
		double from = json_number_value(json_array_get(range, 0)),
		       exact = golden_number(c, "fraction_installed");
		double to = json_number_value(json_array_get(range, 1));
		struct engine_ask ask = {.real = true};
		struct engine_answer o;

		line_ask(&ask, c);
		for (int s = 0; s < 2; s++) {
			ask.slices = slices[s];
			ask.budget = slices[s];
			assert_int_equal(engine_linear.run(linear, &ask, &o), 0);
			assert_int_equal(o.pieces, slices[s]);
			assert_true(o.y_lo <= from + 1e-12 && o.y_hi >= to - 1e-12);
			wider[s] += (o.y_hi - o.y_lo) / (to - from);
		}
		ask.budget = 200;
		assert_int_equal(engine_linear.run(linear, &ask, &o), 0);
		assert_true(o.proven <= exact + 1e-8 && exact <= 1 - o.refuted + 1e-8);
		unknown += 1 - o.proven - o.refuted;
		ask.real = false;
		assert_int_equal(engine_linear.run(linear, &ask, &o), 0);
		assert_true(o.proven <= exact + 1e-8 && exact <= 1 - o.refuted + 1e-8);
		n++;
	}
	print_message("%d lines: width over the exact one %.3f (N = 1), %.3f (N = 5); undecided "
		      "after 200 cells %.1e\n",
		n, wider[0] / n, wider[1] / n, unknown / n);
	assert_true(wider[0] / n < 1.5 && wider[1] / n < 1.03 && unknown / n < 1e-3);
	json_decref(j);
	engine_linear.close(linear);
}

// Box contains linear, on networks of any depth and width; a point's bounds are a point's value.
static void inside_box(void **state)
{
	double ratio = 0;
	struct rng g;
	int n = 0;

	rng_init(&g, 31, 0);
	for (int i = 0; i < 12 * SHAPES; i++) {
		const int *shape = shapes[i % SHAPES];
		struct actor *a = random_actor(shape[0], shape + 1, 1.5, i);
		struct relax *x = relax_new(a);
		struct relax_bound b;
		double lo, hi, y;
		struct region r;

		random_region(&g, &r, a->layer[0].in, i % 9);
		bound_region(x, &r, &b);
		box_real(a, &r, &lo, &hi);
		assert_true(b.lo >= lo - 1e-6 && b.hi <= hi + 1e-6 && b.lo <= b.hi);
		if (hi - lo > 1e-3) {
			ratio += (b.hi - b.lo) / (hi - lo);
			n++;
		}
		r.ndims = 0;
		bound_region(x, &r, &b);
		mlp_forward_ref(a->mlp, r.x, &y, 1);
		assert_true(b.lo <= y && y <= b.hi && b.hi - b.lo < 1e-6 * fmax(1, fabs(y)));
		relax_free(x);
		free_actor(a);
	}
	print_message("width over the box's: %.3f in the mean\n", ratio / n);
	assert_true(ratio / n < 0.9);
}

// Executed networks stay inside, and do what verdicts say.
static void check_sound(const struct actor *a, struct rng *g, const struct region *r, int slices,
	long budget, long points)
{
	struct tree tree = {0};
	struct engine_sink sink = {tree_cut, tree_leaf, &tree};
	struct engine_ask ask = {
		.region = *r, .slices = slices, .budget = budget, .sink = &sink, .witness = true};
	struct search *search = search_new(a);
	void *linear = engine_linear.open(a);
	struct engine_answer o, again;
	struct probe probe;
	double lo[REGION_INPUTS], hi[REGION_INPUTS], t[REGION_INPUTS], x[REGION_INPUTS];
	int percent;

	probe_init(&probe, a);
	corners(r, lo, hi);
	random_point(g, r, lo, hi, t);
	region_state(r, t, x);
	percent = action_percent(mlp_action(actor_run(a, x, probe.scratch)));
	band_make(&ask.band, percent - (int)(20 * rng_uniform(g)),
		percent + (int)(10 * rng_uniform(g)), 100);
	assert_int_equal(engine_linear.run(linear, &ask, &o), 0);
	assert_int_equal(tree.leaves, o.pieces);
	assert_true(o.pieces <= (budget > slices ? budget : slices));
	assert_true(o.proven >= 0 && o.refuted >= 0 && o.proven + o.refuted <= 1);
	assert_true(!o.complete || o.proven + o.refuted > 1 - 1e-9);
	assert_int_equal(tree_sample(&ask, &o, &tree, &probe, g, points), 0);
	assert_int_equal(tree_attack(&ask, &o, &tree, &probe, search), 0);
	if (o.refuted > 0)
		assert_true(o.missed);
	if (o.missed) {
		for (int d = 0; d < r->ndims; d++)
			assert_true(o.t[d] >= lo[d] && o.t[d] <= hi[d]);
		region_state(r, o.t, x);
		percent = action_percent(mlp_action(actor_run(a, x, probe.scratch)));
		assert_true(percent < ask.band.first || percent > ask.band.last);
	}
	ask.sink = NULL; // and the answer is the same every time
	memset(&again, 0, sizeof(again));
	assert_int_equal(engine_linear.run(linear, &ask, &again), 0);
	assert_true(again.proven == o.proven && again.refuted == o.refuted &&
		    again.y_lo == o.y_lo && again.y_hi == o.y_hi && again.pieces == o.pieces);
	probe_free(&probe);
	search_free(search);
	engine_linear.close(linear);
	free(tree.node);
}

static void sound_random(void **state)
{
	struct rng g;

	rng_init(&g, 33, 0);
	for (int i = 0; i < 15 * SHAPES; i++) {
		const int *shape = shapes[i % SHAPES];
		struct actor *a = random_actor(shape[0], shape + 1, i % 3 ? 1.5 : 4, 100 + i);
		struct region r;

		random_region(&g, &r, a->layer[0].in, 1 + i % 8);
		if (r.ndims)
			check_sound(a, &g, &r, 1 + i % 4, 1 + i % 30, 2 * PROBE_POINTS);
		free_actor(a);
	}
}

// Regions an operator asks about: noise on all inv_rtt; delay and loss of three frames; wide and
// narrow lines.
static void orca_region(struct rng *g, struct region *r, const double *x, int kind)
{
	region_point(r, x, STATE_SIZE);
	for (int f = 0; f < FRAME_HISTORY; f++) {
		int inv_rtt = f * FRAME_FEATURES + FRAME_INV_RTT;
		double v = x[inv_rtt];

		if (kind == 0)
			region_vary(r, inv_rtt, 0.95 * v, fmin(1, 1.05 * v));
		if (kind == 1 && f >= 7) {
			region_vary(r, inv_rtt, 0.7, 1);
			region_vary(r, f * FRAME_FEATURES + FRAME_LOSS, 0, 0.25);
		}
	}
	if (kind == 2)
		region_vary(r, 68, 0.9 * rng_uniform(g), 0.9 + 0.1 * rng_uniform(g));
	if (kind == 3)
		region_vary(r, 68, 0.8 - 1e-7 * rng_uniform(g), 0.8 + 1e-7 * rng_uniform(g));
}

static void sound_orca(void **state)
{
	struct rng g;
	json_t *j, *boxes;

	need_file(GOLDEN "boxes.json");
	need_file(ORCA ".index");
	rng_init(&g, 34, 0);
	j = golden_json(GOLDEN "boxes.json");
	boxes = json_object_get(j, "boxes");
	for (int i = 0; i < 200; i++) {
		struct region golden, r;

		golden_region(&golden, json_array_get(boxes, i));
		if (golden.ndims)
			check_sound(orca, &g, &golden, 1, 1 + i % 50, 30 * PROBE_POINTS);
		orca_region(&g, &r, golden.x, i % 4);
		if (r.ndims)
			check_sound(orca, &g, &r, 1 + i % 3, 1 + i % 60, 30 * PROBE_POINTS);
	}
	json_decref(j);
}

// More cells never prove less, nor widen what is known; none prove nothing.
static void anytime(void **state)
{
	static const long budgets[] = {0, 1, 3, 10, 30, 100, 300};
	double unknown = 2, width = INFINITY;
	void *linear;
	struct engine_ask ask = {.slices = 1};
	struct engine_answer o;
	struct region golden;
	struct rng g;
	json_t *j;

	need_file(GOLDEN "boxes.json");
	need_file(ORCA ".index");
	j = golden_json(GOLDEN "boxes.json");
	rng_init(&g, 35, 0);
	golden_region(&golden, json_array_get(json_object_get(j, "boxes"), 3));
	orca_region(&g, &ask.region, golden.x, 1);
	assert_int_equal(ask.region.ndims, 6);
	linear = engine_linear.open(orca);
	band_make(&ask.band, 100, 115, 100);
	for (int i = 0; i < (int)(sizeof(budgets) / sizeof(budgets[0])); i++) {
		ask.budget = budgets[i];
		assert_int_equal(engine_linear.run(linear, &ask, &o), 0);
		assert_true(1 - o.proven - o.refuted <= unknown + 1e-12);
		assert_true(o.y_hi - o.y_lo <= width);
		unknown = 1 - o.proven - o.refuted;
		width = o.y_hi - o.y_lo;
		if (budgets[i] == 0)
			assert_true(o.proven == 0 && o.refuted == 0 && !o.complete &&
				    width == INFINITY && o.pieces == 1);
	}
	print_message("six inputs, undecided after %ld cells: %.3f\n", budgets[6], unknown);
	assert_true(unknown < 0.9);
	ask.slices = 10;
	ask.budget = 4; // some slices are not looked at
	assert_int_equal(engine_linear.run(linear, &ask, &o), 0);
	assert_true(o.pieces == 10 && !o.complete && o.y_lo == -INFINITY);
	engine_linear.close(linear);
	json_decref(j);
}

static void check_hostile(void *linear, const struct engine_ask *ask)
{
	struct engine_answer o;

	assert_int_equal(engine_linear.run(linear, ask, &o), 0);
	assert_true(o.proven == 0 && o.refuted == 0 && !o.complete);
	assert_true(o.y_lo == -INFINITY && o.y_hi == INFINITY);
}

// Overflow and NaN prove nothing, though the band holds everything; intervals of neighbouring
// numbers end.
static void hostile(void **state)
{
	static const int dims[] = {70, 64, 30, 1};
	struct actor *a = random_actor(3, dims, 1, 5), *loud = random_actor(3, dims, 1e20, 5);
	void *linear = engine_linear.open(a), *loud_linear = engine_linear.open(loud);
	struct engine_ask ask = {.slices = 5, .budget = 50};
	struct engine_answer o;
	double x[70] = {0};

	band_make(&ask.band, -1, EVERYTHING, 100);
	region_point(&ask.region, x, 70);
	assert_int_equal(region_vary(&ask.region, 1, -1e30, 1e30), 0);
	assert_int_equal(engine_linear.run(linear, &ask, &o), 0);
	assert_true(o.proven == 1 && o.complete && isfinite(o.y_lo));
	check_hostile(loud_linear, &ask);
	ask.region.dim[0].hi = 1e38;
	check_hostile(linear, &ask);
	ask.region.dim[0].hi = 1e308;
	check_hostile(linear, &ask);
	region_point(&ask.region, x, 70);
	assert_int_equal(region_vary(&ask.region, 1, 0, 1), 0);
	ask.region.x[3] = NAN;
	check_hostile(linear, &ask);
	region_point(&ask.region, x, 70);
	assert_int_equal(region_vary(&ask.region, 68, 0.5, nextafter(0.5, 1)), 0);
	assert_int_equal(engine_linear.run(linear, &ask, &o), 0);
	assert_true(o.proven == 1);
	band_make(&ask.band, 5, 4, 100);
	assert_int_equal(engine_linear.run(linear, &ask, &o), 0);
	assert_true(o.proven == 0 && o.refuted == 1);
	engine_linear.close(linear);
	engine_linear.close(loud_linear);
	free_actor(a);
	free_actor(loud);
}

// The same answer with every kernel.
static void same_bits(void **state)
{
	static const char *const kernels[] = {"c", "avx2", "avx512"};
	const char *best = mlp_kernel();
	struct rng g;

	rng_init(&g, 36, 0);
	for (int s = 0; s < SHAPES; s++) {
		struct actor *a = random_actor(shapes[s][0], shapes[s] + 1, 1.5, s);
		void *linear = engine_linear.open(a);
		struct engine_ask ask = {.slices = 2, .budget = 20};
		struct engine_answer o, first;
		bool have_first = false;

		random_region(&g, &ask.region, a->layer[0].in, 3);
		band_make(&ask.band, 90, 110, 100);
		for (int k = 0; k < 3; k++) {
			if (mlp_select(kernels[k]))
				continue;
			assert_int_equal(engine_linear.run(linear, &ask, &o), 0);
			first = have_first ? first : o;
			have_first = true;
			assert_true(o.y_lo == first.y_lo && o.y_hi == first.y_hi &&
				    o.pieces == first.pieces && o.proven == first.proven &&
				    o.refuted == first.refuted);
		}
		engine_linear.close(linear);
		free_actor(a);
	}
	mlp_select(best);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_boxes),
		cmocka_unit_test(golden_lines),
		cmocka_unit_test(inside_box),
		cmocka_unit_test(sound_random),
		cmocka_unit_test(sound_orca),
		cmocka_unit_test(anytime),
		cmocka_unit_test(hostile),
		cmocka_unit_test(same_bits),
	};

	return cmocka_run_group_tests(tests, load_orca, free_orca);
}
