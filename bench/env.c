/*
 * The learning environment without inference: steps a second and nanoseconds a packet of the 256
 * environments of the published training (6 to 192 Mbit/s by 2 to 200 ms), of 1 to 1,000 equal
 * ones, and memory: what an environment takes whatever its path, and what a packet in flight adds.
 * Windows are kept near the path's need by a rule of thumb, or moved at random as an untrained
 * learner's exploration does.
 */
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/rng.h"
#include "canopy/env.h"

#define RATES 32
#define DELAYS 8
#define PUBLISHED (RATES * DELAYS)
#define MOST 1000
#define WARM 300    /* steps of every environment before time is taken */
#define TIMED 76800 /* steps of all environments together */
#define EXPLORATION 0.2
#define PAYLOAD 1448

enum { THR = 0, DT = 5 }; // of a report

static float obs[MOST][CANOPY_ENV_OBS], actions[MOST], rewards[MOST];
static double report[MOST][CANOPY_ENV_REPORT];
static uint32_t windows[MOST];
static const struct canopy_env_info info = {.report = report[0], .w = windows};

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static size_t heap_bytes(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

struct bench {
	struct canopy_env_conf confs[MOST];
	int n, threads;
	bool explore;
	struct rng rng;
	struct canopy_env *env;
	size_t heap; // before
};

static void begin(struct bench *b)
{
	b->heap = heap_bytes();
	rng_init(&b->rng, 1, 1);
	if (canopy_env_new(&b->env, b->confs, sizeof(b->confs[0]), b->n, b->threads) ||
		canopy_env_reset(b->env, obs[0], NULL))
		exit(1);
}

static double heap_kib(const struct bench *b)
{
	return (heap_bytes() - b->heap) / 1024.;
}

// What one step of all delivers, and how long that takes in virtual time.
static void step(struct bench *b, double *packets, double *secs)
{
	for (int i = 0; i < b->n; i++)
		actions[i] = b->explore ? EXPLORATION * rng_normal(&b->rng)
					: 0.5f * (obs[i][CANOPY_ENV_OBS - 2] - 0.8f);
	if (canopy_env_step(b->env, actions, obs[0], rewards, &info))
		exit(1);
	for (int i = 0; i < b->n; i++) {
		*packets += report[i][THR] * report[i][DT] / PAYLOAD;
		*secs += report[i][DT];
	}
}

static void run(struct bench *b, const char *name)
{
	double packets = 0, secs = 0, t;
	int steps = TIMED / b->n;

	begin(b);
	for (int s = 0; s < WARM; s++)
		step(b, &packets, &secs);
	packets = secs = 0;
	t = now_s();
	for (int s = 0; s < steps; s++)
		step(b, &packets, &secs);
	t = now_s() - t;
	printf("%-30s %4d environments, %d thread%s: %7.0f steps/s, %5.1f us a step, %5.1f ns a "
	       "packet, %5.0f x "
	       "real time\n",
		name, b->n, b->threads, b->threads > 1 ? "s" : " ", (double)b->n * steps / t,
		t * 1e6 / ((double)b->n * steps), t * 1e9 / packets, secs / t);
	canopy_env_free(b->env);
}

static void published(struct bench *b, enum canopy_emulator emulator)
{
	static const double delays_ms[DELAYS] = {10, 2, 25, 50, 75, 100, 150, 200};

	b->n = PUBLISHED;
	for (int i = 0; i < PUBLISHED; i++)
		b->confs[i] = (struct canopy_env_conf){.rate_mbps = 6 * (1 + i % RATES),
			.delay_ms = delays_ms[i / RATES],
			.seed = i,
			.emulator = emulator};
}

static void equal(
	struct bench *b, int n, double mbps, double delay_ms, enum canopy_emulator emulator)
{
	b->n = n;
	for (int i = 0; i < n; i++)
		b->confs[i] = (struct canopy_env_conf){
			.rate_mbps = mbps, .delay_ms = delay_ms, .seed = i, .emulator = emulator};
}

// An environment with next to nothing in flight, and what the published ones need beyond that.
static void memory(struct bench *b)
{
	double packets = 0, secs = 0, fixed, all;

	equal(b, PUBLISHED, 1, 1, CANOPY_MAHIMAHI);
	begin(b);
	for (int s = 0; s < WARM; s++)
		step(b, &packets, &secs);
	fixed = heap_kib(b) / b->n;
	canopy_env_free(b->env);
	published(b, CANOPY_MAHIMAHI);
	begin(b);
	for (int s = 0; s < WARM; s++)
		step(b, &packets, &secs);
	all = heap_kib(b) / b->n;
	canopy_env_free(b->env);
	packets = 0;
	for (int i = 0; i < b->n; i++)
		packets += windows[i];
	packets /= b->n;
	printf("memory: %.1f KiB an environment, and %.0f bytes a packet of its window (the "
	       "published ones: %.1f KiB "
	       "with windows of %.0f packets on average)\n",
		fixed, (all - fixed) * 1024 / packets, all, packets);
}

int main(void)
{
	static struct bench b = {.threads = 1};

	published(&b, CANOPY_MAHIMAHI);
	run(&b, "published, mahimahi");
	b.explore = true;
	run(&b, "published, exploring");
	b.threads = 2;
	run(&b, "published, exploring");
	b.threads = 1;
	b.explore = false;
	published(&b, CANOPY_GRID);
	run(&b, "published, grid");
	published(&b, CANOPY_IDEAL);
	run(&b, "published, ideal");
	for (int n = 1; n <= MOST; n *= 10) {
		equal(&b, n, 96, 25, CANOPY_MAHIMAHI);
		run(&b, "96 Mbit/s, 25 ms");
	}
	memory(&b);
	return 0;
}
