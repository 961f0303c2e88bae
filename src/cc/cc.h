/*
 * The congestion-controller interface: Linux's tcp_congestion_ops in miniature.
 *
 * The transport owns struct cc and keeps its fields current; a controller reads them, writes the
 * few marked (w), and keeps its own state in priv. Callbacks come in the kernel's order for one
 * ACK: pkts_acked, [ssthresh, set_state], then cong_control if there is one, else cong_avoid
 * outside Recovery and CWR. Times are those of the transport's clock; jiffies tick `hz` times a
 * second as in the kernel, because CUBIC's arithmetic depends on it. Source of meanings: Linux 6.18
 * net/ipv4/tcp_cong.c, include/net/tcp.h.
 */
#ifndef CC_CC_H
#define CC_CC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CC_SSTHRESH_MAX 0x7fffffffu /* "infinite" ssthresh: no loss so far */

enum cc_state { CC_OPEN, CC_DISORDER, CC_CWR, CC_RECOVERY, CC_LOSS };
enum cc_event { CC_EV_TX_START, CC_EV_CWND_RESTART, CC_EV_COMPLETE_CWR, CC_EV_LOSS };

/* What one ACK told, complete when cong_control runs; pkts_acked sees the first three fields. */
struct cc_ack {
	int64_t rtt_us;	     /* of the newest packet it acknowledged first-hand, -1 if none */
	uint32_t pkts_acked; /* packets newly acknowledged cumulatively, or by SACK in disorder */
	uint32_t in_flight_then; /* packets in flight when the newest acknowledged one was sent */
	/* The delivery-rate sample (tcp_rate.c): delivered packets over interval_us, -1 each when
	 * invalid. */
	int32_t delivered;
	int64_t interval_us;
	uint64_t prior_delivered; /* tp->delivered when that packet was sent */
	uint32_t prior_in_flight; /* before this ACK */
	uint32_t acked_sacked;	  /* packets newly (S)ACKed */
	uint32_t losses;	  /* packets newly marked lost */
	bool app_limited, ack_delayed, ece;
};

struct cc;

struct cc_ops {
	const char *name;
	size_t priv_size;
	/* Needed by every controller. */
	void (*init)(
		struct cc *cc, const void *arg); /* arg: the flow's configuration, NULL if none */
	uint32_t (*ssthresh)(struct cc *cc);	 /* on entering Recovery, CWR or Loss */
	uint32_t (*undo_cwnd)(struct cc *cc);	 /* window after a reduction proved spurious */
	/* One of these two. acked: packets that may grow the window. */
	void (*cong_avoid)(struct cc *cc, uint32_t acked);
	void (*cong_control)(struct cc *cc, const struct cc_ack *ack);
	/* Optional. */
	void (*set_state)(struct cc *cc, enum cc_state state);
	void (*cwnd_event)(struct cc *cc, enum cc_event ev);
	/* Runs on every ACK before the window changes. True pauses the transport right here until
	 * its driver resumes it (a controller that waits for an outside decision); the ACK is then
	 * carried on. */
	bool (*pkts_acked)(struct cc *cc, const struct cc_ack *ack);
	uint32_t (*min_tso_segs)(struct cc *cc); /* default 2 */
	void (*release)(struct cc *cc);
};

struct cc {
	const struct cc_ops *ops;
	void *priv; /* [ops->priv_size] zeroed before init */

	/* (w) window and pace */
	uint32_t cwnd;	      /* packets */
	uint32_t cwnd_cnt;    /* additive-increase counter */
	uint32_t ssthresh;    /* packets */
	uint64_t pacing_rate; /* bytes/s of payload */
	bool pacing;	      /* the transport paces sends */
	bool pacing_set;      /* ... or not, by an option: controllers do not decide */
	uint64_t app_limited; /* 0, or the delivered count up to which samples are app-limited */

	/* clock */
	uint64_t now_us;  /* tcp_mstamp: time of this ACK or send */
	uint64_t now_ns;  /* the same, finer */
	uint32_t jiffies; /* now in ticks of 1/hz s */
	uint32_t hz;

	/* the connection */
	enum cc_state state;
	uint32_t mss; /* payload bytes of a packet */
	uint32_t mtu; /* IP bytes of a packet */
	uint32_t cwnd_clamp;
	uint32_t prior_cwnd;	   /* before the last reduction */
	uint64_t snd_una, snd_nxt; /* packet numbers */
	uint32_t packets_out, sacked_out, lost_out, retrans_out;
	uint32_t max_packets_out; /* in the window that cwnd_limited speaks of */
	bool cwnd_limited;	  /* the window, not the application, limits sending */
	uint32_t srtt_us8;	  /* smoothed RTT in 1/8 us, 0 before the first sample */
	uint32_t min_rtt_us; /* windowed minimum over 300 s, UINT32_MAX before the first sample */
	uint64_t delivered, lost; /* packets ever delivered; ever marked lost */
	uint64_t delivered_us;	  /* time of the last delivery */
	int32_t rate_delivered;	  /* last good rate sample: packets ... */
	int64_t rate_interval_us; /* ... over this time; 0 before the first */
	uint32_t data_segs_out;
	uint64_t wstamp_ns; /* earliest departure of the next packet under pacing */
	struct rng *rng;    /* the flow's own stream */
};

