/* The extended state end to end: what a policy is given in training, what learning is given back
 * from the replay, and what a model file's policy sees in canopy eval, beside windows followed by
 * hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "learn/rollout.h"
#include "learn/train.h"
#include "model/model.h"
#include "nn/blas.h"
#include "policy/decision_file.h"

#define ENVS 4
#define STEPS 150
#define TAIL 4

static char dir[] = "/tmp/canopy-extended-XXXXXX";

static int set_up(void **state)
{
	log_set_level(LOG_ERR);
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	char *cmd = file_path("rm -r '%s'", dir);
	int err = system(cmd);

	free(cmd);
	return err;
}

/* --- By hand --- */

// The windows installed in a flow so far.
struct followed {
	int64_t installed[1000];
	int n;
};

static int sign(int64_t x)
{
	return x > 0 ? 1 : x < 0 ? -1 : 0;
}

// log4(w / p), then the signs of the changes from one installed window to the next, oldest first.
static void check_tail(const struct followed *f, uint32_t w, const float *tail)
{
	double want = f->n ? log((double)w / (double)f->installed[f->n - 1]) / log(4) : 0;

	assert_true(fabs(tail[0] - want) < 1e-6);
	for (int k = 1; k < TAIL; k++) {
		int newer = f->n - TAIL + k; // index of the window that the change led to

		assert_true(tail[k] ==
			    (newer > 0 ? sign(f->installed[newer] - f->installed[newer - 1]) : 0));
	}
}

static void follow(struct followed *f, int64_t installed)
{
	assert_true(f->n < (int)(sizeof(f->installed) / sizeof(f->installed[0])));
	f->installed[f->n++] = installed;
}

/* --- Training --- */

static struct {
	struct followed flow[ENVS];
	float seen[STEPS][ENVS][STATE_EXTENDED_SIZE];
	bool waited[STEPS][ENVS];
	int step, tails; // tails that are not all zeros
} acting;

// Shown the decisions of every step: the states are those that the policy has answered.
static void look(void *arg, const struct certifier_decisions *d)
{
	assert_int_equal(d->table->size, STATE_SIZE + TAIL);
	for (int i = 0; i < ENVS; i++) {
		const float *x = d->states + (size_t)i * d->table->size;

		acting.waited[acting.step][i] = d->waits[i];
		if (!d->waits[i])
			continue;
		memcpy(acting.seen[acting.step][i], x, sizeof(acting.seen[0][0]));
		check_tail(&acting.flow[i], d->w[i], x + STATE_SIZE);
		acting.tails += x[STATE_SIZE] != 0 && x[STATE_SIZE + 1] != 0 &&
				x[STATE_SIZE + 1] != x[STATE_SIZE + 3];
	}
}

static bool was_seen(const float *x)
{
	for (int t = 0; t < STEPS; t++)
		for (int i = 0; i < ENVS; i++)
			if (acting.waited[t][i] &&
				!memcmp(acting.seen[t][i], x, sizeof(acting.seen[0][0])))
				return true;
	return false;
}

static void check_replay(const struct replay *r)
{
	static const struct replay_reward as_is = {0, -INFINITY};
	float s0[STATE_EXTENDED_SIZE], s1[STATE_EXTENDED_SIZE];
	struct rng rng;
	uint64_t at;

	rng_init(&rng, 1, 0);
	assert_true(replay_count(r) > STEPS);
	for (int i = 0; i < 500; i++) {
		replay_draw(r, &rng, 1, &at);
		replay_fetch(r, &at, 1, &state_extended, &as_is, s0, NULL, NULL, s1);
		assert_true(was_seen(s0) && was_seen(s1));
	}
}

static void configure(struct train_conf *c, struct opts *o)
{
	static const struct opt table[] = {TRAIN_OPTS, {.kind = OPT_END}};
	static const char *const skip[] = {NULL};
	static const char *const settings[][2] = {{"rates", "12,24"}, {"delays", "10,20"},
		{"features", "extended"}, {"hidden", "16,12"}, {"episode", "60"},
		{"emulator", "ideal"}, {"replay", "10000"}};

	opts_init(o, table);
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		assert_int_equal(opts_set(o, settings[i][0], settings[i][1], 2, "test"), 0);
	assert_int_equal(train_conf_init(c, o, skip), 0);
	assert_int_equal(c->setups.n, ENVS);
	assert_int_equal(c->td3.states, STATE_SIZE + TAIL);
}

static void policies_in_training_see_it(void **state)
{
	struct train_conf train;
	struct rollout_conf conf;
	struct replay *replay;
	struct rollout *r;
	struct experience e;
	struct td3 *t;
	struct opts o;
	int restarts = 0;

	configure(&train, &o);
	conf = (struct rollout_conf){.setups = &train.setups,
		.table = train.table,
		.exploration = 0.3,
		.seed = 1,
		.watch = look,
		.threads = 1};
	assert_int_equal(crew_new(&conf.crew, 1), 0);
	assert_int_equal(td3_new(&t, &train.td3, conf.crew), 0);
	assert_int_equal(replay_new(&replay, ENVS, train.replay), 0);
	assert_int_equal(rollout_new(&r, &conf, td3_policy_new(t)), 0);
	td3_policy(t, rollout_policy(r));
	assert_int_equal(experience_init(&e, ENVS), 0);
	assert_int_equal(rollout_begin(r, 0, &e), 0);
	replay_add(replay, &e.step);
	for (acting.step = 0; acting.step < STEPS; acting.step++) {
		assert_int_equal(rollout_step(r, &e), 0);
		if (acting.step < STEPS - 1) // the last states are never answered
			replay_add(replay, &e.step);
		for (int i = 0; i < ENVS; i++) {
			if (e.step.follows[i]) {
				follow(&acting.flow[i], e.installed[i]);
			} else { // another episode
				restarts += acting.flow[i].n > 0;
				acting.flow[i].n = 0;
			}
		}
	}
	assert_true(restarts >= ENVS && acting.tails > STEPS / 10);
	check_replay(replay);
	experience_free(&e);
	rollout_free(r);
	replay_free(replay);
	td3_free(t);
	crew_free(conf.crew);
	train_conf_free(&train);
	opts_free(&o);
}

