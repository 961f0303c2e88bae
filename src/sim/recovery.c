/*
 * What follows a loss: PRR (RFC 6937), F-RTO (RFC 5682), undo by timestamps and DSACK, tail loss
 * probes, ECN's reduction; tcp_fastretrans_alert and what hangs on it (tcp_input.c).
 */
#include "sim/ecn.h"
#include "sim/rate.h"
#include "sim/timer.h"

void recovery_set_state(struct flow *f, enum cc_state state)
{
	if (f->cc.ops->set_state)
		f->cc.ops->set_state(&f->cc, state);
	f->cc.state = state;
}

static bool in_reduction(const struct flow *f)
{
	return f->cc.state == CC_CWR || f->cc.state == CC_RECOVERY;
}

uint32_t recovery_current_ssthresh(const struct flow *f)
{
	const struct cc *cc = &f->cc;
	uint32_t three_quarters = (cc->cwnd >> 1) + (cc->cwnd >> 2);

	return in_reduction(f) || cc->ssthresh > three_quarters ? cc->ssthresh : three_quarters;
}

void recovery_init_reduction(struct flow *f)
{
	struct cc *cc = &f->cc;

	f->s.high_seq = f->s.nxt;
	f->s.tlp_high_seq = 0;
	cc->cwnd_cnt = 0;
	cc->prior_cwnd = cc->cwnd;
	f->s.prr_delivered = f->s.prr_out = 0;
	cc->ssthresh = cc->ops->ssthresh(cc);
	ecn_queue_cwr(f);
}

void recovery_end_reduction(struct flow *f)
{
	struct cc *cc = &f->cc;

	if (cc->ops->cong_control)
		return;
	if (cc->ssthresh < CC_SSTHRESH_MAX && (cc->state == CC_CWR || f->s.undo_marker)) {
		cc->cwnd = cc->ssthresh;
		f->s.cwnd_stamp_us = cc->now_us;
	}
	if (cc->ops->cwnd_event)
		cc->ops->cwnd_event(cc, CC_EV_COMPLETE_CWR);
}

void recovery_cwnd_reduction(
	struct flow *f, uint32_t acked_sacked, uint32_t newly_lost, uint32_t flags)
{
	struct cc *cc = &f->cc;
	struct sender *s = &f->s;
	int64_t delta = (int64_t)cc->ssthresh - cc_in_flight(cc), send;

	if (!acked_sacked || !cc->prior_cwnd)
		return;
	s->prr_delivered += acked_sacked;
	if (delta < 0) {
		uint64_t share = (uint64_t)cc->ssthresh * s->prr_delivered + cc->prior_cwnd - 1;

		send = (int64_t)(share / cc->prior_cwnd) - s->prr_out;
	} else {
		send = (int64_t)s->prr_delivered - s->prr_out;
		if (send < (int64_t)acked_sacked)
			send = acked_sacked;
		if ((flags & ACK_ADVANCED) && !newly_lost)
			send++;
		if (send > delta)
			send = delta;
	}
	if (send < !s->prr_out) // the first retransmission leaves in any case
		send = 1;
	cc->cwnd = cc_in_flight(cc) + (send > 0 ? send : 0);
	if (!cc->cwnd)
		cc->cwnd = 1;
}

static void init_undo(struct flow *f)
{
	f->s.undo_marker = f->s.una + 1;
	f->s.undo_retrans = f->cc.retrans_out ? (int32_t)f->cc.retrans_out : -1;
}

static void enter_recovery(struct flow *f, bool ece)
{
	f->s.prior_ssthresh = 0;
	init_undo(f);
	f->stats.recoveries++;
	if (!in_reduction(f)) {
		if (!ece)
			f->s.prior_ssthresh = recovery_current_ssthresh(f);
		recovery_init_reduction(f);
	}
	recovery_set_state(f, CC_RECOVERY);
}

static bool any_retrans_done(const struct flow *f)
{
	return f->cc.retrans_out ||
	       (f->cc.packets_out && (sent_flags(&f->s.sent, f->s.una) & TX_EVER_RETRANS));
}

// Did the answer come to the original, sent before the first retransmission?
static bool packet_delayed(const struct flow *f, const struct ack_ctx *a)
{
	if (f->s.retrans_stamp_ms)
		return a->k.ts_ms < f->s.retrans_stamp_ms - 1;
	return !any_retrans_done(f);
}

static bool may_undo(const struct flow *f, const struct ack_ctx *a)
{
	return f->s.undo_marker && (!f->s.undo_retrans || packet_delayed(f, a));
}

