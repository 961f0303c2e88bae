/*
 * Training's speed: updates per second of the published learner on one and on two threads, in turn
 * with PyTorch's (bench/td3_torch.py) so that both meet the same machine, against the time that the
 * matrix products of an update take alone at the rate measured beside; and transitions per second
 * of the published 256 environments with inference, with the split of the time.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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
#define REPEATS 60  /* windows */
#define SIDES 2	    /* one thread, two threads */
#define PRODUCTS 40 /* of a window */
#define PRODUCT (BATCH * HIDDEN)
#define SETTLE_US 20000 /* PyTorch's threads spin a while before they sleep */

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

/* --- Windows: measured again and again, best and median kept --- */

struct windows {
	double rate[REPEATS];
	int n;
};

static int ascending(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double best(struct windows *w)
{
	qsort(w->rate, w->n, sizeof(w->rate[0]), ascending);
	return w->rate[w->n - 1];
}

static double median(struct windows *w)
{
	qsort(w->rate, w->n, sizeof(w->rate[0]), ascending);
	return w->rate[w->n / 2];
}

// Products of one shape on each thread at once.
struct products {
	int m, n, k;
	float *a, *b, *c; // a thread's begin at PRODUCT times its number
};

static void multiply(void *arg, int i, int thread)
{
	const struct products *p = arg;
	size_t at = (size_t)i * PRODUCT;

	for (int rep = 0; rep < PRODUCTS; rep++)
		blas_product(p->m, p->n, p->k, (struct blas_matrix){p->a + at, p->k, false},
			(struct blas_matrix){p->b + at, p->n, false}, false, p->c + at, p->n);
}

static double gflops(const struct products *p, struct crew *crew)
{
	double start = progress_clock();

	crew_run(crew, crew_threads(crew), multiply, (void *)p);
	return crew_threads(crew) * PRODUCTS * 2e-9 * p->m * p->n * p->k /
	       (progress_clock() - start);
}

/* --- PyTorch, in a process of its own that waits to be asked --- */

struct torch {
	FILE *to, *from; // NULL without it
	char name[80];
};

static void torch_child(const int *in, const int *out)
{
	dup2(in[0], STDIN_FILENO);
	dup2(out[1], STDOUT_FILENO);
	close(in[1]);
	close(out[0]);
	execl("/usr/bin/python3", "python3", "bench/td3_torch.py", NULL);
	_exit(1);
}

static void torch_open(struct torch *t)
{
	int in[2], out[2];

	if (pipe(in) || pipe(out))
		exit(1);
	signal(SIGPIPE, SIG_IGN);
	if (!fork())
		torch_child(in, out);
	close(in[0]);
	close(out[1]);
	t->to = fdopen(in[1], "w");
	t->from = fdopen(out[0], "r");
	if (!fgets(t->name, sizeof(t->name), t->from))
		strcpy(t->name,
			"skipped: no bench/td3_torch.py here, run it where the sources are");
	t->name[strcspn(t->name, "\n")] = 0;
	if (!strstr(t->name, "skipped"))
		return;
	puts(t->name);
	fclose(t->to);
	t->to = NULL;
}

static void torch_measure(struct torch *t, int threads, struct windows *w)
{
	char line[64];

	if (!t->to)
		return;
	fprintf(t->to, "%d\n", threads);
	fflush(t->to);
	if (!fgets(line, sizeof(line), t->from))
		exit(1);
	w->rate[w->n++] = atof(line);
	usleep(SETTLE_US);
}

static void torch_close(struct torch *t)
{
	if (t->to)
		fclose(t->to);
	fclose(t->from);
	wait(NULL);
}

/* --- Updates --- */

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

// A learner on so many threads, what stands beside it, and their windows.
struct side {
	struct crew *crew;
	struct td3 *td3;
	struct rng rng;
	struct windows ours, torch, product, shard; // of BATCH rows and of TD3_SHARD
};

static void side_open(struct side *s, int threads)
{
	struct td3_conf conf = td3_published;

	*s = (struct side){.crew = NULL};
	conf.states = STATE_SIZE;
	rng_init(&s->rng, 2, 0);
	if (crew_new(&s->crew, threads) || td3_new(&s->td3, &conf, s->crew))
		exit(1);
}

static double updates(struct side *s, struct replay *replay)
{
	struct drawn drawn = {.replay = replay};
	const struct td3_source from = {fill, &drawn};
	struct td3_stats stats;
	double start = progress_clock();

	for (int i = 0; i < UPDATES; i++) {
		replay_draw(replay, &s->rng, BATCH, drawn.at);
		if (td3_update(s->td3, &from, NULL, &stats))
			exit(1);
	}
	return UPDATES / (progress_clock() - start);
}

static void show(struct side *s, double gflop, const struct torch *t)
{
	double rate = best(&s->ours), peak = best(&s->product);
	int n = crew_threads(s->crew);

	printf("%d thread%s\n", n, n > 1 ? "s" : "");
	printf("  products   %6.1f GFLOP/s at %d rows, %.1f at %d: %.2f ms an update, %.1f "
	       "updates/s\n",
		peak, BATCH, best(&s->shard), TD3_SHARD, gflop / peak * 1e3, peak / gflop);
	printf("  canopy     %6.1f updates/s (median %.1f), %.1f GFLOP/s, %.0f%% of the products' "
	       "rate\n",
		rate, median(&s->ours), rate * gflop, 100 * rate * gflop / peak);
	if (t->to)
		printf("  %s %6.1f updates/s (median %.1f): canopy is %.2f times as fast, by "
		       "medians %.2f\n",
			t->name, best(&s->torch), median(&s->torch), rate / best(&s->torch),
			median(&s->ours) / median(&s->torch));
}

static void bench_updates(struct replay *replay)
{
	static float a[SIDES * PRODUCT], b[SIDES * PRODUCT], c[SIDES * PRODUCT];
	const struct products whole = {BATCH, HIDDEN, HIDDEN, a, b, c},
			      shard = {TD3_SHARD, HIDDEN, HIDDEN, a, b, c};
	static struct side side[SIDES];
	double gflop = flop_of_update(STATE_SIZE) * 1e-9;
	struct torch torch;

	torch_open(&torch);
	for (int i = 0; i < SIDES; i++)
		side_open(&side[i], i + 1);
	for (int rep = 0; rep < REPEATS; rep++)
		for (int i = 0; i < SIDES; i++) {
			struct side *s = &side[i];

			s->product.rate[s->product.n++] = gflops(&whole, s->crew);
			s->ours.rate[s->ours.n++] = updates(s, replay);
			s->shard.rate[s->shard.n++] = gflops(&shard, s->crew);
			torch_measure(&torch, i + 1, &s->torch);
		}
	printf("updates of %d transitions, %.2f GFLOP of products (%s), measured in turn, best of "
	       "%d windows of %d\n",
		BATCH, gflop, blas_kernel(), REPEATS, UPDATES);
	for (int i = 0; i < SIDES; i++) {
		show(&side[i], gflop, &torch);
		td3_free(side[i].td3);
		crew_free(side[i].crew);
	}
	torch_close(&torch);
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
	struct replay *replay;

	if (blas_load())
		return 0;
	if (replay_new(&replay, STREAMS, TRANSITIONS))
		return 1;
	fill_replay(replay);
	bench_updates(replay);
	replay_free(replay);
	for (int threads = 1; threads <= SIDES; threads++)
		bench_rollout(threads);
	return 0;
}
