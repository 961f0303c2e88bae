/* The rings and marks of what is in flight, and their growth. */
#include "sim/sent.h"

#define LEAST 16       /* records at first */
#define LEAST_MARKS 64 /* and marks */

// Changes the capacity; indices stay as they are.
static void resize(struct sent *s, struct tx_ring *r, uint32_t mask)
{
	struct tx_ring to = {.mask = mask, .head = r->head, .tail = r->tail};

	to.tx = blocks_take(s->blocks, (mask + 1ull) * sizeof(*to.tx));
	for (uint32_t i = r->head; i != r->tail; i++)
		*tx_at(&to, i) = *tx_at(r, i);
	blocks_give(s->blocks, r->tx, (r->mask + 1ull) * sizeof(*r->tx));
	*r = to;
}

static void clear(struct sent *s, struct tx_ring *r)
{
	r->head = r->tail = 0;
	if (!r->tx || (r->mask >= LEAST && blocks_shared(s->blocks)))
		resize(s, r, LEAST - 1);
}

static void free_marks(struct sent *s)
{
	blocks_give(s->blocks, s->mark, (s->mark_mask + 1ull) * sizeof(*s->mark));
	s->mark = NULL;
}

void sent_clear(struct sent *s)
{
	clear(s, &s->bursts);
	clear(s, &s->retx);
	s->retx_scan = 0;
	s->detailed = false;
	if (blocks_shared(s->blocks))
		free_marks(s);
}

void sent_free(struct sent *s)
{
	blocks_give(s->blocks, s->bursts.tx, (s->bursts.mask + 1ull) * sizeof(*s->bursts.tx));
	blocks_give(s->blocks, s->retx.tx, (s->retx.mask + 1ull) * sizeof(*s->retx.tx));
	free_marks(s);
}

static void trim(struct sent *s, struct tx_ring *r)
{
	if (r->mask >= LEAST && r->tail - r->head <= r->mask / 8)
		resize(s, r, r->mask / 2);
}

void sent_trim(struct sent *s)
{
	trim(s, &s->bursts);
	trim(s, &s->retx);
	if (!s->detailed)
		free_marks(s);
}

static struct tx *push(struct sent *s, struct tx_ring *r)
{
	if (__builtin_expect(r->tail - r->head > r->mask, 0))
		resize(s, r, 2 * r->mask + 1);
	return tx_at(r, r->tail++);
}

// Makes room for marks of packets [una, end), of which those below nxt have one.
static void reserve_marks(struct sent *s, uint32_t una, uint32_t nxt, uint32_t end)
{
	uint32_t mask = s->mark ? s->mark_mask : LEAST_MARKS - 1, *more;

	while (end - una > mask)
		mask = 2 * mask + 1;
	if (s->mark && mask == s->mark_mask)
		return;
	more = blocks_take(s->blocks, (mask + 1ull) * sizeof(*more));
	for (uint32_t seq = una; seq != nxt; seq++)
		more[seq & mask] = s->mark[seq & s->mark_mask];
	free_marks(s);
	s->mark = more;
	s->mark_mask = mask;
}

static void mark_burst(struct sent *s, uint32_t burst, uint32_t from)
{
	for (uint32_t seq = from; seq != tx_at(&s->bursts, burst)->end; seq++)
		*sent_mark(s, seq) = burst << TX_INDEX_SHIFT;
}

void sent_detail(struct sent *s, uint32_t una, uint32_t nxt)
{
	if (s->detailed)
		return;
	reserve_marks(s, una, una, nxt);
	s->detailed = true;
	for (uint32_t i = s->bursts.head; i != s->bursts.tail; i++) {
		const struct tx *t = tx_at(&s->bursts, i);

		mark_burst(s, i, t->seq < una ? una : t->seq);
	}
}

struct tx *sent_burst(struct sent *s, uint32_t una, uint32_t seq, uint32_t n)
{
	struct tx *t = push(s, &s->bursts);

	t->seq = seq;
	t->end = seq + n;
	if (s->detailed) {
		reserve_marks(s, una, seq, seq + n);
		mark_burst(s, s->bursts.tail - 1, seq);
	}
	return t;
}

// Drops the oldest retransmissions while their packets are acknowledged or were sent once more.
static void drop_stale(struct sent *s, uint32_t una)
{
	struct tx_ring *r = &s->retx;

	while (r->head != s->retx_scan && (tx_at(r, r->head)->seq < una ||
		sent_marked(s, *sent_mark(s, tx_at(r, r->head)->seq)) != tx_at(r, r->head)))
		r->head++;
}

struct tx *sent_again(struct sent *s, uint32_t una, uint32_t seq)
{
	struct tx *t;

	if (s->retx.tail - s->retx.head > s->retx.mask)
		drop_stale(s, una);
	t = push(s, &s->retx);
	t->seq = seq;
	t->end = seq + 1;
	*sent_mark(s, seq) = (*sent_mark(s, seq) & TX_FLAGS) | TX_EVER_RETRANS |
			     (s->retx.tail - 1) << TX_INDEX_SHIFT;
	return t;
}
