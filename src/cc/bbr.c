/*
 * BBR version 1 as in Linux 6.18 (net/ipv4/tcp_bbr.c; Cardwell et al., ACM Queue 2016): paces at
 * the largest delivery rate of ten round trips, keeps two bandwidth-delay products in flight, looks
 * for the minimum RTT every ten seconds. Bandwidths are packets per us << 24, gains are << 8.
 */
#include "cc/cc.h"

#include "base/minmax.h"
#include "base/rng.h"
#include "cc/bw.h"
#include "cc/policer.h"

enum {
	UNIT = BW_GAIN_UNIT,
	HIGH_GAIN = UNIT * 2885 / 1000 + 1, /* 2/ln 2: doubles each round */
	DRAIN_GAIN = UNIT * 1000 / 2885,
	CWND_GAIN = 2 * UNIT,
	CYCLE = 8,
	CYCLE_RAND = 7,
	BW_ROUNDS = CYCLE + 2,
	MIN_RTT_SECS = 10,
	PROBE_RTT_MS = 200,
	MIN_CWND = 4,
	INIT_CWND = 10,
	FULL_BW_THRESH = UNIT * 5 / 4,
	FULL_BW_ROUNDS = 3,
	MIN_TSO_RATE = 1200000, /* bit/s: below it one packet a burst */
	TSO_BYTES_MAX = 65536 - 1 - 320,
	POLICER_ROUNDS = 48, /* how long a policer's rate is believed */
	/* ACK aggregation. */
	AGGR_ROUNDS = 5,
	AGGR_RESET = 1 << 20,
	AGGR_MAX_US = 100000,
};

enum mode { STARTUP, DRAIN, PROBE_BW, PROBE_RTT };

struct bbr {
	enum mode mode;
	enum cc_state prev_state;
	struct minmax max_bw; /* over BW_ROUNDS rounds */
	uint32_t round;
	uint64_t next_round_delivered;
	bool round_start, packet_conservation, full_bw_reached, idle_restart, has_seen_rtt;
	uint32_t min_rtt_us, min_rtt_stamp;
	uint32_t probe_rtt_done_stamp; /* jiffies, 0 not set */
	bool probe_rtt_round_done;
	uint32_t pacing_gain, cwnd_gain, cycle_idx;
	uint64_t cycle_us;
	uint64_t full_bw;
	uint32_t full_bw_rounds;
	uint32_t prior_cwnd;
	struct policer policer;
	uint64_t aggr_epoch_us;
	uint32_t aggr_acked, extra_acked[2], aggr_rounds, aggr_idx;
};

static const uint32_t cycle_gains[CYCLE] = {
	UNIT * 5 / 4, UNIT * 3 / 4, UNIT, UNIT, UNIT, UNIT, UNIT, UNIT};

static uint64_t max_bw(const struct bbr *b)
{
	return b->max_bw.s[0].v;
}

static uint64_t bw_now(const struct bbr *b)
{
	return b->policer.found ? b->policer.bw : max_bw(b);
}

static void init_pacing_rate(struct cc *cc, struct bbr *b)
{
	uint32_t rtt_us = 1000;

	if (cc->srtt_us8) {
		rtt_us = cc->srtt_us8 >> 3 ? cc->srtt_us8 >> 3 : 1;
		b->has_seen_rtt = true;
	}
	cc->pacing_rate = bw_bytes_per_s(cc, cc->cwnd * BW_UNIT / rtt_us, HIGH_GAIN);
}

static void set_pacing_rate(struct cc *cc, struct bbr *b, uint64_t bw, uint32_t gain)
{
	uint64_t rate = bw_bytes_per_s(cc, bw, gain);

	if (!b->has_seen_rtt && cc->srtt_us8)
		init_pacing_rate(cc, b);
	if (b->full_bw_reached || rate > cc->pacing_rate)
		cc->pacing_rate = rate;
}

static uint32_t bbr_min_tso_segs(struct cc *cc)
{
	return cc->pacing_rate < MIN_TSO_RATE >> 3 ? 1 : 2;
}

static uint32_t tso_goal(struct cc *cc)
{
	uint64_t bytes = cc->pacing_rate >> 10;
	uint32_t segs = (bytes < TSO_BYTES_MAX ? bytes : TSO_BYTES_MAX) / cc->mss,
		 least = bbr_min_tso_segs(cc);

	segs = segs > least ? segs : least;
	return segs < 0x7f ? segs : 0x7f;
}

