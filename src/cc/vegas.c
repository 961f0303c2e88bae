/*
 * Vegas: holds between alpha and beta packets in the queue, judged once a round trip by the
 * smallest RTT (Brakmo and Peterson 1995; Linux net/ipv4/tcp_vegas.c).
 */
#include "cc/cc.h"

enum { ALPHA = 2, BETA = 4, GAMMA = 1 }; /* packets */

struct vegas {
	uint64_t round_end;		    /* snd_nxt when the round began */
	uint32_t base_rtt_us, round_rtt_us; /* smallest ever; smallest of the round */
	uint32_t samples;
	bool on;
};

static void new_round(struct cc *cc, struct vegas *v)
{
	v->round_end = cc->snd_nxt;
	v->samples = 0;
	v->round_rtt_us = UINT32_MAX;
}

static void vegas_init(struct cc *cc, const void *arg)
{
	struct vegas *v = cc->priv;

	v->base_rtt_us = UINT32_MAX;
	v->on = true;
	new_round(cc, v);
}

static void vegas_set_state(struct cc *cc, enum cc_state state)
{
	struct vegas *v = cc->priv;

	v->on = state == CC_OPEN;
	if (v->on)
		new_round(cc, v);
}

static void vegas_cwnd_event(struct cc *cc, enum cc_event ev)
{
	if (ev == CC_EV_CWND_RESTART || ev == CC_EV_TX_START)
		vegas_init(cc, NULL);
}

static bool vegas_pkts_acked(struct cc *cc, const struct cc_ack *ack)
{
	struct vegas *v = cc->priv;
	uint32_t rtt_us = ack->rtt_us + 1;

	if (ack->rtt_us < 0)
		return false;
	v->base_rtt_us = rtt_us < v->base_rtt_us ? rtt_us : v->base_rtt_us;
	v->round_rtt_us = rtt_us < v->round_rtt_us ? rtt_us : v->round_rtt_us;
	v->samples++;
	return false;
}

static uint32_t less(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

// The round's verdict: diff packets of ours wait in the queue.
static void judge(struct cc *cc, const struct vegas *v, uint32_t acked)
{
	uint32_t rtt = v->round_rtt_us, base = v->base_rtt_us, three_quarters;
	uint32_t diff = (uint64_t)cc->cwnd * (rtt - base) / base;

	if (cc_in_slow_start(cc) && diff > GAMMA) {
		cc->cwnd = less(cc->cwnd, (uint64_t)cc->cwnd * base / rtt + 1);
		cc->ssthresh = less(cc->ssthresh, cc->cwnd);
	} else if (cc_in_slow_start(cc)) {
		cc_slow_start(cc, acked);
	} else if (diff > BETA) {
		cc->cwnd--;
		cc->ssthresh = less(cc->ssthresh, cc->cwnd);
	} else if (diff < ALPHA) {
		cc->cwnd++;
	}
	cc->cwnd = less(cc->cwnd > 2 ? cc->cwnd : 2, cc->cwnd_clamp);
	three_quarters = (cc->cwnd >> 1) + (cc->cwnd >> 2);
	if (cc->ssthresh < three_quarters)
		cc->ssthresh = three_quarters;
}

static void vegas_cong_avoid(struct cc *cc, uint32_t acked)
{
	struct vegas *v = cc->priv;

	if (!v->on) {
		cc_reno.cong_avoid(cc, acked);
	} else if (cc->snd_una > v->round_end) {
		// Two samples may both be of delayed ACKs: not enough to judge by.
		if (v->samples <= 2)
			cc_reno.cong_avoid(cc, acked);
		else
			judge(cc, v, acked);
		new_round(cc, v);
	} else if (cc_in_slow_start(cc)) {
		cc_slow_start(cc, acked);
	}
}

static uint32_t vegas_ssthresh(struct cc *cc)
{
	return cc_reno.ssthresh(cc);
}

const struct cc_ops cc_vegas = {
	.name = "vegas",
	.priv_size = sizeof(struct vegas),
	.init = vegas_init,
	.ssthresh = vegas_ssthresh,
	.undo_cwnd = cc_reno_undo_cwnd,
	.cong_avoid = vegas_cong_avoid,
	.set_state = vegas_set_state,
	.cwnd_event = vegas_cwnd_event,
	.pkts_acked = vegas_pkts_acked,
};
