/* What is lost: SACK blocks and RACK's clock (RFC 2018, RFC 2883, RFC 8985; tcp_input.c,
 * tcp_recovery.c). */
#include "sim/rate.h"
#include "sim/timer.h"

// tcp_mark_skb_lost
void rack_mark_lost(struct flow *f, uint32_t seq)
{
	struct cc *cc = &f->cc;
	uint32_t *mark = sent_mark(&f->s.sent, seq);

	if (*mark & TX_SACKED)
		return;
	if (seq < f->s.rtx_hint)
		f->s.rtx_hint = seq;
	if (*mark & TX_LOST) {
		if (*mark & TX_RETRANS) { // the retransmission is lost too
			*mark &= ~TX_RETRANS;
			cc->retrans_out--;
			cc->lost++;
		}
		return;
	}
	*mark |= TX_LOST;
	cc->lost_out++;
	cc->lost++;
}

// tcp_sacktag_one
static void sack_one(struct flow *f, struct ack_ctx *a, uint32_t seq)
{
	struct cc *cc = &f->cc;
	uint32_t *mark = sent_mark(&f->s.sent, seq), flags = *mark;
	const struct tx *t = sent_marked(&f->s.sent, flags);

	if (flags & TX_SACKED)
		return;
	rate_delivered(f, a, t, seq);
	if (!((flags & TX_EVER_RETRANS) && a->k.ts_ms < tx_ts_ms(t)))
		rack_advance(f, t, seq, flags & TX_EVER_RETRANS);
	if (flags & TX_RETRANS) {
		if (flags & TX_LOST) {
			*mark &= ~TX_RETRANS;
			cc->retrans_out--;
		}
	} else if (!(flags & TX_EVER_RETRANS)) {
		if (seq < f->s.high_seq)
			a->flags |= ACK_ORIG;
		if (!a->first_sack_us)
			a->first_sack_us = t->sent_us;
		a->last_sack_us = t->sent_us;
	}
	if (flags & TX_LOST) {
		*mark &= ~TX_LOST;
		cc->lost_out--;
	}
	*mark |= TX_SACKED;
	cc->sacked_out++;
	cc->delivered++;
	a->flags |= ACK_SACKED;
}

static void sack_range(struct flow *f, struct ack_ctx *a, uint32_t start, uint32_t end)
{
	if (start < f->s.una)
		start = f->s.una;
	if (end > f->s.nxt)
		end = f->s.nxt;
	if (start < end)
		sent_detail(&f->s.sent, f->s.una, f->s.nxt);
	for (uint32_t seq = start; seq < end; seq++)
		sack_one(f, a, seq);
}

// Blocks grow: only what the last ACK's blocks did not cover is new.
static void sack_block(struct flow *f, struct ack_ctx *a, struct sack_block b)
{
	for (int i = 0; i < f->s.ncache && b.start < b.end; i++) {
		struct sack_block c = f->s.cache.b[i];

		if (c.end <= b.start || c.start >= b.end)
			continue;
		if (c.start > b.start)
			sack_range(f, a, b.start, c.start);
		b.start = c.end;
	}
	sack_range(f, a, b.start, b.end);
}

static void take_dsack(struct flow *f, struct ack_ctx *a, struct sack_block b)
{
	struct sender *s = &f->s;

	a->flags |= ACK_DSACK;
	if (s->tlp_high_seq && s->tlp_high_seq == b.end)
		a->flags |= ACK_DSACK_TLP;
	else
		s->rack_dsack_seen = true;
	if (s->undo_marker && s->undo_retrans > 0 && b.end > s->undo_marker - 1)
		s->undo_retrans--;
}

// A handful of blocks, in sequence order.
static void sort_blocks(struct sack_block *b, int n)
{
	for (int i = 1; i < n; i++) {
		struct sack_block moved = b[i];
		int j = i;

		for (; j > 0 && b[j - 1].start > moved.start; j--)
			b[j] = b[j - 1];
		b[j] = moved;
	}
}

void rack_sack(struct flow *f, struct ack_ctx *a)
{
	struct sender *s = &f->s;
	struct sacks in = s->sacks[a->k.aux & s->sack_mask];
	int first = (a->k.flags & PKT_DSACK) != 0, n = a->k.nsack - first;

	s->sack_head = a->k.aux + 1;
	if (first)
		take_dsack(f, a, in.b[0]);
	sort_blocks(in.b + first, n);
	for (int i = 0; i < n; i++)
		sack_block(f, a, in.b[first + i]);
	for (int i = 0; i < n; i++)
		s->cache.b[i] = in.b[first + i];
	s->ncache = n;
}

