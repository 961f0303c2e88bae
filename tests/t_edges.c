/* The edges of what a user may ask for, each for every controller and for policies: tiny queues,
 * paths from 0.1 ms to 2 s, 10 kbit/s to 10 Gbit/s, outages, loss of everything for a while,
 * thousands of flows. Nothing crashes, stalls or spins, and memory stays in proportion to what is
 * in flight. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <glob.h>
#include <malloc.h>

#include "base/log.h"
#include "model/model.h"
#include "policy/policy.h"
#include "sim/world.h"
#include "sim_fixture.h"

#define MODELS "models/*.safetensors"

/* --- Controllers --- */

enum { CONTROLLERS = 16 };

struct controller {
	char name[64];
	const struct cc_ops *ops;
	const void *arg;
	struct policy_conf policy;
	struct model *model;
	struct mlp *mlp;
};

static struct controller controllers[CONTROLLERS];
static int ncontrollers;

static struct controller *add(const char *name, const struct cc_ops *ops)
{
	struct controller *c = &controllers[ncontrollers++];

	snprintf(c->name, sizeof(c->name), "%s", name);
	c->ops = ops;
	return c;
}

static void add_policy(const char *name, enum policy_mode mode, const char *path)
{
	struct controller *c = add(name, &cc_policy);

	c->policy = (struct policy_conf){.mode = mode};
	c->arg = &c->policy;
	if (!path)
		return;
	assert_int_equal(model_load(&c->model, path), 0);
	c->mlp = model_fold(c->model);
	c->policy.mlp = c->mlp;
	c->policy.states = c->model->states;
	c->policy.scratch = malloc(mlp_scratch(c->mlp) * sizeof(float));
}

static int set_up(void **state)
{
	glob_t g;

	for (int i = 0; cc_name(i); i++)
		add(cc_name(i), cc_find(cc_name(i)));
	add_policy("policy at 0", POLICY_TCP_ONLY, NULL);
	add_policy("drifting policy", POLICY_DRIFT, NULL);
	if (glob(MODELS, 0, NULL, &g)) {
		print_message("# skip: no model in " MODELS " (run from the top folder)\n");
		return 0;
	}
	for (size_t i = 0; i < g.gl_pathc && ncontrollers < CONTROLLERS; i++)
		add_policy(g.gl_pathv[i], POLICY_MODEL, g.gl_pathv[i]);
	globfree(&g);
	return 0;
}

static int tear_down(void **state)
{
	for (int i = 0; i < ncontrollers; i++) {
		free(controllers[i].policy.scratch);
		mlp_free(controllers[i].mlp);
		model_free(controllers[i].model);
	}
	return 0;
}

/* --- Runs --- */

/* One flow over one path. */
struct edge {
	const char *name;
	struct trace down, up;
	enum queue_kind queue;
	uint32_t limit_pkts;
	double delay_ms, secs, loss;
	struct loss_conf burst_loss;
	uint32_t rcv_wnd_pkts; /* 0: WINDOW_PKTS */
	uint64_t least;	       /* packets that arrive in order */
};

/* As 6 MB, Linux's largest receive buffer by default: a policy may multiply its window at every
 * decision while nothing comes back. */
enum { WINDOW_PKTS = 4000 };

