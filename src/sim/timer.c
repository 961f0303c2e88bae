/* The sender's timers: probes for the tail, retransmissions, reordering, pacing, the application
 * (tcp_timer.c). */
#include "sim/timer.h"

// Timers of the kernel's wheel run on its tick: at least one after, and no sooner than asked.
static uint64_t timer_tick_ns(const struct flow *f)
{
	uint64_t n = (f->s.timer_in_us * f->cc.hz + 999999) / 1000000;

	return wire_tick_ns(f->w, f->s.timer_jiffy + (n ? n : 1));
}

void timer_rearm_rto(struct flow *f)
{
	uint64_t rto = f->s.rto_us;

	if (!f->cc.packets_out) {
		timer_set(f, TIMER_NONE, 0);
		return;
	}
	if (f->s.timer == TIMER_REO || f->s.timer == TIMER_TLP) {
		int64_t left = timer_rto_left_us(f);

		rto = left > 1 ? left : 1;
	}
	timer_set(f, TIMER_RTO, rto);
}

// tcp_send_loss_probe: new data if there is any, else the last packet again
static void send_probe(struct flow *f)
{
	struct cc *cc = &f->cc;
	struct sender *s = &f->s;

	if (s->tlp_high_seq || !cc->packets_out)
		goto rearm;
	s->tlp_retrans = false;
	if (s->nxt < sender_limit(f)) {
		uint32_t before = cc->packets_out;

		sender_xmit(f, 2);
		if (cc->packets_out == before)
			goto rearm;
	} else {
		if (sent_flags(&s->sent, s->nxt - 1) & TX_SACKED)
			goto rearm;
		sender_retransmit(f, s->nxt - 1);
		s->tlp_retrans = true;
	}
	f->stats.tlps++;
	s->tlp_high_seq = s->nxt;
	s->timer = TIMER_NONE;
rearm:
	timer_rearm_rto(f);
}

// tcp_retransmit_timer
static void retransmit_timeout(struct flow *f)
{
	struct sender *s = &f->s;

	if (!f->cc.packets_out)
		return;
	f->stats.rtos++;
	recovery_enter_loss(f);
	s->retransmits++;
	sender_retransmit(f, s->una);
	s->backoff++;
	s->rto_us = 2 * s->rto_us < RTO_MAX_US ? 2 * s->rto_us : RTO_MAX_US;
	timer_set(f, TIMER_RTO, s->rto_us);
}

static void run_wheel(struct flow *f)
{
	enum timer t = f->s.timer;

	if (f->s.timer_ns > f->cc.now_ns)
		return;
	f->s.timer_ns = timer_tick_ns(f);
	if (f->s.timer_ns > f->cc.now_ns)
		return;
	f->s.timer_ns = NEVER;
	f->s.timer = t == TIMER_REO ? TIMER_REO : TIMER_NONE;
	if (t == TIMER_TLP) {
		f->s.timer = TIMER_TLP;
		send_probe(f);
	} else if (t == TIMER_REO) {
		recovery_reo_timeout(f);
	} else if (t == TIMER_RTO) {
		retransmit_timeout(f);
	}
}

void timer_run(struct flow *f)
{
	struct cc *cc = &f->cc;

	sender_clock(f);
	run_wheel(f);
	if (f->s.pace_ns <= cc->now_ns) {
		f->s.pace_ns = NEVER;
		if (cc->lost_out > cc->retrans_out && cc->cwnd > cc_in_flight(cc))
			recovery_retransmit(f);
		sender_xmit(f, 0);
	}
	if (f->conf.app_bps && f->s.app_credit_ns <= cc->now_ns)
		sender_xmit(f, 0);
}
