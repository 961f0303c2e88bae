/* Box bounds: against golden values, the naive double, other kernels, and the network itself. */
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
#include "cert/pair.h"
#include "cert_tree.h"

#define TOLERANCE 1e-9

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

static void golden_boxes(void **state)
{
	struct box *b;
	json_t *j, *boxes, *c;
	double widest = 0, apart = 0;
	size_t i;

	need_file(GOLDEN "boxes.json");
	need_file(ORCA ".index");
	b = box_new(orca);
	j = golden_json(GOLDEN "boxes.json");
	boxes = json_object_get(j, "boxes");
	assert_int_equal(json_array_size(boxes), 200);
	json_array_foreach(boxes, i, c)
	{
		const json_t *want = json_object_get(c, "ibp_pre"),
			     *exact = json_object_get(c, "exact_pre");
		double lo, hi, float_lo, float_hi,
			want_lo = json_number_value(json_array_get(want, 0)),
			want_hi = json_number_value(json_array_get(want, 1));
		struct region r;

		golden_region(&r, c);
		box_real(orca, &r, &lo, &hi);
		box_batch(b, &r, 1, 1, &float_lo, &float_hi);
		assert_true(fabs(lo - want_lo) <= TOLERANCE * fmax(1, fabs(want_lo)));
		assert_true(fabs(hi - want_hi) <= TOLERANCE * fmax(1, fabs(want_hi)));
		assert_true(float_lo <= lo && hi <= float_hi);
		apart = fmax(apart, fmax(lo - float_lo, float_hi - hi));
		if (hi - lo > 1)
			widest = fmax(widest, (float_hi - float_lo) / (hi - lo));
		if (exact) {
			assert_true(lo <= json_number_value(json_array_get(exact, 0)) + TOLERANCE);
			assert_true(hi >= json_number_value(json_array_get(exact, 1)) - TOLERANCE);
		}
	}
	print_message("float boxes lie at most %.4f outside real ones; of those over 1 wide, at "
		      "most %.4f times as "
		      "wide\n",
		apart, widest);
	assert_true(widest < 1.02);
	json_decref(j);
	box_free(b);
}

static const struct {
	int pid;
	const char *part;
	double lo, hi;		 // inv_rtt
	double loss_lo, loss_hi; // NAN: as it is
} published[] = {
	{6, "good", 0.75, 1, NAN, NAN},
	{6, "bad", 0, 0.25, NAN, NAN},
	{7, "robust", NAN, NAN, NAN, NAN},
	{8, "good", 0.75, 1, 0.25, 1},
	{8, "bad", 0, 0.25, 0.25, 1},
	{11, "good", 0.75, 1, NAN, NAN},
	{11, "bad", 0, 0.25, NAN, NAN},
	{12, "good", 0.99, 1, 0, 0},
	{12, "bad", 0.99, 1, 0.25, 1},
};

// The loss first: two-dimensional regions are sliced along it.
static void published_region(struct region *r, const json_t *c, int i)
{
	double x[STATE_SIZE], lo = published[i].lo, hi = published[i].hi;

	for (int k = 0; k < STATE_SIZE; k++)
		x[k] = json_number_value(json_array_get(json_object_get(c, "state"), k));
	if (isnan(lo)) {
		lo = fmin(1, x[68] * (1 - golden_number(c, "theta")));
		hi = fmin(1, x[68] * (1 + golden_number(c, "theta")));
	}
	region_point(r, x, STATE_SIZE);
	if (!isnan(published[i].loss_lo))
		assert_int_equal(region_vary(r, 65, published[i].loss_lo, published[i].loss_hi), 0);
	assert_int_equal(region_vary(r, 68, lo, hi), 0);
}

// Keeps the leaves' bounds.
struct leaves {
	int n;
	double lo[32], hi[32];
};

static void skip_cut(void *arg, const double *normal, double offset)
{
}

static void keep_leaf(void *arg, double y_lo, double y_hi, enum engine_verdict v)
{
	struct leaves *l = arg;

	l->lo[l->n] = y_lo;
	l->hi[l->n++] = y_hi;
}