static uint32_t bdp(const struct bbr *b, uint64_t bw, uint32_t gain)
{
	uint64_t w;

	if (b->min_rtt_us == UINT32_MAX)
		return INIT_CWND;
	w = bw * b->min_rtt_us;
	return ((w * gain >> 8) + BW_UNIT - 1) / BW_UNIT;
}

// Room for bursts at both ends and for a delayed ACK.
static uint32_t quantize(struct cc *cc, const struct bbr *b, uint32_t cwnd)
{
	cwnd += 3 * tso_goal(cc);
	cwnd = (cwnd + 1) & ~1u;
	return b->mode == PROBE_BW && !b->cycle_idx ? cwnd + 2 : cwnd;
}

static uint32_t inflight_for(struct cc *cc, const struct bbr *b, uint64_t bw, uint32_t gain)
{
	return quantize(cc, b, bdp(b, bw, gain));
}

// Packets in flight when the next one leaves.
static uint32_t inflight_at_departure(struct cc *cc, const struct bbr *b, uint32_t now)
{
	uint64_t wait_us = cc->wstamp_ns > cc->now_ns ? (cc->wstamp_ns - cc->now_ns) / 1000 : 0;
	uint64_t delivered = bw_now(b) * wait_us >> BW_SCALE;

	if (b->pacing_gain > UNIT)
		now += tso_goal(cc);
	return delivered >= now ? 0 : now - delivered;
}

static void advance_cycle(struct cc *cc, struct bbr *b)
{
	b->cycle_idx = (b->cycle_idx + 1) % CYCLE;
	b->cycle_us = cc->delivered_us;
}

static void enter_probe_bw(struct cc *cc, struct bbr *b)
{
	b->mode = PROBE_BW;
	b->cycle_idx = CYCLE - 1 - rng_below(cc->rng, CYCLE_RAND);
	advance_cycle(cc, b);
}

static void look_for_policer(struct cc *cc, struct bbr *b, uint32_t losses, bool app_limited)
{
	struct policer *p = &b->policer;

	if (!p->found) {
		policer_sample(p, cc, losses, app_limited, b->round_start);
		if (p->found)
			b->pacing_gain = UNIT;
	} else if (b->mode == PROBE_BW && b->round_start && ++p->rounds >= POLICER_ROUNDS) {
		policer_reset(p, cc);
		enter_probe_bw(cc, b);
	}
}

static void update_bw(struct cc *cc, struct bbr *b, const struct cc_ack *a)
{
	uint64_t bw;

	b->round_start = false;
	if (a->delivered < 0 || a->interval_us <= 0)
		return;
	if (a->prior_delivered >= b->next_round_delivered) {
		b->next_round_delivered = cc->delivered;
		b->round++;
		b->round_start = true;
		b->packet_conservation = false;
	}
	look_for_policer(cc, b, a->losses, a->app_limited);
	bw = a->delivered * BW_UNIT / a->interval_us;
	if (!a->app_limited || bw >= max_bw(b))
		minmax_take(&b->max_bw, true, BW_ROUNDS, b->round, bw);
}

static void update_aggregation(struct cc *cc, struct bbr *b, const struct cc_ack *a)
{
	uint32_t expected, extra;

	if (!a->acked_sacked || a->delivered < 0 || a->interval_us <= 0)
		return;
	if (b->round_start && ++b->aggr_rounds >= AGGR_ROUNDS) {
		b->aggr_rounds = 0;
		b->aggr_idx = !b->aggr_idx;
		b->extra_acked[b->aggr_idx] = 0;
	}
	expected = bw_now(b) * (cc->delivered_us - b->aggr_epoch_us) / BW_UNIT;
	if (b->aggr_acked <= expected || b->aggr_acked + a->acked_sacked >= AGGR_RESET) {
		b->aggr_acked = 0;
		b->aggr_epoch_us = cc->delivered_us;
		expected = 0;
	}
	b->aggr_acked += a->acked_sacked;
	extra = b->aggr_acked - expected;
	extra = extra < cc->cwnd ? extra : cc->cwnd;
	if (extra > b->extra_acked[b->aggr_idx])
		b->extra_acked[b->aggr_idx] = extra;
}

static uint32_t aggregation_cwnd(const struct bbr *b)
{
	uint32_t most = bw_now(b) * AGGR_MAX_US / BW_UNIT;
	uint32_t extra =
		b->extra_acked[0] > b->extra_acked[1] ? b->extra_acked[0] : b->extra_acked[1];

	if (!b->full_bw_reached)
		return 0;
	return extra < most ? extra : most;
}

