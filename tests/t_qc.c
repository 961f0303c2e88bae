/* Quantitative certificates: sets over a flow, models over decisions, for any number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>

#include "base/log.h"
#include "base/rng.h"
#include "cert/qc.h"
#include "policy/action.h"
#include "slow_engines.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define DECISIONS 60
#define FLOW 20 // decisions of each flow but the last

static void assert_near(double x, double want, double by)
{
	if (!(fabs(x - want) <= by))
		fail_msg("%.12g is not %.12g within %g", x, want, by);
}

static struct mlp *small_net(int nin)
{
	const int dims[] = {nin, 12, 9, 1};
	struct mlp *m = mlp_new(3, dims, 0.2);
	struct rng r;

	rng_init(&r, 5, 0);
	for (int l = 0; l < 3; l++) {
		for (int k = 0; k < dims[l] * dims[l + 1]; k++)
			m->layer[l].w[k] = rng_normal(&r) / sqrt(dims[l]);
		for (int k = 0; k < dims[l + 1]; k++)
			m->layer[l].b[k] = 0.3 * rng_normal(&r);
	}
	mlp_pack(m);
	return m;
}

struct fixture {
	struct mlp *mlp;
	struct actor *actor;
	struct cert_decision d[DECISIONS];
	double x[DECISIONS][REGION_INPUTS];
	int64_t changes[DECISIONS][PROPERTY_CHANGES];
};

// Flows of FLOW decisions, with windows and histories of all kinds.
static int setup(void **state, int nin)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct rng r;

	rng_init(&r, 9, 0);
	f->mlp = small_net(nin);
	assert_int_equal(actor_new(&f->actor, f->mlp), 0);
	for (int i = 0; i < DECISIONS; i++) {
		const int nth = i % FLOW;

		for (int k = 0; k < nin; k++)
			f->x[i][k] = rng_uniform(&r);
		for (int k = 0; k < PROPERTY_CHANGES; k++)
			f->changes[i][k] = (int64_t)rng_below(&r, 3) * (nth % 2 ? 1 : -1);
		f->d[i] = (struct cert_decision){.x = f->x[i],
			.nin = nin,
			.w = 1 + rng_below(&r, i < 30 ? 8 : 4000),
			.nchanges = nth < PROPERTY_CHANGES ? nth : PROPERTY_CHANGES,
			.changes = f->changes[i],
			.nth = nth};
		f->d[i].p = nth ? f->d[i].w + rng_below(&r, 5) : 0;
	}
	*state = f;
	return 0;
}

static int setup_published(void **state)
{
	return setup(state, STATE_SIZE);
}

static int setup_extended(void **state)
{
	return setup(state, STATE_SIZE + 4);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	actor_free(f->actor);
	mlp_free(f->mlp);
	free(f);
	return 0;
}

static struct property_file *parsed(const char *text)
{
	struct property_file *f = NULL;

	assert_int_equal(property_parse(&f, text, "p.txt", NULL, 0), 0);
	return f;
}

static const struct qc_conf box3 = {.engine = ENGINE_BOX, .slices = 3};

static struct qc_run run_of(const struct fixture *f, const struct property_file *p)
{
	return (struct qc_run){.file = p,
		.actor = f->actor,
		.conf = box3,
		.decisions = f->d,
		.n = DECISIONS,
		.threads = 1};
}

struct trail {
	long last;
	int parts;
	double sum;
};

static int follow(void *arg, long i, const struct cert_decision *d, const struct part *part,
	const struct engine_answer *a)
{
	struct trail *t = arg;

	assert_true(
		i >= t->last && part->status == PART_TRIGGERED && d->clean >= ACTION_MIN_WINDOW);
	t->last = i;
	t->parts++;
	t->sum += a->proven;
	return 0;
}

static void test_threads(void **state)
{
	struct fixture *f = *state;
	struct property_file *p = NULL;
	struct qc_model first, m;

	assert_int_equal(property_load(&p, "loss-liveness", NULL, 0), 0);
	for (int threads = 1; threads <= 5; threads += 2) {
		struct qc_run run = run_of(f, p);
		struct trail t = {0};

		run.threads = threads;
		run.each = follow;
		run.arg = &t;
		memset(&m, 0, sizeof(m));
		assert_int_equal(qc_measure(&m, &run), 0);
		assert_int_equal(t.parts, m.property[0].triggered + m.property[1].triggered);
		if (threads == 1)
			first = m;
		assert_memory_equal(&m, &first, sizeof(m));
	}
	assert_true(first.all.triggered > 0);
	property_free(p);
}

// What a model gets is the mean over its decisions, one after the other.
static void test_measure(void **state)
{
	struct fixture *f = *state;
	struct property_file *p = NULL;
	struct qc_total want = {0};
	struct qc_model m;
	struct qc_run run;
	struct qc *q;
	long in_buckets = 0;

	assert_int_equal(property_load(&p, "deep-buffer", NULL, 0), 0);
	run = run_of(f, p);
	q = qc_new(p, f->actor, &box3);
	for (int i = 0; i < DECISIONS; i++) {
		struct qc_share s;

		if (!f->d[i].nth)
			qc_restart(q);
		assert_int_equal(qc_decide(q, &f->d[i], &s), 0);
		want.triggered += s.triggered;
		want.proven += s.triggered ? s.proven : 0;
		want.refuted += s.triggered ? s.refuted : 0;
		want.full += s.triggered && s.proven == 1;
		want.caught += s.triggered && s.refuted > 0;
	}
	assert_int_equal(qc_measure(&m, &run), 0);
	assert_int_equal(m.all.decisions, DECISIONS);
	assert_int_equal(m.all.triggered, want.triggered);
	assert_true(want.triggered > 0 && want.triggered < DECISIONS);
	assert_near(m.all.proven, want.proven / want.triggered, 1e-12);
	assert_near(m.all.refuted, want.refuted / want.triggered, 1e-12);
	assert_true(m.all.qc == m.all.proven && isnan(m.all.exact) && !m.all.exact_known);
	assert_int_equal(m.all.full, want.full);
	assert_int_equal(m.all.caught, want.caught);
	for (int i = 0; i < QC_BUCKETS; i++) {
		in_buckets += m.bucket[i].decisions;
		assert_true(m.bucket[i].triggered || isnan(m.bucket[i].qc));
	}
	assert_int_equal(in_buckets, DECISIONS);
	assert_int_equal(m.bucket[0].decisions,
		30); // windows below 10 alone are in the first flow and a half
	qc_free(q);
	property_free(p);
}

// The combinations, from the shares of their members worked out here.
static void test_sets(void **state)
{
	struct property_file *p = parsed("set inner = min(a, b)\nset mixed = mean(inner, c)\n"
					 "set late = min over last 3 decisions of mixed\n"
					 "property a\nthen cwnd <= 1\nproperty b\nthen cwnd <= "
					 "1\nproperty c\nthen cwnd <= 1\n");
	struct qc_share row[3][3] = {
		{{true, 0.5, 0.25, 0.75, 0.75}, {true, 0.25, 0.5, 0.5, 0.5}, {true, 1, 0, 1, 1}},
		{{true, 0.5, 0.25, NAN, 0.5}, {false, 9, 9, 9, 9}, {true, 0, 0, NAN, 0}},
		{{false, 9, 9, 9, 9}, {false, 9, 9, 9, 9}, {true, 0.75, 0.125, 0.75, 0.75}}};
	const struct qc_share *rows[] = {row[0], row[1], row[2]};
	struct qc_share s;

	assert_int_equal(property_pick(p, "mixed"), 0);
	s = qc_combine(p, rows, 1);
	assert_true(s.triggered && s.proven == 0.625 && s.refuted == 0.25 && s.exact == 0.75 &&
		    s.qc == 0.75);
	s = qc_combine(p, rows + 1, 1);
	assert_true(s.triggered && s.proven == 0.25 && s.refuted == 0.125 && isnan(s.exact) &&
		    s.qc == 0.25);
	s = qc_combine(p, rows + 2, 1);
	assert_true(s.triggered && s.proven == 0.75 && s.exact == 0.75);
	assert_int_equal(property_pick(p, "inner"), 0);
	assert_false(qc_combine(p, rows + 2, 1).triggered);
	assert_int_equal(property_pick(p, "late"), 0);
	assert_false(qc_combine(p, rows, 2).triggered); // too early in the flow
	s = qc_combine(p, rows, 3);
	assert_true(s.triggered && s.proven == 0.25 && s.refuted == 0.25 && isnan(s.exact) &&
		    s.qc == 0.25);
	property_free(p);
}

// Id 9 from id 8: the minimum over three decisions, from the fourth of a flow on.
static void test_last(void **state)
{
	struct fixture *f = *state;
	struct property_file *loss = NULL, *live = NULL;
	struct qc *a, *b;
	double past[DECISIONS];

	assert_int_equal(property_load(&loss, "loss", NULL, 0), 0);
	assert_int_equal(property_load(&live, "loss-liveness", NULL, 0), 0);
	a = qc_new(loss, f->actor, &box3);
	b = qc_new(live, f->actor, &box3);
	for (int i = 0; i < DECISIONS; i++) {
		struct qc_share s, t;

		if (!f->d[i].nth)
			qc_restart(b);
		assert_int_equal(qc_decide(a, &f->d[i], &s), 0);
		assert_int_equal(qc_decide(b, &f->d[i], &t), 0);
		assert_int_equal(s.triggered, f->d[i].nth >= 1);
		assert_int_equal(t.triggered, f->d[i].nth >= 3);
		past[i] = s.proven;
		if (t.triggered)
			assert_true(t.proven == fmin(past[i], fmin(past[i - 1], past[i - 2])));
	}
	qc_free(a);
	qc_free(b);
	property_free(loss);
	property_free(live);
}

// Constant policies and the ceiling, from their definitions.
static void test_baselines(void **state)
{
	struct fixture *f = *state;
	struct property_file *p = parsed("property p\nthen dcwnd in [1, 2]\n");
	double nothing = 0, hold = 0, ceiling = 0, floor = 0;
	struct qc_run run = run_of(f, p);
	struct qc_model m;
	float *scratch = malloc(mlp_scratch(f->mlp) * sizeof(*scratch));
	int n = 0;

	for (int i = 0; i < DECISIONS; i++) {
		const struct cert_decision *d = &f->d[i];
		uint32_t best = 0, some = 0;

		floor += part_window(actor_run(f->actor, d->x, scratch), d->w) == ACTION_MIN_WINDOW;
		if (!d->p)
			continue;
		n++;
		for (int k = ACTION_MAX_PERCENT; k >= ACTION_MIN_PERCENT; k--) {
			uint32_t c = action_window(k, d->w);

			some |= c == d->p + 1 || c == d->p + 2;
			if (!best || llabs((int64_t)c - d->p) <= llabs((int64_t)best - d->p))
				best = c;
		}
		nothing += action_window(100, d->w) - d->p - 1 <= 1;
		hold += best - d->p - 1 <= 1;
		ceiling += some;
	}
	assert_int_equal(qc_measure(&m, &run), 0);
	assert_int_equal(m.all.triggered, n);
	assert_near(m.all.nothing, nothing / n, 1e-12);
	assert_near(m.all.hold, hold / n, 1e-12);
	assert_near(m.all.ceiling, ceiling / n, 1e-12);
	assert_int_equal(m.all.floor, floor);
	assert_true(hold > 0 && ceiling > hold && ceiling < n);
	free(scratch);
	property_free(p);

	p = parsed("property p\nthen cwnd / cwnd(clean) in [1, 1]\n"); // whose own window is what
								       // counts
	run = run_of(f, p);
	assert_int_equal(qc_measure(&m, &run), 0);
	assert_true(m.all.triggered == DECISIONS && m.all.nothing == 1 && m.all.hold == 1);
	property_free(p);
}

static void test_exact(void **state)
{
	struct fixture *f = *state;
	struct property_file *p = NULL;
	struct qc_model box, exact;
	struct qc_run run;

	assert_int_equal(property_load(&p, "safety-robustness", NULL, 0), 0);
	run = run_of(f, p);
	assert_int_equal(qc_measure(&box, &run), 0);
	run.conf.engine = ENGINE_EXACT;
	assert_int_equal(qc_measure(&exact, &run), 0);
	for (int i = 0; i < p->n; i++) {
		assert_int_equal(exact.property[i].exact_known, exact.property[i].triggered);
		assert_true(box.property[i].proven <= exact.property[i].exact + 1e-12);
		assert_true(exact.property[i].exact <= 1 - box.property[i].refuted + 1e-12);
		assert_true(exact.property[i].qc == exact.property[i].exact);
		assert_true(exact.property[i].y_width <= box.property[i].y_width);
	}
	assert_int_equal(exact.property[0].triggered,
		DECISIONS - DECISIONS / FLOW);			  // no p in a first decision
	assert_int_equal(exact.property[2].triggered, DECISIONS); // robustness needs none
	property_free(p);
}

// Between two windows as near to p, hold takes the lower.
static void test_hold_between(void **state)
{
	struct fixture *f = *state;
	struct property_file *p = parsed("property p\nthen dcwnd == -1\n");
	struct cert_decision d = f->d[1];
	struct qc_run run = run_of(f, p);
	struct qc_model m;

	d.w = 200; // 100 % and 101 %: 200 and 202 packets
	d.p = 201;
	d.nth = 0;
	run.decisions = &d;
	run.n = 1;
	assert_int_equal(qc_measure(&m, &run), 0);
	assert_true(m.all.triggered == 1 && m.all.hold == 1);
	property_free(p);
}

// What went before in another flow is not looked back on.
static void test_restart(void **state)
{
	struct fixture *f = *state;
	struct property_file *p =
		parsed("set s = min over last 2 decisions of p\nproperty p\nthen cwnd >= 4\n");
	struct qc *q = qc_new(p, f->actor, &box3);
	struct qc_share s;

	for (int i = 0; i < 4; i++) {
		if (i == 2)
			qc_restart(q);
		assert_int_equal(qc_decide(q, &f->d[i], &s), 0);
		assert_int_equal(s.triggered, i % 2);
	}
	qc_free(q);
	property_free(p);
}

static int each_fails(void *arg, long i, const struct cert_decision *d, const struct part *part,
	const struct engine_answer *a)
{
	return i == 7 ? -EIO : 0;
}

static void test_refusals(void **state)
{
	struct fixture *f = *state;
	struct property_file *p = parsed("property p\nover inv_rtt in [0, 1], thr in [0, 1], loss "
					 "in [0, 1]\nthen cwnd >= 4\n");
	struct qc_model m = {.all.decisions = -1};
	struct qc_run run = run_of(f, p);
	struct qc_share s = {.qc = -1};
	struct qc *q = qc_new(p, f->actor, &box3);
	double keep = f->x[5][0];

	log_set_level(-1);
	run.threads = 3;
	run.each = each_fails;
	assert_int_equal(qc_measure(&m, &run), -EIO);
	run.each = NULL;
	run.conf.slices = 0;
	assert_int_equal(qc_measure(&m, &run), -EINVAL);
	run.conf = (struct qc_conf){.engine = ENGINE_EXACT, .slices = 1}; // three dimensions
	assert_int_equal(qc_measure(&m, &run), -EINVAL);
	run.conf = box3;
	f->x[5][0] = NAN;
	assert_int_equal(qc_measure(&m, &run), -EINVAL);
	assert_int_equal(qc_decide(q, &f->d[5], &s), -EINVAL);
	f->x[5][0] = keep;
	f->d[5].nin++;
	assert_int_equal(qc_measure(&m, &run), -EINVAL);
	f->d[5].nin--;
	f->d[5].nth = 2; // which follows no decision 1
	assert_int_equal(qc_measure(&m, &run), -EINVAL);
	f->d[5].nth = 5;
	log_set_level(LOG_INFO);
	assert_true(m.all.decisions == -1 && s.qc == -1);
	run.n = 0;
	assert_int_equal(qc_measure(&m, &run), 0);
	assert_true(m.all.decisions == 0 && isnan(m.all.qc));
	qc_free(q);
	property_free(p);
}

#define WITH(test, setup) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sets),
		WITH(test_threads, setup_published),
		WITH(test_threads, setup_extended),
		WITH(test_measure, setup_published),
		WITH(test_measure, setup_extended),
		WITH(test_last, setup_published),
		WITH(test_baselines, setup_published),
		WITH(test_hold_between, setup_published),
		WITH(test_restart, setup_published),
		WITH(test_exact, setup_published),
		WITH(test_refusals, setup_published),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
