/* The event loop: two links, one pair of delay lines for each distinct delay, one timer for each
 * flow. */
#include "sim/world.h"

#include "sim/flow.h"
#include "sim/pcap.h"

struct path {
	uint64_t delay_ns;
	struct ring data, acks;
};

/*
 * Sources of events, in the order in which those of one instant run: links first, because mahimahi
 * uses all opportunities up to now before it queues an arrival; then arrivals, then timers. A
 * binary tournament over the sources' next times finds the earliest; the lower source wins a tie. A
 * handful of sources is scanned.
 */
enum { SRC_UP, SRC_DOWN, SRC_PATHS };
enum { SCANNED = 16 };

#define JIFFIES_0 1000u /* at time 0; CUBIC takes 0 for "no epoch" */

struct world {
	struct world_conf conf;
	struct link down, up;
	struct flow *flows;
	struct path *paths;
	int npaths, nsources, leaves;
	uint64_t now;
	struct rng rng;	   /* of the delay lines' lateness: */
	uint32_t slack_ns; /* of the next sleep */
	uint64_t *key;	   /* [leaves] next time of each source */
	uint32_t *win;	   /* [leaves] winner below each inner node */
	int paused;	   /* flow whose controller paused, -1 none */
	uint64_t jiffy_end_ns, tick_ns;
	uint32_t jiffies;
};

uint64_t wire_now(const struct world *w)
{
	return w->now;
}

uint64_t wire_tick_ns(const struct world *w, uint32_t jiffies)
{
	return (jiffies - JIFFIES_0) * w->tick_ns;
}

static void set_key(struct world *w, uint32_t src, uint64_t t)
{
	if (w->key[src] == t)
		return;
	w->key[src] = t;
	if (w->leaves <= SCANNED)
		return;
	for (uint32_t node = (src + w->leaves) / 2; node; node /= 2) {
		uint32_t a = 2 * node, b = a + 1;
		uint32_t x = a >= (uint32_t)w->leaves ? a - w->leaves : w->win[a];
		uint32_t y = b >= (uint32_t)w->leaves ? b - w->leaves : w->win[b];

		w->win[node] = w->key[y] < w->key[x] ? y : x;
	}
}

// The source that acts next; of several at one instant the lowest.
static uint32_t next_src(const struct world *w)
{
	uint32_t best = 0;

	if (w->leaves > SCANNED)
		return w->win[1];
	for (int i = 1; i < w->nsources; i++)
		if (w->key[i] < w->key[best])
			best = i;
	return best;
}

static uint32_t src_data(const struct flow *f)
{
	return SRC_PATHS + 2 * f->path;
}

static uint32_t src_timer(const struct world *w, uint32_t flow)
{
	return SRC_PATHS + 2 * w->npaths + flow;
}

static uint64_t due(const struct world *w, uint64_t delay_ns)
{
	return (w->conf.ms_delay ? w->now / MS * MS : w->now) + delay_ns;
}

// When a delay line that holds a packet due at due_ns acts, seen from now (world.h on poll_ns).
static uint64_t line_wake(const struct world *w, uint64_t due_ns)
{
	if (!w->conf.poll_ns)
		return due_ns;
	return due_ns <= w->now ? w->now : due_ns + w->now % MS + w->slack_ns;
}

void wire_data(struct world *w, struct flow *f, const struct pkt *k)
{
	struct path *p = &w->paths[f->path];
	struct pkt in = *k;

	in.t_ns = due(w, p->delay_ns);
	ring_push(&p->data, &in);
	set_key(w, src_data(f), line_wake(w, ring_head(&p->data)->t_ns));
}

void wire_ack(struct world *w, struct flow *f, const struct pkt *k)
{
	link_arrive(&w->up, k, w->now);
	set_key(w, SRC_UP, w->up.next_ns);
}

void sender_clock(struct flow *f)
{
	struct world *w = f->w;

	if (w->now >= w->jiffy_end_ns) {
		uint64_t n = w->now / w->tick_ns;

		w->jiffies = n + JIFFIES_0;
		w->jiffy_end_ns = (n + 1) * w->tick_ns;
	}
	f->cc.now_ns = w->now;
	f->cc.now_us = w->now / 1000;
	f->cc.jiffies = w->jiffies;
}

