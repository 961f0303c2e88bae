/* The loop on the real clock: drain, serve, sleep. */
#include "emu/emulator.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "emu/packet.h"
#include "sim/link_log.h"

#define NS_PER_S 1000000000ull
#define ACTIVE_NS 10000000ull	/* so long after a packet more are expected */
#define BLIND_NS 2000000ull	/* longest sleep in which packets gather in the ring */
#define GATHER_NS 20000ull	/* shortest sleep: what is due meanwhile leaves together */
#define EARLY_NS 60000ull	/* timers are late: woken so much early, the rest is spun ... */
#define EARLY_FROM_NS 400000ull /* ... before sleeps of at least this: it costs 15 % at most */

static uint64_t clock_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

uint64_t emulator_now(const struct emulator *e)
{
	return clock_now() - e->start_ns;
}

int emulator_init(struct emulator *e, struct quality *q, uint32_t mtu, uint64_t memory)
{
	memset(e, 0, sizeof(*e));
	e->quality = q;
	for (int i = 0; i < ENGINE_DIRS; i++) {
		e->dir[i].e = e;
		e->dir[i].out = &e->dir[!i].port;
	}
	return pool_init(&e->pool, mtu + PACKET_ETH, memory);
}

void emulator_free(struct emulator *e)
{
	for (int i = 0; i < ENGINE_DIRS; i++) {
		path_free(&e->dir[i].path);
		port_close(&e->dir[i].port);
	}
	pool_free(&e->pool);
}

void emulator_start(struct emulator *e)
{
	e->start_ns = clock_now();
}

/* --- Out --- */

// Hands the batch to the kernel, and notes when.
static void flush(struct emulator_dir *d)
{
	int n = d->out->n;
	struct link_log *log = path_ends_at_link(&d->path) ? d->path.conf.link.log : NULL;
	uint64_t now;

	if (!n)
		return;
	port_flush(d->out);
	now = emulator_now(d->e);
	for (int i = 0; i < n; i++) {
		quality_late(d->e->quality, (int64_t)(now - d->due_ns[i]));
		if (log)
			link_log_sent(log, now);
		pool_put(&d->e->pool, d->slot[i]);
	}
}

void emulator_out(void *arg, const struct pkt *k, uint64_t due_ns)
{
	struct emulator_dir *d = arg;
	uint8_t *data = pool_at(&d->e->pool, k->seq);
	int i = d->out->n;

	if (k->flags & PKT_CE)
		packet_mark(data);
	d->due_ns[i] = due_ns;
	d->slot[i] = k->seq;
	port_put(d->out, data, k->bytes - PACKET_TUN + PACKET_ETH);
	if (d->out->n == PORT_BATCH)
		flush(d);
}

void emulator_gone(void *arg, const struct pkt *k, uint64_t now_ns)
{
	struct emulator_dir *d = arg;

	pool_put(&d->e->pool, k->seq);
}

/* --- In --- */

// From the outside the source is the outside's port.
static uint32_t flow_of(const struct emulator_dir *d, const struct port_frame *f)
{
	const int *from = d->e->flow_port;
	uint16_t out, in;
	bool down = d == &d->e->dir[ENGINE_DOWN];

	if ((!from[0] && !from[1]) ||
		!packet_ports(f->data, f->len, down ? &out : &in, down ? &in : &out))
		return 0;
	if (from[0])
		return out >= from[0] ? out - from[0] : 0;
	return in >= from[1] ? in - from[1] : 0;
}

static void take(struct emulator_dir *d, const struct port_frame *f)
{
	struct emulator *e = d->e;
	bool ect;
	struct pkt k = {.bytes = packet_look(f->data, f->len, &ect)};

	if (!k.bytes)
		return;
	k.seq = pool_get(&e->pool);
	if (k.seq == POOL_NONE) {
		e->quality->memory_drops++;
		return;
	}
	memcpy(pool_at(&e->pool, k.seq), f->data, f->len);
	k.flags = ect && e->ecn ? PKT_ECT : 0;
	k.flow = flow_of(d, f);
	e->packet_ns = f->at_ns;
	path_arrive(&d->path, &k, f->at_ns > e->start_ns ? f->at_ns - e->start_ns : 0);
}

// Everything that came and everything that is due up to a time of the paths.
static void advance(struct emulator *e, const struct port_clock *clock, uint64_t until)
{
	struct port_frame f;

	for (int i = 0; i < ENGINE_DIRS; i++) {
		struct emulator_dir *d = &e->dir[i];

		d->path.clock_ns = clock->now_ns - e->start_ns;
		while (port_next(&d->port, clock, e->start_ns + until, &f)) {
			take(d, &f);
			port_done(&d->port);
		}
	}
	for (int i = 0; i < ENGINE_DIRS; i++) {
		path_serve(&e->dir[i].path, until);
		flush(&e->dir[i]);
	}
}

/* --- Sleep --- */

// When an idle link with opportunities could serve a packet that comes: at the next of them.
static uint64_t next_opportunity(struct path *p, uint64_t now)
{
	link_count(&p->link, now);
	return p->link.op_ns;
}

/*
 * Until when to sleep. A direction needs to be woken by its packets only where one that comes could
 * be due before that: on an idle smooth link, and on any idle one when nothing has come for a while
 * (the next packet is to wake us then rather than the clock). What comes in the others waits in the
 * ring.
 */
static uint64_t wake_time(struct emulator *e, uint64_t now)
{
	bool active = now + e->start_ns < e->packet_ns + ACTIVE_NS;
	uint64_t wake = e->tick_ns;

	for (int i = 0; i < ENGINE_DIRS; i++) {
		struct emulator_dir *d = &e->dir[i];
		uint64_t next = path_next(&d->path), blind = now + BLIND_NS;

		d->wants_packets = path_idle(&d->path) && !(active && d->path.link.grid);
		if (path_idle(&d->path) && !d->wants_packets)
			blind = next_opportunity(&d->path, now);
		if (!d->wants_packets && blind < wake)
			wake = blind;
		if (next < wake)
			wake = next;
	}
	return wake;
}

static void sleep_until(struct emulator *e, uint64_t wake)
{
	uint64_t now = emulator_now(e), at;
	struct pollfd fds[ENGINE_DIRS];
	struct timespec t;
	int n = 0;

	if (wake == e->spin_ns)
		return;
	if (wake < now + GATHER_NS) {
		wake = now + GATHER_NS;
	} else if (wake > now + EARLY_FROM_NS && wake != e->tick_ns) {
		e->spin_ns = wake;
		wake -= EARLY_NS;
	}
	for (int i = 0; i < ENGINE_DIRS; i++)
		if (e->dir[i].wants_packets)
			fds[n++] = (struct pollfd){.fd = e->dir[i].port.rx, .events = POLLIN};
	at = n ? wake - now : e->start_ns + wake;
	t = (struct timespec){at / NS_PER_S, at % NS_PER_S};
	if (n)
		ppoll(fds, n, &t, NULL);
	else
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

void emulator_run(struct emulator *e, emulator_tick_fn *tick, void *arg)
{
	for (;;) {
		struct port_clock clock = port_clock_read();
		uint64_t now = clock.now_ns - e->start_ns;

		while (e->tick_ns <= now) {
			advance(e, &clock, e->tick_ns);
			for (int i = 0; i < ENGINE_DIRS; i++)
				link_count(&e->dir[i].path.link, e->tick_ns);
			e->tick_ns = tick(arg, e->tick_ns);
			if (!e->tick_ns)
				return;
		}
		advance(e, &clock, now);
		sleep_until(e, wake_time(e, now));
	}
}