static uint32_t reo_wnd_us(const struct flow *f)
{
	uint64_t w = (uint64_t)(f->cc.min_rtt_us >> 2) * f->s.rack_steps;

	// No reordering seen: none is waited for in recovery or after three duplicates.
	if (f->cc.state >= CC_RECOVERY || f->cc.sacked_out >= DUPTHRESH)
		return 0;
	return w < f->cc.srtt_us8 >> 3 ? w : f->cc.srtt_us8 >> 3;
}

// One packet sent before the newest delivered one: lost, or to be looked at again in *timeout us.
static bool rack_check(
	struct flow *f, uint32_t seq, uint64_t sent_us, uint32_t reo_wnd, int64_t *timeout)
{
	int64_t left = (int64_t)f->s.rack_rtt_us + reo_wnd - (int64_t)(f->cc.now_us - sent_us);

	if (left <= 0) {
		rack_mark_lost(f, seq);
		return true;
	}
	if (left > *timeout)
		*timeout = left;
	return false;
}

// The originals from rack_scan on that were sent before the newest delivered one.
static int64_t check_originals(struct flow *f, uint32_t reo_wnd)
{
	struct sender *s = &f->s;
	int64_t timeout = 0;
	bool done = true;

	if (s->rack_scan < s->una)
		s->rack_scan = s->una;
	for (uint32_t seq = s->rack_scan; seq < s->nxt; seq++) {
		uint32_t mark = *sent_mark(&s->sent, seq);

		if (!(mark & (TX_SACKED | TX_LOST | TX_EVER_RETRANS))) {
			uint64_t sent_us = sent_marked(&s->sent, mark)->sent_us;

			if (!sent_after(s->rack_us, sent_us, s->rack_end, seq))
				break;
			done &= rack_check(f, seq, sent_us, reo_wnd, &timeout);
		}
		if (done)
			s->rack_scan = seq + 1;
	}
	return timeout;
}

// The same for retransmissions.
static int64_t check_retransmissions(struct flow *f, uint32_t reo_wnd)
{
	struct sender *s = &f->s;
	struct sent *sent = &s->sent;
	int64_t timeout = 0;
	bool done = true;

	for (uint32_t i = sent->retx_scan; i != sent->retx.tail; i++) {
		const struct tx *t = tx_at(&sent->retx, i);
		uint32_t mark = t->seq >= s->una ? *sent_mark(sent, t->seq) : 0;

		if ((mark & TX_RETRANS) && !(mark & TX_SACKED) && sent_marked(sent, mark) == t) {
			if (!sent_after(s->rack_us, t->sent_us, s->rack_end, t->seq))
				break;
			done &= rack_check(f, t->seq, t->sent_us, reo_wnd, &timeout);
		}
		if (done)
			sent->retx_scan = i + 1;
	}
	return timeout;
}

// With nothing marked, whether the oldest packet in flight was sent after the newest delivered one,
// and so all are.
static bool in_order(const struct flow *f)
{
	const struct sender *s = &f->s;

	return !s->sent.detailed &&
	       !sent_after(s->rack_us, sender_oldest_us(f), s->rack_end, s->una);
}

/*
 * tcp_rack_detect_loss over the time-sorted list, which here is two lists: the originals in
 * sequence order and the retransmissions in the order they left. Entries leave either list for good
 * once lost, delivered or stale.
 */
int64_t rack_detect(struct flow *f)
{
	uint32_t reo_wnd = reo_wnd_us(f);
	int64_t originals, retransmissions;

	if (!f->cc.packets_out || in_order(f))
		return 0;
	sent_detail(&f->s.sent, f->s.una, f->s.nxt);
	originals = check_originals(f, reo_wnd);
	retransmissions = check_retransmissions(f, reo_wnd);
	return originals > retransmissions ? originals : retransmissions;
}

// tcp_identify_packet_loss
void rack_identify_loss(struct flow *f, struct ack_ctx *a)
{
	uint32_t retrans = f->cc.retrans_out;
	int64_t timeout;

	if (!f->cc.packets_out || !f->s.rack_advanced)
		return;
	f->s.rack_advanced = false;
	timeout = rack_detect(f);
	if (timeout) {
		timer_set(f, TIMER_REO, timeout + f->s.two_ticks_us);
		a->flags &= ~ACK_SET_TIMER;
	}
	if (retrans > f->cc.retrans_out)
		a->flags |= ACK_LOST_RETRANS;
}
