/* The checker believes what the engines prove, of every kind and dimension, and nothing tighter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cert/cert_file.h"
#include "cert/part.h"
#include "check/check.h"
#include "check_model.h"
#include "golden.h"
#include "model/tf_import.h"

#define ORCA SHARED "orca/model.ckpt-1283529"

static const struct {
	const char *property, *engine;
	int slices;
	long budget;
} asks[] = {
	{"deep-buffer", "exact", 1, 0}, {"deep-buffer", "box", 5, 0},
	{"deep-buffer", "linear", 3, 60}, {"shallow-buffer", "exact", 1, 0},
	{"shallow-buffer", "box", 7, 0}, {"shallow-buffer", "linear", 2, 60},
	{"robustness", "auto", 1, 0}, {"monotone", "auto", 1, 0}, {"steady", "auto", 1, 0},
	{"safety", "exact", 1, 0}, {"noise-everywhere", "auto", 1, 40},
	{"noise-everywhere", "box", 4, 0}, {"noise-everywhere", "linear", 1, 0}, // bounds nothing
};

struct certifier {
	struct check *check;
	struct mlp *mlp;
	struct actor *actor;
	struct engine *engine;
	float *scratch;
};

static void open_certifier(struct certifier *c, const struct model *m)
{
	assert_int_equal(check_new(&c->check, m), 0);
	c->mlp = model_fold(m);
	assert_int_equal(actor_new(&c->actor, c->mlp), 0);
	c->engine = engine_new(c->actor);
	c->scratch = malloc(mlp_scratch(c->mlp) * sizeof(*c->scratch));
}

static void close_certifier(struct certifier *c)
{
	check_free(c->check);
	engine_free(c->engine);
	actor_free(c->actor);
	mlp_free(c->mlp);
	free(c->scratch);
}

static struct cert_entry certify(
	const struct certifier *c, const struct property_file *f, int i, struct rng *g)
{
	const int kind = engine_find(asks[i].engine);
	struct cert_entry e = {
		.nstate = STATE_SIZE, .w = 10 + (uint32_t)(rng_uniform(g) * 500), .nchanges = 3};
	struct cert_decision d = {
		.x = e.state, .nin = STATE_SIZE, .nchanges = 3, .changes = e.changes};
	bool rises = rng_uniform(g) < 0.5;

	d.w = e.w;
	d.p = e.p = e.w - 5;
	for (int k = 0; k < 3; k++)
		e.changes[k] = (int64_t)(rng_uniform(g) * 4) * (rises ? 1 : -1);
	for (int k = 0; k < STATE_SIZE; k++) { // inv_rtt and its delay_metric belong together
		double v = rng_uniform(g);

		e.state[k] = (float)(k % FRAME_FEATURES == FRAME_DELAY ? region_tied(e.state[k - 1])
								       : v);
	}
	d.clean = e.clean = part_window(actor_run(c->actor, e.state, c->scratch), e.w);
	e.parts = calloc(f->n, sizeof(*e.parts));
	for (int k = 0; k < f->n; k++) {
		struct cert_part *p = &e.parts[e.nparts];
		struct engine_ask ask = {
			.slices = asks[i].slices, .budget = asks[i].budget, .witness = true};
		struct engine_answer a;
		struct engine_sink sink;
		struct part part;

		assert_int_equal(part_make(&part, &f->property[k], &d), 0);
		if (part.status != PART_TRIGGERED)
			continue;
		sink = cert_tree_sink(&p->tree, part.region.ndims);
		ask.region = part.region;
		ask.band = part.band;
		ask.sink = &sink;
		assert_int_equal(engine_run(c->engine, (enum engine_kind)kind, &ask, &a), 0);
		p->property = strdup(part.property->name);
		p->region = part.region;
		p->lo = part.lo;
		p->hi = part.hi;
		assert_int_equal(cert_part_claim(p, &a), 0);
		e.nparts++;
	}
	return e;
}

// Certificates of random decisions by every engine, through the file format.
static void check_engines(const struct model *m, int decisions, uint64_t seed)
{
	struct certifier c;
	struct rng g;

	rng_init(&g, seed, 0);
	open_certifier(&c, m);
	for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		struct check_report report = {0};
		struct property_file *f;

		assert_int_equal(property_load(&f, asks[i].property, NULL, 0), 0);
		for (int k = 0; k < decisions; k++) {
			struct cert_entry e = certify(&c, f, (int)i, &g);

			if (check_entry(c.check, f, &e, asks[i].property, &report))
				fail_msg("%s by %s", asks[i].property, asks[i].engine);
			cert_entry_free(&e);
		}
		assert_true(report.parts > 0 && report.leaves >= report.parts);
		property_free(f);
	}
	close_certifier(&c);
}

static void test_random_models(void **state)
{
	for (int s = 0; s < CHECK_SHAPES; s++) {
		struct model *m = check_model(s, 0.5 + s % 3, 40 + s);

		check_engines(m, 3, s);
		model_free(m);
	}
}

static void test_published(void **state)
{
	struct model *m;

	need_file(ORCA ".index");
	assert_int_equal(tf_import_file(&m, ORCA), 0);
	model_digest(m);
	check_engines(m, 4, 77);
	model_free(m);
}

// Where an engine is exact, bounds that leave out twice the slack, or a thousandth of a leaf, are
// too tight.
static void test_tighter(void **state)
{
	struct model *m = check_model(5, 1, 3);
	struct check_report report = {0};
	struct property_file *f;
	struct certifier c;
	int doubted = 0, leaves = 0;
	struct rng g;

	rng_init(&g, 5, 0);
	open_certifier(&c, m);
	assert_int_equal(property_load(&f, "robustness", NULL, 0), 0);
	log_set_level(-1);
	for (int i = 0; i < 40; i++) {
		struct cert_entry e = certify(&c, f, 6, &g);
		struct cert_tree *t = &e.parts[0].tree;
		size_t leaf = (size_t)(rng_uniform(&g) * (t->nbounds / 2)) * 2;
		double width = t->bounds[leaf + 1] - t->bounds[leaf];

		t->bounds[leaf + i % 2] += (i % 2 ? -1 : 1) * fmin(width, 4e-5 + 0.001 * width);
		doubted += check_entry(c.check, f, &e, "test", &report) != 0;
		leaves++;
		cert_entry_free(&e);
	}
	log_set_level(LOG_INFO);
	assert_int_equal(doubted, leaves);
	property_free(f);
	close_certifier(&c);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_models),
		cmocka_unit_test(test_published),
		cmocka_unit_test(test_tighter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