/* Has the transport pace from now on, as SK_PACING_NEEDED does. */
static inline void cc_ask_pacing(struct cc *cc)
{
	cc->pacing |= !cc->pacing_set;
}

static inline uint32_t cc_in_flight(const struct cc *cc)
{
	return cc->packets_out - cc->sacked_out - cc->lost_out + cc->retrans_out;
}

static inline bool cc_in_slow_start(const struct cc *cc)
{
	return cc->cwnd < cc->ssthresh;
}

/* Whether growing the window makes sense (tcp_is_cwnd_limited). */
static inline bool cc_is_cwnd_limited(const struct cc *cc)
{
	if (cc->cwnd_limited)
		return true;
	// In slow start a window half used is enough: it doubles every round trip.
	return cc_in_slow_start(cc) && cc->cwnd < 2 * cc->max_packets_out;
}

/* Slow start by `acked`; returns what is left of acked at ssthresh (tcp_slow_start). */
static inline uint32_t cc_slow_start(struct cc *cc, uint32_t acked)
{
	uint32_t cwnd = cc->cwnd + acked;

	if (cwnd > cc->ssthresh)
		cwnd = cc->ssthresh;
	acked -= cwnd - cc->cwnd;
	cc->cwnd = cwnd < cc->cwnd_clamp ? cwnd : cc->cwnd_clamp;
	return acked;
}

/* One packet per w acknowledged (tcp_cong_avoid_ai). */
static inline void cc_cong_avoid_ai(struct cc *cc, uint32_t w, uint32_t acked)
{
	if (cc->cwnd_cnt >= w) { // credit from when w was larger
		cc->cwnd_cnt = 0;
		cc->cwnd++;
	}
	cc->cwnd_cnt += acked;
	if (cc->cwnd_cnt >= w) {
		uint32_t delta = cc->cwnd_cnt / w;

		cc->cwnd_cnt -= delta * w;
		cc->cwnd += delta;
	}
	if (cc->cwnd > cc->cwnd_clamp)
		cc->cwnd = cc->cwnd_clamp;
}

/* A window at least as large as before the reduction (tcp_reno_undo_cwnd). */
uint32_t cc_reno_undo_cwnd(struct cc *cc);

/*
 * Completes an ACK's delivery-rate sample (tcp_rate_gen) and keeps it if it is good. prior_*:
 * delivered and lost before the ACK; prior_us: delivered_us when the sampled packet was sent, 0
 * without one; interval_us holds the send time between the packet delivered last then and the
 * sampled one. Valid only over at least a minimum RTT.
 */
static inline void cc_rate_sample(struct cc *cc, struct cc_ack *rs, uint64_t prior_delivered,
	uint64_t prior_lost, uint64_t prior_us)
{
	int64_t ack_us;

	if (cc->app_limited && cc->delivered > cc->app_limited)
		cc->app_limited = 0;
	rs->acked_sacked = cc->delivered - prior_delivered;
	rs->losses = cc->lost - prior_lost;
	if (rs->acked_sacked)
		cc->delivered_us = cc->now_us;
	rs->delivered = -1;
	if (!prior_us) {
		rs->interval_us = -1;
		return;
	}
	rs->delivered = cc->delivered - rs->prior_delivered;
	ack_us = cc->now_us - prior_us;
	rs->interval_us = ack_us > rs->interval_us ? ack_us : rs->interval_us;
	if (rs->interval_us < (int64_t)cc->min_rtt_us) {
		rs->interval_us = -1;
		return;
	}
	if (!rs->app_limited || (double)rs->delivered * cc->rate_interval_us >=
					(double)cc->rate_delivered * rs->interval_us) {
		cc->rate_delivered = rs->delivered;
		cc->rate_interval_us = rs->interval_us;
	}
}

/* The controllers. */
extern const struct cc_ops cc_reno, cc_cubic, cc_vegas, cc_bbr;

/* By name, NULL if there is none. */
const struct cc_ops *cc_find(const char *name);

/* The name of number i, NULL past the last. */
const char *cc_name(int i);

/* "reno, cubic, ..." for messages. */
const char *cc_names(void);

#endif
