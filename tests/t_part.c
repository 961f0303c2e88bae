/* Parts: when a property triggers, over which region, and which windows it wants. */
#include "golden_cert.h"

#include <errno.h>
#include <math.h>

#include "base/log.h"
#include "base/rng.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define INV_RTT (STATE_SIZE - FRAME_FEATURES + FRAME_INV_RTT)
#define LOSS (STATE_SIZE - FRAME_FEATURES + FRAME_LOSS)
#define DELAY (STATE_SIZE - FRAME_FEATURES + FRAME_DELAY)

static struct property_file *parsed(const char *text)
{
	struct property_file *f = NULL;

	assert_int_equal(property_parse(&f, text, "p.txt", NULL, 0), 0);
	return f;
}

static double state_of_ones[REGION_INPUTS];

static struct cert_decision decision(uint32_t w, uint32_t p, int n, const int64_t *changes)
{
	for (int i = 0; i < REGION_INPUTS; i++)
		state_of_ones[i] = 0.5;
	return (struct cert_decision){.x = state_of_ones,
		.nin = STATE_SIZE,
		.w = w,
		.p = p,
		.clean = w,
		.nchanges = n,
		.changes = changes};
}

static void check_golden(const struct golden_case *g, int triggered[2])
{
	const struct property_file *f = g->properties;

	for (int i = 0; i < f->n; i++) {
		const json_t *want = golden_part(g, f->property[i].name), *target;
		struct part part;

		assert_int_equal(part_make(&part, &f->property[i], &g->d), 0);
		if (!want) {
			assert_int_equal(part.status, PART_GIVEN);
			continue;
		}
		assert_int_equal(part.status, PART_TRIGGERED);
		target = json_object_get(want, "target");
		assert_int_equal(part.lo, json_integer_value(json_array_get(target, 0)));
		assert_int_equal(part.hi, json_integer_value(json_array_get(target, 1)));
		triggered[0]++;
		triggered[1] += (int64_t)action_window(100, g->d.w) >= part.lo &&
				(int64_t)action_window(100, g->d.w) <= part.hi;
	}
}

// Triggering and targets, and how often doing nothing meets them: 15 of 20 in deep buffers, 11 of
// 16 in shallow ones.
static void test_golden(void **state)
{
	int triggered[16][2] = {{0}};
	json_t *j, *c;
	size_t i;

	need_file(GOLDEN_CERT);
	j = golden_json(GOLDEN_CERT);
	assert_non_null(j);
	json_array_foreach(json_object_get(j, "cases"), i, c)
	{
		struct golden_case g;

		golden_case(&g, c);
		check_golden(&g, triggered[g.id]);
		property_free(g.properties);
	}
	assert_int_equal(triggered[6][0], 32);
	assert_int_equal(triggered[7][0], 16);
	assert_int_equal(triggered[8][0], 32);
	assert_int_equal(triggered[11][0], 20);
	assert_int_equal(triggered[11][1], 15);
	assert_int_equal(triggered[12][0], 16);
	assert_int_equal(triggered[12][1], 11);
	json_decref(j);
}

static enum part_status status_of(
	const struct property_file *f, const char *name, const struct cert_decision *d)
{
	struct part part;

	for (int i = 0; i < f->n; i++)
		if (!strcmp(f->property[i].name, name)) {
			assert_int_equal(part_make(&part, &f->property[i], d), 0);
			return part.status;
		}
	fail_msg("there is no property %s", name);
	return PART_EMPTY;
}

// The table of the published properties, over all signs of the last three changes.
static void test_triggers(void **state)
{
	struct property_file *deep, *shallow;

	assert_int_equal(property_load(&deep, "deep-buffer", NULL, 0), 0);
	assert_int_equal(property_load(&shallow, "shallow-buffer", NULL, 0), 0);
	for (int i = 0; i < 27; i++) {
		const int64_t c[3] = {5 * (i % 3 - 1), i / 3 % 3 - 1, 100 * (i / 9 - 1)};
		const bool down = c[0] <= 0 && c[1] <= 0 && c[2] <= 0;
		const bool up = c[0] >= 0 && c[1] >= 0 && c[2] >= 0;
		const bool zero = down && up;
		struct cert_decision d = decision(100, 100, 3, c);

		assert_int_equal(status_of(deep, "grow", &d), down ? PART_TRIGGERED : PART_GIVEN);
		assert_int_equal(status_of(deep, "shrink", &d), up ? PART_TRIGGERED : PART_GIVEN);
		assert_int_equal(status_of(deep, "recover", &d),
			down && !zero ? PART_TRIGGERED : PART_GIVEN);
		assert_int_equal(
			status_of(shallow, "grow", &d), down ? PART_TRIGGERED : PART_GIVEN);
		assert_int_equal(
			status_of(shallow, "shrink", &d), up ? PART_TRIGGERED : PART_GIVEN);
	}
	property_free(deep);
	property_free(shallow);
}

