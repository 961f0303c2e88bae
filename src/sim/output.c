/* The sender's output: what the window, pacing and TSO let out (tcp_output.c). */
#include "sim/ecn.h"
#include "sim/rate.h"
#include "sim/timer.h"

enum {
	GSO_MAX = 65536,
	TSO_RTT_LOG = 9,
	TSO_WIN_DIVISOR = 3,
	PACE_AFTER = 10,    /* packets sent before pacing starts */
	DEFER_NS = 1000000, /* an ACK further away, or the last write longer ago: not waited for */
	SENDER_LEAST = 16,  /* ACKs with blocks on their way; the array doubles */
};

void sender_init(struct flow *f)
{
	struct sender *s = &f->s;
	const struct sender old = *s;

	*s = (struct sender){.sent = old.sent,
		.sacks = old.sacks,
		.sack_mask = old.sack_mask,
		.timer_ns = NEVER,
		.pace_ns = NEVER,
		.rto_us = RTO_INIT_US,
		.two_ticks_us = 2 * 1000000 / f->cc.hz,
		.rack_steps = 1};
	minmax_reset(&s->min_rtt, 0, UINT32_MAX);
	sent_clear(&s->sent);
	if (!s->sacks || (s->sack_mask >= SENDER_LEAST && blocks_shared(s->sent.blocks)))
		sender_resize_sacks(f, SENDER_LEAST - 1);
}

static void free_sacks(struct sender *s)
{
	blocks_give(s->sent.blocks, s->sacks, (s->sack_mask + 1ull) * sizeof(*s->sacks));
}

void sender_resize_sacks(struct flow *f, uint32_t mask)
{
	struct sender *s = &f->s;
	struct sacks *to = blocks_take(s->sent.blocks, (mask + 1ull) * sizeof(*to));

	for (uint32_t i = s->sack_head; i != s->sack_tail; i++)
		to[i & mask] = s->sacks[i & s->sack_mask];
	free_sacks(s);
	s->sacks = to;
	s->sack_mask = mask;
}

void sender_trim(struct flow *f)
{
	struct sender *s = &f->s;

	sent_trim(&s->sent);
	if (s->sack_mask >= SENDER_LEAST && s->sack_tail - s->sack_head <= s->sack_mask / 8)
		sender_resize_sacks(f, s->sack_mask / 2);
}

void sender_free(struct flow *f)
{
	sent_free(&f->s.sent);
	free_sacks(&f->s);
}

// tcp_tso_autosize: about a millisecond's worth at the pacing rate, more on short paths.
static uint32_t tso_bytes(const struct cc *cc)
{
	uint64_t bytes = cc->pacing_rate >> 10;
	uint32_t r = cc->min_rtt_us >> TSO_RTT_LOG;

	if (r < 32)
		bytes += GSO_MAX >> r;
	return bytes < GSO_MAX ? bytes : GSO_MAX;
}

static uint32_t tso_segs_min(const struct cc *cc)
{
	return cc->ops->min_tso_segs ? cc->ops->min_tso_segs((struct cc *)cc) : 2;
}

static uint32_t tso_segs(const struct cc *cc)
{
	uint32_t n = tso_bytes(cc) / MSS, least = tso_segs_min(cc);

	return n > least ? n : least;
}

bool sender_pacing_blocked(struct flow *f)
{
	if (!f->cc.pacing || f->cc.wstamp_ns <= f->cc.now_ns)
		return false;
	f->s.pace_ns = f->cc.wstamp_ns;
	return true;
}

// tcp_cwnd_test: at least two bursts to a window
static uint32_t cwnd_quota(const struct cc *cc)
{
	uint32_t in_flight = cc_in_flight(cc), half = cc->cwnd / 2;

	if (in_flight >= cc->cwnd)
		return 0;
	half = half ? half : 1;
	return cc->cwnd - in_flight < half ? cc->cwnd - in_flight : half;
}

// Is the ACK of the oldest packet in flight more than min(1 ms, half an RTT) away? As Linux asks
// since 6.18 ("tcp: fix tcp_tso_should_defer() vs large RTT"); before, in more than half an RTT.
static bool ack_is_far(const struct flow *f)
{
	int64_t srtt_ns = f->cc.srtt_us8 * 125ll, near_ns = srtt_ns / 2;
	int64_t left_ns = (int64_t)(sender_oldest_us(f) * 1000 - f->cc.now_ns) + srtt_ns;

	return left_ns > (near_ns < DEFER_NS ? near_ns : DEFER_NS);
}

// tcp_tso_should_defer: wait for the next ACK if it is near and would fill the burst
static bool should_defer(const struct flow *f, uint32_t max_segs, uint32_t window_left)
{
	const struct cc *cc = &f->cc;
	uint32_t room = cc->cwnd - cc_in_flight(cc);

	if (cc->state >= CC_RECOVERY || !cc->packets_out || cc->now_ns > cc->wstamp_ns + DEFER_NS)
		return false;
	if (window_left < room)
		room = window_left;
	return room < max_segs && room < cc->cwnd / TSO_WIN_DIVISOR && !ack_is_far(f);
}

