/* Packets on the wire and the growable ring that holds them in order. */
#ifndef SIM_PKT_H
#define SIM_PKT_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sim/spare.h"

/* On the path of every packet and ACK calls cost more than code. */
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))

enum {
	PKT_SYN = 1,
	PKT_ACK = 2,
	PKT_RETRANS = 4,
	PKT_DSACK = 8, /* an ACK whose first block reports a duplicate */
	PKT_PSH = 16,  /* last of a burst of several: Linux asks for an ACK as soon as it is read */
	PKT_ECT = 32,  /* ECN: may be marked instead of dropped */
	PKT_CE = 64,   /* ECN: it was */
	PKT_ECE = 128, /* on ACKs: marked data came */
	PKT_CWR = 256, /* on data: the window was reduced */
};

/*
 * One packet, or a run: `more` follow it, sent together: data packets with the next sequence
 * numbers, or ACKs that acknowledge two packets more each. A run is treated everywhere as its
 * packets one after the other; PKT_CWR is of the first, PKT_PSH of the last.
 */
struct pkt {
	uint64_t t_ns; /* due time on a delay line; arrival time in a queue */
	uint32_t seq;  /* data: packet number; ACK: next expected packet */
	uint32_t flow;
	uint32_t ts_ms; /* TCP timestamp: of the sender on data, echoed on ACKs */
	uint32_t aux;	/* ACK: index of its SACK blocks in the flow's list */
	uint16_t bytes; /* at the link: IP length + 4 */
	uint16_t flags;
	uint16_t more;
	uint8_t nsack;
};

/* The first n packets of a run that has more. */
static inline struct pkt pkt_first(const struct pkt *run, uint32_t n)
{
	struct pkt k = *run;

	k.more = n - 1;
	k.flags &= ~PKT_PSH;
	return k;
}

/* What is left of it. */
static inline void pkt_skip(struct pkt *run, uint32_t n)
{
	run->seq += run->flags & PKT_ACK ? 2 * n : n;
	run->more -= n;
	run->flags &= ~PKT_CWR;
}

/* Takes the first packet off a run. False when it was the last. */
static inline bool pkt_take(struct pkt *one, struct pkt *run)
{
	bool more = run->more;

	*one = more ? pkt_first(run, 1) : *run;
	if (more)
		pkt_skip(run, 1);
	return more;
}

struct sack_block {
	uint32_t start, end; /* packets [start, end) */
};

#define RING_LEAST 16 /* packets */

/* FIFO with a power-of-two capacity; indices run free. Grows by doubling, which steady state never
 * needs. All zero it has no memory yet. */
struct ring {
	struct pkt *p;
	uint32_t mask, head, tail;
	struct blocks *blocks; /* where its memory is from, NULL: malloc */
};

static inline uint32_t ring_len(const struct ring *r)
{
	return r->tail - r->head;
}

static inline void ring_free(struct ring *r)
{
	blocks_give(r->blocks, r->p, (r->mask + 1ull) * sizeof(*r->p));
	r->p = NULL;
}

/* Makes an empty ring; it keeps memory that is not shared. */
static inline void ring_clear(struct ring *r)
{
	r->head = r->tail = 0;
	if (r->p && blocks_shared(r->blocks))
		ring_free(r);
	if (r->p)
		return;
	r->p = blocks_take(r->blocks, RING_LEAST * sizeof(*r->p));
	r->mask = RING_LEAST - 1;
}

static NOINLINE void ring_resize(struct ring *r, uint32_t mask)
{
	uint32_t n = ring_len(r);
	struct pkt *p = blocks_take(r->blocks, (mask + 1ull) * sizeof(*p));

	for (uint32_t i = 0; i < n; i++)
		p[i] = r->p[(r->head + i) & r->mask];
	ring_free(r);
	*r = (struct ring){p, mask, 0, n, r->blocks};
}

/* Halves one that is under an eighth full. */
static inline void ring_trim(struct ring *r)
{
	if (r->mask >= RING_LEAST && ring_len(r) <= r->mask / 8)
		ring_resize(r, r->mask / 2);
}

/* Returns the copy in the ring, good until the next push. */
static inline struct pkt *ring_push(struct ring *r, const struct pkt *k)
{
	struct pkt *in;

	if (__builtin_expect(ring_len(r) > r->mask, 0))
		ring_resize(r, 2 * r->mask + 1);
	in = &r->p[r->tail++ & r->mask];
	*in = *k;
	return in;
}

static inline struct pkt *ring_head(const struct ring *r)
{
	return &r->p[r->head & r->mask];
}

#endif