static void undo_reduction(struct flow *f, bool unmark_loss)
{
	struct cc *cc = &f->cc;

	if (unmark_loss) {
		for (uint32_t seq = f->s.una; cc->lost_out && seq < f->s.nxt; seq++)
			*sent_mark(&f->s.sent, seq) &= ~TX_LOST;
		cc->lost_out = 0;
		// what was lost may be found lost again
		f->s.rack_scan = f->s.una;
	}
	if (f->s.prior_ssthresh) {
		cc->cwnd = cc->ops->undo_cwnd(cc);
		if (f->s.prior_ssthresh > cc->ssthresh) {
			cc->ssthresh = f->s.prior_ssthresh;
			ecn_withdraw_cwr(f);
		}
	}
	f->s.cwnd_stamp_us = cc->now_us;
	f->s.undo_marker = 0;
	f->s.rack_advanced = true;
	f->stats.undos++;
}

void recovery_try_keep_open(struct flow *f)
{
	struct cc *cc = &f->cc;
	enum cc_state state =
		cc->sacked_out + cc->lost_out || any_retrans_done(f) ? CC_DISORDER : CC_OPEN;

	if (cc->state != state) {
		recovery_set_state(f, state);
		f->s.high_seq = f->s.nxt;
	}
}

// tcp_enter_cwr: one reduction a window, never undone
static void enter_cwr(struct flow *f)
{
	f->s.prior_ssthresh = 0;
	if (f->cc.state >= CC_CWR)
		return;
	f->s.undo_marker = 0;
	recovery_init_reduction(f);
	recovery_set_state(f, CC_CWR);
	f->stats.cwrs++;
}

static void try_to_open(struct flow *f, const struct ack_ctx *a)
{
	if (!any_retrans_done(f))
		f->s.retrans_stamp_ms = 0;
	if (a->flags & ACK_ECE)
		enter_cwr(f);
	if (f->cc.state != CC_CWR)
		recovery_try_keep_open(f);
}

static void try_undo_recovery(struct flow *f, const struct ack_ctx *a)
{
	if (may_undo(f, a))
		undo_reduction(f, false);
	recovery_set_state(f, CC_OPEN);
}

static bool try_undo_dsack(struct flow *f)
{
	if (!f->s.undo_marker || f->s.undo_retrans)
		return false;
	undo_reduction(f, false);
	return true;
}

// tcp_try_undo_partial: true while retransmissions are still out
static bool try_undo_partial(struct flow *f, const struct ack_ctx *a)
{
	if (!f->s.undo_marker || !packet_delayed(f, a))
		return false;
	if (f->cc.retrans_out)
		return true;
	if (!any_retrans_done(f))
		f->s.retrans_stamp_ms = 0;
	undo_reduction(f, true);
	recovery_try_keep_open(f);
	return false;
}

static bool try_undo_loss(struct flow *f, const struct ack_ctx *a, bool frto_undo)
{
	if (!frto_undo && !may_undo(f, a))
		return false;
	undo_reduction(f, true);
	f->s.retransmits = 0;
	recovery_set_state(f, CC_OPEN);
	return true;
}

// tcp_process_loss with F-RTO
static void process_loss(struct flow *f, struct ack_ctx *a, enum rexmit *rexmit)
{
	struct sender *s = &f->s;
	bool recovered = s->una >= s->high_seq;

	if ((a->flags & ACK_ADVANCED) && try_undo_loss(f, a, false))
		return;
	if (s->frto) {
		if ((a->flags & ACK_ORIG) && try_undo_loss(f, a, true))
			return;
		if (s->nxt > s->high_seq) {
			if ((a->flags & ACK_SACKED) || !(a->flags & ACK_ADVANCED))
				s->frto = false;
		} else if ((a->flags & ACK_ADVANCED) && !recovered) {
			s->high_seq = s->nxt;
			if (s->nxt < s->limit) {
				*rexmit = REXMIT_NEW;
				return;
			}
			s->frto = false;
		}
	}
	if (recovered) {
		try_undo_recovery(f, a);
		return;
	}
	*rexmit = REXMIT_LOST;
}

// Section D: does what was sent before the reduction count as delivered?
static void exit_state(struct flow *f, const struct ack_ctx *a)
{
	if (f->cc.state == CC_OPEN) {
		f->s.retrans_stamp_ms = 0;
	} else if (f->s.una >= f->s.high_seq) {
		if (f->cc.state == CC_CWR && f->s.una != f->s.high_seq) {
			recovery_end_reduction(f);
			recovery_set_state(f, CC_OPEN);
		} else if (f->cc.state == CC_RECOVERY) {
			try_undo_recovery(f, a);
			recovery_end_reduction(f);
		}
	}
}

