/* Certificates of many flows against those of recorded decisions, one flow at a time. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flows_fixture.h"

// The same through one qc per flow, as evaluation does it.
static void slow_qc(struct qc *q, const struct flows *f, int i, int size, float *out)
{
	double x[STATE_EXTENDED_SIZE];
	int64_t changes[POLICY_CHANGES];
	struct cert_decision d = {.x = x,
		.nin = size,
		.w = f->w[i],
		.p = f->p[i],
		.nchanges = f->nchanges[i],
		.changes = changes};
	struct qc_share share;

	for (int k = 0; k < size; k++)
		x[k] = f->states[i * size + k];
	for (int k = 0; k < d.nchanges; k++)
		changes[k] = f->changes[(i + 1) * POLICY_CHANGES - 1 - k];
	if (!d.p)
		qc_restart(q);
	assert_int_equal(qc_decide(q, &d, &share), 0);
	*out = share.triggered ? (float)share.qc : NAN;
}

static void certify_flows(const char *set, int threads)
{
	const struct state_table *table = &state_extended;
	struct certifier_conf conf = {
		load(set), {.engine = ENGINE_AUTO, .wide = ENGINE_BOX, .slices = 5, .budget = 20}};
	struct mlp *m = state_net(table, 5);
	struct flows f = {.waits = {false}};
	struct actor *a;
	struct qc *q[FLOWS];
	struct certifier *c;
	struct crew *crew;
	struct certifier_decisions d;
	float qc[FLOWS], slow;
	int triggered = 0;

	rng_init(&f.rng, 6, 0);
	assert_int_equal(crew_new(&crew, threads), 0);
	assert_int_equal(certifier_new(&c, &conf, m, FLOWS, crew), 0);
	for (int s = 0; s < STEPS; s++) {
		for (int k = 0; k < m->layer[1].out; k++) // the policy moves on
			m->layer[1].b[k] += 0.01 * rng_normal(&f.rng);
		mlp_pack(m);
		assert_int_equal(actor_new(&a, m), 0);
		go_on(&f, table);
		d = view(&f, table);
		assert_int_equal(certifier_run(c, &d, qc), 0);
		for (int i = 0; i < FLOWS; i++) {
			q[i] = qc_new(conf.properties, a, &conf.qc);
			if (f.waits[i] && conf.properties->history == 1) {
				slow_qc(q[i], &f, i, table->size, &slow);
				assert_true(isnan(slow) ? isnan(qc[i]) : slow == qc[i]);
			}
			triggered += !isnan(qc[i]);
			assert_true(f.waits[i] || isnan(qc[i]));
			qc_free(q[i]);
		}
		actor_free(a);
	}
	assert_true(triggered > STEPS);
	certifier_free(c);
	crew_free(crew);
	mlp_free(m);
	property_free(conf.properties);
}

static void test_certifier(void **state)
{
	certify_flows("deep-buffer", 1);
	certify_flows("deep-buffer", 3);
	certify_flows("shallow-buffer", 2);
	certify_flows("robustness", 2);
}

// Sets that look back, under a policy that stays: one qc a flow sees the same.
static void test_certifier_looks_back(void **state)
{
	const struct state_table *table = &state_published;
	struct certifier_conf conf = {load("loss-liveness"), {.engine = ENGINE_BOX, .slices = 5}};
	struct mlp *m = state_net(table, 7);
	struct flows f = {.waits = {false}};
	struct certifier_sum sums[PROPERTY_MAX];
	struct actor *a;
	struct qc *q[FLOWS];
	struct certifier *c;
	struct crew *crew;
	struct certifier_decisions d;
	float qc[FLOWS], slow;
	double triggered = 0;

	rng_init(&f.rng, 8, 0);
	assert_int_equal(crew_new(&crew, 2), 0);
	assert_int_equal(actor_new(&a, m), 0);
	assert_int_equal(certifier_new(&c, &conf, m, FLOWS, crew), 0);
	for (int i = 0; i < FLOWS; i++)
		q[i] = qc_new(conf.properties, a, &conf.qc);
	for (int s = 0; s < STEPS; s++) {
		go_on(&f, table);
		d = view(&f, table);
		assert_int_equal(certifier_run(c, &d, qc), 0);
		for (int i = 0; i < FLOWS; i++) {
			if (!f.waits[i])
				continue;
			slow_qc(q[i], &f, i, table->size, &slow);
			assert_true(isnan(slow) ? isnan(qc[i]) : slow == qc[i]);
			certifier_add(c, i);
		}
	}
	certifier_tell(c, sums);
	for (int i = 0; i < conf.properties->n; i++)
		triggered += sums[i].triggered;
	assert_true(triggered > STEPS);
	certifier_tell(c, sums);
	assert_true(sums[0].triggered == 0 && sums[0].qc == 0);
	for (int i = 0; i < FLOWS; i++)
		qc_free(q[i]);
	certifier_free(c);
	actor_free(a);
	crew_free(crew);
	mlp_free(m);
	property_free(conf.properties);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_certifier),
		cmocka_unit_test(test_certifier_looks_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
