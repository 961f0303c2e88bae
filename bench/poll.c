/* How late poll() with a timeout of 1 ms returns here: the wake-up latency that the simulator gives
 * emulators. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SLEEPS = 4000 };

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec * 1e-3;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

int main(void)
{
	static double late[SLEEPS];

	for (int i = 0; i < SLEEPS; i++) {
		double t = now_us();

		poll(NULL, 0, 1);
		late[i] = now_us() - t - 1000;
	}
	qsort(late, SLEEPS, sizeof(late[0]), by_value);
	printf("poll(1 ms) returns late by: p10 %.0f, p50 %.0f, p90 %.0f, p99 %.0f, max %.0f us\n",
		late[SLEEPS / 10], late[SLEEPS / 2], late[SLEEPS * 9 / 10], late[SLEEPS * 99 / 100],
		late[SLEEPS - 1]);
	return 0;
}