// Notes the send of packets [seq, seq + n).
static void remember(struct flow *f, uint32_t seq, uint32_t n, bool again)
{
	struct cc *cc = &f->cc;
	struct sent *sent = &f->s.sent;
	struct tx *t = again ? sent_again(sent, f->s.una, seq) : sent_burst(sent, f->s.una, seq, n);

	t->sent_us = cc->now_us;
	rate_sent(f, t);
	t->in_flight = cc_in_flight(cc) + !again;
	if (!again)
		cc->packets_out += n;
}

// One burst: packets [seq, seq + n) leave now, sharing a time stamp.
static void transmit(struct flow *f, uint32_t seq, uint32_t n, bool again)
{
	struct cc *cc = &f->cc;
	struct sender *s = &f->s;
	uint64_t prior = cc->wstamp_ns;
	struct pkt k = {.seq = seq,
		.flow = f->index,
		.bytes = DATA_BYTES,
		.ts_ms = cc->now_us / 1000,
		.more = n - 1,
		.flags = (again ? PKT_RETRANS : ecn_new_data(f)) | (n > 1 ? PKT_PSH : 0)};

	if (cc->wstamp_ns < cc->now_ns)
		cc->wstamp_ns = cc->now_ns;
	cc->data_segs_out += n;
	remember(f, seq, n, again);
	wire_data(f->w, f, &k);
	s->last_send_us = cc->now_us;
	if (cc->pacing && cc->pacing_rate && cc->data_segs_out >= PACE_AFTER) {
		uint64_t len_ns = (uint64_t)n * MSS * 1000000000 / cc->pacing_rate,
			 credit = cc->wstamp_ns - prior;

		cc->wstamp_ns += len_ns - (credit < len_ns / 2 ? credit : len_ns / 2);
	}
}

static void transmit_new(struct flow *f, uint32_t n)
{
	struct sender *s = &f->s;
	bool first = !f->cc.packets_out;

	if (!cc_in_flight(&f->cc) && f->cc.ops->cwnd_event)
		f->cc.ops->cwnd_event(&f->cc, CC_EV_TX_START);
	transmit(f, s->nxt, n, false);
	if (!f->stats.sent)
		f->stats.first_send_ns = f->cc.now_ns;
	f->stats.sent += n;
	s->nxt += n;
	f->cc.snd_nxt = s->nxt;
	if (first || s->timer == TIMER_TLP)
		timer_rearm_rto(f);
}

void sender_retransmit(struct flow *f, uint32_t seq)
{
	struct sender *s = &f->s;
	uint32_t *mark;

	sent_detail(&s->sent, s->una, s->nxt);
	transmit(f, seq, 1, true);
	f->stats.retrans++;
	mark = sent_mark(&s->sent, seq);
	if (!(*mark & TX_RETRANS))
		f->cc.retrans_out++;
	*mark |= TX_RETRANS;
	if (seq >= s->rtx_end)
		s->rtx_end = seq + 1;
	if (!s->retrans_stamp_ms)
		s->retrans_stamp_ms = f->cc.now_us / 1000 + 1;
	s->undo_retrans = s->undo_retrans < 0 ? 1 : s->undo_retrans + 1;
}

// tcp_cwnd_validate where the window is what limited sending
static void window_limits(struct flow *f)
{
	f->cc.cwnd_limited = true;
	f->cc.max_packets_out = f->cc.packets_out;
	f->s.cwnd_usage_seq = f->s.nxt;
	f->s.cwnd_used = 0;
	f->s.cwnd_stamp_us = f->cc.now_us;
}

// ... and where it is not
static void window_unused(struct flow *f)
{
	struct cc *cc = &f->cc;
	struct sender *s = &f->s;

	if (s->una >= s->cwnd_usage_seq ||
		(!cc->cwnd_limited && cc->packets_out > cc->max_packets_out)) {
		cc->cwnd_limited = false;
		cc->max_packets_out = cc->packets_out;
		s->cwnd_usage_seq = s->nxt;
	}
	if (cc_is_cwnd_limited(cc)) {
		s->cwnd_used = 0;
		s->cwnd_stamp_us = cc->now_us;
		return;
	}
	if (cc->packets_out > s->cwnd_used)
		s->cwnd_used = cc->packets_out;
	if (cc->ops->cong_control || cc->now_us - s->cwnd_stamp_us < s->rto_us ||
		cc->state != CC_OPEN)
		return;
	// RFC 2861: an application that does not use its window loses it by halves.
	if (s->cwnd_used < cc->cwnd) {
		uint32_t used = s->cwnd_used > INIT_CWND ? s->cwnd_used : INIT_CWND;

		cc->ssthresh = recovery_current_ssthresh(f);
		cc->cwnd = (cc->cwnd + used) / 2;
	}
	s->cwnd_used = 0;
	s->cwnd_stamp_us = cc->now_us;
}

