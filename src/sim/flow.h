/*
 * One TCP connection of the simulator: a Linux 6.18 sender and receiver, in packets of one MSS.
 *
 * Inside src/sim only. The sender is split by concern: output.c sends, timer.c keeps its timers,
 * input.c takes ACKs, rack.c finds what is lost, recovery.c repairs it, rate.h samples deliveries;
 * receiver.c is the other end. Names and rules follow
 * net/ipv4/tcp_{input,output,recovery,rate,timer}.c; the path never reorders, so RACK's reordering
 * detection has nothing to see, but a spurious timeout is undone (F-RTO, timestamps, DSACK).
 */
#ifndef SIM_FLOW_H
#define SIM_FLOW_H

#include "base/minmax.h"
#include "sim/pkt.h"
#include "sim/sent.h"
#include "sim/sources.h"
#include "sim/world.h"

enum {
	MTU = 1500,
	MSS = 1448,	      /* MTU less 20 IP, 20 TCP, 12 timestamps */
	DATA_BYTES = MTU + 4, /* at the link: with the TUN header */
	ACK_BYTES = 52 + 4,
	SYN_BYTES = 60 + 4,
	SACK_BYTES = 8, /* a block; the option's head is 4 */
	INIT_CWND = 10,
	MAX_SACKS = 3,
	COMP_SACK_MAX = 44,
	DUPTHRESH = 3,
};

struct sacks {
	struct sack_block b[MAX_SACKS + 1]; /* a power of two of bytes */
};

enum timer { TIMER_NONE, TIMER_RTO, TIMER_TLP, TIMER_REO };

/* What flag bits of tcp_ack() the simulator needs. */
enum ack_flag {
	ACK_ADVANCED = 1, /* snd_una moved */
	ACK_SACKED = 2,	  /* new SACKs */
	ACK_RETRANS = 4,  /* a retransmitted packet was acknowledged cumulatively */
	ACK_ORIG = 8,	  /* a packet never retransmitted, at or below high_seq, was (S)ACKed */
	ACK_SET_TIMER = 16,
	ACK_LOST_RETRANS = 32,
	ACK_DSACK = 64,
	ACK_DSACK_TLP = 128,
	ACK_ECE = 256,
};

enum rexmit { REXMIT_NONE, REXMIT_LOST, REXMIT_NEW };

/* One ACK under way; kept in the flow so that a paused controller can be resumed in the middle of
 * it. */
struct ack_ctx {
	struct pkt k;
	uint32_t prior_una, flags;
	uint64_t prior_delivered, prior_lost;
	struct cc_ack rs;
	uint64_t rs_prior_us; /* delivered_mstamp of the sampled packet, 0 none */
	uint32_t rs_last_seq;
	uint64_t first_sack_us, last_sack_us; /* send times, 0 none */
};

struct sender {
	struct sent sent; /* what is in flight */
	struct sacks *sacks; /* [sack_mask + 1] blocks of ACKs on their way */
	uint32_t sack_mask, sack_head, sack_tail;

	uint32_t una, nxt, high_seq,
		limit;	    /* limit: nxt may not pass it (application, receive window) */
	uint32_t rack_scan; /* originals below are delivered, lost or sent again */
	uint32_t rtx_hint;  /* nothing below waits for retransmission */
	uint32_t rtx_end;   /* nothing from here on was ever sent again */
	struct sacks cache; /* the blocks seen last */
	uint8_t ncache;

	uint64_t timer_ns, pace_ns; /* deadlines, NEVER; timer_ns without the tick's rounding up */
	uint64_t timer_in_us;	    /* how long the timer was to run, from tick timer_jiffy */
	uint32_t timer_jiffy;
	enum timer timer;
	uint32_t two_ticks_us;

	/* RTT and RTO, us */
	uint32_t mdev_us, mdev_max_us, rttvar_us, rtt_seq;
	uint64_t rto_us;
	uint32_t backoff, retransmits;
	struct minmax min_rtt;	   /* us, over 300 s */
	uint64_t min_rtt_quiet_us; /* until then a sample over all of it changes nothing */

	/* RACK */
	uint64_t rack_us;
	uint32_t rack_end, rack_rtt_us, rack_steps, rack_steps_left, rack_dsack_round;
	bool rack_advanced, rack_dsack_seen;

	/* Recovery */
	uint32_t prr_delivered, prr_out, prior_ssthresh;
	uint32_t undo_marker; /* una + 1 then; 0 none */
	int32_t undo_retrans;
	uint64_t retrans_stamp_ms; /* ts of the first retransmission + 1, 0 none */
	bool frto;
	uint32_t tlp_high_seq;
	bool tlp_retrans;

	uint64_t first_tx_us; /* tcp_rate.c: of the newest delivered packet */
	uint32_t cwnd_usage_seq, cwnd_used;
	uint64_t cwnd_stamp_us;
	uint64_t app_credit_ns; /* next packet of a limited application is written then */
	uint64_t last_send_us;
	bool established;
	bool cwr_due; /* the next new data carries CWR */
};

