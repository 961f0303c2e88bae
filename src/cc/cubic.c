/*
 * CUBIC as Linux 6.18 computes it (net/ipv4/tcp_cubic.c): W(t) = 0.4 (t - K)^3 + W_max in fixed
 * point on a clock of 1/1024 s, fast convergence, the TCP-friendly region and HyStart (RFC 9438; Ha
 * and Rhee 2011). The cube root is exact here, Linux's is within 0.2 %.
 */
#include "cc/cc.h"

#include <string.h>

enum {
	CLOCK_BITS = 10, /* time in 1/1024 s */
	BETA = 717,	 /* 0.7 * 1024: window after a loss */
	C_SCALE = 410,	 /* C = 0.4 in units of 1/1024 */
	CUBE_SHIFT = 10 + 3 * CLOCK_BITS,
	FRIENDLY_SCALE =
		8 * (1024 + BETA) / 3 / (1024 - BETA), /* 8 / reno's increase for this beta */
	HYSTART_LOW_WINDOW = 16,		       /* packets */
	HYSTART_MIN_SAMPLES = 8,
	HYSTART_ACK_DELTA_US = 2000, /* ACKs closer than this are one train */
	GSO_MAX = 65536,	     /* bytes */
};

struct cubic {
	uint32_t cnt;		/* packets to be acknowledged for one more in the window */
	uint32_t last_max_cwnd; /* window before the last reduction */
	uint32_t last_cwnd, last_time;
	uint32_t origin, k; /* plateau, and when the curve reaches it, 1/1024 s */
	uint32_t delay_min_us;
	uint32_t epoch_start;	    /* jiffies, 0: no epoch */
	uint32_t ack_cnt, tcp_cwnd; /* the friendly region's Reno */
	uint64_t round_start_us, last_ack_us, end_seq;
	uint32_t curr_rtt_us;
	uint8_t samples;
	bool found; /* HyStart has ended slow start */
};

// floor of the cube root
static uint32_t cube_root(uint64_t a)
{
	uint64_t x = 0;

	for (int s = 63; s >= 0; s -= 3) {
		uint64_t b;

		x <<= 1;
		b = 3 * x * (x + 1) + 1;
		if ((a >> s) >= b) {
			a -= b << s;
			x++;
		}
	}
	return x;
}

static void hystart_reset(struct cc *cc, struct cubic *ca)
{
	ca->round_start_us = ca->last_ack_us = cc->now_us;
	ca->end_seq = cc->snd_nxt;
	ca->curr_rtt_us = UINT32_MAX;
	ca->samples = 0;
}

static void cubic_init(struct cc *cc, const void *arg)
{
	hystart_reset(cc, cc->priv);
}

// An idle period does not count as time on the curve.
static void cubic_cwnd_event(struct cc *cc, enum cc_event ev)
{
	struct cubic *ca = cc->priv;
	int32_t idle = cc->jiffies - ca->last_time;

	if (ev != CC_EV_TX_START || !ca->epoch_start || idle <= 0)
		return;
	ca->epoch_start += idle;
	if ((int32_t)(ca->epoch_start - cc->jiffies) > 0)
		ca->epoch_start = cc->jiffies;
}

static void start_epoch(struct cc *cc, struct cubic *ca, uint32_t acked)
{
	ca->epoch_start = cc->jiffies;
	ca->ack_cnt = acked;
	ca->tcp_cwnd = cc->cwnd;
	if (ca->last_max_cwnd <= cc->cwnd) {
		ca->k = 0;
		ca->origin = cc->cwnd;
	} else {
		ca->k = cube_root((1ull << CUBE_SHIFT) / C_SCALE * (ca->last_max_cwnd - cc->cwnd));
		ca->origin = ca->last_max_cwnd;
	}
}

// cnt from the curve one minimum RTT ahead
static void follow_curve(struct cc *cc, struct cubic *ca)
{
	uint64_t t, offs, delta, target;

	t = (int32_t)(cc->jiffies - ca->epoch_start);
	t += ((uint64_t)ca->delay_min_us * cc->hz + 999999) / 1000000;
	t = (t << CLOCK_BITS) / cc->hz;
	offs = t < ca->k ? ca->k - t : t - ca->k;
	delta = (C_SCALE * offs * offs * offs) >> CUBE_SHIFT;
	target = t < ca->k ? ca->origin - delta : ca->origin + delta;
	target = (uint32_t)target;
	ca->cnt = target > cc->cwnd ? cc->cwnd / (target - cc->cwnd) : 100 * cc->cwnd;
	// Nothing known of the path yet: at least 5 % a round trip.
	if (!ca->last_max_cwnd && ca->cnt > 20)
		ca->cnt = 20;
}

static void friendly_region(struct cc *cc, struct cubic *ca)
{
	uint32_t delta = (cc->cwnd * FRIENDLY_SCALE) >> 3;

	while (ca->ack_cnt > delta) {
		ca->ack_cnt -= delta;
		ca->tcp_cwnd++;
	}
	if (ca->tcp_cwnd > cc->cwnd) {
		uint32_t max_cnt = cc->cwnd / (ca->tcp_cwnd - cc->cwnd);

		if (ca->cnt > max_cnt)
			ca->cnt = max_cnt;
	}
	if (ca->cnt < 2)
		ca->cnt = 2;
}