static void test_short_history(void **state)
{
	const int64_t c[3] = {-1, -1, 1}; // the third would spoil it
	struct property_file *f =
		parsed("let k = 2\nproperty k\ngiven dcwnd[-1..-k] <= 0\nthen dcwnd in [0, 1]\n"
		       "property free\nthen cwnd / cwnd(clean) in [0.99, 1.01]\n"
		       "property prev\nthen cwnd <= 2 * cwnd(prev)\n");
	struct cert_decision d = decision(100, 0, 0, c);

	assert_int_equal(status_of(f, "free", &d), PART_TRIGGERED);
	assert_int_equal(status_of(f, "prev", &d), PART_SHORT);
	assert_int_equal(status_of(f, "k", &d), PART_SHORT);
	d = decision(100, 100, 1, c);
	assert_int_equal(status_of(f, "prev", &d), PART_TRIGGERED);
	assert_int_equal(status_of(f, "k", &d), PART_SHORT);
	d = decision(100, 100, 3, c);
	assert_int_equal(status_of(f, "k", &d), PART_TRIGGERED);
	property_free(f);
}

static void test_conditions(void **state)
{
	static const struct {
		const char *given;
		bool holds;
	} all[] = {{"cwnd(prev) >= 100", true}, {"cwnd(prev) > 100", false},
		{"cwnd(prev) == 100", true}, {"cwnd(report) < 2.5 * cwnd(prev)", true},
		{"cwnd(report) < 2 * cwnd(prev)", false}, {"inv_rtt >= 0.5", true},
		{"inv_rtt > 0.5", false}, {"some inv_rtt[*] > 0.5", false},
		{"all inv_rtt[*] <= 0.5", true}, {"dcwnd[-2] == 7", true},
		{"some dcwnd[-1..-3] < -2.5", true}, {"dcwnd[-1..-3] < 8", true},
		{"dcwnd[-3] > -0.02 * cwnd(prev)", false},
		{"cwnd(prev) >= 100, inv_rtt > 0.5", false}, {"cwnd(clean) <= cwnd(report)", true}};
	const int64_t c[3] = {0, 7, -3};
	struct cert_decision d = decision(200, 100, 3, c);

	for (size_t i = 0; i < LEN(all); i++) {
		char *text = file_path("property p\ngiven %s\nthen cwnd >= 4\n", all[i].given);
		struct property_file *f = parsed(text);

		assert_int_equal(status_of(f, "p", &d), all[i].holds ? PART_TRIGGERED : PART_GIVEN);
		property_free(f);
		free(text);
	}
}

#define IN_CHANGE(c, d) ((c) - (int64_t)(d)->p)

static bool change_0_25(int64_t c, const struct cert_decision *d)
{
	return IN_CHANGE(c, d) >= 0 && IN_CHANGE(c, d) <= 25;
}

static bool clean_1_percent(int64_t c, const struct cert_decision *d)
{
	return 100 * llabs(c - (int64_t)d->clean) <= d->clean;
}

static bool change_of_installed(int64_t c, const struct cert_decision *d)
{
	return 100 * IN_CHANGE(c, d) >= -5 * c && 100 * IN_CHANGE(c, d) <= 10 * c;
}

static bool change_of_prev(int64_t c, const struct cert_decision *d)
{
	return 1000 * IN_CHANGE(c, d) > -333 * (int64_t)d->p && 2 * IN_CHANGE(c, d) < d->p;
}

static bool larger_of(int64_t c, const struct cert_decision *d)
{
	return 10 * IN_CHANGE(c, d) >= -(d->p > 250 ? (int64_t)d->p : 250) && IN_CHANGE(c, d) <= 0;
}

static bool halved_doubled(int64_t c, const struct cert_decision *d)
{
	return 2 * c >= d->p && c <= 2 * (int64_t)d->p;
}

static bool below_clean(int64_t c, const struct cert_decision *d)
{
	return c < d->clean;
}

static bool equals_third(int64_t c, const struct cert_decision *d)
{
	return 3 * c == d->w;
}

static bool everything(int64_t c, const struct cert_decision *d)
{
	return true;
}

static bool nothing(int64_t c, const struct cert_decision *d)
{
	return false;
}

