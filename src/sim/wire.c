/* The event loop: what comes out of a link, a delay line or a timer, and where it goes. */
#include "sim/wire.h"

#include "sim/pcap.h"
#include "sim/timer.h"

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

static uint64_t due(const struct world *w, uint64_t from_ns, uint64_t delay_ns)
{
	return (w->conf.ms_delay ? from_ns / MS * MS : from_ns) + delay_ns;
}

// When a delay line acts next, seen from now (world.h on poll_ns).
static uint64_t line_wake(const struct world *w, const struct line *l)
{
	uint64_t now = w->clock.now_ns, due_ns;

	if (!ring_len(&l->q))
		return NEVER;
	due_ns = ring_head(&l->q)->t_ns;
	if (!w->conf.poll_ns)
		return due_ns;
	return due_ns <= now ? now
			     : wakeup_by_timer(&l->wakeup, due_ns + now % MS + w->conf.poll_ns);
}

// When the process that is source src has read what comes to it at now_ns: in the turn that it is
// in, else a packet wakes it unless its timer does before.
static uint64_t read_ns(struct world *w, uint32_t src, struct turn *t,
	const struct wakeup *from, const struct pkt *k, uint64_t now_ns)
{
	uint64_t latest;

	if (t->end_ns <= now_ns) {
		uint64_t woken = wakeup_by_packet(from, now_ns), key = w->src.key[src];

		t->begin_ns = t->end_ns = key < woken ? key : woken;
	}
	latest = t->begin_ns + TURN_MAX_NS;
	t->end_ns += (k->more + 1) * TURN_PACKET_NS;
	t->end_ns = t->end_ns < latest ? t->end_ns : latest;
	sources_set(&w->src, src, t->end_ns);
	return t->end_ns;
}

// Puts a packet that comes at `at` on the delay line that is source src. Returns when it is due.
static ALWAYS_INLINE uint64_t delay(struct world *w, struct line *l, uint32_t src,
	uint64_t delay_ns, const struct pkt *k, uint64_t at)
{
	uint64_t due_ns;

	if (w->conf.poll_ns)
		at = read_ns(w, src, &l->turn, &l->wakeup, k, at);
	due_ns = due(w, at, delay_ns);
	ring_push(&l->q, k)->t_ns = due_ns;
	if (!w->conf.poll_ns && ring_len(&l->q) == 1)
		sources_set(&w->src, src, due_ns);
	return due_ns;
}

// Puts a packet before a link whose process polls.
static void enter(struct world *w, struct inlet *in, const struct pkt *k)
{
	uint64_t at = read_ns(w, in->src, &in->turn, &in->link->wakeup, k, w->clock.now_ns);

	ring_push(&in->q, k)->t_ns = at;
}

void wire_data(struct world *w, struct flow *f, const struct pkt *k)
{
	struct path *p = &w->paths[f->path];

	delay(w, &p->data, src_data(f), p->delay_ns, k, w->clock.now_ns);
}

void wire_ack(struct world *w, struct flow *f, const struct pkt *k)
{
	if (w->into_up.late) {
		enter(w, &w->into_up, k);
		return;
	}
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
void wire_at_receiver(void *arg, const struct pkt *k, uint64_t now_ns)
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
void wire_at_sender_side(void *arg, const struct pkt *k, uint64_t now_ns)
{
	struct world *w = arg;
	struct flow *f = &w->flows[k->flow];
	struct path *p = &w->paths[f->path];
	uint64_t due_ns = delay(w, &p->acks, src_data(f) + 1, p->delay_ns, k, now_ns);

	if (w->conf.pcap)
		pcap_ack(w->conf.pcap, k, f->s.sacks[k->aux & f->s.sack_mask].b, now_ns, due_ns);
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
	struct ring *r = &p->acks.q;

	while (w->paused < 0 && ring_len(r) && ring_head(r)->t_ns <= w->clock.now_ns) {
		struct pkt *k = ring_head(r); // stays there: nothing joins this line meanwhile
		struct flow *f = &w->flows[k->flow];
		bool more;

		do {
			if (k->flags & PKT_SYN)
				syn_answered(f);
			else if (input_ack(f, k))
				w->paused = f->index;
			more = k->more;
			if (more)
				pkt_skip(k, 1);
			else
				r->head++;
		} while (more && w->paused < 0);
		wire_deadline(f, timer_deadline(f));
	}
	sources_set(&w->src, src, line_wake(w, &p->acks));
}

// Data into the link as a capture shows it: packet by packet, answers in between.
static void capture_data(struct world *w, const struct pkt *k, uint64_t at_ns)
{
	struct pkt rest = *k, one;
	bool more;

	do {
		more = pkt_take(&one, &rest);
		pcap_data(w->conf.pcap, &one, w->clock.now_ns);
		link_arrive(&w->down, &one, at_ns);
	} while (more);
}

static void data_arrives(struct world *w, const struct pkt *k, uint64_t at_ns)
{
	if (w->conf.pcap)
		capture_data(w, k, at_ns);
	else
		link_arrive(&w->down, k, at_ns);
}

static void take_data(struct world *w, struct path *p, uint32_t src)
{
	struct ring *r = &p->data.q;

	while (ring_len(r) && ring_head(r)->t_ns <= w->clock.now_ns) {
		if (w->into_down.late)
			enter(w, &w->into_down, ring_head(r));
		else
			data_arrives(w, ring_head(r), w->clock.now_ns);
		r->head++;
	}
	sources_set(&w->src, src, line_wake(w, &p->data));
	if (!w->into_down.late)
		sources_set(&w->src, SRC_DOWN, w->down.next_ns);
}

// The turn of a link's process ends: it has read each packet in its time, having used the
// opportunities up to then, and hands on what has left the queue.
static void run_late_link(struct world *w, struct inlet *in)
{
	link_woken(in->link, w->clock.now_ns);
	for (; ring_len(&in->q); in->q.head++) {
		const struct pkt *k = ring_head(&in->q);

		if (in->src == SRC_DOWN)
			data_arrives(w, k, k->t_ns);
		else
			link_arrive(in->link, k, k->t_ns);
	}
	link_serve(in->link, w->clock.now_ns);
	sources_set(&w->src, in->src, in->link->next_ns);
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

static inline void run_link(struct world *w, struct link *l, uint32_t src, uint64_t until_ns)
{
	link_serve(l, until_ns);
	sources_set(&w->src, src, l->next_ns);
}

static inline void run_path(struct world *w, struct path *p, uint32_t src)
{
	struct line *l = src & 1 ? &p->acks : &p->data;

	if (w->conf.poll_ns)
		wakeup_draw(&l->wakeup, &w->rng, w->clock.now_ns);
	if (src & 1)
		take_acks(w, p, src);
	else
		take_data(w, p, src);
}

static inline void run_event(struct world *w, uint32_t src, uint64_t until_ns)
{
	check_invariants(w, src);
	w->clock.now_ns = w->src.key[src];
	if (src == SRC_UP && w->into_up.late)
		run_late_link(w, &w->into_up);
	else if (src == SRC_UP)
		run_link(w, &w->up, src, ahead(w, until_ns));
	else if (src == SRC_DOWN && w->into_down.late)
		run_late_link(w, &w->into_down);
	else if (src == SRC_DOWN)
		run_link(w, &w->down, src, w->clock.now_ns);
	else if (src < src_timer(w, 0))
		run_path(w, &w->paths[(src - SRC_PATHS) / 2], src);
	else
		flow_timer(w, &w->flows[src - src_timer(w, 0)]);
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
