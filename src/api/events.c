/* What happens to packets: acknowledgements, losses, timeouts, and the window that follows
 * (tcp_ack). */
#include <errno.h>

#include "api/handle.h"

/* One acknowledgement under way. */
struct event {
	struct cc_ack rs;
	uint64_t prior_delivered, prior_lost;
	const struct sent *newest; /* acknowledged packet with the largest number */
	uint64_t first_us, last_us,
		last; /* of those that were in flight: send times, newest number */
	bool any_first_hand, any_loss;
	uint64_t last_lost; /* largest number declared lost */
};

static void set_state(struct canopy_controller *c, enum cc_state state)
{
	if (c->cc.ops->set_state)
		c->cc.ops->set_state(&c->cc, state);
	c->cc.state = state;
}

/* --- Reductions --- */

static void start_epoch(struct canopy_controller *c, bool loss)
{
	c->epoch++;
	c->undo_left = 0;
	c->may_undo = loss;
}

// tcp_init_cwnd_reduction
static void init_reduction(struct canopy_controller *c, bool loss)
{
	struct cc *cc = &c->cc;

	start_epoch(c, loss);
	c->prior_ssthresh = handle_current_ssthresh(c);
	c->high_seq = cc->snd_nxt;
	c->prr_delivered = c->prr_out = 0;
	cc->cwnd_cnt = 0;
	cc->prior_cwnd = cc->cwnd;
	cc->ssthresh = cc->ops->ssthresh(cc);
}

// tcp_end_cwnd_reduction
static void end_reduction(struct canopy_controller *c)
{
	struct cc *cc = &c->cc;

	if (cc->ops->cong_control)
		return;
	if (cc->ssthresh < CC_SSTHRESH_MAX) {
		cc->cwnd = cc->ssthresh;
		c->cwnd_stamp_us = cc->now_us;
	}
	if (cc->ops->cwnd_event)
		cc->ops->cwnd_event(cc, CC_EV_COMPLETE_CWR);
}

// RFC 6937 as tcp_cwnd_reduction has it
static void reduce(struct canopy_controller *c, uint32_t delivered, uint32_t lost, bool advanced)
{
	struct cc *cc = &c->cc;
	int64_t delta = (int64_t)cc->ssthresh - cc->packets_out, send;

	if (!delivered || !cc->prior_cwnd)
		return;
	c->prr_delivered += delivered;
	if (delta < 0) {
		uint64_t share = (uint64_t)cc->ssthresh * c->prr_delivered + cc->prior_cwnd - 1;

		send = (int64_t)(share / cc->prior_cwnd) - c->prr_out;
	} else {
		send = (int64_t)c->prr_delivered - c->prr_out;
		if (send < delivered)
			send = delivered;
		if (advanced && !lost)
			send++;
		if (send > delta)
			send = delta;
	}
	if (send < !c->prr_out) // the first packet leaves in any case
		send = 1;
	cc->cwnd = cc->packets_out + (send > 0 ? send : 0);
	cc->cwnd = cc->cwnd ? cc->cwnd : 1;
}

static void undo(struct canopy_controller *c)
{
	struct cc *cc = &c->cc;

	c->may_undo = false;
	c->undone++;
	cc->cwnd = cc->ops->undo_cwnd(cc);
	if (c->prior_ssthresh > cc->ssthresh)
		cc->ssthresh = c->prior_ssthresh;
	c->cwnd_stamp_us = cc->now_us;
	if (cc->state != CC_OPEN)
		set_state(c, CC_OPEN);
}

// A packet of after the reduction came through: it is over.
static void leave(struct canopy_controller *c)
{
	enum cc_state state = c->cc.state;

	if (state == CC_OPEN || c->largest <= c->high_seq)
		return;
	if (state == CC_CWR)
		end_reduction(c);
	set_state(c, CC_OPEN);
	if (state == CC_RECOVERY)
		end_reduction(c);
}

// tcp_enter_recovery, unless what was lost left before the last reduction.
static bool enter_recovery(struct canopy_controller *c, const struct event *e)
{
	if (!e->any_loss || c->cc.state == CC_RECOVERY || c->cc.state == CC_LOSS ||
		(c->cc.state == CC_OPEN && e->last_lost < c->high_seq))
		return false;
	if (c->cc.state == CC_OPEN)
		init_reduction(c, true);
	c->recoveries++;
	set_state(c, CC_RECOVERY);
	return true;
}

