/* Packets per second of the simulator: one cubic flow at 96 Mbit/s, 10 ms, 800 packets; many flows;
 * memory. */
#include <malloc.h>
#include <stdio.h>
#include <time.h>

#include "sim/world.h"

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static size_t heap_bytes(void)
{
	return mallinfo2().uordblks;
}

// 8 opportunities each millisecond: 96 Mbit/s
static uint32_t grid_ms[8] = {1, 1, 1, 1, 1, 1, 1, 1};

static void run(const char *cc, bool grid, int flows, double secs)
{
	static struct flow_conf f[1000];
	struct trace down = {.rate_bps = 96000000}, up = {.rate_bps = 192000000};
	struct world_conf conf = {
		.up = {.trace = &up}, .ms_delay = grid, .seed = 1, .nflows = flows, .flows = f};
	size_t heap = heap_bytes(), used;
	struct world *w;
	uint64_t packets;
	double t;

	if (grid)
		down = (struct trace){.t_ms = grid_ms, .n = 8};
	conf.down = (struct link_conf){.trace = &down, .queue = QUEUE_DROPTAIL, .limit_pkts = 800};
	for (int i = 0; i < flows; i++)
		f[i] = (struct flow_conf){
			.cc = cc_find(cc), .delay_ms = 10, .start_ns = i * MS, .pacing = -1};
	w = world_new(&conf);
	world_run(w, 5 * SEC); // out of slow start, rings grown
	used = heap_bytes() - heap;
	packets = world_down(w)->departures;
	t = now_s();
	world_run(w, (5 + secs) * SEC);
	t = now_s() - t;
	packets = world_down(w)->departures - packets;
	printf("%-6s %-12s %4d flow%s: %6.2f M packets/s, %5.1f ns/packet, %6.0f x real time, "
	       "%6.1f KiB a flow\n",
		cc, grid ? "grid" : "smooth", flows, flows > 1 ? "s" : " ", packets / t * 1e-6,
		t * 1e9 / packets, secs / t, used / 1024. / flows);
	world_free(w);
}

int main(void)
{
	printf("one core, 96 Mbit/s, 10 ms each way, droptail 800 packets; memory includes packets "
	       "in flight\n");
	run("cubic", true, 1, 300);
	run("cubic", false, 1, 300);
	run("reno", true, 1, 300);
	for (int n = 10; n <= 1000; n *= 10)
		run("cubic", true, n, 60);
	return 0;
}
