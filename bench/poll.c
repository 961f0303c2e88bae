/* How late processes that poll() as mahimahi's do act here, for the latencies that the simulator
 * gives emulators: after a timeout of 1 ms, rarely by how much more, and after a packet has come. The latter in a chain of
 * as many processes as packets and their ACKs pass (mm-delay and mm-link have two each, and there
 * are sender and receiver), which share the processors: each takes a message, works as long as
 * mahimahi does for a packet, and hands it on. */
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	SLEEPS = 4000,
	BURSTS = 3000,
	HOPS = 6,
	RARE_S = 8,
	/* Of a process for a packet: 25.5 us of processor time a data packet with its ACKs, by
	 * least squares over the reference runs, are spent in 3.1 turns of a process. */
	WORK_US = 8,
};

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

static void show(const char *what, double *us, int n)
{
	double sum = 0;

	for (int i = 0; i < n; i++)
		sum += us[i];
	qsort(us, n, sizeof(us[0]), by_value);
	printf("%s: mean %.0f, p10 %.0f, p50 %.0f, p90 %.0f, p99 %.0f, max %.0f us\n", what,
		sum / n, us[n / 10], us[n / 2], us[n * 9 / 10], us[n * 99 / 100], us[n - 1]);
}

static void timers(void)
{
	static double late[SLEEPS];

	for (int i = 0; i < SLEEPS; i++) {
		double t = now_us();

		poll(NULL, 0, 1);
		late[i] = now_us() - t - 1000;
	}
	show("poll(1 ms) returns late by", late, SLEEPS);
}

/* How often a process that sleeps for us microseconds each time is woken more than 0.2 ms late: do
 * such delays come by the number of wakes, or by the time asleep? */
static void rare(int us)
{
	double start = now_us(), sum = 0;
	int wakes = 0, late = 0;

	for (; now_us() < start + RARE_S * 1e6; wakes++) {
		double due = now_us() + us, by;
		struct timespec t = {due / 1e6, fmod(due, 1e6) * 1e3};

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
		by = now_us() - due;
		if (by < 200)
			continue;
		late++;
		sum += by;
	}
	printf("sleeps of %d us: over 200 us late %.2f times a second, %.2f %% of wakes, by %.0f us on average\n",
		us, late / (double)RARE_S, 100. * late / wakes, late ? sum / late : 0);
}

static void work(void)
{
	for (double end = now_us() + WORK_US; now_us() < end;)
		;
}

// Hands on n messages, then ends.
static void relay(int in, int out, int n)
{
	for (int i = 0; i < n; i++) {
		struct pollfd f = {in, POLLIN, 0};
		double sent_us;

		while (poll(&f, 1, 1) < 1)
			;
		if (read(in, &sent_us, sizeof(sent_us)) != sizeof(sent_us))
			_exit(1);
		work();
		if (write(out, &sent_us, sizeof(sent_us)) != sizeof(sent_us))
			_exit(1);
	}
	_exit(0);
}

static void send_bursts(int out, int burst)
{
	for (int i = 0; i < BURSTS; i++) {
		double t;

		poll(NULL, 0, 1);
		t = now_us();
		for (int k = 0; k < burst; k++)
			if (write(out, &t, sizeof(t)) != sizeof(t))
				_exit(1);
	}
	_exit(0);
}

static void chain(int burst)
{
	static double hop_us[BURSTS];
	int fd[HOPS + 1][2];
	char what[80];

	fflush(stdout);
	for (int i = 0; i <= HOPS; i++)
		if (socketpair(AF_UNIX, SOCK_DGRAM, 0, fd[i]))
			exit(1);
	for (int i = 0; i < HOPS; i++)
		if (!fork())
			relay(fd[i][0], fd[i + 1][1], BURSTS * burst);
	if (!fork())
		send_bursts(fd[0][1], burst);
	for (int i = 0; i < BURSTS * burst; i++) {
		double sent_us;

		if (read(fd[HOPS][0], &sent_us, sizeof(sent_us)) != sizeof(sent_us))
			exit(1);
		if (i % burst == burst - 1) // the last of a burst waits for the others once
			hop_us[i / burst] = (now_us() - sent_us - (burst - 1) * WORK_US) / HOPS;
	}
	while (wait(NULL) > 0)
		;
	for (int i = 0; i <= HOPS; i++) {
		close(fd[i][0]);
		close(fd[i][1]);
	}
	snprintf(what, sizeof(what), "a hop of %d packets a ms, work of %d us included", burst,
		WORK_US);
	show(what, hop_us, BURSTS);
}

int main(void)
{
	timers();
	rare(250);
	rare(1000);
	rare(4000);
	chain(1);
	chain(2);
	chain(4);
	chain(8);
	return 0;
}