// How far the application and the receive window let the sender go.
uint32_t sender_limit(struct flow *f)
{
	struct sender *s = &f->s;
	uint64_t limit = UINT32_MAX;

	if (f->stopped)
		return s->nxt < s->limit ? s->nxt : s->limit;
	if (f->conf.app_bps) {
		double elapsed_s = (f->cc.now_ns - f->conf.start_ns) * 1e-9;

		limit = elapsed_s * f->conf.app_bps / (8 * MSS);
		s->app_credit_ns = f->conf.start_ns +
				   (uint64_t)((limit + 1) * 8e9 * MSS / f->conf.app_bps) + 1;
	}
	if (f->conf.rcv_wnd_pkts && limit > (uint64_t)s->una + f->conf.rcv_wnd_pkts)
		limit = s->una + f->conf.rcv_wnd_pkts;
	s->limit = limit;
	return limit;
}

// tcp_slow_start_after_idle_check
static void restart_after_idle(struct flow *f)
{
	struct cc *cc = &f->cc;
	int64_t idle = cc->now_us - f->s.last_send_us;
	uint32_t restart = cc->cwnd < INIT_CWND ? cc->cwnd : INIT_CWND;

	if (cc->packets_out || cc->ops->cong_control || !f->stats.sent ||
		idle <= (int64_t)f->s.rto_us)
		return;
	if (cc->ops->cwnd_event)
		cc->ops->cwnd_event(cc, CC_EV_CWND_RESTART);
	cc->ssthresh = recovery_current_ssthresh(f);
	while ((idle -= f->s.rto_us) > 0 && cc->cwnd > restart)
		cc->cwnd /= 2;
	if (cc->cwnd < restart)
		cc->cwnd = restart;
	f->s.cwnd_used = 0;
	f->s.cwnd_stamp_us = cc->now_us;
}

void sender_xmit(struct flow *f, int push_one)
{
	struct cc *cc = &f->cc;
	struct sender *s = &f->s;
	uint32_t max_segs, limit, sent = 0;
	bool cwnd_limited = false;

	if (!s->established)
		return;
	limit = sender_limit(f);
	if (s->nxt < limit)
		restart_after_idle(f);
	max_segs = tso_segs(cc);
	while (s->nxt < limit) {
		uint32_t quota;

		if (sender_pacing_blocked(f))
			break;
		quota = cwnd_quota(cc);
		if (!quota && push_one != 2)
			break;
		quota = quota ? quota : 1;
		if (!push_one && should_defer(f, max_segs, limit - s->nxt)) {
			cwnd_limited = true;
			break;
		}
		quota = quota < max_segs ? quota : max_segs;
		quota = quota < limit - s->nxt ? quota : limit - s->nxt;
		transmit_new(f, quota);
		sent += quota;
		if (push_one)
			break;
	}
	cwnd_limited |= cc_in_flight(cc) >= cc->cwnd;
	if (cwnd_limited)
		window_limits(f);
	else if (sent)
		window_unused(f);
	if (sent && (cc->state == CC_CWR || cc->state == CC_RECOVERY))
		s->prr_out += sent;
	if (sent && push_one != 2)
		timer_set_probe(f, false);
	if (s->nxt >= limit && f->conf.app_bps && !cwnd_limited && cc->lost_out <= cc->retrans_out)
		cc->app_limited =
			cc->delivered + cc_in_flight(cc) ? cc->delivered + cc_in_flight(cc) : 1;
}

void sender_start(struct flow *f)
{
	f->s.established = true;
	f->unlimited = !f->conf.app_bps && !f->conf.rcv_wnd_pkts && !f->stopped;
	f->s.cwnd_stamp_us = f->cc.now_us;
	sender_xmit(f, 0);
}

// Whether tcp_write_xmit would find the window full or wait for more of it, as it does on most
// ACKs; false leaves it to decide.
static bool held_back(const struct flow *f)
{
	const struct cc *cc = &f->cc;
	uint32_t in_flight = cc_in_flight(cc), room = cc->cwnd - in_flight;

	if (!f->unlimited || cc->pacing || !cc->packets_out || cc->state >= CC_RECOVERY)
		return false;
	return in_flight >= cc->cwnd ||
	       (room < cc->cwnd / TSO_WIN_DIVISOR && cc->now_ns <= cc->wstamp_ns + DEFER_NS &&
		       !ack_is_far(f) &&
		       (room < tso_segs_min(cc) || (room + 1) * MSS <= tso_bytes(cc)));
}

void sender_push(struct flow *f)
{
	if (held_back(f))
		window_limits(f);
	else
		sender_xmit(f, 0);
}
