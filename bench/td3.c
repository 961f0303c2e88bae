/*
 * Training's speed: updates per second of the published learner on one and on two threads against
 * the machine's matrix products in the same shapes, and transitions per second of the published 256
 * environments with inference, with the split of the time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/progress.h"
#include "learn/replay.h"
#include "learn/rollout.h"
#include "learn/td3.h"
#include "learn/train.h"
#include "nn/blas.h"

#define BATCH 512
#define HIDDEN 256
#define TRANSITIONS 100000
#define STREAMS 256
#define UPDATES 10
#define STEPS 300
#define REPEATS 100

// Multiplications and additions of one update, products only: forward passes of the target actor,
// both target critics, both critics, the actor and critic 1; backward passes of the critics and the
// actor, which are a forward pass's work for the weights and for all inputs but the states.
static double flop_of_update(int states)
{
	double rows = 2.0 * BATCH, first = (double)states * HIDDEN,
	       second = (double)HIDDEN * HIDDEN, actor = rows * (first + second + HIDDEN),
	       critic = rows * (first + second + 2 * HIDDEN), back = rows * second;

	return 2 * actor + 5 * critic + 2 * (critic + back) + actor + back;
}

static double gflops(int m, int n, int k)
{
	static float a[BATCH * HIDDEN], b[BATCH * HIDDEN], c[BATCH * HIDDEN];
	double best = 0;

	for (int rep = 0; rep < 5 * REPEATS; rep++) {
		double start = progress_clock(), rate;

		for (int i = 0; i < 10; i++)
			blas_product(m, n, k, (struct blas_matrix){a, k, false},
				(struct blas_matrix){b, n, false}, false, c, n);
		rate = 10 * 2e-9 * m * n * k / (progress_clock() - start);
		best = rate > best ? rate : best;
	}
	return best;
}

static void fill_replay(struct replay *r)
{
	static float states[STREAMS * STATE_SIZE], action[STREAMS], raw[STREAMS], qc[STREAMS];
	static bool yes[STREAMS];
	static uint32_t w[STREAMS], p[STREAMS];
	static int32_t nchanges[STREAMS];
	struct rng rng;

	rng_init(&rng, 1, 0);
	memset(yes, 1, sizeof(yes));
	for (int t = 0; t < TRANSITIONS / STREAMS; t++) {
		for (int i = 0; i < STREAMS; i++) {
			float *x = states + i * STATE_SIZE;

			memmove(x, x + FRAME_FEATURES, (STATE_SIZE - FRAME_FEATURES) * sizeof(*x));
			for (int k = 1; k <= FRAME_FEATURES; k++)
				x[STATE_SIZE - k] = (float)rng_uniform(&rng);
			action[i] = (float)(2 * rng_uniform(&rng) - 1);
			raw[i] = (float)rng_uniform(&rng);
		}
		replay_add(r,
			&(struct replay_step){action, raw, qc, yes, yes, states, w, p, nchanges});
	}
}

struct drawn {
	struct replay *replay;
	uint64_t at[BATCH];
};

static void fill(void *arg, const struct td3_batch *b, int from, int to)
{
	static const struct replay_reward reward = {0, -1e9};
	const struct drawn *d = arg;

	replay_fetch(d->replay, d->at + from, to - from, &state_published, &reward,
		b->s0 + from * STATE_SIZE, b->a + from, b->r + from, b->s1 + from * STATE_SIZE);
}

static void bench_updates(struct replay *replay, int threads, double gflop, double peak)
{
	struct td3_conf conf = td3_published;
	struct drawn drawn = {.replay = replay};
	const struct td3_source from = {fill, &drawn};
	struct td3_stats stats;
	struct crew *crew;
	struct td3 *t;
	struct rng rng;
	double best = 0;

	conf.states = STATE_SIZE;
	rng_init(&rng, 2, 0);
	if (crew_new(&crew, threads) || td3_new(&t, &conf, crew))
		exit(1);
	for (int rep = 0; rep < REPEATS; rep++) {
		double start = progress_clock(), rate;

		for (int i = 0; i < UPDATES; i++) {
			replay_draw(replay, &rng, BATCH, drawn.at);
			if (td3_update(t, &from, NULL, &stats))
				exit(1);
		}
		rate = UPDATES / (progress_clock() - start);
		best = rate > best ? rate : best;
	}
	printf("%d thread%s: %6.1f updates/s, %5.1f GFLOP/s, %3.0f%% of the products' rate\n",
		threads, threads > 1 ? "s" : " ", best, best * gflop,
		100 * best * gflop / (peak * threads));
	td3_free(t);
	crew_free(crew);
}

static void bench_rollout(int threads)
{
	static const struct opt table[] = {TRAIN_OPTS, {.kind = OPT_END}};
	static const char *const skip[] = {NULL};
	struct rollout_conf conf = {
		.table = &state_published, .exploration = 0.2, .threads = threads};
	struct train_conf train;
	struct rollout_stats s;
	struct experience e;
	struct rollout *r;
	struct opts o;
	struct td3 *t;
	double start;

	opts_init(&o, table);
	if (train_conf_init(&train, &o, skip) || crew_new(&conf.crew, threads) ||
		td3_new(&t, &train.td3, conf.crew))
		exit(1);
	conf.setups = &train.setups;
	if (rollout_new(&r, &conf, td3_policy_new(t)) || experience_init(&e, train.setups.n) ||
		rollout_begin(r, 0, &e))
		exit(1);
	start = progress_clock();
	for (int i = 0; i < STEPS; i++)
		if (rollout_step(r, &e)) // weights 0: plain CUBIC and noise
			exit(1);
	start = progress_clock() - start;
	s = rollout_tell(r);
	printf("%d thread%s: %7.0f transitions/s of %d environments, %2.0f%% of it inference, "
	       "%.0f x real time\n",
		threads, threads > 1 ? "s" : " ", (double)STEPS * train.setups.n / start,
		train.setups.n, 100 * s.infer_s / start, s.time_s / start);
	experience_free(&e);
	rollout_free(r);
	td3_free(t);
	crew_free(conf.crew);
	train_conf_free(&train);
	opts_free(&o);
}

int main(void)
{
	double gflop = flop_of_update(STATE_SIZE) * 1e-9, peak;
	struct replay *replay;

	if (blas_load())
		return 0;
	if (replay_new(&replay, STREAMS, TRANSITIONS))
		return 1;
	peak = gflops(BATCH, HIDDEN, HIDDEN);
	printf("products (%s): %.1f GFLOP/s at %d rows, %.1f at %d; an update is %.2f GFLOP\n",
		blas_kernel(), peak, BATCH, gflops(TD3_SHARD, HIDDEN, HIDDEN), TD3_SHARD, gflop);
	fill_replay(replay);
	for (int threads = 1; threads <= 2; threads++)
		bench_updates(replay, threads, gflop, peak);
	for (int threads = 1; threads <= 2; threads++)
		bench_rollout(threads);
	replay_free(replay);
	return 0;
}