void recovery_alert(struct flow *f, struct ack_ctx *a, enum rexmit *rexmit)
{
	struct cc *cc = &f->cc;

	if (a->flags & ACK_ECE) // the reduction is due: no undoing
		f->s.prior_ssthresh = 0;
	exit_state(f, a);
	if (cc->state == CC_RECOVERY) {
		if ((a->flags & ACK_ADVANCED) && try_undo_partial(f, a))
			return;
		if (try_undo_dsack(f))
			try_to_open(f, a);
		rack_identify_loss(f, a);
		if (cc->state != CC_RECOVERY) {
			if (!cc->lost_out)
				return;
			enter_recovery(f, a->flags & ACK_ECE);
		}
		*rexmit = REXMIT_LOST;
		return;
	}
	if (cc->state == CC_LOSS) {
		process_loss(f, a, rexmit);
		rack_identify_loss(f, a);
		if (cc->state != CC_OPEN && !(a->flags & ACK_LOST_RETRANS))
			return;
	} else {
		if (cc->state <= CC_DISORDER)
			try_undo_dsack(f);
		rack_identify_loss(f, a);
	}
	if (!cc->lost_out) {
		try_to_open(f, a);
		return;
	}
	enter_recovery(f, a->flags & ACK_ECE);
	*rexmit = REXMIT_LOST;
}

void recovery_retransmit(struct flow *f)
{
	struct cc *cc = &f->cc;
	struct sender *s = &f->s;
	uint32_t hint = 0;
	bool rearm = false, waiting = false;

	if (!cc->packets_out || !cc->lost_out)
		return;
	for (uint32_t seq = s->rtx_hint > s->una ? s->rtx_hint : s->una; seq < s->nxt; seq++) {
		uint32_t mark = *sent_mark(&s->sent, seq);
		bool due = (mark & TX_LOST) && !(mark & (TX_SACKED | TX_RETRANS));

		if (cc->retrans_out >= cc->lost_out)
			break;
		if (!due) {
			if (!waiting && (mark & (TX_SACKED | TX_RETRANS)))
				hint = seq + 1;
			else
				waiting = true;
			continue;
		}
		if (sender_pacing_blocked(f) || cc_in_flight(cc) >= cc->cwnd)
			break;
		sender_retransmit(f, seq);
		if (!waiting)
			hint = seq + 1;
		if (in_reduction(f))
			s->prr_out++;
		if (seq == s->una && s->timer != TIMER_REO)
			rearm = true;
	}
	if (hint > s->rtx_hint)
		s->rtx_hint = hint;
	if (rearm)
		timer_set(f, TIMER_RTO, s->rto_us);
}

void recovery_reo_timeout(struct flow *f)
{
	struct cc *cc = &f->cc;
	uint32_t in_flight = cc_in_flight(cc);
	uint64_t lost = cc->lost;

	rack_detect(f);
	if (cc_in_flight(cc) != in_flight) {
		if (cc->state != CC_RECOVERY) {
			enter_recovery(f, false);
			if (!cc->ops->cong_control)
				recovery_cwnd_reduction(f, 1, cc->lost - lost, 0);
		}
		recovery_retransmit(f);
	}
	if (f->s.timer != TIMER_RTO)
		timer_rearm_rto(f);
}

void recovery_enter_loss(struct flow *f)
{
	struct cc *cc = &f->cc;
	struct sender *s = &f->s;
	bool fresh = cc->state < CC_RECOVERY;

	// All that was sent at least an RTT ago; the first packet in any case.
	sent_detail(&s->sent, s->una, s->nxt);
	for (uint32_t seq = s->una; seq < s->nxt; seq++) {
		uint64_t sent_us = sent_marked(&s->sent, *sent_mark(&s->sent, seq))->sent_us;

		if (seq == s->una || (int64_t)s->rack_rtt_us <= (int64_t)(cc->now_us - sent_us))
			rack_mark_lost(f, seq);
	}
	if (cc->state <= CC_DISORDER || s->high_seq <= s->una ||
		(cc->state == CC_LOSS && !s->retransmits)) {
		s->prior_ssthresh = recovery_current_ssthresh(f);
		cc->prior_cwnd = cc->cwnd;
		cc->ssthresh = cc->ops->ssthresh(cc);
		if (cc->ops->cwnd_event)
			cc->ops->cwnd_event(cc, CC_EV_LOSS);
		init_undo(f);
	}
	cc->cwnd = cc_in_flight(cc) + 1;
	cc->cwnd_cnt = 0;
	s->cwnd_stamp_us = cc->now_us;
	recovery_set_state(f, CC_LOSS);
	s->high_seq = s->nxt;
	s->tlp_high_seq = 0;
	s->frto = fresh || s->retransmits;
	ecn_queue_cwr(f);
}

void recovery_process_tlp(struct flow *f, const struct ack_ctx *a)
{
	struct sender *s = &f->s;

	if (a->k.seq < s->tlp_high_seq)
		return;
	if (!s->tlp_retrans || (a->flags & ACK_DSACK_TLP)) {
		s->tlp_high_seq = 0;
	} else if (a->k.seq > s->tlp_high_seq) { // the probe repaired a loss
		recovery_init_reduction(f);
		recovery_set_state(f, CC_CWR);
		recovery_end_reduction(f);
		recovery_try_keep_open(f);
	} else if (!(a->flags & (ACK_ADVANCED | ACK_SACKED))) {
		s->tlp_high_seq = 0;
	}
}
