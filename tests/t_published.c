/* The published certificate against the reference sequences, and what its defects look like. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/log.h"
#include "cert/published.h"
#include "golden.h"
#include "model/tf_import.h"
#include "obs/frame.h"

#define INV_RTT (STATE_SIZE - FRAME_FEATURES + FRAME_INV_RTT)
#define LOSS (STATE_SIZE - FRAME_FEATURES + FRAME_LOSS)

// Where in the file a comparison is, for messages.
struct place {
	int sequence, step;
	const char *what;
};

static void near(double got, double want, struct place at)
{
	if (fabs(got - want) <= 1e-9 * fabs(want))
		return;
	fail_msg("sequence %d step %d %s: %.17g instead of %.17g", at.sequence, at.step, at.what,
		got, want);
}

static void same_values(const double *got, int n, const json_t *want, struct place at)
{
	if ((int)json_array_size(want) != n)
		fail_msg("sequence %d step %d %s: %d values instead of %d", at.sequence, at.step,
			at.what, n, (int)json_array_size(want));
	for (int i = 0; i < n; i++)
		near(got[i], json_number_value(json_array_get(want, i)), at);
}

static void same_part(const struct published_part *part, int n, const json_t *want, struct place at)
{
	bool robust = json_object_get(want, "cwnd_lo");
	const struct {
		const char *key;
		const double *got;
		int n;
	} lists[] = {
		{"a_lo", part->a_lo, n},
		{"a_hi", part->a_hi, n},
		{robust ? "cwnd_lo" : "d_lo", part->d_lo, n},
		{robust ? "cwnd_hi" : "d_hi", part->d_hi, n},
		{"D_comp", part->score, n},
		{"union", part->all, 2},
		{"D_union", &part->score_all, 0},
		{"D_mean", &part->score_mean, 0},
	};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		at.what = lists[i].key;
		if (lists[i].n)
			same_values(lists[i].got, lists[i].n, json_object_get(want, at.what), at);
		else
			near(*lists[i].got, golden_number(want, at.what), at);
	}
	at.what = "target";
	assert_int_equal(part->has_target, json_is_array(json_object_get(want, "target")));
	if (part->has_target)
		same_values(part->target, 2, json_object_get(want, "target"), at);
	if (robust)
		near(part->score_all == 1, golden_number(want, "sat"), at);
}

static void same_scores(struct published_scores got, const json_t *want, struct place at)
{
	at.what = "r_cert";
	near(got.cert, golden_number(want, "r_cert"), at);
	at.what = "r_mean";
	near(got.mean, golden_number(want, "r_mean"), at);
	at.what = "r_sat";
	near(got.sat, golden_number(want, "r_sat"), at);
}

static void same_history(const struct published_history *h, const json_t *want, struct place at)
{
	const struct {
		const char *key;
		const struct published_values *q;
	} lists[] = {{"good_l", &h->good_lo}, {"good_u", &h->good_hi}, {"bad_l", &h->bad_lo},
		{"bad_u", &h->bad_hi}, {"r", &h->scores}};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		at.what = lists[i].key;
		same_values(lists[i].q->v, lists[i].q->n, json_object_get(want, at.what), at);
	}
}

static void same_answer(
	const struct published_answer *a, int n, const json_t *want, struct place at)
{
	const json_t *perf = json_object_get(want, "perf"),
		     *robust = json_object_get(want, "robust");

	assert_int_equal(a->has_perf, perf != NULL);
	assert_int_equal(a->has_robust, robust != NULL);
	if (perf) {
		at.what = "prev_cwnd";
		near(a->previous, golden_number(perf, "prev_cwnd"), at);
		same_part(&a->good, n, json_object_get(perf, "good"), at);
		same_part(&a->bad, n, json_object_get(perf, "bad"), at);
		same_scores(a->perf, perf, at);
	}
	if (robust)
		same_part(&a->robust, n, robust, at);
	same_scores(a->score, want, at);
}

// Runs all steps of a sequence with one history; returns how many there were.
static int run_sequence(const struct mlp *mlp, const json_t *seq, struct place at)
{
	struct published_spec spec = {(int)golden_number(seq, "pid"), golden_number(seq, "theta"),
		golden_number(seq, "x2"), (int)golden_number(seq, "N"),
		(int)golden_number(seq, "k")};
	double lambda = golden_number(seq, "lam"), state[STATE_SIZE];
	struct published_answer *answer = malloc(sizeof(*answer));
	struct published_history h;
	struct published *p;
	const json_t *step;
	size_t i;

	assert_int_equal(published_new(&p, mlp, &spec), 0);
	published_start(&h);
	json_array_foreach(json_object_get(seq, "steps"), i, step)
	{
		struct published_decision d = {state, golden_number(step, "w"),
			golden_number(step, "w_prev"), golden_number(step, "a_now"),
			golden_number(step, "a_prev")};

		at.step = (int)i;
		for (int k = 0; k < STATE_SIZE; k++)
			state[k] = json_number_value(
				json_array_get(json_object_get(step, "state"), k));
		same_history(&h, json_object_get(step, "history_before"), at);
		published_run(p, &h, &d, answer);
		same_answer(answer, spec.slices, json_object_get(step, "out"), at);
		at.what = "combined";
		near((1 - lambda) * golden_number(step, "raw") + lambda * answer->score.cert,
			golden_number(step, at.what), at);
	}
	published_free(p);
	free(answer);
	return (int)i;
}

static void all_sequences_match(void **state)
{
	struct model *model;
	struct mlp *mlp;
	json_t *j, *seq;
	int steps = 0;
	size_t i;

	need_file(GOLDEN "cert_artifact.json");
	need_file(SHARED "orca/model.ckpt-1283529.index");
	assert_int_equal(tf_import_file(&model, SHARED "orca/model.ckpt-1283529"), 0);
	mlp = model_fold(model);
	j = golden_json(GOLDEN "cert_artifact.json");
	json_array_foreach(json_object_get(j, "sequences"), i, seq) steps +=
		run_sequence(mlp, seq, (struct place){(int)i, 0, ""});
	assert_int_equal(i, 28);
	assert_int_equal(steps, 28 * 7);
	json_decref(j);
	mlp_free(mlp);
	model_free(model);
}

// A network whose pre-activation is gain (x[input] - from).
static struct mlp *line(int input, double gain, double from)
{
	struct mlp *m = mlp_new(1, (int[]){STATE_SIZE, 1}, 0.2);

	assert_non_null(m);
	m->layer[0].w[input] = gain;
	m->layer[0].b[0] = -gain * from;
	mlp_pack(m);
	return m;
}

static void run_line(struct published_answer *out, int input, double gain, double from,
	struct published_spec spec, struct published_history *h, const double *x)
{
	struct published_decision d = {x, 100, 100, 0, 0};
	struct mlp *m = line(input, gain, from);
	struct published *p;

	assert_int_equal(published_new(&p, m, &spec), 0);
	published_run(p, h, &d, out);
	published_free(p);
	mlp_free(m);
}

// Defects 1 and 2: every slice has the same Nth of the loss interval, around the observed loss.
static void loss_slices_stay_around_the_observed_loss(void **state)
{
	double x[STATE_SIZE] = {[LOSS] = 0.125};
	struct published_history h;
	struct published_answer a;

	published_start(&h);
	run_line(&a, LOSS, 1, 0, (struct published_spec){8, 0.25, 25, 3, 3}, &h, x);
	for (int i = 0; i < 3; i++) {
		assert_true(fabs(a.bad.a_lo[i] - tanh(0.125 - 0.125)) < 1e-15);
		assert_true(fabs(a.bad.a_hi[i] - tanh(0.125 + 0.125)) < 1e-15);
	}
}

// Defect 4: of 1.01 ± 5% in two slices, the second begins above 1 and is clipped to end there.
static void clipped_slices_may_be_inverted(void **state)
{
	double x[STATE_SIZE] = {[INV_RTT] = 1.01};
	struct published_history h;
	struct published_answer a;

	published_start(&h);
	run_line(&a, INV_RTT, 1, 1, (struct published_spec){7, 0.05, 1, 2, 3}, &h, x);
	assert_true(a.robust.a_lo[0] < a.robust.a_hi[0]);
	assert_true(a.robust.a_lo[1] > a.robust.a_hi[1]);
	assert_true(a.robust.score[1] == 0);
}

// Defect 7: a loose network that was caught once is not asked again; that scores 1.
static void loose_bounds_untrigger(void **state)
{
	double x[STATE_SIZE] = {[INV_RTT] = 0.5};
	struct published_history h;
	struct published_answer a;

	published_start(&h);
	run_line(&a, INV_RTT, 20, 0.875, (struct published_spec){11, 0.25, 25, 1, 3}, &h, x);
	assert_true(a.good.has_target && a.score.cert < 1);
	run_line(&a, INV_RTT, 20, 0.875, (struct published_spec){11, 0.25, 25, 1, 3}, &h, x);
	assert_false(a.good.has_target);
	assert_true(a.good.score_all == 1 && a.good.score_mean == 1);
}

// Defect 11: one is one, any other number is three.
static void look_back_is_one_or_three(void **state)
{
	double x[STATE_SIZE] = {[INV_RTT] = 0.5};

	for (int k = 0; k <= 4; k++) {
		struct published_values mixed = {3, {1, 1, -1}}, zero = {1, {0}};
		struct published_history h = {zero, mixed, zero, zero, {0}};
		struct published_answer a;

		run_line(&a, INV_RTT, 1, 0, (struct published_spec){12, 0.25, 25, 1, k}, &h, x);
		assert_int_equal(a.good.has_target, k == 1);
		assert_int_equal(h.good_hi.n, 3);
		assert_true(h.good_hi.v[0] == 1 && h.good_hi.v[1] == -1);
	}
}

static void bad_specs_are_refused(void **state)
{
	static const struct published_spec bad[] = {{5, 0.25, 25, 1, 3}, {13, 0.25, 25, 1, 3},
		{6, -0.1, 25, 1, 3}, {6, NAN, 25, 1, 3}, {6, 0.25, -1, 1, 3},
		{6, 0.25, INFINITY, 1, 3}, {6, 0.25, 25, 0, 3},
		{6, 0.25, 25, PUBLISHED_SLICES + 1, 3}};
	struct mlp *m = line(INV_RTT, 1, 0), *narrow = mlp_new(1, (int[]){3, 1}, 0.2);
	struct published *p = NULL;

	log_set_level(-1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(published_new(&p, m, &bad[i]), -EINVAL);
	assert_int_equal(
		published_new(&p, narrow, &(struct published_spec){6, 0.25, 25, 1, 3}), -EINVAL);
	assert_null(p);
	log_set_level(LOG_INFO);
	published_free(NULL);
	mlp_free(m);
	mlp_free(narrow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_sequences_match),
		cmocka_unit_test(loss_slices_stay_around_the_observed_loss),
		cmocka_unit_test(clipped_slices_may_be_inverted),
		cmocka_unit_test(loose_bounds_untrigger),
		cmocka_unit_test(look_back_is_one_or_three),
		cmocka_unit_test(bad_specs_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
