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

enum { MOST_FLOWS = 1000 };

struct row {
	const char *cc;
	int flows, mbps; /* a multiple of 12 */
	bool smooth;
	double secs;
};

static void run(const struct row *r)
{
	static uint32_t every_ms[MOST_FLOWS]; // an opportunity is 12 Mbit/s
	static struct flow_conf f[MOST_FLOWS];
	int ops = r->mbps / 12;
	struct trace down = {.rate_bps = r->mbps * 1000000ull},
		     up = {.rate_bps = 2 * down.rate_bps};
	struct world_conf conf = {
		.down = {.trace = &down, .queue = QUEUE_DROPTAIL, .limit_pkts = 100 * ops},
		.up = {.trace = &up},
		.ms_delay = !r->smooth,
		.seed = 1,
		.nflows = r->flows,
		.flows = f};
	size_t heap = heap_bytes(), used;
	struct world *w;
	uint64_t packets;
	double t;

	for (int i = 0; i < ops; i++)
		every_ms[i] = 1;
	if (!r->smooth)
		down = (struct trace){.t_ms = every_ms, .n = ops};
	for (int i = 0; i < r->flows; i++)
		f[i] = (struct flow_conf){
			.cc = cc_find(r->cc), .delay_ms = 10, .start_ns = i * MS, .pacing = -1};
	w = world_new(&conf);
	world_run(w, 5 * SEC); // out of slow start, rings grown
	used = heap_bytes() - heap;
	packets = world_down(w)->departures;
	t = now_s();
	world_run(w, (5 + r->secs) * SEC);
	t = now_s() - t;
	packets = world_down(w)->departures - packets;
	printf("%-6s %-6s %5d Mbit/s %4d flow%s: %6.2f M packets/s, %5.1f ns a packet, "
	       "%6.0f x real time, %6.1f KiB a flow\n",
		r->cc, r->smooth ? "smooth" : "grid", r->mbps, r->flows, r->flows > 1 ? "s" : " ",
		packets / t * 1e-6, t * 1e9 / packets, r->secs / t, used / 1024. / r->flows);
	world_free(w);
}

int main(void)
{
	static const struct row rows[] = {
		{"cubic", 1, 96, false, 300},
		{"cubic", 1, 96, true, 300},
		{"reno", 1, 96, false, 300},
		{"bbr", 1, 96, false, 300},
		// one link, ever less of it for each
		{"cubic", 10, 96, false, 60},
		{"cubic", 100, 96, false, 60},
		{"cubic", 1000, 96, false, 60},
		// as much of it for each: what more flows cost
		{"cubic", 1, 12, false, 600},
		{"cubic", 10, 120, false, 60},
		{"cubic", 100, 1200, false, 20},
		{"cubic", 1000, 12000, false, 5},
	};

	printf("one core, 10 ms each way, droptail 100 ms; memory includes packets in flight\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		run(&rows[i]);
	return 0;
}
