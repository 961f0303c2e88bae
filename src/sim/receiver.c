/* The receiving end: cumulative and selective acknowledgement, delayed, quick and compressed ACKs
 * as Linux. */
#include "sim/ecn.h"
#include "sim/wire.h"

enum {
	QUICK_ACKS = 16,
	ATO_MIN_US = 40000,
	RANGES_LEAST = 16,
	COMP_SACK_NS = 1000000, /* longest compression of an ACK; also at most 5 % of the RTT */
};

void receiver_init(struct receiver *r)
{
	*r = (struct receiver){.ooo = r->ooo,
		.ooo_cap = r->ooo_cap,
		.quick = QUICK_ACKS,
		.delack_ns = NEVER,
		.comp_ns = NEVER};
	if (r->ooo)
		return;
	r->ooo_cap = RANGES_LEAST;
	r->ooo = malloc(r->ooo_cap * sizeof(*r->ooo));
	if (!r->ooo)
		abort();
}

void receiver_free(struct receiver *r)
{
	free(r->ooo);
}

// Blocks of an ACK: a duplicate report first, then the ranges most recently touched (RFC 2018, RFC
// 2883).
static void fill_sacks(struct flow *f, struct pkt *k)
{
	struct receiver *r = &f->r;
	struct sacks s;
	int n = 0;

	if (r->dsack.end) {
		s.b[n++] = r->dsack;
		k->flags |= PKT_DSACK;
		r->dsack.end = 0;
	}
	for (int i = 0; i < r->nrecent && n < MAX_SACKS; i++)
		s.b[n++] = r->recent[i];
	k->nsack = n;
	if (!n)
		return;
	k->bytes += 4 + n * SACK_BYTES;
	if (f->s.sack_tail - f->s.sack_head > f->s.sack_mask)
		sender_resize_sacks(f, 2 * f->s.sack_mask + 1);
	k->aux = f->s.sack_tail++;
	f->s.sacks[k->aux & f->s.sack_mask] = s;
}

// Acknowledges all up to rcv_nxt, by the last of n ACKs that are two packets apart.
static void send_acks(struct flow *f, uint32_t n)
{
	struct receiver *r = &f->r;
	struct pkt k = {.seq = r->rcv_nxt - 2 * (n - 1),
		.more = n - 1,
		.flow = f->index,
		.ts_ms = r->ts_recent_ms,
		.bytes = ACK_BYTES,
		.flags = PKT_ACK | (r->ece ? PKT_ECE : 0)};
	uint32_t newly = r->rcv_nxt - r->acked_to;

	if (r->nrecent || r->dsack.end)
		fill_sacks(f, &k);
	r->quick = r->quick > newly ? r->quick - newly : 0;
	r->acked_to = r->rcv_nxt;
	r->delack_ns = r->comp_ns = NEVER;
	r->compressed = 0;
	wire_ack(f->w, f, &k);
}

static void send_ack(struct flow *f)
{
	send_acks(f, 1);
}

// The range's place in the SACK option: first.
static void touch_recent(struct receiver *r, struct sack_block b)
{
	int n = 1;
	struct sack_block list[MAX_SACKS + 1] = {b};

	for (int i = 0; i < r->nrecent && n <= MAX_SACKS; i++)
		if (r->recent[i].end < b.start || r->recent[i].start > b.end)
			list[n++] = r->recent[i];
	memcpy(r->recent, list, sizeof(list));
	r->nrecent = n;
}

