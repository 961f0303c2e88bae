/* The reference's certificates: shares and bounds of every part, by slow engines of our own. */
#include "golden_cert.h"

#include <math.h>

#include "cert/qc.h"
#include "model/tf_import.h"
#include "slow_engines.h"

#define EXACT_2D 0.03 // what the mean over lines may be off

static void assert_near(double x, double want, double by)
{
	if (!(fabs(x - want) <= by))
		fail_msg("%.12g is not %.12g within %g", x, want, by);
}

static struct mlp *published(void)
{
	struct model *model = NULL;
	struct mlp *m;

	need_file(SHARED "orca/model.ckpt-1283529.index");
	assert_int_equal(tf_import_file(&model, SHARED "orca/model.ckpt-1283529"), 0);
	m = model_fold(model);
	assert_non_null(m);
	model_free(model);
	return m;
}

static double least_of(const json_t *list, double sign)
{
	double least = INFINITY;
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v) least = fmin(least, sign * json_number_value(v));
	return sign * least;
}

static void check_part(
	const struct part *p, const struct engine_answer *a, const json_t *want, bool box)
{
	if (!box) {
		assert_near(a->exact, golden_number(want, "exact"),
			p->region.ndims == 1 ? 1e-9 : EXACT_2D);
		return;
	}
	assert_near(a->proven, golden_number(want, "proven"), 1e-9);
	// The reference sees intervals of windows: one that holds a target which no percent hits is
	// not refuted there.
	assert_near(a->refuted, band_empty(&p->band) ? 1 : golden_number(want, "refuted"), 1e-9);
	assert_near(tanh(a->y_lo), least_of(json_object_get(want, "a_lo"), 1), 1e-9);
	assert_near(tanh(a->y_hi), least_of(json_object_get(want, "a_hi"), -1), 1e-9);
}

// One reference case by one engine; returns the parts that triggered.
static int check_case(const struct golden_case *g, const struct actor *actor, bool box)
{
	const struct qc_conf conf = {
		.engine = box ? ENGINE_BOX : ENGINE_EXACT, .slices = g->slices};
	struct qc *q = qc_new(g->properties, actor, &conf);
	struct qc_share s;
	double sum = 0;
	int n = 0;

	assert_int_equal(qc_decide(q, &g->d, &s), 0);
	for (int i = 0; i < g->properties->n; i++) {
		const json_t *want = golden_part(g, g->properties->property[i].name);
		const struct engine_answer *a;
		const struct part *p = qc_part(q, i, &a);

		assert_int_equal(p->status == PART_TRIGGERED, want != NULL);
		if (!want)
			continue;
		check_part(p, a, want, box);
		sum += golden_number(want, box ? "proven" : "exact");
		n++;
	}
	assert_int_equal(s.triggered, n > 0);
	if (n)
		assert_near(s.qc, sum / n, box || g->id < 8 || g->id == 11 ? 1e-9 : EXACT_2D);
	assert_true(!n || isnan(s.exact) == box);
	qc_free(q);
	return n;
}

static void check_golden(bool box)
{
	struct mlp *m = published();
	struct actor *actor;
	int parts = 0;
	json_t *j, *c;
	size_t i;

	need_file(GOLDEN_CERT);
	j = golden_json(GOLDEN_CERT);
	assert_non_null(j);
	assert_int_equal(actor_new(&actor, m), 0);
	json_array_foreach(json_object_get(j, "cases"), i, c)
	{
		struct golden_case g;

		golden_case(&g, c);
		parts += check_case(&g, actor, box);
		property_free(g.properties);
	}
	assert_int_equal(parts, 32 + 16 + 32 + 20 + 16);
	json_decref(j);
	actor_free(actor);
	mlp_free(m);
}

static void test_golden_box(void **state)
{
	check_golden(true);
}

static void test_golden_exact(void **state)
{
	check_golden(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_box),
		cmocka_unit_test(test_golden_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
