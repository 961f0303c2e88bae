/* The sender's input: one ACK from arrival to what it lets out (tcp_ack and what it calls). */
#include "sim/rate.h"
#include "sim/timer.h"

enum {
	MIN_RTT_WINDOW_US = 300000000,
	DSACK_RECOVERIES = 16, /* how long a widened reordering window lasts */
};

static NOINLINE void new_min_rtt(struct flow *f, uint32_t rtt_us)
{
	struct minmax *m = &f->s.min_rtt;

	f->cc.min_rtt_us = minmax_take(m, false, MIN_RTT_WINDOW_US, f->cc.now_us, rtt_us);
	f->s.min_rtt_quiet_us = minmax_quiet_until(m, MIN_RTT_WINDOW_US);
	if (rtt_us < f->stats.min_rtt_us)
		f->stats.min_rtt_us = rtt_us;
}

static inline void take_min_rtt(struct flow *f, uint32_t rtt_us)
{
	if (rtt_us <= f->s.min_rtt.s[2].v || f->cc.now_us > f->s.min_rtt_quiet_us)
		new_min_rtt(f, rtt_us);
}

// tcp_rtt_estimator and tcp_set_rto (RFC 6298 with Linux's variance)
static ALWAYS_INLINE void take_rtt(struct flow *f, int64_t rtt_us)
{
	struct sender *s = &f->s;
	int64_t m = rtt_us, srtt = f->cc.srtt_us8;

	if (srtt) {
		int64_t dev;

		m -= srtt >> 3;
		srtt += m;
		dev = (m < 0 ? -m : m) - (s->mdev_us >> 2);
		s->mdev_us += dev >> 3 * ((m < 0) & (dev > 0)); // a falling RTT counts less
		if (s->mdev_us > s->mdev_max_us) {
			s->mdev_max_us = s->mdev_us;
			if (s->mdev_max_us > s->rttvar_us)
				s->rttvar_us = s->mdev_max_us;
		}
		if (s->una > s->rtt_seq) {
			if (s->mdev_max_us < s->rttvar_us)
				s->rttvar_us -= (s->rttvar_us - s->mdev_max_us) >> 2;
			s->rtt_seq = s->nxt;
			s->mdev_max_us = RTO_MIN_US;
		}
	} else {
		srtt = m << 3;
		s->mdev_us = m << 1;
		s->rttvar_us = s->mdev_us > RTO_MIN_US ? s->mdev_us : RTO_MIN_US;
		s->mdev_max_us = s->rttvar_us;
		s->rtt_seq = s->nxt;
	}
	f->cc.srtt_us8 = srtt > 1 ? srtt : 1;
	s->rto_us = (f->cc.srtt_us8 >> 3) + s->rttvar_us;
	s->rto_us = s->rto_us < RTO_MAX_US ? s->rto_us : RTO_MAX_US;
	s->backoff = 0;
}

void input_handshake(struct flow *f, uint32_t rtt_us)
{
	take_min_rtt(f, rtt_us);
	take_rtt(f, rtt_us);
}

struct cleaned {
	uint64_t first_us,
		last_us; /* send times of the oldest and newest packet acknowledged first-hand */
};

// The usual case of the below: all in flight was sent once, in order, and nothing of it is SACKed.
static struct cleaned clean_plain(struct flow *f, struct ack_ctx *a)
{
	struct cc *cc = &f->cc;
	uint32_t n = a->k.seq - a->prior_una;
	uint64_t first_us = sent_oldest(&f->s.sent)->sent_us;
	const struct tx *last = sent_forget(&f->s.sent, a->k.seq);

	if (a->prior_una < f->s.high_seq)
		a->flags |= ACK_ORIG;
	a->rs.in_flight_then = tx_in_flight(last, a->k.seq - 1);
	a->rs.pkts_acked = n;
	cc->delivered += n;
	cc->packets_out -= n;
	rack_advance(f, last, a->k.seq - 1, false);
	rate_take(f, a, last, a->k.seq - 1);
	return (struct cleaned){first_us, last->sent_us};
}