// Targets against the definition, window by window in whole numbers.
static void test_targets(void **state)
{
	static const struct {
		const char *then;
		bool (*hit)(int64_t c, const struct cert_decision *d);
	} all[] = {{"dcwnd in [0, 25]", change_0_25},
		{"cwnd / cwnd(clean) in [0.99, 1.01]", clean_1_percent},
		{"dcwnd / cwnd in [-0.05, 0.10]", change_of_installed},
		{"dcwnd / cwnd(prev) > -0.333, dcwnd / cwnd(prev) < 1 / 2", change_of_prev},
		{"dcwnd in [-max(25, 0.1 * cwnd(prev)), 0]", larger_of},
		{"cwnd >= cwnd(prev) / 2, cwnd <= 2 * cwnd(prev)", halved_doubled},
		{"cwnd / cwnd(prev) in [0.5, 2]", halved_doubled},
		{"cwnd < cwnd(clean)", below_clean}, {"cwnd == cwnd(report) / 3", equals_third},
		{"dcwnd / cwnd < 1", everything}, {"dcwnd / cwnd <= 2", everything},
		{"dcwnd / cwnd >= 1", nothing}, {"dcwnd / cwnd > 1.5", nothing},
		{"cwnd in [cwnd(prev) + 1, cwnd(prev)]", nothing},
		{"cwnd > cwnd(clean), cwnd < cwnd(clean) + 1", nothing}};
	struct rng rng;

	rng_init(&rng, 11, 0);
	for (size_t i = 0; i < LEN(all); i++) {
		char *text = file_path("property p\nthen %s\n", all[i].then);
		struct property_file *f = parsed(text);

		for (int k = 0; k < 40; k++) {
			struct cert_decision d = decision(1 + rng_below(&rng, 900),
				1 + rng_below(&rng, k < 20 ? 30 : 900), 0, NULL);
			int64_t lo, hi;

			d.clean = 4 + rng_below(&rng, k < 20 ? 200 : 900);
			assert_int_equal(part_target(&lo, &hi, &f->property[0], &d), 0);
			for (int64_t c = 1; c < 2000; c++)
				assert_int_equal(c >= lo && c <= hi, all[i].hit(c, &d));
		}
		property_free(f);
		free(text);
	}
}

static int64_t far_target(const char *then, uint32_t p, bool low)
{
	const struct cert_decision d = decision(UINT32_MAX, p, 0, NULL);
	char *text = file_path("property p\nthen %s\n", then);
	struct property_file *f = parsed(text);
	int64_t lo, hi;

	assert_int_equal(part_target(&lo, &hi, &f->property[0], &d), 0);
	property_free(f);
	free(text);
	return low ? lo : hi;
}

static void test_far_targets(void **state)
{
	assert_true(far_target("cwnd <= 9", 1, true) == -PART_FAR);
	assert_true(far_target("cwnd >= 9", 1, false) == PART_FAR);
	assert_true(far_target("cwnd <= 999999999999999999 * cwnd(prev)", UINT32_MAX, false) ==
		    PART_FAR);
	assert_true(far_target("cwnd >= 999999999999999999 * cwnd(prev)", UINT32_MAX, true) ==
		    PART_FAR);
	assert_true(
		far_target("cwnd / cwnd(prev) <= 2", UINT32_MAX, false) == 2 * (int64_t)UINT32_MAX);
}

static struct part part_over(const char *over, struct cert_decision *d)
{
	char *text = file_path("property p\nover %s\nthen cwnd >= 4\n", over);
	struct property_file *f = parsed(text);
	struct part part;

	assert_int_equal(part_make(&part, &f->property[0], d), 0);
	property_free(f);
	free(text);
	return part;
}

