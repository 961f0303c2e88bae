/* Exact certificates against the golden lines, boxes and shares. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cert_nets.h"

#define NEWEST_RTT 68
#define NEWEST_LOSS 65

static const struct engine_ops *const engines[] = {NULL, &engine_exact1, &engine_exact2};

static bool near(double a, double b, double tolerance)
{
	if (fabs(a - b) <= tolerance)
		return true;
	printf("%.17g is not %.17g\n", a, b);
	return false;
}

static struct actor *orca_actor(void)
{
	struct actor *a = NULL;
	struct mlp *m = orca_net();

	assert_non_null(m);
	assert_int_equal(actor_new(&a, m), 0);
	return a;
}

static double item(const json_t *array, int i)
{
	return json_number_value(json_array_get(array, i));
}

static void golden_state(struct region *r, const json_t *line)
{
	const json_t *state = json_object_get(line, "state");
	double x[REGION_INPUTS];

	for (int k = 0; k < 70; k++)
		x[k] = item(state, k);
	region_point(r, x, 70);
}

// The band where lo <= 4^a * w <= hi, without rounding to percents.
static void real_band(struct band *b, double lo, double hi, double w)
{
	*b = (struct band){.lo = lo <= w / 4 ? -INFINITY : atanh(fmin(log2(lo / w) / 2, 1)),
		.hi = hi >= w * 4   ? INFINITY
		      : hi <= w / 4 ? -INFINITY
				    : atanh(log2(hi / w) / 2)};
}

static void check_line(void *state, const struct mlp *net, const json_t *line)
{
	struct engine_ask ask = {.slices = 1, .real = true};
	const json_t *inv = json_object_get(line, "inv"),
		     *range = json_object_get(line, "pre_range");
	const json_t *target = json_object_get(line, "target"),
		     *ends = json_object_get(line, "pre_at_ends");
	const json_t *action = json_object_get(line, "action_range");
	bool tied = json_is_true(json_object_get(line, "consistent_delay_metric"));
	struct engine_answer o;
	double x[REGION_INPUTS], y;

	golden_state(&ask.region, line);
	ask.region.ndims = 1;
	ask.region.dim[0] = (struct region_dim){
		NEWEST_RTT, tied ? NEWEST_RTT + 1 : -1, item(inv, 0), item(inv, 1)};
	band_make(&ask.band, (int64_t)ceil(item(target, 0)), (int64_t)floor(item(target, 1)),
		(uint32_t)golden_number(line, "w"));
	assert_int_equal(engine_exact1.run(state, &ask, &o), 0);
	assert_int_equal(o.pieces, golden_number(line, "pieces"));
	assert_true(near(o.exact, golden_number(line, "fraction_installed"), 1e-9));
	assert_true(o.proven <= o.exact + 1e-9 && o.exact <= 1 - o.refuted + 1e-9);
	assert_true(near(o.real_lo, item(range, 0), 1e-9) && near(o.real_hi, item(range, 1), 1e-9));
	assert_true(near(tanh(o.real_lo), item(action, 0), 1e-9));
	assert_true(near(tanh(o.real_hi), item(action, 1), 1e-9));
	assert_true(near(o.y_lo, o.real_lo, 1e-9 * (1 + fabs(o.real_lo))));
	assert_true(near(o.y_hi, o.real_hi, 1e-9 * (1 + fabs(o.real_hi))));
	for (int end = 0; end < 2; end++) {
		region_state(&ask.region, end ? &ask.region.dim[0].hi : &ask.region.dim[0].lo, x);
		mlp_forward_ref(net, x, &y, 1);
		assert_true(near(y, item(ends, end), 1e-9));
		assert_true(y >= o.y_lo && y <= o.y_hi);
		region_state(&ask.region, end ? o.arg_hi : o.arg_lo, x);
		mlp_forward_ref(net, x, &y, 1);
		assert_true(near(y, item(range, end), 1e-9));
	}
	real_band(&ask.band, item(target, 0), item(target, 1), golden_number(line, "w"));
	assert_int_equal(engine_exact1.run(state, &ask, &o), 0);
	assert_true(near(o.exact, golden_number(line, "fraction_real"), 1e-8));
}

static void test_golden_lines(void **unused)
{
	struct actor *a;
	json_t *j, *line;
	size_t i;
	void *state;

	need_file(GOLDEN "exact_lines.json");
	need_file(ORCA ".index");
	a = orca_actor();
	state = engine_exact1.open(a);
	j = golden_json(GOLDEN "exact_lines.json");
	assert_int_equal(json_array_size(json_object_get(j, "lines")), 120);
	json_array_foreach(json_object_get(j, "lines"), i, line) check_line(state, a->mlp, line);
	engine_exact1.close(state);
	json_decref(j);
	free_actor(a);
}

static void test_golden_boxes(void **unused)
{
	struct actor *a;
	json_t *j, *box;
	size_t i;
	void *state[3];
	int seen[3] = {0};

	need_file(GOLDEN "boxes.json");
	need_file(ORCA ".index");
	a = orca_actor();
	for (int d = 1; d <= 2; d++)
		state[d] = engines[d]->open(a);
	j = golden_json(GOLDEN "boxes.json");
	json_array_foreach(json_object_get(j, "boxes"), i, box)
	{
		struct engine_ask ask = {.slices = 1, .real = true};
		const json_t *exact = json_object_get(box, "exact_pre"),
			     *crown = json_object_get(box, "crown_full_pre");
		struct engine_answer o;
		int d;

		golden_region(&ask.region, box);
		band_make(&ask.band, 100, 125, 100);
		d = ask.region.ndims;
		if (d < 1 || d > 2)
			continue;
		seen[d]++;
		assert_int_equal(engines[d]->run(state[d], &ask, &o), 0);
		assert_true(
			o.real_lo >= item(crown, 0) - 1e-9 && o.real_hi <= item(crown, 1) + 1e-9);
		if (!exact)
			continue;
		assert_true(near(o.real_lo, item(exact, 0), 1e-9));
		assert_true(near(o.real_hi, item(exact, 1), 1e-9));
		assert_int_equal(o.pieces, golden_number(box, "pieces"));
	}
	assert_true(seen[1] >= 100 && seen[2] >= 40);
	for (int d = 1; d <= 2; d++)
		engines[d]->close(state[d]);
	json_decref(j);
	free_actor(a);
}

// The region of a part of a published property.
static void property_region(struct region *r, int id, const char *part, double theta)
{
	double rtt = r->x[NEWEST_RTT];
	bool good = !strcmp(part, "good");

	if (id == 7)
		region_vary(r, NEWEST_RTT, fmax(0.95 * rtt, 0), fmin(1.05 * rtt, 1));
	else if (id == 12)
		region_vary(r, NEWEST_RTT, 0.99, 1);
	else
		region_vary(r, NEWEST_RTT, good ? 1 - theta : 0, good ? 1 : theta);
	if (id == 12 && good)
		region_vary(r, NEWEST_LOSS, 0, 0);
	else if (id == 12 || id == 8)
		region_vary(r, NEWEST_LOSS, theta, 1);
}

static void test_golden_shares(void **unused)
{
	struct actor *a;
	json_t *j, *c, *part;
	const char *name;
	size_t i;
	void *state[3];
	int seen[3] = {0};

	need_file(GOLDEN "cert_recommended.json");
	need_file(ORCA ".index");
	a = orca_actor();
	for (int d = 1; d <= 2; d++)
		state[d] = engines[d]->open(a);
	j = golden_json(GOLDEN "cert_recommended.json");
	json_array_foreach(json_object_get(j, "cases"), i, c)
		json_object_foreach(json_object_get(c, "out"), name, part)
	{
		struct engine_ask ask = {.slices = 1};
		const json_t *target = json_object_get(part, "target");
		struct engine_answer o;
		int d;

		if (json_is_null(part))
			continue;
		golden_state(&ask.region, c);
		property_region(
			&ask.region, golden_number(c, "pid"), name, golden_number(c, "theta"));
		band_make(&ask.band, (int64_t)item(target, 0), (int64_t)item(target, 1),
			(uint32_t)golden_number(c, "w"));
		d = ask.region.ndims;
		seen[d]++;
		assert_int_equal(engines[d]->run(state[d], &ask, &o), 0);
		assert_true(near(o.exact, golden_number(part, "exact"), 1e-9));
		assert_true(o.proven <= o.exact + 1e-9 && o.exact <= 1 - o.refuted + 1e-9);
		assert_true(o.proven >= golden_number(part, "proven") - 1e-9);
		assert_true(o.refuted >= golden_number(part, "refuted") - 1e-9);
	}
	assert_true(seen[1] > 50 && seen[2] > 20);
	for (int d = 1; d <= 2; d++)
		engines[d]->close(state[d]);
	json_decref(j);
	free_actor(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_lines),
		cmocka_unit_test(test_golden_boxes),
		cmocka_unit_test(test_golden_shares),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