static long check_published(void *box, const json_t *c, int i, const json_t *part)
{
	const json_t *target = json_object_get(part, "target");
	struct leaves leaves = {0};
	struct engine_sink sink = {skip_cut, keep_leaf, &leaves};
	struct engine_ask ask = {.slices = (int)golden_number(c, "N"), .real = true, .sink = &sink};
	struct engine_answer o;

	published_region(&ask.region, c, i);
	band_make(&ask.band, json_integer_value(json_array_get(target, 0)),
		json_integer_value(json_array_get(target, 1)), (uint32_t)golden_number(c, "w"));
	assert_int_equal(engine_box.run(box, &ask, &o), 0);
	assert_int_equal(leaves.n, ask.slices);
	for (int s = 0; s < ask.slices; s++) {
		double lo = json_number_value(json_array_get(json_object_get(part, "a_lo"), s));
		double hi = json_number_value(json_array_get(json_object_get(part, "a_hi"), s));

		assert_true(fabs(tanh(leaves.lo[s]) - lo) <= TOLERANCE);
		assert_true(fabs(tanh(leaves.hi[s]) - hi) <= TOLERANCE);
	}
	assert_true(fabs(o.proven - golden_number(part, "proven")) <= TOLERANCE);
	// the golden file compares ranges of windows; where no percent hits the target, all of it
	// is refuted
	assert_true(
		fabs(o.refuted - (band_empty(&ask.band) ? 1 : golden_number(part, "refuted"))) <=
		TOLERANCE);
	ask.real = false;
	ask.sink = NULL;
	assert_int_equal(engine_box.run(box, &ask, &o), 0);
	assert_true(o.proven <= golden_number(part, "exact") + TOLERANCE);
	assert_true(1 - o.refuted >= golden_number(part, "exact") - TOLERANCE);
	return 1;
}

static void golden_shares(void **state)
{
	json_t *j, *c;
	long parts = 0;
	size_t i;
	void *box;

	need_file(GOLDEN "cert_recommended.json");
	need_file(ORCA ".index");
	box = engine_box.open(orca);
	j = golden_json(GOLDEN "cert_recommended.json");
	json_array_foreach(json_object_get(j, "cases"), i,
		c) for (int p = 0; p < (int)(sizeof(published) / sizeof(published[0])); p++)
	{
		const json_t *part = json_object_get(json_object_get(c, "out"), published[p].part);

		if (golden_number(c, "pid") == published[p].pid && json_is_object(part))
			parts += check_published(box, c, p, part);
	}
	print_message("%ld parts\n", parts);
	assert_true(parts > 80);
	json_decref(j);
	engine_box.close(box);
}

#define BATCH 131 // regions of one batch: more than are held at once

// The same bits alone and in a batch, with every kernel.
static void same_bits(void **state)
{
	static const char *const kernels[] = {"c", "avx2", "avx512"};
	const char *best = mlp_kernel();
	static struct region r[BATCH];
	static double first[2][3 * BATCH], lo[3 * BATCH], hi[3 * BATCH], alone_lo[3], alone_hi[3];
	struct rng g;

	rng_init(&g, 21, 0);
	for (int s = 0; s < SHAPES; s++) {
		struct actor *a = random_actor(shapes[s][0], shapes[s] + 1, 1.5, s);
		struct box *b = box_new(a);
		bool have_first = false;

		for (int i = 0; i < BATCH; i++)
			random_region(&g, &r[i], a->layer[0].in, i % 7);
		for (int k = 0; k < 3; k++) {
			if (mlp_select(kernels[k]))
				continue;
			box_batch(b, r, BATCH, 3, lo, hi);
			if (!have_first) {
				memcpy(first[0], lo, sizeof(lo));
				memcpy(first[1], hi, sizeof(hi));
			}
			have_first = true;
			assert_memory_equal(first[0], lo, sizeof(lo));
			assert_memory_equal(first[1], hi, sizeof(hi));
			for (int i = 0; i < BATCH; i += 13) {
				box_batch(b, &r[i], 1, 3, alone_lo, alone_hi);
				assert_memory_equal(alone_lo, lo + 3 * i, sizeof(alone_lo));
				assert_memory_equal(alone_hi, hi + 3 * i, sizeof(alone_hi));
			}
		}
		box_free(b);
		free_actor(a);
	}
	mlp_select(best);
}

// Interval arithmetic on the network as executed, each sum with its bound on rounding, in double;
// with that of the box's own sums too if own.
static void executed_box(
	const struct actor *a, const struct region *r, bool own, double *y_lo, double *y_hi)
{
	double lo[MLP_MAX_WIDTH], hi[MLP_MAX_WIDTH], next_lo[MLP_MAX_WIDTH], next_hi[MLP_MAX_WIDTH];
	const double unit = 0x1p-24;

	region_hull(r, lo, hi);
	for (int l = 0; l < a->n; l++) {
		const struct mlp_layer *layer = &a->mlp->layer[l];
		double rounding =
			mlp_rounding(a->mlp, l) + (own ? pair_rounding(layer->in, 0) * unit : 0);

		for (int k = 0; k < layer->in;
			k++) { // the state becomes floats; activations are floats
			lo[k] -= 2 * unit * fabs(lo[k]);
			hi[k] += 2 * unit * fabs(hi[k]);
		}
		for (int o = 0; o < layer->out; o++) {
			double from = layer->b[o], to = from, most = fabs(from), error;

			for (int k = 0; k < layer->in; k++) {
				double w = layer->w[(size_t)k * layer->out + o];

				from += w * (w > 0 ? lo[k] : hi[k]);
				to += w * (w > 0 ? hi[k] : lo[k]);
				most += fabs(w) * fmax(fabs(lo[k]), fabs(hi[k]));
			}
			error = rounding * most;
			next_lo[o] = from - error;
			next_hi[o] = to + error;
		}
		for (int o = 0; o < layer->out; o++) {
			double slope = l < a->n - 1 ? a->slope : 1;

			lo[o] = next_lo[o] < 0 ? slope * next_lo[o] : next_lo[o];
			hi[o] = next_hi[o] < 0 ? slope * next_hi[o] : next_hi[o];
		}
	}
	*y_lo = lo[0];
	*y_hi = hi[0];
}