static void update_cycle(struct cc *cc, struct bbr *b, const struct cc_ack *a)
{
	bool full = cc->delivered_us - b->cycle_us > b->min_rtt_us;
	uint32_t inflight;

	if (b->mode != PROBE_BW)
		return;
	if (b->pacing_gain != UNIT) {
		inflight = inflight_at_departure(cc, b, a->prior_in_flight);
		if (b->pacing_gain > UNIT)
			full = full && (a->losses || inflight >= inflight_for(cc, b, max_bw(b),
									 b->pacing_gain));
		else
			full = full || inflight <= inflight_for(cc, b, max_bw(b), UNIT);
	}
	if (full)
		advance_cycle(cc, b);
}

static void check_full_bw(struct bbr *b, const struct cc_ack *a)
{
	if (b->full_bw_reached || !b->round_start || a->app_limited)
		return;
	if (max_bw(b) >= b->full_bw * FULL_BW_THRESH >> 8) {
		b->full_bw = max_bw(b);
		b->full_bw_rounds = 0;
		return;
	}
	b->full_bw_reached = ++b->full_bw_rounds >= FULL_BW_ROUNDS;
}

static void check_drain(struct cc *cc, struct bbr *b)
{
	uint32_t target = inflight_for(cc, b, max_bw(b), UNIT);

	if (b->mode == STARTUP && b->full_bw_reached) {
		b->mode = DRAIN;
		cc->ssthresh = target;
	}
	if (b->mode == DRAIN && inflight_at_departure(cc, b, cc_in_flight(cc)) <= target)
		enter_probe_bw(cc, b);
}

static void save_cwnd(struct cc *cc, struct bbr *b)
{
	if (b->prev_state < CC_RECOVERY && b->mode != PROBE_RTT)
		b->prior_cwnd = cc->cwnd;
	else if (cc->cwnd > b->prior_cwnd)
		b->prior_cwnd = cc->cwnd;
}

static bool after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static void check_probe_rtt_done(struct cc *cc, struct bbr *b)
{
	if (!b->probe_rtt_done_stamp || !after(cc->jiffies, b->probe_rtt_done_stamp))
		return;
	b->min_rtt_stamp = cc->jiffies;
	if (cc->cwnd < b->prior_cwnd)
		cc->cwnd = b->prior_cwnd;
	if (b->full_bw_reached)
		enter_probe_bw(cc, b);
	else
		b->mode = STARTUP;
}

static void probe_rtt(struct cc *cc, struct bbr *b)
{
	uint64_t until = cc->delivered + cc_in_flight(cc);

	cc->app_limited = until ? until : 1; // a small window on purpose is no measure of the path
	if (!b->probe_rtt_done_stamp && cc_in_flight(cc) <= MIN_CWND) {
		b->probe_rtt_done_stamp = cc->jiffies + PROBE_RTT_MS * cc->hz / 1000;
		b->probe_rtt_round_done = false;
		b->next_round_delivered = cc->delivered;
	} else if (b->probe_rtt_done_stamp) {
		b->probe_rtt_round_done |= b->round_start;
		if (b->probe_rtt_round_done)
			check_probe_rtt_done(cc, b);
	}
}

static void update_min_rtt(struct cc *cc, struct bbr *b, const struct cc_ack *a)
{
	bool expired = after(cc->jiffies, b->min_rtt_stamp + MIN_RTT_SECS * cc->hz);

	if (a->rtt_us >= 0 && (a->rtt_us < b->min_rtt_us || (expired && !a->ack_delayed))) {
		b->min_rtt_us = a->rtt_us;
		b->min_rtt_stamp = cc->jiffies;
	}
	if (expired && !b->idle_restart && b->mode != PROBE_RTT) {
		save_cwnd(cc, b);
		b->mode = PROBE_RTT;
		b->probe_rtt_done_stamp = 0;
	}
	if (b->mode == PROBE_RTT)
		probe_rtt(cc, b);
	if (a->delivered > 0)
		b->idle_restart = false;
}

static void update_gains(struct bbr *b)
{
	static const uint32_t pacing[] = {HIGH_GAIN, DRAIN_GAIN, 0, UNIT},
			      cwnd[] = {HIGH_GAIN, HIGH_GAIN, CWND_GAIN, UNIT};

	b->pacing_gain = b->mode != PROBE_BW ? pacing[b->mode]
			 : b->policer.found  ? UNIT
					     : cycle_gains[b->cycle_idx];
	b->cwnd_gain = cwnd[b->mode];
}