static size_t heap_bytes(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* Memory a packet in flight may need: 24 bytes of a record and 32 of a burst, both in arrays that
 * double and may be half empty, on two links and two delay lines, and a mark. */
enum { FIXED_BYTES = 64 << 10, PACKET_BYTES = 512 };

static void check(const struct edge *e, const struct controller *c, int late)
{
	struct flow_conf f = {.cc = c->ops,
		.cc_arg = c->arg,
		.delay_ms = e->delay_ms,
		.rcv_wnd_pkts = e->rcv_wnd_pkts ? e->rcv_wnd_pkts : WINDOW_PKTS,
		.pacing = -1};
	struct world_conf conf = {
		.down = {.trace = &e->down,
			.queue = e->queue,
			.limit_pkts = e->limit_pkts,
			.aqm = e->queue == QUEUE_PIE ? (struct aqm_conf)AQM_PIE_CONF
						     : (struct aqm_conf)AQM_CODEL_CONF,
			.loss = e->loss,
			.burst_loss = e->burst_loss},
		.up = {.trace = &e->up, .loss = e->loss},
		.ms_delay = late,
		.poll_ns = late ? WORLD_POLL_NS : 0,
		.seed = 5,
		.nflows = 1,
		.flows = &f};
	size_t before = heap_bytes(), used;
	uint32_t most = 0;
	struct world *w = world_new(&conf);

	assert_non_null(w);
	for (uint64_t at = 0; at <= e->secs * SEC; at += 10 * MS) {
		assert_int_equal(world_run(w, at), -1);
		most = world_cc(w, 0)->packets_out > most ? world_cc(w, 0)->packets_out : most;
	}
	used = heap_bytes() - before;
	if (world_flow(w, 0)->in_order < e->least)
		fail_msg("%s, %s%s: %lu packets arrived", e->name, c->name, late ? ", late" : "",
			(unsigned long)world_flow(w, 0)->in_order);
	if (used > FIXED_BYTES + (size_t)PACKET_BYTES * most)
		fail_msg("%s, %s: %zu bytes for at most %u packets in flight", e->name, c->name,
			used, most);
	world_free(w);
}

static void check_all(const struct edge *edges, int n)
{
	for (int i = 0; i < n; i++)
		for (int c = 0; c < ncontrollers; c++)
			for (int late = 0; late < 2; late++)
				check(&edges[i], &controllers[c], late);
}

static void queues_of_one_packet(void **state)
{
	static const enum queue_kind kinds[] = {
		QUEUE_DROPTAIL, QUEUE_DROPHEAD, QUEUE_CODEL, QUEUE_PIE};

	for (int i = 0; i < COUNT(kinds); i++) {
		const struct edge e[] = {
			{.name = "one packet, grid",
				grid(every_ms, 1),
				smooth(10000000),
				kinds[i],
				1,
				10,
				20,
				.least = 100},
			{.name = "one packet, smooth",
				smooth(12000000),
				smooth(10000000),
				kinds[i],
				1,
				1,
				20,
				.least = 100},
		};

		check_all(e, COUNT(e));
	}
}

static void paths_of_all_lengths(void **state)
{
	const struct edge e[] = {
		{.name = "0.1 ms",
			smooth(100000000),
			smooth(100000000),
			QUEUE_DROPTAIL,
			100,
			.05,
			2,
			.least = 10000},
		{.name = "0.1 ms, one packet",
			smooth(100000000),
			smooth(100000000),
			QUEUE_DROPTAIL,
			1,
			.05,
			2,
			.least = 1000},
		{.name = "2 s",
			smooth(10000000),
			smooth(10000000),
			QUEUE_DROPTAIL,
			1000,
			1000,
			120,
			.least = 1000},
		{.name = "2 s, one packet",
			smooth(10000000),
			smooth(10000000),
			QUEUE_DROPTAIL,
			1,
			1000,
			200,
			.least = 60},
	};

	check_all(e, COUNT(e));
}

static void links_of_all_rates(void **state)
{
	const struct edge e[] = {
		{.name = "10 kbit/s",
			smooth(10000),
			smooth(10000),
			QUEUE_DROPTAIL,
			5,
			10,
			400,
			.least = 100},
		{.name = "10 kbit/s, one packet",
			smooth(10000),
			smooth(10000),
			QUEUE_DROPTAIL,
			1,
			.05,
			400,
			.least = 50},
		{.name = "10 Gbit/s",
			smooth(10000000000),
			smooth(10000000000),
			QUEUE_DROPTAIL,
			1000,
			1,
			.5,
			.least = 1000},
		{.name = "10 Gbit/s, 0.1 ms, one packet",
			smooth(10000000000),
			smooth(10000000000),
			QUEUE_DROPTAIL,
			1,
			.05,
			.5,
			.least = 1000},
		{.name = "10 Gbit/s and ACKs at 10 kbit/s",
			smooth(10000000000),
			smooth(10000),
			QUEUE_DROPTAIL,
			1000,
			1,
			60,
			.rcv_wnd_pkts = 10000,
			.least = 60},
	};

	check_all(e, COUNT(e));
}

// Ten seconds without an opportunity; with a queue of one packet all that is sent meanwhile is
// lost.
static void outages_and_total_loss(void **state)
{
	static uint32_t ms[5001];
	struct edge e[] = {
		{.name = "outages",
			.up = smooth(10000000),
			QUEUE_DROPTAIL,
			1000,
			10,
			100,
			.least = 5000},
		{.name = "everything lost for 10 s",
			.up = smooth(10000000),
			QUEUE_DROPTAIL,
			1,
			10,
			100,
			.least = 500},
		{.name = "outages both ways", .queue = QUEUE_DROPTAIL, 100, 10, 100, .least = 1000},
		{.name = "bursts in which all is lost",
			smooth(12000000),
			smooth(10000000),
			QUEUE_DROPTAIL,
			50,
			10,
			100,
			.burst_loss = {.p = .001, .r = .2, .bad = 1},
			.least = 1000},
		{.name = "half of all lost",
			smooth(12000000),
			smooth(10000000),
			QUEUE_DROPTAIL,
			50,
			10,
			600,
			.loss = .5,
			.least = 5},
	};

	for (int i = 0; i < 5000; i++)
		ms[i] = i + 1;
	ms[5000] = 15000;
	for (int i = 0; i < 3; i++)
		e[i].down = grid(ms, COUNT(ms));
	e[2].up = grid(ms, COUNT(ms));
	check_all(e, COUNT(e));
}

// All kinds at once, which share what there is.
static void thousands_of_flows(void **state)
{
	enum { FLOWS = 2000 };
	static struct flow_conf f[FLOWS];
	struct trace down = smooth(40000000), up = smooth(100000000);
	struct world_conf conf = {
		.down = {.trace = &down, .queue = QUEUE_DROPTAIL, .limit_pkts = 300},
		.up = {.trace = &up},
		.seed = 7,
		.nflows = FLOWS,
		.flows = f};
	size_t before = heap_bytes();
	struct world *w;
	int none = 0;

	for (int i = 0; i < FLOWS; i++) {
		const struct controller *c = &controllers[i % ncontrollers];

		f[i] = (struct flow_conf){.cc = c->ops,
			.cc_arg = c->arg,
			.delay_ms = 1 + i % 50,
			.start_ns = i * MS / 2,
			.pacing = -1};
	}
	w = world_new(&conf);
	assert_int_equal(world_run(w, 8 * SEC), -1);
	assert_true(heap_bytes() - before < (size_t)FLOWS * FIXED_BYTES);
	assert_true(world_down(w)->bytes_out > .9 * 7 / 8 * world_down(w)->capacity_bytes);
	for (int i = 0; i < FLOWS; i++)
		none += !world_flow(w, i)->sent;
	print_message("# %d of %d flows have not begun\n", none, FLOWS);
	assert_true(none < FLOWS / 2); // handshakes that are lost are repeated after 1, 3 and 7 s
	world_free(w);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queues_of_one_packet),
		cmocka_unit_test(paths_of_all_lengths),
		cmocka_unit_test(links_of_all_rates),
		cmocka_unit_test(outages_and_total_loss),
		cmocka_unit_test(thousands_of_flows),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("edges", tests, set_up, tear_down);
}
