/*
 * The sender's timers. One of the kernel's wheel is armed at a time: retransmission (RTO), tail
 * loss probe (TLP) or reordering (RACK); pacing and a limited application have deadlines of their
 * own. Inside src/sim only.
 */
#ifndef SIM_TIMER_H
#define SIM_TIMER_H

#include "sim/flow.h"

enum { RTO_INIT_US = 1000000, RTO_MIN_US = 200000, RTO_MAX_US = 120000000 };

static inline void timer_set(struct flow *f, enum timer t, uint64_t in_us)
{
	f->s.timer = t;
	f->s.timer_in_us = in_us;
	f->s.timer_jiffy = f->cc.jiffies;
	f->s.timer_ns = t == TIMER_NONE ? NEVER : f->cc.now_ns + in_us * 1000;
}

// Time until the oldest packet in flight is one RTO old (tcp_rto_delta_us).
static inline int64_t timer_rto_left_us(const struct flow *f)
{
	return (int64_t)(sender_oldest_us(f) + f->s.rto_us) - (int64_t)f->cc.now_us;
}

/* Whatever the state: the RTO if something is in flight, else none. */
void timer_rearm_rto(struct flow *f);

/* tcp_schedule_loss_probe; false where the RTO is to be armed instead. */
static inline bool timer_set_probe(struct flow *f, bool advancing_rto)
{
	struct cc *cc = &f->cc;
	int64_t timeout = RTO_INIT_US, rto;

	if (!cc->packets_out || (cc->state != CC_OPEN && cc->state != CC_CWR))
		return false;
	if (cc->srtt_us8) {
		timeout = cc->srtt_us8 >> 2;
		timeout += cc->packets_out == 1 ? RTO_MIN_US : f->s.two_ticks_us;
	}
	rto = advancing_rto ? (int64_t)f->s.rto_us : timer_rto_left_us(f);
	if (rto > 0 && rto < timeout)
		timeout = rto;
	timer_set(f, TIMER_TLP, timeout);
	return true;
}

/* An ACK moved the left edge (tcp_set_xmit_timer). */
static inline void timer_restart(struct flow *f)
{
	if (!timer_set_probe(f, true))
		timer_rearm_rto(f);
}

/* Does what is due now. */
void timer_run(struct flow *f);

/* When the next of them is due, NEVER for none. */
static inline uint64_t timer_deadline(const struct flow *f)
{
	uint64_t at = f->s.timer_ns < f->s.pace_ns ? f->s.timer_ns : f->s.pace_ns;

	if (f->conf.app_bps && f->s.established && !f->stopped && f->s.nxt == f->s.limit &&
		f->s.app_credit_ns < at)
		at = f->s.app_credit_ns;
	return at;
}

#endif