/* --- Packets --- */

static bool valid(const struct canopy_controller *c, struct canopy_packet *const *packets, size_t n,
	bool or_lost)
{
	if (n && !packets)
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct sent *p = (const struct sent *)packets[i];

		if (!p || p->tag != c->tag || p->number >= c->cc.snd_nxt)
			return false;
		if (p->state != SENT_IN_FLIGHT && !(or_lost && p->state == SENT_LOST))
			return false;
	}
	return true;
}

// A packet that was given up arrived after all.
static void arrived_late(struct canopy_controller *c, const struct sent *p)
{
	if (c->may_undo && p->epoch == c->epoch && !--c->undo_left)
		undo(c);
}

static void take_acked(struct canopy_controller *c, struct event *e, const struct canopy_ack *ack)
{
	for (size_t i = 0; i < ack->nacked; i++) {
		struct sent *p = (struct sent *)ack->acked[i];

		if (p->state == SENT_DONE)
			continue;
		if (p->state == SENT_LOST) {
			arrived_late(c, p);
		} else {
			c->cc.packets_out--;
			if (!e->any_first_hand || p->number >= e->last) {
				e->last = p->number;
				e->last_us = p->sent_us;
				e->rs.in_flight_then = p->in_flight;
			}
			if (!e->any_first_hand || p->sent_us < e->first_us)
				e->first_us = p->sent_us;
			e->any_first_hand = true;
		}
		if (!e->newest || p->number > e->newest->number)
			e->newest = p;
		p->state = SENT_DONE;
		e->rs.pkts_acked++;
		c->cc.delivered++;
	}
	if (e->newest && e->newest->number >= c->largest)
		c->cc.snd_una = c->largest = e->newest->number + 1;
}

// Which of them are lost is known at once, which reduction they belong to only when it has begun.
static void take_lost(
	struct canopy_controller *c, struct event *e, struct canopy_packet *const *lost, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct sent *p = (struct sent *)lost[i];

		if (p->state != SENT_IN_FLIGHT)
			continue;
		p->state = SENT_LOST;
		p->epoch = 0;
		c->cc.packets_out--;
		c->cc.lost++;
		e->any_loss = true;
		if (p->number > e->last_lost)
			e->last_lost = p->number;
	}
}

static void count_for_undo(struct canopy_controller *c, struct canopy_packet *const *lost, size_t n)
{
	if (c->cc.state != CC_RECOVERY && c->cc.state != CC_LOSS)
		return;
	for (size_t i = 0; i < n; i++) {
		struct sent *p = (struct sent *)lost[i];

		if (p->state == SENT_LOST && !p->epoch) {
			p->epoch = c->epoch;
			c->undo_left++;
		}
	}
}

/* --- The delivery rate, tcp_rate.c --- */

static void rate_delivered(struct canopy_controller *c, struct event *e)
{
	const struct sent *p = e->newest;

	e->rs.prior_delivered = p->delivered;
	e->rs.app_limited = p->app_limited;
	e->rs.interval_us = p->first_tx_ago_us;
	c->first_tx_us = p->sent_us;
}

static void rate_gen(struct canopy_controller *c, struct event *e)
{
	uint64_t prior_us = e->newest ? e->newest->sent_us - e->newest->delivered_ago_us : 0;

	cc_rate_sample(&c->cc, &e->rs, e->prior_delivered, e->prior_lost, prior_us);
}

/* --- Events --- */

// tcp_update_pacing_rate: twice the window per RTT in slow start, else 1.2 times
static void update_pacing_rate(struct cc *cc)
{
	uint64_t rate = (uint64_t)cc->mss * 8000000;

	rate = rate / 100 * (cc->cwnd < cc->ssthresh / 2 ? 200 : 120);
	rate *= cc->cwnd > cc->packets_out ? cc->cwnd : cc->packets_out;
	cc->pacing_rate = cc->srtt_us8 ? rate / cc->srtt_us8 : rate;
}

