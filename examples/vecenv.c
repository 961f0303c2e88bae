/*
 * A hand-written policy in 16 simulated networks: opens the window while the RTT is near its least, closes it as
 * the queue grows.
 *
 *	vecenv [STEPS] [THREADS]             1000, 2
 */
#include <canopy/env.h>

#include <stdio.h>
#include <stdlib.h>

#define N 16
#define INV_RTT (CANOPY_ENV_OBS - 2) /* of the newest frame: min_rtt / srtt */
#define WANTED 0.8f

int main(int argc, char **argv)
{
	static float obs[N][CANOPY_ENV_OBS], actions[N], rewards[N];
	static uint32_t flags[N];
	const struct canopy_env_info info = {.flags = flags};
	struct canopy_env_conf confs[N] = {{.trace = NULL}};
	int steps = argc > 1 ? atoi(argv[1]) : 1000, threads = argc > 2 ? atoi(argv[2]) : 2;
	struct canopy_env *e;
	double sum = 0;
	long rewarded = 0, restarts = 0;

	for (int i = 0; i < N; i++) /* 12 to 96 Mbit/s by 10 to 75 ms; the last one's link is a cellular one */
		confs[i] = (struct canopy_env_conf){.rate_mbps = 12 << i % 4,
			.delay_ms = (double[]){10, 25, 50, 75}[i / 4],
			.duration_s = 60,
			.seed = 1 + i};
	confs[N - 1].trace = "cellular:1";
	if (canopy_env_new(&e, confs, sizeof(confs[0]), N, threads))
		return 1;
	if (canopy_env_reset(e, obs[0], NULL))
		return 1;
	for (int t = 0; t < steps; t++) {
		for (int i = 0; i < N; i++)
			actions[i] = 0.5f * (obs[i][INV_RTT] - WANTED);
		if (canopy_env_step(e, actions, obs[0], rewards, &info))
			return 1;
		for (int i = 0; i < N; i++) {
			sum += rewards[i];
			rewarded += (flags[i] & CANOPY_ENV_REWARDED) != 0;
			restarts += (flags[i] & CANOPY_ENV_RESTARTED) != 0;
		}
	}
	printf("mean reward %.6f over %ld decisions, %ld restarts\n", sum / rewarded, rewarded, restarts);
	canopy_env_free(e);
	return 0;
}