// tcp_clean_rtx_queue's loop
static struct cleaned clean(struct flow *f, struct ack_ctx *a)
{
	struct cc *cc = &f->cc;
	struct cleaned c = {0, 0};

	for (uint32_t seq = a->prior_una; seq < a->k.seq; seq++) {
		uint32_t flags = *sent_mark(&f->s.sent, seq);
		const struct tx *t = sent_marked(&f->s.sent, flags);

		if (flags & TX_EVER_RETRANS) {
			if (flags & TX_RETRANS)
				cc->retrans_out--;
			a->flags |= ACK_RETRANS;
		} else if (!(flags & TX_SACKED)) {
			c.last_us = t->sent_us;
			if (!c.first_us)
				c.first_us = t->sent_us;
			a->rs.in_flight_then = tx_in_flight(t, seq);
			if (seq < f->s.high_seq)
				a->flags |= ACK_ORIG;
		}
		if (flags & TX_SACKED) {
			cc->sacked_out--;
		} else {
			cc->delivered++;
			if (!((flags & TX_EVER_RETRANS) && a->k.ts_ms < tx_ts_ms(t)))
				rack_advance(f, t, seq, flags & TX_EVER_RETRANS);
			rate_delivered(f, a, t, seq);
		}
		if (flags & TX_LOST)
			cc->lost_out--;
		cc->packets_out--;
	}
	a->rs.pkts_acked = a->k.seq - a->prior_una;
	sent_forget(&f->s.sent, a->k.seq);
	return c;
}

// tcp_ack_update_rtt: RTT samples of this ACK; the newest packet's goes to the controller
static bool update_rtt(struct flow *f, struct ack_ctx *a, const struct cleaned *c)
{
	uint64_t now = f->cc.now_us;
	int64_t seq_rtt = -1, ca_rtt = -1;

	if (c->first_us && !(a->flags & ACK_RETRANS)) {
		seq_rtt = now - c->first_us;
		ca_rtt = now - c->last_us;
	}
	if (a->first_sack_us) {
		if (seq_rtt < 0)
			seq_rtt = now - a->first_sack_us;
		ca_rtt = now - a->last_sack_us;
	}
	if (seq_rtt < 0 && (a->flags & ACK_ADVANCED)) { // by time stamp, in whole milliseconds
		int64_t ms = (int64_t)(now / 1000) - a->k.ts_ms;

		seq_rtt = ca_rtt = (ms > 0 ? ms : 1) * 1000;
	}
	a->rs.rtt_us = ca_rtt;
	if (seq_rtt < 0)
		return false;
	f->stats.rtt_sum_us += ca_rtt;
	f->stats.rtts++;
	take_min_rtt(f, ca_rtt);
	take_rtt(f, seq_rtt);
	return true;
}

// tcp_rack_update_reo_wnd: duplicates reported mean that retransmissions were hasty
static void update_reo_wnd(struct flow *f)
{
	struct sender *s = &f->s;

	if (s->rack_dsack_seen && s->una >= s->rack_dsack_round) {
		s->rack_dsack_seen = false;
		s->rack_dsack_round = s->nxt;
		s->rack_steps = s->rack_steps < 255 ? s->rack_steps + 1 : 255;
		s->rack_steps_left = DSACK_RECOVERIES;
	} else if (!s->rack_steps_left) {
		s->rack_steps = 1;
	}
}

// tcp_update_pacing_rate: twice the window per RTT in slow start, else 1.2 times
static void update_pacing_rate(struct cc *cc)
{
	uint32_t percent = cc->cwnd < cc->ssthresh / 2 ? 200 : 120;
	uint64_t rate = cc->mss * 80000ull * percent; // us in 8 s, over 100

	rate *= cc->cwnd > cc->packets_out ? cc->cwnd : cc->packets_out;
	cc->pacing_rate = cc->srtt_us8 ? rate / cc->srtt_us8 : rate;
}