static uint64_t flow_deadline(const struct flow *f)
{
	uint64_t s = sender_deadline(f), r = receiver_deadline(f);

	s = s < r ? s : r;
	if (f->syn_ns < s)
		s = f->syn_ns;
	return f->conf.stop_ns && !f->stopped && f->conf.stop_ns < s ? f->conf.stop_ns : s;
}

// A deadline moved: the key may stay early (the flow then looks again), never late.
static void update_timer(struct world *w, struct flow *f)
{
	uint64_t at = flow_deadline(f);

	if (at < w->key[src_timer(w, f->index)])
		set_key(w, src_timer(w, f->index), at);
}

// Behind the down link: the receiver. The SYN is answered there too.
static void at_receiver(void *arg, const struct pkt *k, uint64_t now_ns)
{
	struct world *w = arg;
	struct flow *f = &w->flows[k->flow];

	w->now = now_ns;
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
	if (receiver_deadline(f) < w->key[src_timer(w, f->index)])
		update_timer(w, f);
}

// Behind the up link: the delay line back to the sender.
static void at_sender_side(void *arg, const struct pkt *k, uint64_t now_ns)
{
	struct world *w = arg;
	struct flow *f = &w->flows[k->flow];
	struct path *p = &w->paths[f->path];
	struct pkt in = *k;

	in.t_ns = (w->conf.ms_delay ? now_ns / MS * MS : now_ns) + p->delay_ns;
	if (w->conf.pcap)
		pcap_ack(w->conf.pcap, k, f->s.sacks[k->aux & f->s.sack_mask].b, now_ns, in.t_ns);
	ring_push(&p->acks, &in);
	set_key(w, src_data(f) + 1, line_wake(w, ring_head(&p->acks)->t_ns));
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
	if (f->s.backoff <= 1) { // RFC 6298: a repeated SYN gives no sample
		input_min_rtt(f, rtt_us);
		input_rtt(f, rtt_us);
	}
	f->s.backoff = 0;
	f->cc.delivered_us = f->s.first_tx_us = f->cc.now_us;
	f->cc.pacing_rate = (uint64_t)MSS * INIT_CWND * 2 * 1000000 / rtt_us;
	f->cc.ops->init(&f->cc, f->conf.cc_arg);
	sender_start(f);
}

static void take_acks(struct world *w, struct path *p, uint32_t src)
{
	while (w->paused < 0 && ring_len(&p->acks) && ring_head(&p->acks)->t_ns <= w->now) {
		struct pkt k = *ring_head(&p->acks);
		struct flow *f = &w->flows[k.flow];

		p->acks.head++;
		if (k.flags & PKT_SYN)
			syn_answered(f);
		else if (input_ack(f, &k))
			w->paused = k.flow;
		update_timer(w, f);
	}
	set_key(w, src, ring_len(&p->acks) ? line_wake(w, ring_head(&p->acks)->t_ns) : NEVER);
}

static void take_data(struct world *w, struct path *p, uint32_t src)
{
	while (ring_len(&p->data) && ring_head(&p->data)->t_ns <= w->now) {
		if (w->conf.pcap)
			pcap_data(w->conf.pcap, ring_head(&p->data), w->now);
		link_arrive(&w->down, ring_head(&p->data), w->now);
		p->data.head++;
	}
	set_key(w, src, ring_len(&p->data) ? line_wake(w, ring_head(&p->data)->t_ns) : NEVER);
	set_key(w, SRC_DOWN, w->down.next_ns);
}

static void flow_timer(struct world *w, struct flow *f)
{
	sender_clock(f);
	if (f->syn_ns <= w->now)
		send_syn(f, w->now);
	if (f->conf.stop_ns && f->conf.stop_ns <= w->now)
		f->stopped = true;
	receiver_timer(f);
	sender_timer(f);
	set_key(w, src_timer(w, f->index), flow_deadline(f));
}

