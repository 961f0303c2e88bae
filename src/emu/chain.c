/* Opens, runs and closes what the emulated path consists of. */
#include "emu/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "emu/packet.h"
#include "sim/world.h"

#define UNLIMITED_BPS 1000000000000ull /* a link so fast that there is none */
#define NICE -20
#define LATENCY "/dev/cpu_dma_latency"

const struct trace chain_unlimited = {.name = "unlimited", .rate_bps = UNLIMITED_BPS};

void chain_delay(struct chain_conf *c, const struct path_stage *delay)
{
	path_add(&c->dir[ENGINE_DOWN].before, delay);
	path_add(&c->dir[ENGINE_UP].after, delay);
}

int chain_network(struct chain *c, const struct chain_conf *conf)
{
	int err = quality_init(&c->quality);

	c->conf = conf;
	c->end_ns = UINT64_MAX;
	return err ? err : netns_open(&c->net, conf->own_outside, conf->mtu);
}

// The trace again, with one more opportunity so far away that it is never reached.
static const struct trace *open_once(struct chain *c, int i, const struct trace *t)
{
	struct trace *once = &c->once[i];
	uint64_t end_ns = t->t_ms[t->n - 1] * 1000000ull;

	*once = *t;
	once->t_ms = malloc((t->n + 1) * sizeof(*t->t_ms));
	if (!once->t_ms)
		abort();
	memcpy(once->t_ms, t->t_ms, t->n * sizeof(*t->t_ms));
	once->t_ms[once->n++] = UINT32_MAX;
	if (end_ns < c->end_ns)
		c->end_ns = end_ns;
	return once;
}

static int open_direction(struct chain *c, int i, struct link_log *log, const char *dev)
{
	const struct chain_conf *conf = c->conf;
	const struct chain_dir *d = &conf->dir[i];
	struct emulator_dir *e = &c->engine.dir[i];
	const struct trace *trace = d->once ? open_once(c, i, d->trace) : d->trace;
	struct path_conf pc = {.link = {.trace = trace ? trace : &chain_unlimited,
				       .queue = d->queue.kind,
				       .limit_pkts = d->queue.limit_pkts,
				       .limit_bytes = d->queue.limit_bytes,
				       .aqm = d->queue.aqm,
				       .loss = d->loss,
				       .burst_loss = d->burst_loss,
				       .log = log,
				       .stats = true},
		.before = d->before,
		.after = d->after,
		.poll_ns = conf->late ? WORLD_POLL_NS : 0,
		.seed = 2 * conf->seed + i,
		.out = emulator_out,
		.gone = emulator_gone,
		.arg = e};
	int err = path_init(&e->path, &pc);

	if (d->queue.limit_bytes && d->queue.limit_bytes < conf->mtu + PACKET_TUN)
		pr_warn("a queue of %" PRIu32 " bytes passes no packet of %" PRIu32
			" (the MTU and mahimahi's %d)\n",
			d->queue.limit_bytes, conf->mtu + PACKET_TUN, PACKET_TUN);
	return err ? err : port_open(&e->port, dev, conf->mtu);
}

int chain_engine(struct chain *c, struct link_log *const log[ENGINE_DIRS])
{
	const struct chain_conf *conf = c->conf;
	int err = emulator_init(&c->engine, &c->quality, conf->mtu, conf->memory);

	if (!err)
		err = open_direction(c, ENGINE_DOWN, log[ENGINE_DOWN], NETNS_OUTSIDE);
	if (!err)
		err = open_direction(c, ENGINE_UP, log[ENGINE_UP], NETNS_INSIDE);
	c->engine.ecn = conf->ecn;
	memcpy(c->engine.flow_port, conf->flow_port, sizeof(conf->flow_port));
	if (err == -ENOMEM)
		pr_err("no memory for %" PRIu64 " MB of packets\n", conf->memory >> 20);
	return err;
}

// Ahead of what it carries, where that is allowed; on time to the nanosecond.
static bool take_priority(void)
{
	struct sched_param p = {.sched_priority = 1};

	prctl(PR_SET_TIMERSLACK, 1);
	if (!sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &p))
		return true;
	return !setpriority(PRIO_PROCESS, 0, NICE);
}

// Idle processors poll instead of sleeping as long as this is open (PM QoS): one that sleeps wakes
// up to milliseconds late, in a virtual machine above all.
static int hold_latency(void)
{
	int fd = open(LATENCY, O_WRONLY | O_CLOEXEC);
	const int32_t us = 0;

	if (fd >= 0 && write(fd, &us, sizeof(us)) == sizeof(us))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static void lose_priority(void)
{
	struct sched_param p = {0};

	sched_setscheduler(0, SCHED_OTHER, &p);
	setpriority(PRIO_PROCESS, 0, 0);
}

void chain_start(struct chain *c)
{
	c->quality.realtime = c->conf->realtime && take_priority();
	c->latency = c->conf->realtime ? hold_latency() : -1;
	quality_start(&c->quality);
	emulator_start(&c->engine);
}

static void count_drops(struct chain *c)
{
	struct quality *q = &c->quality;

	for (int i = 0; i < ENGINE_DIRS; i++) {
		struct port *p = &c->engine.dir[i].port;

		port_read_drops(p);
		q->ring_drops += p->stats.ring_drops;
		q->send_drops += p->stats.send_drops;
		q->oversize += p->stats.oversize;
	}
	q->device_drops = netns_drops(&c->net);
	// A send that a device refused counts there too.
	q->device_drops -= q->device_drops < q->send_drops ? q->device_drops : q->send_drops;
}

void chain_run(struct chain *c, emulator_tick_fn *tick, void *arg)
{
	emulator_run(&c->engine, tick, arg);
	lose_priority();
	if (c->latency >= 0)
		close(c->latency);
	count_drops(c);
}

void chain_judge(struct chain *c)
{
	quality_end(&c->quality);
}

void chain_close(struct chain *c)
{
	emulator_free(&c->engine);
	netns_close(&c->net);
	quality_free(&c->quality);
	for (int i = 0; i < ENGINE_DIRS; i++)
		free(c->once[i].t_ms);
}