static void cong_control(struct flow *f, struct ack_ctx *a)
{
	struct cc *cc = &f->cc;

	if (cc->ops->cong_control) {
		cc->ops->cong_control(cc, &a->rs);
		return;
	}
	if (cc->state == CC_CWR || cc->state == CC_RECOVERY)
		recovery_cwnd_reduction(f, a->rs.acked_sacked, a->rs.losses, a->flags);
	else if (a->flags & ACK_ADVANCED)
		cc->ops->cong_avoid(cc, a->rs.acked_sacked);
	update_pacing_rate(cc);
}

// The ACK after the controller has seen it: states, window, retransmissions, new data.
static ALWAYS_INLINE void carry_on(struct flow *f)
{
	struct ack_ctx *a = &f->ack;
	struct cc *cc = &f->cc;
	enum rexmit rexmit = REXMIT_NONE;

	update_reo_wnd(f);
	if (f->s.tlp_high_seq)
		recovery_process_tlp(f, a);
	// Only a clean ACK in the Open state goes past the alert.
	if (!(a->flags & ACK_ADVANCED) || (a->flags & (ACK_SACKED | ACK_ECE)) ||
		cc->state != CC_OPEN)
		recovery_alert(f, a, &rexmit);
	if (a->flags & ACK_SET_TIMER)
		timer_restart(f);
	cc_rate_sample(cc, &a->rs, a->prior_delivered, a->prior_lost, a->rs_prior_us);
	cong_control(f, a);
	if (rexmit == REXMIT_NEW) {
		sender_xmit(f, 0);
		if (f->s.nxt <= f->s.high_seq) {
			f->s.frto = false;
			recovery_retransmit(f);
		}
	} else if (rexmit == REXMIT_LOST) {
		recovery_retransmit(f);
	}
	sender_push(f);
}

void input_resume(struct flow *f)
{
	carry_on(f);
}

static void begin(struct flow *f, struct ack_ctx *a, const struct pkt *k)
{
	struct cc *cc = &f->cc;
	struct cc_ack *rs = &a->rs;

	a->k = *k;
	a->prior_una = f->s.una;
	a->flags = 0;
	a->prior_delivered = cc->delivered;
	a->prior_lost = cc->lost;
	a->rs_prior_us = a->first_sack_us = a->last_sack_us = 0;
	a->rs_last_seq = 0;
	rs->rtt_us = rs->interval_us = -1;
	rs->pkts_acked = rs->in_flight_then = 0;
	rs->prior_in_flight = cc_in_flight(cc);
	rs->app_limited = rs->ack_delayed = rs->ece = false;
}

bool input_ack(struct flow *f, const struct pkt *k)
{
	struct ack_ctx *a = &f->ack;
	struct sender *s = &f->s;
	struct cc *cc = &f->cc;
	struct cleaned c = {0, 0};

	sender_clock(f);
	f->stats.acks++;
	begin(f, a, k);
	if (k->nsack && k->seq >= s->una) // an older ACK's blocks add nothing
		rack_sack(f, a);
	if (k->seq < s->una || (!cc->packets_out && k->seq == s->una))
		return false;
	if (k->flags & PKT_ECE) {
		a->flags |= ACK_ECE;
		a->rs.ece = true;
		f->stats.eces++;
	}
	if (k->seq > s->una) {
		a->flags |= ACK_ADVANCED | ACK_SET_TIMER;
		s->retransmits = 0;
		if (!(cc->sacked_out | cc->lost_out) && s->una >= s->rtx_end)
			sent_plain(&s->sent);
		c = s->sent.detailed ? clean(f, a) : clean_plain(f, a);
		s->una = k->seq;
		cc->snd_una = k->seq;
	}
	update_rtt(f, a, &c);
	if (cc->ops->pkts_acked && cc->ops->pkts_acked(cc, &a->rs)) {
		return true;
	}
	carry_on(f);
	return false;
}