static void cong_control(struct canopy_controller *c, const struct event *e)
{
	struct cc *cc = &c->cc;

	if (cc->ops->cong_control) {
		cc->ops->cong_control(cc, &e->rs);
		return;
	}
	if (handle_reducing(c))
		reduce(c, e->rs.acked_sacked, e->rs.losses, e->newest);
	else if (e->newest)
		cc->ops->cong_avoid(cc, e->rs.acked_sacked);
	update_pacing_rate(cc);
}

static void take_rtt(struct canopy_controller *c, struct event *e)
{
	uint64_t newest = c->cc.now_us - e->last_us, oldest = c->cc.now_us - e->first_us;

	newest = newest < INT32_MAX ? newest : INT32_MAX;
	oldest = oldest < INT32_MAX ? oldest : INT32_MAX;
	e->rs.rtt_us = newest;
	handle_rtt(c, newest, oldest);
}

int canopy_controller_on_ack(struct canopy_controller *c, const struct canopy_ack *ack)
{
	struct event e = {.rs = {.rtt_us = -1, .interval_us = -1}};
	struct cc *cc;

	if (!c || !ack || !valid(c, ack->acked, ack->nacked, true) ||
		!valid(c, ack->lost, ack->nlost, false) || !handle_clock(c, ack->now_ns))
		return -EINVAL;
	cc = &c->cc;
	e.prior_delivered = cc->delivered;
	e.prior_lost = cc->lost;
	e.rs.prior_in_flight = cc->packets_out;
	e.rs.ece = ack->congestion;
	take_acked(c, &e, ack);
	if (e.newest)
		rate_delivered(c, &e);
	if (e.any_first_hand)
		take_rtt(c, &e);
	if (e.newest && cc->ops->pkts_acked)
		cc->ops->pkts_acked(cc, &e.rs);
	if (cc->cwnd > cc->cwnd_clamp) // a policy knows no clamp
		cc->cwnd = cc->cwnd_clamp;
	take_lost(c, &e, ack->lost, ack->nlost);
	leave(c);
	enter_recovery(c, &e);
	count_for_undo(c, ack->lost, ack->nlost);
	if (ack->congestion && cc->state == CC_OPEN && c->largest > c->high_seq) {
		init_reduction(c, false);
		set_state(c, CC_CWR);
	}
	rate_gen(c, &e);
	cong_control(c, &e);
	return 0;
}

int canopy_controller_on_loss(
	struct canopy_controller *c, uint64_t now_ns, struct canopy_packet *const *lost, size_t n)
{
	struct event e = {.any_loss = false};

	if (!c || !valid(c, lost, n, false) || !handle_clock(c, now_ns))
		return -EINVAL;
	take_lost(c, &e, lost, n);
	if (enter_recovery(c, &e) && !c->cc.ops->cong_control)
		reduce(c, 1, n, false);
	count_for_undo(c, lost, n);
	return 0;
}

// tcp_enter_loss
int canopy_controller_on_timeout(
	struct canopy_controller *c, uint64_t now_ns, struct canopy_packet *const *lost, size_t n)
{
	struct event e = {.any_loss = false};
	struct cc *cc;

	if (!c || !valid(c, lost, n, false) || !handle_clock(c, now_ns))
		return -EINVAL;
	cc = &c->cc;
	take_lost(c, &e, lost, n);
	if (cc->state == CC_OPEN) {
		init_reduction(c, true);
		if (cc->ops->cwnd_event)
			cc->ops->cwnd_event(cc, CC_EV_LOSS);
	}
	c->timeouts++;
	cc->cwnd = cc->packets_out + 1;
	cc->cwnd_cnt = 0;
	c->cwnd_stamp_us = cc->now_us;
	set_state(c, CC_LOSS);
	c->high_seq = cc->snd_nxt;
	count_for_undo(c, lost, n);
	return 0;
}

int canopy_controller_on_forget(
	struct canopy_controller *c, uint64_t now_ns, struct canopy_packet *const *gone, size_t n)
{
	if (!c || !valid(c, gone, n, true) || !handle_clock(c, now_ns))
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		struct sent *p = (struct sent *)gone[i];

		c->cc.packets_out -= p->state == SENT_IN_FLIGHT;
		p->state = SENT_DONE;
	}
	return 0;
}
