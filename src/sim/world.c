/* Worlds: set-up, memory, and what they tell. */
#include "sim/world.h"

#include "sim/wire.h"

static void open_line(struct world *w, struct line *l)
{
	l->q.blocks = &w->blocks;
	ring_clear(&l->q);
	l->turn = (struct turn){0, 0};
	if (w->conf.poll_ns)
		wakeup_begin(&l->wakeup, &w->rng);
}

static void open_inlet(struct world *w, struct inlet *in, uint32_t src, struct link *link)
{
	in->q.blocks = &w->blocks;
	ring_clear(&in->q);
	in->turn = (struct turn){0, 0};
	in->src = src;
	in->link = link;
	in->late = w->conf.poll_ns && link->grid;
}

// The delay line of that delay, made on first use.
static uint32_t find_path(struct world *w, double delay_ms)
{
	uint64_t ns = delay_ms * 1e6 + 0.5;
	int i = 0;

	while (i < w->npaths && w->paths[i].delay_ns != ns)
		i++;
	if (i == w->npaths) {
		w->npaths++;
		w->paths[i].delay_ns = ns;
		if (ns < w->min_delay_ns)
			w->min_delay_ns = ns;
		open_line(w, &w->paths[i].data);
		open_line(w, &w->paths[i].acks);
	}
	return i;
}

// Memory for the controller's state, zeroed.
static void *clear_priv(struct flow *f, size_t size)
{
	if (size > f->priv_size || !f->cc.priv) {
		free(f->cc.priv);
		f->cc.priv = malloc(size + 1);
		if (!f->cc.priv)
			abort();
		f->priv_size = size;
	}
	return memset(f->cc.priv, 0, size);
}

static void init_flow(struct world *w, uint32_t i, const struct flow_conf *conf)
{
	struct flow *f = &w->flows[i];

	f->index = i;
	f->path = find_path(w, conf->delay_ms);
	f->conf = *conf;
	f->w = w;
	f->clock = &w->clock;
	f->syn_ns = conf->start_ns;
	f->stopped = f->unlimited = false;
	f->stats = (struct flow_stats){.min_rtt_us = UINT32_MAX};
	rng_init(&f->rng, w->conf.seed, 16 + i);
	f->cc = (struct cc){.ops = conf->cc,
		.priv = clear_priv(f, conf->cc->priv_size),
		.cwnd = INIT_CWND,
		.ssthresh = CC_SSTHRESH_MAX,
		.pacing = conf->pacing > 0,
		.pacing_set = conf->pacing >= 0,
		.mss = MSS,
		.mtu = MTU,
		.hz = w->conf.hz,
		.jiffies = JIFFIES_0,
		.cwnd_clamp = UINT32_MAX,
		.min_rtt_us = UINT32_MAX,
		.rng = &f->rng};
	f->s.sent.blocks = &w->blocks;
	sender_init(f);
	receiver_init(&f->r);
}

static void end_flows(struct world *w)
{
	for (int i = 0; i < w->conf.nflows; i++) {
		struct flow *f = &w->flows[i];

		if (f->cc.ops->release && f->s.established)
			f->cc.ops->release(&f->cc);
	}
	w->conf.nflows = w->npaths = 0;
}

// Room for that many flows, and as many paths.
static int reserve(struct world *w, int nflows)
{
	size_t more = nflows > w->room ? nflows - w->room : 0;
	struct flow *flows;
	struct path *paths;

	if (!more)
		return 0;
	flows = realloc(w->flows, nflows * sizeof(*flows));
	if (flows)
		w->flows = flows;
	paths = realloc(w->paths, nflows * sizeof(*paths));
	if (paths)
		w->paths = paths;
	if (!flows || !paths)
		return -ENOMEM;
	memset(flows + w->room, 0, more * sizeof(*flows));
	memset(paths + w->room, 0, more * sizeof(*paths));
	w->room = nflows;
	return 0;
}

int world_reset(struct world *w, const struct world_conf *conf)
{
	int err;

	end_flows(w);
	w->conf = *conf;
	w->conf.nflows = 0;
	w->conf.hz = conf->hz ? conf->hz : 250;
	w->conf.down.poll_ns = w->conf.up.poll_ns = conf->poll_ns;
	w->conf.up.by_ms = conf->ms_delay && !conf->poll_ns && !conf->pcap;
	w->clock = (struct clock){.tick_ns = SEC / w->conf.hz};
	w->paused = -1;
	w->min_delay_ns = NEVER;
	rng_init(&w->rng, conf->seed, 1);
	w->blocks.spare = conf->spare;
	w->down.q.blocks = w->up.q.blocks = &w->blocks;
	err = reserve(w, conf->nflows);
	if (!err)
		err = link_reset(&w->down, &w->conf.down, conf->seed, wire_at_receiver, w);
	if (!err)
		err = link_reset(&w->up, &w->conf.up, conf->seed + 1, wire_at_sender_side, w);
	if (err)
		return err;
	w->ack_runs = w->conf.up.by_ms && w->up.runs && !w->up.grid;
	open_inlet(w, &w->into_down, SRC_DOWN, &w->down);
	open_inlet(w, &w->into_up, SRC_UP, &w->up);
	for (int i = 0; i < conf->nflows; i++)
		init_flow(w, i, &conf->flows[i]);
	err = sources_init(&w->src, SRC_PATHS + 2 * w->npaths + conf->nflows);
	if (err)
		return err;
	w->conf.nflows = conf->nflows;
	for (int i = 0; i < conf->nflows; i++) {
		w->flows[i].wake_ns = &w->src.key[src_timer(w, i)];
		wire_wake(&w->flows[i]);
	}
	return 0;
}

struct world *world_new(const struct world_conf *conf)
{
	struct world *w = calloc(1, sizeof(*w));

	if (w && world_reset(w, conf)) {
		world_free(w);
		w = NULL;
	}
	return w;
}

void world_free(struct world *w)
{
	if (!w)
		return;
	end_flows(w);
	for (int i = 0; i < w->room; i++) {
		free(w->flows[i].cc.priv);
		sender_free(&w->flows[i]);
		receiver_free(&w->flows[i].r);
		ring_free(&w->paths[i].data.q);
		ring_free(&w->paths[i].acks.q);
	}
	ring_free(&w->into_down.q);
	ring_free(&w->into_up.q);
	link_free(&w->down);
	link_free(&w->up);
	blocks_share(&w->blocks);
	sources_free(&w->src);
	free(w->flows);
	free(w->paths);
	free(w);
}

void world_trim(struct world *w)
{
	ring_trim(&w->down.q);
	ring_trim(&w->up.q);
	ring_trim(&w->into_down.q);
	ring_trim(&w->into_up.q);
	for (int i = 0; i < w->npaths; i++) {
		ring_trim(&w->paths[i].data.q);
		ring_trim(&w->paths[i].acks.q);
	}
	for (int i = 0; i < w->conf.nflows; i++)
		sender_trim(&w->flows[i]);
}

void world_share(struct world *w)
{
	blocks_share(&w->blocks);
}

uint64_t world_now(const struct world *w)
{
	return w->clock.now_ns;
}

struct cc *world_cc(struct world *w, int flow)
{
	return &w->flows[flow].cc;
}

const struct flow_stats *world_flow(const struct world *w, int flow)
{
	return &w->flows[flow].stats;
}

const struct link_stats *world_down(const struct world *w)
{
	return &w->down.stats;
}

const struct link_stats *world_up(const struct world *w)
{
	return &w->up.stats;
}