struct receiver {
	uint32_t rcv_nxt, acked_to; /* rcv_nxt when the last ACK left */
	struct sack_block *ooo;	    /* out-of-order ranges in sequence order */
	int nooo, ooo_cap;
	struct sack_block recent[MAX_SACKS + 1]; /* as the SACK option lists them, newest first */
	int nrecent;
	struct sack_block dsack; /* end 0: none */
	uint32_t quick;		 /* ACKs still to be sent at once */
	uint32_t ts_recent_ms;
	uint64_t ato_us, last_data_us, srtt_us;
	uint64_t delack_ns, comp_ns; /* deadlines of a delayed and of a compressed ACK, NEVER */
	uint32_t compressed, comp_nxt, dup_acks;
	bool any;
	bool ece, ecn_seen; /* ACKs carry ECE; data was ECN-capable */
};

/* The world's clock, and the kernel's tick on it. */
struct clock {
	uint64_t now_ns, jiffy_end_ns, tick_ns;
	uint32_t jiffies;
};

struct flow {
	struct cc cc;
	struct sender s;
	struct receiver r;
	struct ack_ctx ack;
	struct flow_stats stats;
	struct flow_conf conf;
	struct world *w;
	struct clock *clock;
	const uint64_t *wake_ns; /* when the world looks at the flow's deadlines next */
	struct rng rng;
	size_t priv_size; /* allocated for cc.priv */
	uint32_t index, path;
	uint64_t syn_ns; /* when the SYN is due or was sent */
	bool stopped;
	bool unlimited; /* by application, receive window or stop */
};

/* world.c: the wires. Data enters its delay line, an ACK its queue. */
void wire_data(struct world *w, struct flow *f, const struct pkt *k);
void wire_ack(struct world *w, struct flow *f, const struct pkt *k);
void wire_wake(struct flow *f); /* looks at its deadlines no later */
uint64_t wire_tick_ns(const struct world *w, uint32_t jiffies); /* when that tick comes */
void clock_tick(struct clock *c);				/* brings jiffies to now_ns */

static inline uint64_t wire_now(const struct flow *f)
{
	return f->clock->now_ns;
}

/* A deadline moved to at_ns: the world may look at the flow early, never late. */
static inline void wire_deadline(struct flow *f, uint64_t at_ns)
{
	if (at_ns < *f->wake_ns)
		wire_wake(f);
}

/* receiver.c */
void receiver_init(struct receiver *r); /* that was in use, or is all zero */
void receiver_free(struct receiver *r);
void receiver_data(struct flow *f, const struct pkt *k);
void receiver_timer(struct flow *f);

static inline uint64_t receiver_deadline(const struct flow *f)
{
	return f->r.delack_ns < f->r.comp_ns ? f->r.delack_ns : f->r.comp_ns;
}

/* output.c: sending */
void sender_init(struct flow *f); /* of a flow that was in use, or is all zero: memory serves on */
void sender_free(struct flow *f);
void sender_trim(struct flow *f); /* gives back what is far more than needed */
void sender_resize_sacks(struct flow *f, uint32_t mask);
void sender_xmit(struct flow *f, int push_one); /* tcp_write_xmit; push_one 2 probes */
void sender_push(struct flow *f); /* sender_xmit(f, 0), quick where nothing may leave */
void sender_retransmit(struct flow *f, uint32_t seq);
uint32_t sender_limit(struct flow *f); /* packets that may have been sent: s->limit, renewed */
bool sender_pacing_blocked(struct flow *f);
void sender_start(struct flow *f); /* SYN answered: data may flow */

/* input.c: ACKs. Returns true when the controller paused; then input_resume carries on. */
bool input_ack(struct flow *f, const struct pkt *k);
void input_resume(struct flow *f);
void input_handshake(struct flow *f, uint32_t rtt_us); /* the first RTT sample */

/* rack.c: what is lost */
void rack_sack(struct flow *f, struct ack_ctx *a);
void rack_mark_lost(struct flow *f, uint32_t seq);
int64_t rack_detect(
	struct flow *f); /* us until a packet in doubt is to be looked at again, 0 none */
void rack_identify_loss(struct flow *f, struct ack_ctx *a);

/* recovery.c: what is done about it */
void recovery_alert(struct flow *f, struct ack_ctx *a, enum rexmit *rexmit);
void recovery_cwnd_reduction(
	struct flow *f, uint32_t acked_sacked, uint32_t newly_lost, uint32_t flags);
void recovery_retransmit(struct flow *f); /* tcp_xmit_retransmit_queue */
void recovery_reo_timeout(struct flow *f);
void recovery_enter_loss(struct flow *f);
void recovery_process_tlp(struct flow *f, const struct ack_ctx *a);
void recovery_set_state(struct flow *f, enum cc_state state);
void recovery_init_reduction(struct flow *f);
void recovery_end_reduction(struct flow *f);
void recovery_try_keep_open(struct flow *f);
uint32_t recovery_current_ssthresh(const struct flow *f);

/* Brings cc's clock to now. */
static inline void sender_clock(struct flow *f)
{
	struct clock *c = f->clock;

	if (f->cc.now_ns == c->now_ns)
		return;
	if (c->now_ns >= c->jiffy_end_ns)
		clock_tick(c);
	f->cc.now_ns = c->now_ns;
	f->cc.now_us = c->now_ns / 1000;
	f->cc.jiffies = c->jiffies;
}

/* When the oldest packet in flight was sent last. */
static inline uint64_t sender_oldest_us(const struct flow *f)
{
	return sent_first(&f->s.sent, f->s.una)->sent_us;
}

#endif