// A new cnt; out of line, as ACKs seldom ask for one.
static __attribute__((noinline)) void renew(struct cc *cc, struct cubic *ca, uint32_t acked)
{
	if (!ca->epoch_start || cc->jiffies != ca->last_time) {
		ca->last_cwnd = cc->cwnd;
		ca->last_time = cc->jiffies;
		if (!ca->epoch_start)
			start_epoch(cc, ca, acked);
		follow_curve(cc, ca);
	}
	friendly_region(cc, ca);
}

static void update(struct cc *cc, struct cubic *ca, uint32_t acked)
{
	ca->ack_cnt += acked;
	if (ca->last_cwnd != cc->cwnd ||
		(int32_t)(cc->jiffies - ca->last_time) > (int32_t)(cc->hz / 32))
		renew(cc, ca, acked);
}

static void cubic_cong_avoid(struct cc *cc, uint32_t acked)
{
	struct cubic *ca = cc->priv;

	if (!cc_is_cwnd_limited(cc))
		return;
	if (cc_in_slow_start(cc)) {
		acked = cc_slow_start(cc, acked);
		if (!acked)
			return;
	}
	update(cc, ca, acked);
	cc_cong_avoid_ai(cc, ca->cnt, acked);
}

static uint32_t cubic_ssthresh(struct cc *cc)
{
	struct cubic *ca = cc->priv;
	uint32_t next = (uint64_t)cc->cwnd * BETA / 1024;

	ca->epoch_start = 0;
	// Fast convergence: a flow that lost before regaining its old window leaves room.
	ca->last_max_cwnd =
		cc->cwnd < ca->last_max_cwnd ? (uint64_t)cc->cwnd * (1024 + BETA) / 2048 : cc->cwnd;
	return next > 2 ? next : 2;
}

static void cubic_set_state(struct cc *cc, enum cc_state state)
{
	if (state == CC_LOSS) {
		memset(cc->priv, 0, sizeof(struct cubic));
		hystart_reset(cc, cc->priv);
	}
}

// How far ACK trains may stretch because the sender hands over whole GSO packets, us.
static uint64_t gso_delay_us(const struct cc *cc)
{
	uint64_t us = cc->pacing_rate ? GSO_MAX * 4ull * 1000000 / cc->pacing_rate : 0;

	return us < 1000 ? us : 1000;
}

static uint32_t clamp_u32(uint32_t v, uint32_t lo, uint32_t hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

static void hystart_end(struct cc *cc, struct cubic *ca)
{
	ca->found = true;
	cc->ssthresh = cc->cwnd;
}

static void hystart_update(struct cc *cc, struct cubic *ca, uint32_t rtt_us)
{
	if (cc->snd_una > ca->end_seq)
		hystart_reset(cc, ca);
	if (cc->cwnd < HYSTART_LOW_WINDOW)
		return;
	if (cc->now_us - ca->last_ack_us <= HYSTART_ACK_DELTA_US) {
		uint64_t threshold = ca->delay_min_us + gso_delay_us(cc);

		ca->last_ack_us = cc->now_us;
		if (!cc->pacing)
			threshold /= 2;
		if (cc->now_us - ca->round_start_us > threshold)
			hystart_end(cc, ca);
	}
	if (ca->curr_rtt_us > rtt_us)
		ca->curr_rtt_us = rtt_us;
	if (ca->samples < HYSTART_MIN_SAMPLES)
		ca->samples++;
	else if (ca->curr_rtt_us > ca->delay_min_us + clamp_u32(ca->delay_min_us >> 3, 4000, 16000))
		hystart_end(cc, ca);
}

static bool cubic_pkts_acked(struct cc *cc, const struct cc_ack *ack)
{
	struct cubic *ca = cc->priv;
	uint32_t rtt_us;

	if (ack->rtt_us < 0)
		return false;
	// The queue of the loss just had would spoil the minimum.
	if (ca->epoch_start && (int32_t)(cc->jiffies - ca->epoch_start) < (int32_t)cc->hz)
		return false;
	rtt_us = ack->rtt_us > 0 ? ack->rtt_us : 1;
	if (!ca->delay_min_us || ca->delay_min_us > rtt_us)
		ca->delay_min_us = rtt_us;
	if (!ca->found && cc_in_slow_start(cc))
		hystart_update(cc, ca, rtt_us);
	return false;
}

const struct cc_ops cc_cubic = {
	.name = "cubic",
	.priv_size = sizeof(struct cubic),
	.init = cubic_init,
	.ssthresh = cubic_ssthresh,
	.undo_cwnd = cc_reno_undo_cwnd,
	.cong_avoid = cubic_cong_avoid,
	.set_state = cubic_set_state,
	.cwnd_event = cubic_cwnd_event,
	.pkts_acked = cubic_pkts_acked,
};
