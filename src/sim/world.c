/* The event loop: two links, one pair of delay lines for each distinct delay, one timer for each
 * flow. */
#include "sim/world.h"

#include "sim/flow.h"
#include "sim/pcap.h"
#include "sim/timer.h"

struct path {
	uint64_t delay_ns;
	struct ring data, acks;
};

/* Sources of events, in the order in which those of one instant run: links first, because mahimahi
 * uses all opportunities up to now before it queues an arrival; then arrivals, then timers. */
enum { SRC_UP, SRC_DOWN, SRC_PATHS };

#define JIFFIES_0 1000u /* at time 0; CUBIC takes 0 for "no epoch" */

struct world {
	struct world_conf conf;
	struct link down, up;
	struct flow *flows;
	struct path *paths;
	int npaths, room;      /* room: flows and paths that there is memory for */
	uint64_t min_delay_ns; /* of the paths */
	struct clock clock;
	struct rng rng;	   /* of the delay lines' lateness: */
	uint32_t slack_ns; /* of the next sleep */
	struct sources src;
	struct blocks blocks; /* memory of all rings */
	int paused; /* flow whose controller paused, -1 none */
};

void clock_tick(struct clock *c)
{
	uint64_t n = c->now_ns / c->tick_ns;

	c->jiffies = n + JIFFIES_0;
	c->jiffy_end_ns = (n + 1) * c->tick_ns;
}

uint64_t wire_tick_ns(const struct world *w, uint32_t jiffies)
{
	return (jiffies - JIFFIES_0) * w->clock.tick_ns;
}

static uint32_t src_data(const struct flow *f)
{
	return SRC_PATHS + 2 * f->path;
}

static uint32_t src_timer(const struct world *w, uint32_t flow)
{
	return SRC_PATHS + 2 * w->npaths + flow;
}

static uint64_t due(const struct world *w, uint64_t from_ns, uint64_t delay_ns)
{
	return (w->conf.ms_delay ? from_ns / MS * MS : from_ns) + delay_ns;
}

// When a delay line that holds a packet due at due_ns acts, seen from now (world.h on poll_ns).
static uint64_t line_wake(const struct world *w, uint64_t due_ns)
{
	uint64_t now = w->clock.now_ns;

	if (!w->conf.poll_ns)
		return due_ns;
	return due_ns <= now ? now : due_ns + now % MS + w->slack_ns;
}

// Puts a packet on the delay line that is source src.
static ALWAYS_INLINE void delay(
	struct world *w, struct ring *line, uint32_t src, const struct pkt *k, uint64_t due_ns)
{
	ring_push(line, k)->t_ns = due_ns;
	if (ring_len(line) == 1 || w->conf.poll_ns)
		sources_set(&w->src, src, line_wake(w, ring_head(line)->t_ns));
}

void wire_data(struct world *w, struct flow *f, const struct pkt *k)
{
	struct path *p = &w->paths[f->path];

	delay(w, &p->data, src_data(f), k, due(w, w->clock.now_ns, p->delay_ns));
}

void wire_ack(struct world *w, struct flow *f, const struct pkt *k)
{
	link_arrive(&w->up, k, w->clock.now_ns);
	sources_set(&w->src, SRC_UP, w->up.next_ns);
}

static uint64_t flow_deadline(const struct flow *f)
{
	uint64_t s = timer_deadline(f), r = receiver_deadline(f);

	s = s < r ? s : r;
	if (f->syn_ns < s)
		s = f->syn_ns;
	return f->conf.stop_ns && !f->stopped && f->conf.stop_ns < s ? f->conf.stop_ns : s;
}

void wire_wake(struct flow *f)
{
	struct world *w = f->w;
	uint64_t at = flow_deadline(f);

	if (at < *f->wake_ns)
		sources_set(&w->src, src_timer(w, f->index), at);
}

// Behind the down link: the receiver. The SYN is answered there too.
static void at_receiver(void *arg, const struct pkt *k, uint64_t now_ns)
{
	struct world *w = arg;
	struct flow *f = &w->flows[k->flow];

	w->clock.now_ns = now_ns;
	if (k->flags & PKT_SYN) {
		struct pkt answer = {.flow = k->flow,
			.bytes = SYN_BYTES,
			.flags = PKT_SYN | PKT_ACK,
			.ts_ms = k->ts_ms};

		f->r.ts_recent_ms = k->ts_ms;
		wire_ack(w, f, &answer);
		return;
	}
	receiver_data(f, k);
}