// Packet conservation in the first round of recovery, the old window after it; true: *cwnd is
// final.
static bool recover_or_restore(struct cc *cc, struct bbr *b, const struct cc_ack *a, uint32_t *cwnd)
{
	enum cc_state prev = b->prev_state;
	uint32_t conserve = cc_in_flight(cc) + a->acked_sacked;

	if (a->losses)
		*cwnd = *cwnd > a->losses ? *cwnd - a->losses : 1;
	if (cc->state == CC_RECOVERY && prev != CC_RECOVERY) {
		b->packet_conservation = true;
		b->next_round_delivered = cc->delivered;
		*cwnd = conserve;
	} else if (prev >= CC_RECOVERY && cc->state < CC_RECOVERY) {
		*cwnd = *cwnd > b->prior_cwnd ? *cwnd : b->prior_cwnd;
		b->packet_conservation = false;
	}
	b->prev_state = cc->state;
	if (b->packet_conservation)
		*cwnd = *cwnd > conserve ? *cwnd : conserve;
	return b->packet_conservation;
}

static void set_cwnd(struct cc *cc, struct bbr *b, const struct cc_ack *a)
{
	uint32_t cwnd = cc->cwnd, target;

	if (a->acked_sacked && !recover_or_restore(cc, b, a, &cwnd)) {
		target = quantize(cc, b, bdp(b, bw_now(b), b->cwnd_gain) + aggregation_cwnd(b));
		if (b->full_bw_reached)
			cwnd = cwnd + a->acked_sacked < target ? cwnd + a->acked_sacked : target;
		else if (cwnd < target || cc->delivered < INIT_CWND)
			cwnd += a->acked_sacked;
		cwnd = cwnd > MIN_CWND ? cwnd : MIN_CWND;
	}
	cc->cwnd = cwnd < cc->cwnd_clamp ? cwnd : cc->cwnd_clamp;
	if (b->mode == PROBE_RTT && cc->cwnd > MIN_CWND)
		cc->cwnd = MIN_CWND;
}

static void bbr_cong_control(struct cc *cc, const struct cc_ack *a)
{
	struct bbr *b = cc->priv;

	update_bw(cc, b, a);
	update_aggregation(cc, b, a);
	update_cycle(cc, b, a);
	check_full_bw(b, a);
	check_drain(cc, b);
	update_min_rtt(cc, b, a);
	update_gains(b);
	set_pacing_rate(cc, b, bw_now(b), b->pacing_gain);
	set_cwnd(cc, b, a);
}

static void bbr_init(struct cc *cc, const void *arg)
{
	struct bbr *b = cc->priv;

	b->next_round_delivered = cc->delivered;
	b->min_rtt_us = cc->min_rtt_us;
	b->min_rtt_stamp = cc->jiffies;
	b->aggr_epoch_us = cc->now_us;
	cc->ssthresh = CC_SSTHRESH_MAX;
	cc_ask_pacing(cc);
	update_gains(b);
	init_pacing_rate(cc, b);
	policer_reset(&b->policer, cc);
}

static uint32_t bbr_ssthresh(struct cc *cc)
{
	save_cwnd(cc, cc->priv);
	return cc->ssthresh;
}

static uint32_t bbr_undo_cwnd(struct cc *cc)
{
	struct bbr *b = cc->priv;

	b->full_bw = 0;
	b->full_bw_rounds = 0;
	policer_reset(&b->policer, cc);
	return cc->cwnd;
}

static void bbr_set_state(struct cc *cc, enum cc_state state)
{
	struct bbr *b = cc->priv;

	if (state != CC_LOSS)
		return;
	b->prev_state = CC_LOSS;
	b->full_bw = 0;
	b->round_start = true;
	look_for_policer(cc, b, 1, false);
}

static void bbr_cwnd_event(struct cc *cc, enum cc_event ev)
{
	struct bbr *b = cc->priv;

	if (ev != CC_EV_TX_START || !cc->app_limited)
		return;
	b->idle_restart = true;
	b->aggr_epoch_us = cc->now_us;
	b->aggr_acked = 0;
	if (b->mode == PROBE_BW)
		set_pacing_rate(cc, b, bw_now(b), UNIT);
	else if (b->mode == PROBE_RTT)
		check_probe_rtt_done(cc, b);
}

const struct cc_ops cc_bbr = {
	.name = "bbr",
	.priv_size = sizeof(struct bbr),
	.init = bbr_init,
	.ssthresh = bbr_ssthresh,
	.undo_cwnd = bbr_undo_cwnd,
	.cong_control = bbr_cong_control,
	.set_state = bbr_set_state,
	.cwnd_event = bbr_cwnd_event,
	.min_tso_segs = bbr_min_tso_segs,
};