static void test_regions(void **state)
{
	struct cert_decision d = decision(100, 100, 0, NULL);
	struct part p = part_over("loss in [0.25, 1], inv_rtt in [0.9, 7]", &d);

	assert_int_equal(p.region.ndims, 2); // in the order written
	assert_int_equal(p.region.dim[0].input, LOSS);
	assert_int_equal(p.region.dim[1].input, INV_RTT);
	assert_int_equal(p.region.dim[1].tied, DELAY);
	assert_true(p.region.dim[1].lo == 0.9 && p.region.dim[1].hi == 1); // clipped
	p = part_over("inv_rtt in [-3, 0.5]", &d);
	assert_true(p.region.dim[0].lo == 0 && p.region.dim[0].hi == 0.5);
	p = part_over("loss in [0, 0], inv_rtt in [1, 1]", &d);
	assert_int_equal(p.status, PART_TRIGGERED);
	assert_int_equal(p.region.ndims, 0);
	assert_true(p.region.x[LOSS] == 0 && p.region.x[INV_RTT] == 1 && p.region.x[DELAY] == 1);
	p = part_over("inv_rtt *= [0.95, 1.05]", &d);
	assert_true(p.region.dim[0].lo == 0.5 * 0.95 && p.region.dim[0].hi == 0.5 * 1.05);
	state_of_ones[INV_RTT] = 0.98;
	p = part_over("inv_rtt *= [0.95, 1.05]", &d);
	assert_true(p.region.dim[0].lo == 0.98 * 0.95 && p.region.dim[0].hi == 1);
	state_of_ones[INV_RTT] = 0; // missing history
	p = part_over("inv_rtt *= [0.95, 1.05]", &d);
	assert_true(p.status == PART_TRIGGERED && p.region.ndims == 0 && p.region.x[INV_RTT] == 0);
	state_of_ones[INV_RTT] = 1.2; // features may leave their range, regions not
	assert_int_equal(part_over("inv_rtt *= [0.95, 1.05]", &d).status, PART_EMPTY);
	state_of_ones[INV_RTT] = 1e308;
	assert_int_equal(part_over("inv_rtt *= [10, 11]", &d).status, PART_EMPTY);
	state_of_ones[LOSS] = 1e308;
	assert_int_equal(part_over("loss *= [10, 11]", &d).status, PART_EMPTY);
	p = part_over("inv_rtt[*] in [0, 1]", &d);
	assert_int_equal(p.region.ndims, FRAME_HISTORY);
	for (int i = 0; i < FRAME_HISTORY; i++)
		assert_int_equal(p.region.dim[i].tied, p.region.dim[i].input + 1);
}

static void test_extended_state(void **state)
{
	struct cert_decision d = decision(100, 100, 0, NULL);
	struct part p;

	d.nin = 74;
	state_of_ones[73] = -3;
	p = part_over("inv_rtt in [0, 1]", &d);
	assert_int_equal(p.region.nin, 74);
	assert_int_equal(p.region.dim[0].input, INV_RTT);
	assert_true(p.region.x[73] == -3);
}

static void test_band(void **state)
{
	struct property_file *f = parsed("property p\nthen dcwnd in [0, 25]\n");
	struct cert_decision d = decision(100, 130, 0, NULL);
	struct part p;

	assert_int_equal(part_make(&p, &f->property[0], &d), 0);
	assert_int_equal(p.band.first, 130);
	assert_int_equal(p.band.last, 155);
	d.p = 401; // out of reach
	assert_int_equal(part_make(&p, &f->property[0], &d), 0);
	assert_true(p.status == PART_TRIGGERED && band_empty(&p.band));
	property_free(f);
}

static void refuses(const char *text, struct cert_decision d, int err)
{
	struct property_file *f = parsed(text);
	struct part part = {.status = PART_SHORT};

	assert_int_equal(part_make(&part, &f->property[0], &d), err);
	assert_true(part.status == PART_SHORT && !part.property);
	property_free(f);
}

static void test_refusals(void **state)
{
	static const char any[] = "property p\nthen dcwnd <= 0\n";
	static const char zero[] = "property p\nthen cwnd <= 1 / (cwnd(prev) - cwnd(report))\n";
	static const char big[] =
		"property p\nthen cwnd <= cwnd(prev) * cwnd(prev) * cwnd(prev) * cwnd(prev) * 2\n";
	static const char given[] = "property p\ngiven 1 / (cwnd(prev) - 7) > 0\nthen cwnd >= 4\n";
	struct cert_decision d = decision(100, 100, 0, NULL);

	refuses(zero, d, -EDOM);
	d.w = 0;
	refuses(any, d, -EINVAL);
	d = decision(100, UINT32_MAX, 0, NULL);
	refuses(big, d, -EOVERFLOW);
	refuses(given, decision(100, 7, 0, NULL), -EDOM);
	d.nin = STATE_SIZE - 1;
	refuses(any, d, -EINVAL);
	d.nin = REGION_INPUTS + 1;
	refuses(any, d, -EINVAL);
	d = decision(100, 100, 0, NULL);
	state_of_ones[3] = NAN;
	refuses(any, d, -EINVAL);
	state_of_ones[3] = INFINITY;
	refuses(any, d, -EINVAL);
	d = decision(100, 100, -1, NULL);
	refuses(any, d, -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_triggers),
		cmocka_unit_test(test_short_history),
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_far_targets),
		cmocka_unit_test(test_regions),
		cmocka_unit_test(test_extended_state),
		cmocka_unit_test(test_band),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