// Behind the up link: the delay line back to the sender.
static void at_sender_side(void *arg, const struct pkt *k, uint64_t now_ns)
{
	struct world *w = arg;
	struct flow *f = &w->flows[k->flow];
	struct path *p = &w->paths[f->path];
	uint64_t due_ns = due(w, now_ns, p->delay_ns);

	if (w->conf.pcap)
		pcap_ack(w->conf.pcap, k, f->s.sacks[k->aux & f->s.sack_mask].b, now_ns, due_ns);
	delay(w, &p->acks, src_data(f) + 1, k, due_ns);
}

static void send_syn(struct flow *f, uint64_t now_ns)
{
	struct pkt k = {
		.flow = f->index, .bytes = SYN_BYTES, .flags = PKT_SYN, .ts_ms = now_ns / MS};

	wire_data(f->w, f, &k);
	f->cc.wstamp_ns = now_ns; // time of the SYN, for its RTT
	f->syn_ns = now_ns + (f->s.rto_us << f->s.backoff++) * 1000;
}

static void syn_answered(struct flow *f)
{
	uint32_t rtt_us;

	if (f->s.established)
		return;
	sender_clock(f);
	rtt_us = (f->cc.now_ns - f->cc.wstamp_ns) / 1000;
	f->syn_ns = NEVER;
	rtt_us = rtt_us ? rtt_us : 1;
	if (f->s.backoff <= 1) // RFC 6298: a repeated SYN gives no sample
		input_handshake(f, rtt_us);
	f->s.backoff = 0;
	f->cc.delivered_us = f->s.first_tx_us = f->cc.now_us;
	f->cc.pacing_rate = (uint64_t)MSS * INIT_CWND * 2 * 1000000 / rtt_us;
	f->cc.ops->init(&f->cc, f->conf.cc_arg);
	sender_start(f);
}

static void take_acks(struct world *w, struct path *p, uint32_t src)
{
	struct ring *r = &p->acks;

	while (w->paused < 0 && ring_len(r) && ring_head(r)->t_ns <= w->clock.now_ns) {
		const struct pkt *k = ring_head(r);
		struct flow *f = &w->flows[k->flow];

		r->head++; // nothing joins this line before the ACK is done with
		if (k->flags & PKT_SYN)
			syn_answered(f);
		else if (input_ack(f, k))
			w->paused = f->index;
		wire_deadline(f, timer_deadline(f));
	}
	sources_set(&w->src, src, ring_len(r) ? line_wake(w, ring_head(r)->t_ns) : NEVER);
}

// Data into the link as a capture shows it: packet by packet, answers in between.
static void capture_data(struct world *w, const struct pkt *k)
{
	struct pkt rest = *k, one;
	bool more;

	do {
		more = pkt_take(&one, &rest);
		pcap_data(w->conf.pcap, &one, w->clock.now_ns);
		link_arrive(&w->down, &one, w->clock.now_ns);
	} while (more);
}

static void take_data(struct world *w, struct path *p, uint32_t src)
{
	while (ring_len(&p->data) && ring_head(&p->data)->t_ns <= w->clock.now_ns) {
		if (w->conf.pcap)
			capture_data(w, ring_head(&p->data));
		else
			link_arrive(&w->down, ring_head(&p->data), w->clock.now_ns);
		p->data.head++;
	}
	sources_set(
		&w->src, src, ring_len(&p->data) ? line_wake(w, ring_head(&p->data)->t_ns) : NEVER);
	sources_set(&w->src, SRC_DOWN, w->down.next_ns);
}

static void flow_timer(struct world *w, struct flow *f)
{
	sender_clock(f);
	if (f->syn_ns <= w->clock.now_ns)
		send_syn(f, w->clock.now_ns);
	if (f->conf.stop_ns && f->conf.stop_ns <= w->clock.now_ns)
		f->stopped = true, f->unlimited = false;
	receiver_timer(f);
	timer_run(f);
	sources_set(&w->src, src_timer(w, f->index), flow_deadline(f));
}

