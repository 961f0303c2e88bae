/*
 * Environment steps per second of one core without inference, and memory: the 256 environments of the published
 * training (6 to 192 Mbit/s by 2 to 200 ms), their windows kept near the path's need by a rule of thumb.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "canopy/env.h"

#define RATES 32
#define DELAYS 8
#define N (RATES * DELAYS)
#define WARM 300
#define STEPS 300

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

static void act(float *actions, float obs[N][CANOPY_ENV_OBS])
{
	for (int i = 0; i < N; i++)
		actions[i] = 0.5f * (obs[i][CANOPY_ENV_OBS - 2] - 0.8f);
}

static void run(enum canopy_emulator emulator, const char *name, int threads)
{
	static const double delays_ms[DELAYS] = {10, 2, 25, 50, 75, 100, 150, 200};
	static float obs[N][CANOPY_ENV_OBS], actions[N], rewards[N];
	struct canopy_env_conf confs[N] = {{.trace = NULL}};
	double t, simulated = 0, times[N], first[N];
	const struct canopy_env_info info = {.time_s = times};
	size_t heap = heap_bytes();
	struct canopy_env *e;

	for (int i = 0; i < N; i++)
		confs[i] = (struct canopy_env_conf){.rate_mbps = 6 * (1 + i % RATES),
			.delay_ms = delays_ms[i / RATES],
			.seed = i,
			.emulator = emulator};
	if (canopy_env_new(&e, confs, sizeof(confs[0]), N, threads) || canopy_env_reset(e, obs[0], NULL))
		exit(1);
	for (int s = 0; s < WARM; s++) {
		act(actions, obs);
		canopy_env_step(e, actions, obs[0], rewards, &info);
	}
	for (int i = 0; i < N; i++)
		first[i] = times[i];
	t = now_s();
	for (int s = 0; s < STEPS; s++) {
		act(actions, obs);
		canopy_env_step(e, actions, obs[0], rewards, &info);
	}
	t = now_s() - t;
	for (int i = 0; i < N; i++)
		simulated += times[i] - first[i];
	printf("%-8s %d environments, %d threads: %8.0f steps/s, %5.1f us a step, %5.0f x real time, %6.1f KiB each\n",
		name, N, threads, N * STEPS / t, t * 1e6 / (N * STEPS), simulated / t,
		(heap_bytes() - heap) / 1024. / N);
	canopy_env_free(e);
}

int main(void)
{
	run(CANOPY_MAHIMAHI, "mahimahi", 1);
	run(CANOPY_MAHIMAHI, "mahimahi", 2);
	run(CANOPY_GRID, "grid", 1);
	run(CANOPY_IDEAL, "ideal", 1);
	return 0;
}