// What must hold between events; checked in debug builds, so by every sanitizer run.
static void check_invariants(const struct world *w, uint32_t src)
{
#ifdef CANOPY_DEBUG
	assert(w->key[src] >= w->now); // time never goes back
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

static void run_event(struct world *w, uint32_t src)
{
	check_invariants(w, src);
	w->now = w->key[src];
	if (src == SRC_UP) {
		link_serve(&w->up, w->now);
		set_key(w, src, w->up.next_ns);
	} else if (src == SRC_DOWN) {
		link_serve(&w->down, w->now);
		set_key(w, src, w->down.next_ns);
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
		update_timer(w, f);
		take_acks(w, &w->paths[f->path], src_data(f) + 1);
	}
	while (w->paused < 0) {
		uint32_t src = next_src(w);

		if (w->key[src] > until_ns)
			break;
		run_event(w, src);
	}
	if (w->paused >= 0)
		return w->paused;
	w->now = until_ns;
	link_count(&w->up, until_ns);
	link_count(&w->down, until_ns);
	return -1;
}

static void init_flow(
	struct world *w, struct flow *f, const struct flow_conf *conf, uint32_t window_hint)
{
	struct cc *cc = &f->cc;

	f->conf = *conf;
	f->w = w;
	f->syn_ns = conf->start_ns;
	f->stats.min_rtt_us = UINT32_MAX;
	rng_init(&f->rng, w->conf.seed, 16 + f->index);
	cc->ops = conf->cc;
	cc->priv = calloc(1, conf->cc->priv_size + 1);
	if (!cc->priv)
		abort();
	cc->cwnd = INIT_CWND;
	cc->ssthresh = CC_SSTHRESH_MAX;
	cc->pacing = conf->pacing < 0 ? conf->cc->paces : conf->pacing;
	cc->mss = MSS;
	cc->mtu = MTU;
	cc->hz = w->conf.hz;
	cc->cwnd_clamp = UINT32_MAX;
	cc->min_rtt_us = UINT32_MAX;
	cc->rng = &f->rng;
	sender_init(f, window_hint);
	receiver_init(&f->r);
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
		ring_init(&w->paths[i].data, 64);
		ring_init(&w->paths[i].acks, 64);
	}
	return i;
}

static int init_sources(struct world *w)
{
	w->nsources = SRC_PATHS + 2 * w->npaths + w->conf.nflows;
	w->leaves = 2;
	while (w->leaves < w->nsources)
		w->leaves *= 2;
	w->key = malloc(w->leaves * sizeof(*w->key));
	w->win = calloc(w->leaves, sizeof(*w->win));
	if (!w->key || !w->win)
		return -1;
	for (int i = 0; i < w->leaves; i++)
		w->key[i] = NEVER;
	for (int i = 0; i < w->leaves; i += 2) { // fill the tournament bottom-up
		w->key[i] = 0;
		set_key(w, i, NEVER);
	}
	for (int i = 0; i < w->conf.nflows; i++)
		update_timer(w, &w->flows[i]);
	return 0;
}

struct world *world_new(const struct world_conf *conf)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->conf = *conf;
	w->conf.hz = conf->hz ? conf->hz : 250;
	w->conf.flows = NULL;
	w->conf.down.poll_ns = w->conf.up.poll_ns = conf->poll_ns;
	w->tick_ns = SEC / w->conf.hz;
	w->paused = -1;
	rng_init(&w->rng, conf->seed, 1);
	w->flows = calloc(conf->nflows + 1, sizeof(*w->flows));
	w->paths = calloc(conf->nflows + 1, sizeof(*w->paths));
	if (!w->flows || !w->paths ||
		link_init(&w->down, &w->conf.down, conf->seed, at_receiver, w) ||
		link_init(&w->up, &w->conf.up, conf->seed + 1, at_sender_side, w))
		goto fail;
	for (int i = 0; i < conf->nflows; i++) {
		w->flows[i].index = i;
		w->flows[i].path = find_path(w, conf->flows[i].delay_ms);
		init_flow(w, &w->flows[i], &conf->flows[i], 256);
	}
	if (init_sources(w))
		goto fail;
	return w;
fail:
	world_free(w);
	return NULL;
}

void world_free(struct world *w)
{
	if (!w)
		return;
	for (int i = 0; w->flows && i < w->conf.nflows; i++) {
		struct flow *f = &w->flows[i];

		if (!f->w)
			continue;
		if (f->cc.ops->release && f->s.established)
			f->cc.ops->release(&f->cc);
		free(f->cc.priv);
		sender_free(f);
		receiver_free(&f->r);
	}
	for (int i = 0; w->paths && i < w->npaths; i++) {
		free(w->paths[i].data.p);
		free(w->paths[i].acks.p);
	}
	link_free(&w->down);
	link_free(&w->up);
	free(w->flows);
	free(w->paths);
	free(w->key);
	free(w->win);
	free(w);
}

uint64_t world_now(const struct world *w)
{
	return w->now;
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