/* --- A model file in canopy eval --- */

static int canopy(const char *fmt, const char *a, const char *b)
{
	char *args = file_path(fmt, a, b), *cmd = file_path("%s %s", getenv("CANOPY"), args);
	int status = system(cmd);

	free(cmd);
	free(args);
	return status;
}

// The actor's answer by its layers as the file has them, in double, batch norm unfolded.
static double answer(const struct model *m, const float *state)
{
	static double x[MLP_MAX_WIDTH], y[MLP_MAX_WIDTH];
	const struct model_net *net = &m->net[MODEL_ACTOR];

	for (int i = 0; i < net->layer[0].in; i++)
		x[i] = state[i];
	for (int l = 0; l < net->n; l++) {
		const struct model_layer *k = &net->layer[l];

		for (int o = 0; o < k->out; o++) {
			y[o] = k->b[o];
			for (int i = 0; i < k->in; i++)
				y[o] += x[i] * (double)k->w[i * k->out + o];
			if (k->mean)
				y[o] = (y[o] - k->mean[o]) / sqrt(k->var[o] + 1e-3) + k->beta[o];
			if (l < net->n - 1 && y[o] < 0)
				y[o] *= 0.2;
		}
		memcpy(x, y, sizeof(x));
	}
	return tanh(x[0]);
}

static void check_decisions(const struct model *m, const char *path)
{
	static struct followed flow;
	struct decision_file *f;
	int turns = 0, n = 0;

	assert_int_equal(decision_file_read(&f, path), 0);
	assert_int_equal(f->nstate, STATE_SIZE + TAIL);
	for (size_t i = 0; i < f->n && n < 900; i++) {
		const struct decision_row *row = &f->rows[i];
		const float *tail = row->state + STATE_SIZE;

		if (!row->open)
			continue;
		check_tail(&flow, (uint32_t)row->w, tail);
		assert_true(fabs(row->action - answer(m, row->state)) < 1e-5);
		follow(&flow, row->installed);
		turns += tail[1] != tail[3];
		n++;
	}
	assert_true(n > 100 && turns > 10);
	decision_file_free(f);
}

// Windows that move up and down: a policy after few updates would let them grow without end.
static void calm(struct model_net *net)
{
	struct model_layer *last = &net->layer[net->n - 1];

	for (int i = 0; i < last->in; i++)
		last->w[i] *= 0.05f;
	last->b[0] = -0.2f;
}

static void model_files_keep_it(void **state)
{
	char *path = file_path("%s/e.safetensors", dir),
	     *again = file_path("%s/f.safetensors", dir), *res = file_path("%s/res", dir),
	     *pattern = file_path("%s/decisions/*", res);
	struct model *m[2];
	glob_t found;

	if (!getenv("CANOPY")) {
		print_message("skip: CANOPY names no program\n");
		skip();
	}
	assert_int_equal(
		canopy("train -q --features extended --rates 12,24 --delays 10 --hidden 16,12 "
		       "--batch 64 -n 2000 -u 100 --warmup 500 --replay 2000 --emulator ideal "
		       "--eval-rates 12 --eval-traces cellular:1 --eval-delays 10 "
		       "--eval-decisions 20 --actor-rate 0.01 -o %s%s",
			path, ""),
		0);
	assert_int_equal(model_load(&m[0], path), 0);
	assert_ptr_equal(m[0]->states, &state_extended);
	assert_int_equal(m[0]->net[MODEL_ACTOR].layer[0].in, STATE_SIZE + TAIL);
	calm(&m[0]->net[MODEL_ACTOR]);
	assert_int_equal(model_save(m[0], again), 0);
	model_digest(m[0]);
	assert_int_equal(model_load(&m[1], again), 0);
	assert_ptr_equal(m[1]->states, &state_extended);
	assert_string_equal(m[0]->sha256, m[1]->sha256);
	assert_string_equal(m[0]->info.training, m[1]->info.training);
	assert_int_equal(canopy("eval -q -c %s -t cellular:3 --duration 20 --buffers 2 --decisions "
				"-o %s >/dev/null",
				 again, res),
		0);
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	assert_int_equal(found.gl_pathc, 1);
	check_decisions(m[0], found.gl_pathv[0]);
	globfree(&found);
	model_free(m[0]);
	model_free(m[1]);
	free(pattern);
	free(res);
	free(again);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policies_in_training_see_it),
		cmocka_unit_test(model_files_keep_it),
	};

	if (blas_load()) {
		print_message("skip: there is no OpenBLAS here\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