// How many out-of-order ranges start at or before seq: most often all, as data comes in order.
static int ranges_up_to(const struct receiver *r, uint32_t seq)
{
	int lo = 0, hi = r->nooo;

	if (!hi || r->ooo[hi - 1].start <= seq)
		return hi;
	while (lo < hi) {
		int mid = (lo + hi) / 2;

		if (r->ooo[mid].start <= seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

// Adds one packet to the out-of-order ranges; false when it was there already.
static bool add_ooo(struct receiver *r, uint32_t seq)
{
	int i = ranges_up_to(r, seq);

	if (i > 0 && seq < r->ooo[i - 1].end)
		return false;
	if (i > 0 && r->ooo[i - 1].end == seq) {
		r->ooo[--i].end++;
	} else {
		if (r->nooo == r->ooo_cap) {
			r->ooo_cap *= 2;
			r->ooo = realloc(r->ooo, r->ooo_cap * sizeof(*r->ooo));
			if (!r->ooo)
				abort();
		}
		memmove(&r->ooo[i + 1], &r->ooo[i], (r->nooo - i) * sizeof(*r->ooo));
		r->ooo[i] = (struct sack_block){seq, seq + 1};
		r->nooo++;
	}
	if (i + 1 < r->nooo && r->ooo[i + 1].start == r->ooo[i].end) {
		r->ooo[i].end = r->ooo[i + 1].end;
		memmove(&r->ooo[i + 1], &r->ooo[i + 2], (r->nooo - i - 2) * sizeof(*r->ooo));
		r->nooo--;
	}
	touch_recent(r, r->ooo[i]);
	return true;
}

// Moves rcv_nxt over what had waited; drops those ranges from the SACK option.
static void take_ooo(struct receiver *r)
{
	int n = 0;

	if (r->nooo && r->ooo[0].start == r->rcv_nxt) {
		r->rcv_nxt = r->ooo[0].end;
		memmove(&r->ooo[0], &r->ooo[1], --r->nooo * sizeof(*r->ooo));
	}
	for (int i = 0; i < r->nrecent; i++)
		if (r->recent[i].end > r->rcv_nxt)
			r->recent[n++] = r->recent[i];
	r->nrecent = n;
}

// The delayed-ACK timeout where packets come close together.
static uint64_t next_ato_us(uint64_t ato_us)
{
	return ato_us / 2 + ATO_MIN_US / 2;
}

// tcp_event_data_recv: the delayed-ACK timeout follows the packets' spacing.
static void adapt_ato(struct flow *f)
{
	struct receiver *r = &f->r;
	uint64_t now_us = wire_now(f) / 1000, gap = now_us - r->last_data_us;

	if (!r->any)
		r->ato_us = ATO_MIN_US;
	else if (gap <= ATO_MIN_US / 2)
		r->ato_us = next_ato_us(r->ato_us);
	else if (gap < r->ato_us)
		r->ato_us = r->ato_us / 2 + gap;
	else if (gap > f->s.rto_us) // the sender restarted: it needs ACKs to grow
		r->quick = QUICK_ACKS;
	r->any = true;
	r->last_data_us = now_us;
}

// tcp_data_queue_ofo's ACKs: the first few at once, then compressed.
static void ack_disorder(struct flow *f, bool at_once)
{
	struct receiver *r = &f->r;
	uint64_t delay = (uint64_t)f->cc.srtt_us8 * 125 / 20; // srtt / 20 in ns

	if (at_once || r->compressed >= COMP_SACK_MAX)
		goto now;
	if (r->comp_nxt != r->rcv_nxt) {
		r->comp_nxt = r->rcv_nxt;
		r->dup_acks = 0;
	}
	if (r->dup_acks < DUPTHRESH) {
		r->dup_acks++;
		goto now;
	}
	r->compressed++;
	if (r->comp_ns == NEVER)
		r->comp_ns = wire_now(f) + (delay < COMP_SACK_NS ? delay : COMP_SACK_NS);
	return;
now:
	send_ack(f);
}

// One packet, whatever it is.
static void take_one(struct flow *f, const struct pkt *k)
{
	struct receiver *r = &f->r;
	bool had_holes = r->nooo, at_once = ecn_accept_cwr(f, k);

	// RFC 7323: the echoed timestamp is of the segment that moves the left edge.
	if (k->seq == r->acked_to)
		r->ts_recent_ms = k->ts_ms;
	if (k->seq < r->rcv_nxt) {
		r->dsack = (struct sack_block){k->seq, k->seq + 1};
		r->quick = QUICK_ACKS;
		send_ack(f);
		return;
	}
	adapt_ato(f);
	if (f->conf.ecn)
		ecn_data(f, k);
	if (k->seq > r->rcv_nxt) {
		if (add_ooo(r, k->seq)) {
			f->stats.delivered++;
			ack_disorder(f, at_once);
		} else {
			r->dsack = (struct sack_block){k->seq, k->seq + 1};
			send_ack(f);
		}
		return;
	}
	f->stats.delivered++;
	r->rcv_nxt++;
	if (had_holes)
		take_ooo(r);
	f->stats.in_order = r->rcv_nxt;
	if (r->rcv_nxt - r->acked_to > 1 || r->quick || at_once || (had_holes && !r->nooo))
		send_ack(f);
	else if (r->nooo)
		ack_disorder(f, at_once);
	else if (k->flags &
		 PKT_PSH) // the application reads it at once, and tcp_cleanup_rbuf() answers
		send_ack(f);
	else if (r->delack_ns == NEVER)
		r->delack_ns = wire_now(f) + r->ato_us * 1000;
}

// The same for a run that arrives in order while nothing is missing.
static void take_run(struct flow *f, const struct pkt *k)
{
	struct receiver *r = &f->r;
	uint32_t left = k->more + 1u;

	f->stats.delivered += left;
	f->stats.in_order = k->seq + left;
	adapt_ato(f);
	// No time passes between them: the timeout soon settles.
	for (uint32_t i = 1; i < left && r->ato_us != next_ato_us(r->ato_us); i++)
		r->ato_us = next_ato_us(r->ato_us);
	while (left) {
		uint32_t n = 1, acks = 1;

		if (r->rcv_nxt == r->acked_to)
			r->ts_recent_ms = k->ts_ms;
		// What has one time stamp is acknowledged by one run of ACKs.
		if (f->w->ack_runs && !r->quick && r->ts_recent_ms == k->ts_ms && left > 1) {
			uint32_t pending = r->rcv_nxt - r->acked_to;

			acks = (pending + left) / 2;
			n = 2 * acks - pending;
		}
		r->rcv_nxt += n;
		left -= n;
		if (r->rcv_nxt - r->acked_to > 1 || r->quick || (!left && (k->flags & PKT_PSH))) {
			send_acks(f, acks);
		} else if (r->delack_ns == NEVER) {
			r->delack_ns = wire_now(f) + r->ato_us * 1000;
			wire_deadline(f, r->delack_ns);
		}
	}
}

void receiver_data(struct flow *f, const struct pkt *k)
{
	struct pkt rest = *k, one;
	bool more;

	if (k->seq == f->r.rcv_nxt && !f->r.nooo && !f->conf.ecn) {
		take_run(f, k);
		return;
	}
	do {
		more = pkt_take(&one, &rest);
		take_one(f, &one);
		wire_deadline(f, receiver_deadline(f));
	} while (more);
}

void receiver_timer(struct flow *f)
{
	if (receiver_deadline(f) <= wire_now(f))
		send_ack(f);
}
