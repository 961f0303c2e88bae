/* What the sender learns from a packet's delivery: the rate sample of net/ipv4/tcp_rate.c (Cheng
 * and Cardwell's draft), and RACK's newest delivery. Inside src/sim only. */
#ifndef SIM_RATE_H
#define SIM_RATE_H

#include "sim/flow.h"

/* A packet leaves: what a sample will need of this moment. cc->now_us is the time of the send. */
static inline void rate_sent(struct flow *f, struct tx *t)
{
	struct cc *cc = &f->cc;

	if (!cc->packets_out) {
		f->s.first_tx_us = cc->now_us;
		cc->delivered_us = cc->now_us;
	}
	t->first_tx_ago_us = cc->now_us - f->s.first_tx_us;
	t->delivered_ago_us = cc->now_us - cc->delivered_us;
	t->delivered = cc->delivered;
	t->app_limited = cc->app_limited != 0;
}

static inline bool sent_after(uint64_t t1, uint64_t t2, uint32_t seq1, uint32_t seq2)
{
	return t1 + (seq1 > seq2) > t2; // later, or at the same time and behind it
}

/* RACK learns of a delivery (tcp_rack_advance). */
static inline void rack_advance(struct flow *f, const struct tx *t, uint32_t seq, bool retrans)
{
	struct sender *s = &f->s;
	uint32_t rtt = f->cc.now_us - t->sent_us;

	// An answer faster than the path can only be to the original.
	if (rtt < f->cc.min_rtt_us && retrans)
		return;
	s->rack_advanced = true;
	s->rack_rtt_us = rtt;
	if (sent_after(t->sent_us, s->rack_us, seq, s->rack_end)) {
		s->rack_us = t->sent_us;
		s->rack_end = seq;
	}
}

/* The sample is that of packet seq. */
static inline void rate_take(struct flow *f, struct ack_ctx *a, const struct tx *t, uint32_t seq)
{
	a->rs_prior_us = t->sent_us - t->delivered_ago_us;
	a->rs.prior_delivered =
		f->cc.delivered - (uint32_t)((uint32_t)f->cc.delivered - t->delivered);
	a->rs.app_limited = t->app_limited;
	a->rs.interval_us = t->first_tx_ago_us;
	a->rs_last_seq = seq;
	f->s.first_tx_us = t->sent_us;
}

/* A packet is (S)ACKed for the first time: the most recently sent one makes the sample. */
static inline void rate_delivered(
	struct flow *f, struct ack_ctx *a, const struct tx *t, uint32_t seq)
{
	if (!a->rs_prior_us || sent_after(t->sent_us, f->s.first_tx_us, seq, a->rs_last_seq))
		rate_take(f, a, t, seq);
}

#endif
