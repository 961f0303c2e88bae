/*
 * What the sender remembers of the packets in flight: tcp_skb_cb, 32 bytes a burst. Inside src/sim
 * only.
 *
 * While nothing is lost, SACKed or sent again the bursts say all. The first such event adds a mark
 * to every packet in flight, 4 bytes each: its flags and which burst or retransmission it was sent
 * in last. Once the packets concerned are acknowledged the marks serve no more.
 */
#ifndef SIM_SENT_H
#define SIM_SENT_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "sim/spare.h"

/* A mark: flags, and above them the low bits of an index into the ring of bursts, or with
 * TX_EVER_RETRANS of retransmissions. */
enum tx_flag {
	TX_SACKED = 1,
	TX_LOST = 2,
	TX_RETRANS = 4, /* its retransmission is in flight */
	TX_EVER_RETRANS = 8,
	TX_FLAGS = 15,
	TX_INDEX_SHIFT = 4,
};

/* Packets [seq, end) that were sent together. */
struct tx {
	uint64_t sent_us;
	uint32_t seq, end;
	uint32_t first_tx_ago_us;  /* sent - first_tx_mstamp */
	uint32_t delivered_ago_us; /* sent - delivered_mstamp */
	uint32_t delivered;	   /* low bits of tp->delivered then */
	uint32_t in_flight : 31;   /* with the first of them */
	uint32_t app_limited : 1;
};

/* Indices run free. */
struct tx_ring {
	struct tx *tx; /* [mask + 1] */
	uint32_t mask, head, tail;
};

/* All zero it has no memory yet. */
struct sent {
	struct tx_ring bursts; /* in sequence order; the head has the oldest packet in flight */
	bool detailed;	       /* there are marks: */
	uint32_t *mark;	       /* [mark_mask + 1] by packet number */
	uint32_t mark_mask;
	struct tx_ring retx; /* in the order they were sent */
	uint32_t retx_scan;  /* those before it RACK needs no more */
	struct blocks *blocks;
};

/* Nothing is in flight; memory that is not shared serves on. */
void sent_clear(struct sent *s);
void sent_free(struct sent *s);

/* Gives back what is far more than needed. */
void sent_trim(struct sent *s);

/* Packets [una, nxt) are in flight and get marks, unless they have them. */
void sent_detail(struct sent *s, uint32_t una, uint32_t nxt);

/* Packets [seq, seq + n) leave for the first time, or one with a mark again; una is the oldest in
 * flight. The caller fills in the rest of the record, which stays where it is until the next. */
struct tx *sent_burst(struct sent *s, uint32_t una, uint32_t seq, uint32_t n);
struct tx *sent_again(struct sent *s, uint32_t una, uint32_t seq);

static inline struct tx *tx_at(const struct tx_ring *r, uint32_t i)
{
	return &r->tx[i & r->mask];
}

/* Packets in flight when packet seq of it left, itself included. */
static inline uint32_t tx_in_flight(const struct tx *t, uint32_t seq)
{
	return t->in_flight + (seq - t->seq);
}

/* The TCP timestamp that it carried. */
static inline uint32_t tx_ts_ms(const struct tx *t)
{
	return t->sent_us / 1000;
}

/* The mark of a packet in flight; detailed only. */
static inline uint32_t *sent_mark(const struct sent *s, uint32_t seq)
{
	assert(s->detailed);
	return &s->mark[seq & s->mark_mask];
}

/* How the packet with that mark was sent last. */
static inline const struct tx *sent_marked(const struct sent *s, uint32_t mark)
{
	return tx_at(mark & TX_EVER_RETRANS ? &s->retx : &s->bursts, mark >> TX_INDEX_SHIFT);
}

static inline uint32_t sent_flags(const struct sent *s, uint32_t seq)
{
	return s->detailed ? *sent_mark(s, seq) & TX_FLAGS : 0;
}

/* The burst of the oldest packet in flight. */
static inline const struct tx *sent_oldest(const struct sent *s)
{
	return tx_at(&s->bursts, s->bursts.head);
}

/* How packet una, the oldest in flight, was sent last. */
static inline const struct tx *sent_first(const struct sent *s, uint32_t una)
{
	return s->detailed ? sent_marked(s, *sent_mark(s, una)) : sent_oldest(s);
}

/* Packets below una are acknowledged, the last of them just now. Returns its burst, good until the
 * next leaves. */
static inline const struct tx *sent_forget(struct sent *s, uint32_t una)
{
	struct tx_ring *r = &s->bursts;
	const struct tx *t;

	while ((t = tx_at(r, r->head))->end < una)
		r->head++;
	r->head += t->end == una;
	return t;
}

/* No packet in flight is lost, SACKed or was sent again. */
static inline void sent_plain(struct sent *s)
{
	if (!s->detailed)
		return;
	s->detailed = false;
	s->retx.head = s->retx_scan = s->retx.tail;
}

#endif