// Float boxes contain those of real and of executed networks, slice by slice, and are hardly wider.
static void contains_naive(void **state)
{
	struct rng g;
	double lo[5], hi[5];

	rng_init(&g, 22, 0);
	for (int i = 0; i < 20 * SHAPES; i++) {
		const int *shape = shapes[i % SHAPES];
		struct actor *a = random_actor(shape[0], shape + 1, 1.5, i);
		struct box *b = box_new(a);
		struct region r, part;

		random_region(&g, &r, a->layer[0].in, i % 5);
		box_batch(b, &r, 1, 5, lo, hi);
		part = r;
		for (int s = 0; s < 5; s++) {
			double width = r.ndims ? r.dim[0].hi - r.dim[0].lo : 0, real_lo, real_hi,
			       exec_lo, exec_hi;

			if (r.ndims) {
				part.dim[0].lo = r.dim[0].lo + width * s / 5;
				part.dim[0].hi =
					s == 4 ? r.dim[0].hi : r.dim[0].lo + width * (s + 1) / 5;
			}
			box_real(a, &part, &real_lo, &real_hi);
			executed_box(a, &part, false, &exec_lo, &exec_hi);
			assert_true(lo[s] <= real_lo && real_hi <= hi[s]);
			assert_true(lo[s] <= exec_lo && exec_hi <= hi[s]);
			executed_box(a, &part, true, &exec_lo, &exec_hi);
			assert_true(hi[s] - lo[s] >= 0.999 * (exec_hi - exec_lo));
			assert_true(hi[s] - lo[s] <= 1.002 * (real_hi - real_lo) + 0.05);
		}
		box_free(b);
		free_actor(a);
	}
}

// Executed networks stay inside, and do what verdicts say.
static void check_sound(
	const struct actor *a, struct rng *g, const struct region *r, int slices, long points)
{
	struct tree tree = {0};
	struct engine_sink sink = {tree_cut, tree_leaf, &tree};
	struct engine_ask ask = {.region = *r, .slices = slices, .sink = &sink, .witness = true};
	struct search *search = search_new(a);
	void *box = engine_box.open(a);
	struct engine_answer o;
	struct probe probe;
	double lo[REGION_INPUTS], hi[REGION_INPUTS], t[REGION_INPUTS], x[REGION_INPUTS];
	int percent;

	probe_init(&probe, a);
	for (int d = 0; d < r->ndims; d++) {
		lo[d] = r->dim[d].lo;
		hi[d] = r->dim[d].hi;
	}
	// around what the network does somewhere, so that all verdicts come up
	random_point(g, r, lo, hi, t);
	region_state(r, t, x);
	percent = action_percent(mlp_action(actor_run(a, x, probe.scratch)));
	band_make(&ask.band, percent - (int)(40 * rng_uniform(g)),
		percent + (int)(20 * rng_uniform(g)), 100);
	assert_int_equal(engine_box.run(box, &ask, &o), 0);
	assert_int_equal(tree.leaves, slices);
	assert_int_equal(o.pieces, slices);
	assert_true(o.proven >= 0 && o.refuted >= 0 && o.proven + o.refuted <= 1);
	assert_int_equal(tree_sample(&ask, &o, &tree, &probe, g, points), 0);
	assert_int_equal(tree_attack(&ask, &o, &tree, &probe, search), 0);
	if (o.refuted > 0)
		assert_true(o.missed);
	if (o.missed) {
		region_state(r, o.t, x);
		for (int d = 0; d < r->ndims; d++)
			assert_true(o.t[d] >= lo[d] && o.t[d] <= hi[d]);
		percent = action_percent(mlp_action(actor_run(a, x, probe.scratch)));
		assert_true(percent < ask.band.first || percent > ask.band.last);
	}
	probe_free(&probe);
	search_free(search);
	engine_box.close(box);
	free(tree.node);
}