// What must hold between events; checked in debug builds, so by every sanitizer run.
static void check_invariants(const struct world *w, uint32_t src)
{
#ifdef CANOPY_DEBUG
	assert(w->src.key[src] >= w->clock.now_ns); // time never goes back
	for (int i = 0; i < w->conf.nflows; i++) {
		const struct flow *f = &w->flows[i];
		const struct cc *cc = &f->cc;

		assert(cc->packets_out == f->s.nxt - f->s.una);
		assert(cc->sacked_out + cc->lost_out <= cc->packets_out);
		assert((int32_t)cc_in_flight(cc) >= 0);
		assert(f->r.rcv_nxt >= f->s.una && f->r.rcv_nxt <= f->s.nxt);
		assert(f->stats.in_order <= f->stats.delivered &&
			f->stats.delivered <= f->stats.sent);
		assert(!f->s.established || cc->cwnd > 0);
	}
#endif
}

// A smooth link back may run ahead to where anything else happens, or an ACK it lets out arrives.
static uint64_t ahead(const struct world *w, uint64_t until_ns)
{
	uint64_t now = w->clock.now_ns, arrival = due(w, now, w->min_delay_ns), others;

	if (w->up.grid || w->conf.poll_ns)
		return now;
	others = sources_others(&w->src, SRC_UP);
	until_ns = until_ns < others ? until_ns : others;
	until_ns = until_ns < arrival ? until_ns : arrival;
	return until_ns > now ? until_ns : now;
}

static inline void run_event(struct world *w, uint32_t src, uint64_t until_ns)
{
	check_invariants(w, src);
	w->clock.now_ns = w->src.key[src];
	if (src == SRC_UP) {
		link_serve(&w->up, ahead(w, until_ns));
		sources_set(&w->src, src, w->up.next_ns);
	} else if (src == SRC_DOWN) {
		link_serve(&w->down, w->clock.now_ns);
		sources_set(&w->src, src, w->down.next_ns);
	} else if (src < src_timer(w, 0)) {
		struct path *p = &w->paths[(src - SRC_PATHS) / 2];

		if (w->conf.poll_ns)
			w->slack_ns = w->conf.poll_ns + link_wakeup_ns(&w->rng);
		if (src & 1)
			take_acks(w, p, src);
		else
			take_data(w, p, src);
	} else {
		flow_timer(w, &w->flows[src - src_timer(w, 0)]);
	}
}

int world_run(struct world *w, uint64_t until_ns)
{
	if (w->paused >= 0) {
		struct flow *f = &w->flows[w->paused];

		w->paused = -1;
		input_resume(f);
		wire_deadline(f, timer_deadline(f));
		take_acks(w, &w->paths[f->path], src_data(f) + 1);
	}
	while (w->paused < 0) {
		uint32_t src = sources_next(&w->src);

		if (w->src.key[src] > until_ns)
			break;
		run_event(w, src, until_ns);
	}
	if (w->paused >= 0)
		return w->paused;
	w->clock.now_ns = until_ns;
	link_count(&w->up, until_ns);
	link_count(&w->down, until_ns);
	return -1;
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
		w->paths[i].data.blocks = w->paths[i].acks.blocks = &w->blocks;
		ring_clear(&w->paths[i].data);
		ring_clear(&w->paths[i].acks);
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
		.pacing = conf->pacing < 0 ? conf->cc->paces : conf->pacing,
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
	w->clock = (struct clock){.tick_ns = SEC / w->conf.hz};
	w->slack_ns = 0;
	w->paused = -1;
	w->min_delay_ns = NEVER;
	rng_init(&w->rng, conf->seed, 1);
	w->blocks.spare = conf->spare;
	w->down.q.blocks = w->up.q.blocks = &w->blocks;
	err = reserve(w, conf->nflows);
	if (!err)
		err = link_reset(&w->down, &w->conf.down, conf->seed, at_receiver, w);
	if (!err)
		err = link_reset(&w->up, &w->conf.up, conf->seed + 1, at_sender_side, w);
	if (err)
		return err;
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
		ring_free(&w->paths[i].data);
		ring_free(&w->paths[i].acks);
	}
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
	for (int i = 0; i < w->npaths; i++) {
		ring_trim(&w->paths[i].data);
		ring_trim(&w->paths[i].acks);
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
