/* What is lost: SACK blocks and RACK's clock (RFC 2018, RFC 2883, RFC 8985; tcp_input.c,
 * tcp_recovery.c). */
#include "sim/rate.h"
#include "sim/timer.h"

// tcp_mark_skb_lost
void rack_mark_lost(struct flow *f, uint32_t seq)
{
	struct cc *cc = &f->cc;
	struct tx *t = tx_at(f, seq);

	if (t->flags & TX_SACKED)
		return;
	if (seq < f->s.rtx_hint)
		f->s.rtx_hint = seq;
	if (t->flags & TX_LOST) {
		if (t->flags & TX_RETRANS) { // the retransmission is lost too
			t->flags &= ~TX_RETRANS;
			cc->retrans_out--;
			cc->lost++;
		}
		return;
	}
	t->flags |= TX_LOST;
	cc->lost_out++;
	cc->lost++;
}

// tcp_sacktag_one
static void sack_one(struct flow *f, struct ack_ctx *a, uint32_t seq)
{
	struct cc *cc = &f->cc;
	struct tx *t = tx_at(f, seq);

	if (t->flags & TX_SACKED)
		return;
	rate_delivered(f, a, t, seq);
	if (!((t->flags & TX_EVER_RETRANS) && a->k.ts_ms < tx_ts_ms(t)))
		rack_advance(f, t, seq);
	if (t->flags & TX_RETRANS) {
		if (t->flags & TX_LOST) {
			t->flags &= ~TX_RETRANS;
			cc->retrans_out--;
		}
	} else if (!(t->flags & TX_EVER_RETRANS)) {
		if (seq < f->s.high_seq)
			a->flags |= ACK_ORIG;
		if (!a->first_sack_us)
			a->first_sack_us = t->sent_us;
		a->last_sack_us = t->sent_us;
	}
	if (t->flags & TX_LOST) {
		t->flags &= ~TX_LOST;
		cc->lost_out--;
	}
	t->flags |= TX_SACKED | TX_RATE_DONE;
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

static int by_start(const void *x, const void *y)
{
	const struct sack_block *a = x, *b = y;

	return a->start < b->start ? -1 : a->start > b->start;
}

void rack_sack(struct flow *f, struct ack_ctx *a)
{
	struct sender *s = &f->s;
	struct sacks in = s->sacks[a->k.aux & s->sack_mask];
	int first = (a->k.flags & PKT_DSACK) != 0, n = a->k.nsack - first;

	s->sack_head = a->k.aux + 1;
	if (first)
		take_dsack(f, a, in.b[0]);
	qsort(in.b + first, n, sizeof(in.b[0]), by_start);
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
static bool rack_check(struct flow *f, uint32_t seq, uint32_t reo_wnd, int64_t *timeout)
{
	int64_t left = (int64_t)f->s.rack_rtt_us + reo_wnd -
		       (int64_t)(f->cc.now_us - tx_at(f, seq)->sent_us);

	if (left <= 0) {
		rack_mark_lost(f, seq);
		return true;
	}
	if (left > *timeout)
		*timeout = left;
	return false;
}

/*
 * tcp_rack_detect_loss over the time-sorted list, which here is two lists: the originals in
 * sequence order and the retransmissions in the order they left. Entries leave either list for good
 * once lost, delivered or stale.
 */
int64_t rack_detect(struct flow *f)
{
	struct sender *s = &f->s;
	uint32_t reo_wnd = reo_wnd_us(f), seq;
	int64_t timeout = 0;
	bool done = true;

	if (s->rack_scan < s->una)
		s->rack_scan = s->una;
	for (seq = s->rack_scan; seq < s->nxt; seq++) {
		struct tx *t = tx_at(f, seq);

		if (!(t->flags & (TX_SACKED | TX_LOST | TX_EVER_RETRANS))) {
			if (!sent_after(s->rack_us, t->sent_us, s->rack_end, seq))
				break;
			done &= rack_check(f, seq, reo_wnd, &timeout);
		}
		if (done)
			s->rack_scan = seq + 1;
	}
	done = true;
	for (uint32_t i = s->retx_head; i != s->retx_tail; i++) {
		struct retx *r = &s->retx[i & s->retx_mask];
		struct tx *t = tx_at(f, r->seq);
		bool live = r->seq >= s->una && (t->flags & TX_RETRANS) && t->sent_us == r->sent_us;

		if (live && !(t->flags & TX_SACKED)) {
			if (!sent_after(s->rack_us, t->sent_us, s->rack_end, r->seq))
				break;
			done &= rack_check(f, r->seq, reo_wnd, &timeout);
		}
		if (done)
			s->retx_head = i + 1;
	}
	return timeout;
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
