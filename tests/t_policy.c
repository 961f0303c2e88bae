/* Action table against quad precision and reference vectors; the controller on a hand-driven
 * transport. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "golden.h"
#include "model/tf_import.h"
#include "policy/action.h"
#include "policy/policy.h"
#include "sim/world.h"

typedef __float128 quad;

// ln(x) for x in [1/4, 4] to about 33 digits: 2 artanh((x - 1) / (x + 1)) as a series.
static quad quad_log(quad x)
{
	quad z = (x - 1) / (x + 1), z2 = z * z, term = z, sum = 0;

	for (int k = 1; k < 200; k += 2, term *= z2)
		sum += term / k;
	return 2 * sum;
}

static void test_table_is_exact(void **state)
{
	for (int m = 26; m <= 400; m++) {
		double a = action_threshold(m);
		quad real = quad_log((quad)m / 100) / quad_log(4);
		quad slack = (quad)1e-31;

		if (m == 50 || m == 100 || m == 200 || m == 400) {
			assert_true(a == (m == 50 ? -0.5 : m == 100 ? 0 : m == 200 ? 0.5 : 1));
			continue;
		}
		assert_true((quad)a > real + slack);
		assert_true((quad)nextafter(a, -INFINITY) < real - slack);
	}
	assert_true(action_threshold(25) == -1);
}

static void test_percent_steps_at_thresholds(void **state)
{
	for (int m = 26; m <= 400; m++) {
		double a = action_threshold(m);

		assert_int_equal(action_percent(a), m);
		assert_int_equal(action_percent(nextafter(a, -INFINITY)), m - 1);
	}
	assert_int_equal(action_percent(-1), 25);
	assert_int_equal(action_percent(-7), 25);
	assert_int_equal(action_percent(7), 400);
	assert_int_equal(action_percent(-0.0), 100);
	assert_int_equal(action_percent(NAN), 100);
	assert_int_equal(action_window(25, 3), 4);
	assert_int_equal(action_window(400, 2000000000u), ACTION_MAX_WINDOW);
}

static void test_action_map_matches_reference(void **state)
{
	json_t *j, *v;
	size_t i;

	need_file(GOLDEN "action_map.json");
	j = golden_json(GOLDEN "action_map.json");
	assert_true(json_array_size(j) > 0);
	json_array_foreach(j, i, v)
	{
		int m = action_percent(golden_number(v, "a"));

		assert_int_equal(m, (int)golden_number(v, "percent"));
		assert_int_equal(action_window(m, (uint32_t)golden_number(v, "w")),
			(int)golden_number(v, "cwnd_installed"));
	}
	json_decref(j);
}

// A flow out of slow start whose ACKs the test makes by hand.
struct flow {
	struct cc cc;
	struct policy_conf conf;
	struct decision seen[64]; // pointers in them are stale
	struct report reports[64];
	int n;
};

static void record(void *arg, const struct decision *d)
{
	struct flow *f = arg;

	assert_true(f->n < 64);
	assert_true(d->state[STATE_SIZE - 3] > 0);
	f->reports[f->n] = *d->report;
	f->seen[f->n++] = *d;
}

static void flow_init(struct flow *f, enum policy_mode mode)
{
	f->conf.mode = mode;
	f->conf.record = record;
	f->conf.arg = f;
	f->cc = (struct cc){.ops = &cc_policy,
		.priv = calloc(1, cc_policy.priv_size),
		.cwnd = 10,
		.ssthresh = CC_SSTHRESH_MAX,
		.hz = 250,
		.mss = 1448,
		.mtu = 1500,
		.srtt_us8 = 8 * 20000,
		.cwnd_clamp = UINT32_MAX,
		.min_rtt_us = UINT32_MAX,
		.now_us = 1000000,
		.packets_out = 10,
		.rate_delivered = 10,
		.rate_interval_us = 10000,
		.cwnd_limited = true,
		.max_packets_out = 10};
	cc_policy.init(&f->cc, &f->conf);
}

// One ACK dt_us later, as far as pkts_acked.
static bool ack(struct flow *f, uint64_t dt_us)
{
	struct cc_ack a = {.rtt_us = 20000, .pkts_acked = 1, .in_flight_then = 10};

	f->cc.now_us += dt_us;
	f->cc.now_ns = f->cc.now_us * 1000;
	f->cc.jiffies = (uint32_t)(f->cc.now_us * 250 / 1000000);
	return cc_policy.pkts_acked(&f->cc, &a);
}

static void test_start_is_latched(void **state)
{
	struct flow f = {0};

	flow_init(&f, POLICY_TCP_ONLY);
	for (int i = 0; i < 20; i++)
		ack(&f, 10000);
	f.cc.ssthresh = f.cc.cwnd; // equal: slow start is over for TCP, not yet for the policy
	ack(&f, 30000);
	ack(&f, 30000);
	assert_int_equal(f.n, 0);
	assert_int_equal(policy_stats(&f.cc)->start_us, 0);
	assert_false(f.cc.pacing);
	f.cc.cwnd = f.cc.ssthresh + 1;
	ack(&f, 1000);
	assert_true(f.cc.pacing);
	assert_int_equal(policy_stats(&f.cc)->start_us, f.cc.now_us);
	ack(&f, 19999);
	assert_int_equal(f.n, 0);
	ack(&f, 1);
	assert_int_equal(f.n, 1);
	assert_true(f.reports[0].delta_t == 0.02 && f.reports[0].samples == 2);
	f.cc.cwnd = 1; // a timeout does not stop it
	f.cc.state = CC_LOSS;
	ack(&f, 20000);
	assert_int_equal(f.n, 2);
	free(f.cc.priv);
}

static void start(struct flow *f, enum policy_mode mode)
{
	flow_init(f, mode);
	f->cc.cwnd = 100;
	f->cc.ssthresh = 50;
	ack(f, 1000);
}

static void test_pacing_by_option(void **state)
{
	struct flow f = {0};

	flow_init(&f, POLICY_TCP_ONLY);
	f.cc.pacing_set = true;
	f.cc.ssthresh = f.cc.cwnd - 1;
	ack(&f, 1000);
	assert_int_equal(policy_stats(&f.cc)->start_us, f.cc.now_us);
	assert_false(f.cc.pacing);
	free(f.cc.priv);
}

static void test_outside_decisions(void **state)
{
	struct flow f = {0};
	const struct decision *d;

	start(&f, POLICY_OUTSIDE);
	assert_null(policy_pending(&f.cc));
	assert_true(ack(&f, 20000));
	d = policy_pending(&f.cc);
	assert_non_null(d);
	assert_true(d->open && d->w == 100 && d->p == 0 && d->nchanges == 0 && !d->rewards);
	policy_apply(&f.cc, 0.5);
	assert_null(policy_pending(&f.cc));
	assert_int_equal(f.cc.cwnd, 200);
	assert_int_equal(f.cc.ssthresh, 50);
	assert_int_equal(f.n, 1);
	assert_true(f.seen[0].percent == 200 && f.seen[0].installed == 200);
	f.cc.cwnd = 210; // CUBIC grew
	assert_true(ack(&f, 20000));
	d = policy_pending(&f.cc);
	assert_true(d->w == 210 && d->p == 200 && d->nchanges == 0 && d->rewards && d->reward == 1);
	policy_apply(&f.cc, -0.5);
	assert_int_equal(f.cc.cwnd, 105);
	assert_true(ack(&f, 20000));
	d = policy_pending(&f.cc);
	assert_true(d->nchanges == 1 && d->changes[POLICY_CHANGES - 1] == -95 && d->p == 105);
	policy_apply(&f.cc, 0);
	for (int i = 0; i < 12; i++) {
		assert_true(ack(&f, 20000));
		policy_apply(&f.cc, 0);
	}
	assert_true(f.seen[f.n - 1].nchanges == POLICY_CHANGES && f.seen[f.n - 1].changes[0] == 0);
	assert_int_equal(policy_stats(&f.cc)->decisions, 15);
	free(f.cc.priv);
}

static void test_no_action_outside_open(void **state)
{
	static const enum cc_state states[] = {CC_CWR, CC_RECOVERY, CC_LOSS};
	struct flow f = {0};

	start(&f, POLICY_OUTSIDE);
	assert_true(ack(&f, 20000));
	policy_apply(&f.cc, 0.25);
	for (int i = 0; i < 3; i++) {
		f.cc.state = states[i];
		assert_false(ack(&f, 20000));
		assert_int_equal(f.cc.cwnd, 141);
		assert_false(f.seen[f.n - 1].open);
		assert_int_equal(
			f.seen[f.n - 1].rewards, i == 0); // the first report after the decision
	}
	assert_int_equal(f.n, 4);
	assert_int_equal(policy_stats(&f.cc)->decisions, 1);
	assert_int_equal(policy_stats(&f.cc)->reports, 4);
	free(f.cc.priv);
}

static void test_tcp_only_keeps_the_window(void **state)
{
	struct flow f = {0};

	start(&f, POLICY_TCP_ONLY);
	for (int i = 0; i < 5; i++)
		assert_false(ack(&f, 20000));
	assert_int_equal(f.n, 5);
	assert_int_equal(f.cc.cwnd, 100);
	assert_true(f.seen[4].action == 0 && f.seen[4].percent == 100 && f.seen[4].nchanges == 3);
	free(f.cc.priv);
}

static uint32_t revise(void *arg, const struct decision *d)
{
	assert_int_equal(d->wanted, d->percent * d->w / 100);
	return d->wanted - 150;
}

static void test_model_decides_and_is_revised(void **state)
{
	struct mlp *m = mlp_new(1, (int[]){STATE_SIZE, 1}, 0.2);
	struct flow f = {0};

	m->layer[0].b[0] = 10; // tanh = 1: four times the window
	mlp_pack(m);
	f.conf.mlp = m;
	f.conf.scratch = malloc(mlp_scratch(m) * sizeof(float));
	start(&f, POLICY_MODEL);
	ack(&f, 20000);
	assert_int_equal(f.cc.cwnd, 400);
	f.conf.revise = revise;
	ack(&f, 20000);
	assert_int_equal(f.cc.cwnd, 1450);
	assert_true(f.seen[1].percent == 400 && f.seen[1].wanted == 1600 &&
		    f.seen[1].installed == 1450);
	ack(&f, 20000); // the change is what was installed
	assert_true(f.seen[2].p == 1450 && f.seen[2].changes[POLICY_CHANGES - 1] == 1050);
	free(f.conf.scratch);
	free(f.cc.priv);
	mlp_free(m);
}

// The network picks the features after the frames: log4(w/p), signs of changes, oldest first,
// log4(w) / 8.
static void check_tail(const struct state_table *table)
{
	static const float weight[] = {0.3f, 0.2f, 0.11f, 0.05f, 0.7f};
	struct mlp *m = mlp_new(1, (int[]){table->size, 1}, 0.2);
	struct flow f = {.conf = {.states = table, .mlp = m}};

	for (int i = 0; i < table->tail; i++)
		m->layer[0].w[STATE_SIZE + i] = weight[i];
	m->layer[0].b[0] = -0.05;
	mlp_pack(m);
	f.conf.scratch = malloc(mlp_scratch(m) * sizeof(float));
	start(&f, POLICY_MODEL);
	for (int i = 0; i < 12; i++) {
		double y = -0.05f;
		const struct decision *d;

		ack(&f, 20000);
		d = &f.seen[i];
		assert_int_equal(d->nstate, table->size);
		if (d->p)
			y += weight[0] * log((double)d->w / d->p) / log(4);
		for (int k = 1; k <= d->nchanges && k <= STATE_SIGNS; k++) {
			int64_t change = d->changes[POLICY_CHANGES - k];

			y += weight[1 + STATE_SIGNS - k] * (change > 0 ? 1 : change < 0 ? -1 : 0);
		}
		if (table == &state_windowed)
			y += weight[4] * log(d->w) / log(4) / 8;
		assert_true(fabs(d->action - tanh(y)) < 1e-6);
		f.cc.cwnd += i % 3 * 7; // CUBIC's part
	}
	assert_true(f.seen[11].nchanges == 10);
	free(f.conf.scratch);
	free(f.cc.priv);
	mlp_free(m);
}

static void test_states_with_a_tail(void **state)
{
	check_tail(&state_extended);
	check_tail(&state_windowed);
}

static void test_cubic_runs_underneath(void **state)
{
	struct flow f = {0};
	struct cc plain;

	start(&f, POLICY_TCP_ONLY);
	plain = f.cc;
	plain.ops = &cc_cubic;
	plain.priv = calloc(1, cc_cubic.priv_size);
	cc_cubic.init(&plain, NULL);
	for (int i = 0; i < 2000; i++) {
		struct cc_ack a = {.rtt_us = 20000, .pkts_acked = 1};

		ack(&f, 1000);
		plain.now_us = f.cc.now_us;
		plain.now_ns = f.cc.now_ns;
		plain.jiffies = f.cc.jiffies;
		cc_cubic.pkts_acked(&plain, &a);
		if (f.n > 60)
			f.n = 0;
		cc_policy.cong_avoid(&f.cc, 1);
		cc_cubic.cong_avoid(&plain, 1);
		assert_int_equal(plain.cwnd, f.cc.cwnd);
	}
	assert_true(plain.cwnd > 100);
	assert_int_equal(cc_policy.ssthresh(&f.cc), cc_cubic.ssthresh(&plain));
	free(plain.priv);
	free(f.cc.priv);
}

static int drive(struct world *w, const struct mlp *m, uint64_t until_ns)
{
	float *scratch = malloc(mlp_scratch(m) * sizeof(float)), x[STATE_SIZE], y;
	int paused = 0;

	while (world_run(w, until_ns) >= 0) {
		const struct decision *d = policy_pending(world_cc(w, 0));

		assert_non_null(d);
		for (int i = 0; i < STATE_SIZE; i++)
			x[i] = (float)d->state[i];
		mlp_forward(m, x, &y, 1, scratch);
		policy_apply(world_cc(w, 0), mlp_action(y));
		paused++;
	}
	free(scratch);
	return paused;
}

// Sums of what was decided, to compare runs by.
struct sums {
	uint64_t decisions, closed, installed;
	double reward;
};

static void sum_up(void *arg, const struct decision *d)
{
	struct sums *s = arg;

	s->decisions += d->open;
	s->closed += !d->open;
	s->installed += d->installed;
	s->reward += d->reward;
}

static struct sums simulate(enum policy_mode mode, const struct mlp *m, uint64_t *delivered)
{
	struct trace link = {.name = "smooth", .rate_bps = 24000000};
	float *scratch = malloc(mlp_scratch(m) * sizeof(float));
	struct sums s = {0};
	struct policy_conf conf = {.mode = mode,
		.mlp = m,
		.scratch = scratch,
		.record = sum_up,
		.arg = &s,
		.noise = {FRAME_NOISE_UNIFORM, FRAME_INV_RTT, 0.05},
		.noise_seed = 5};
	struct flow_conf flow = {.cc = &cc_policy, .cc_arg = &conf, .delay_ms = 10, .pacing = -1};
	struct world_conf wc = {.seed = 1,
		.nflows = 1,
		.flows = &flow,
		.down = {.trace = &link, .queue = QUEUE_DROPTAIL, .limit_pkts = 80},
		.up = {.trace = &link}};
	struct world *w = world_new(&wc);
	int paused;

	assert_non_null(w);
	paused = drive(w, m, 20 * SEC);
	assert_int_equal(
		paused, mode == POLICY_OUTSIDE ? policy_stats(world_cc(w, 0))->decisions : 0);
	assert_int_equal(policy_stats(world_cc(w, 0))->decisions, s.decisions);
	*delivered = world_flow(w, 0)->delivered;
	world_free(w);
	free(scratch);
	return s;
}

static void test_outside_driver_equals_network(void **state)
{
	uint64_t a, b;
	struct model *model;
	struct mlp *m;
	struct sums s, t;

	need_file(SHARED "orca/model.ckpt-1283529.index");
	assert_int_equal(tf_import_file(&model, SHARED "orca/model.ckpt-1283529"), 0);
	m = model_fold(model);
	s = simulate(POLICY_MODEL, m, &a);
	t = simulate(POLICY_OUTSIDE, m, &b);
	print_message("%lu decisions, %lu closed, mean reward %.3f, %lu packets\n",
		(unsigned long)s.decisions, (unsigned long)s.closed,
		s.reward / (double)(s.decisions + s.closed), (unsigned long)a);
	assert_int_equal(a, b);
	assert_memory_equal(&s, &t, sizeof(s));
	assert_true(s.decisions > 500 && s.decisions <= 1000);
	mlp_free(m);
	model_free(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_is_exact),
		cmocka_unit_test(test_percent_steps_at_thresholds),
		cmocka_unit_test(test_action_map_matches_reference),
		cmocka_unit_test(test_start_is_latched),
		cmocka_unit_test(test_pacing_by_option),
		cmocka_unit_test(test_outside_decisions),
		cmocka_unit_test(test_no_action_outside_open),
		cmocka_unit_test(test_tcp_only_keeps_the_window),
		cmocka_unit_test(test_model_decides_and_is_revised),
		cmocka_unit_test(test_states_with_a_tail),
		cmocka_unit_test(test_cubic_runs_underneath),
		cmocka_unit_test(test_outside_driver_equals_network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