static void sound_random(void **state)
{
	struct rng g;

	rng_init(&g, 23, 0);
	for (int i = 0; i < 25 * SHAPES; i++) {
		const int *shape = shapes[i % SHAPES];
		struct actor *a = random_actor(shape[0], shape + 1, i % 3 ? 1.5 : 4, 100 + i);
		struct region r;

		random_region(&g, &r, a->layer[0].in, 1 + i % 6);
		if (r.ndims)
			check_sound(a, &g, &r, 1 + i % 7, 2 * PROBE_POINTS);
		free_actor(a);
	}
}

static void sound_orca(void **state)
{
	struct rng g;
	json_t *j, *boxes;

	need_file(GOLDEN "boxes.json");
	need_file(ORCA ".index");
	rng_init(&g, 24, 0);
	j = golden_json(GOLDEN "boxes.json");
	boxes = json_object_get(j, "boxes");
	for (int i = 0; i < 200; i++) {
		struct region r, tied;

		golden_region(&r, json_array_get(boxes, i));
		if (r.ndims)
			check_sound(orca, &g, &r, 1 + i % 30, 40 * PROBE_POINTS);
		region_point(&tied, r.x, STATE_SIZE);
		region_vary(&tied, 68, 0.9 * rng_uniform(&g), 0.9 + 0.1 * rng_uniform(&g));
		check_sound(orca, &g, &tied, 50, 20 * PROBE_POINTS);
	}
	json_decref(j);
}

static void undecided(void *box, const struct engine_ask *ask)
{
	struct engine_answer o;

	assert_int_equal(engine_box.run(box, ask, &o), 0);
	assert_true(o.proven == 0 && o.refuted == 0 && !o.complete);
	assert_true(o.y_lo == -INFINITY && o.y_hi == INFINITY);
}

// What could overflow proves nothing, though the band holds everything.
static void overflow(void **state)
{
	static const int dims[] = {70, 64, 1};
	struct actor *a = random_actor(2, dims, 1, 5), *loud = random_actor(2, dims, 1e20, 5);
	void *box = engine_box.open(a), *loud_box = engine_box.open(loud);
	struct engine_ask ask = {.slices = 5};
	struct engine_answer o;
	double x[70] = {0};

	band_make(&ask.band, -1, 1000000, 100);
	region_point(&ask.region, x, 70);
	assert_int_equal(region_vary(&ask.region, 1, -1e30, 1e30), 0);
	assert_int_equal(engine_box.run(box, &ask, &o), 0);
	assert_true(o.proven == 1 && o.complete && isfinite(o.y_lo));
	undecided(loud_box, &ask);
	ask.region.dim[0].hi = 1e38;
	undecided(box, &ask);
	ask.region.dim[0].hi = 1e308;
	undecided(box, &ask);
	region_point(&ask.region, x, 70);
	ask.region.x[3] = 1e300;
	assert_int_equal(region_vary(&ask.region, 1, 0, 1), 0);
	undecided(box, &ask);
	ask.region.x[3] = NAN;
	undecided(box, &ask);
	engine_box.close(box);
	engine_box.close(loud_box);
	free_actor(a);
	free_actor(loud);
}

// Slices of an interval of neighbouring numbers: some are empty, the shares still sum to what there
// is.
static void thin(void **state)
{
	static const int dims[] = {70, 64, 1};
	struct actor *a = random_actor(2, dims, 1, 5);
	void *box = engine_box.open(a);
	struct engine_ask ask = {.slices = 7};
	struct engine_answer o;
	double x[70] = {0};

	region_point(&ask.region, x, 70);
	assert_int_equal(region_vary(&ask.region, 68, 0.5, nextafter(0.5, 1)), 0);
	band_make(&ask.band, -1, 1000000, 100);
	assert_int_equal(engine_box.run(box, &ask, &o), 0);
	assert_true(o.proven == 1 && o.refuted == 0);
	band_make(&ask.band, 5, 4, 100);
	assert_int_equal(engine_box.run(box, &ask, &o), 0);
	assert_true(o.proven == 0 && o.refuted == 1);
	ask.region.ndims = 0;
	assert_int_equal(engine_box.run(box, &ask, &o), -EINVAL);
	engine_box.close(box);
	free_actor(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_boxes),
		cmocka_unit_test(golden_shares),
		cmocka_unit_test(same_bits),
		cmocka_unit_test(contains_naive),
		cmocka_unit_test(sound_random),
		cmocka_unit_test(sound_orca),
		cmocka_unit_test(overflow),
		cmocka_unit_test(thin),
	};

	return cmocka_run_group_tests(tests, load_orca, free_orca);
}
