/*
 * Explicit congestion notification (RFC 3168) as Linux does it (include/net/tcp_ecn.h,
 * tcp_input.c). Inside src/sim only.
 *
 * New data is ECN-capable, retransmissions, SYNs and pure ACKs are not. The receiver sets ECE on
 * its ACKs from a CE mark until data with CWR comes; the sender reduces its window once and sends
 * CWR on the next new data.
 */
#ifndef SIM_ECN_H
#define SIM_ECN_H

#include "sim/flow.h"

enum { ECN_QUICK_ACKS = 2, ECN_ATO_US = 40000 };

/* The window was reduced: say so (tcp_ecn_queue_cwr), or not after all (tcp_ecn_withdraw_cwr). */
static inline void ecn_queue_cwr(struct flow *f)
{
	f->s.cwr_due = f->conf.ecn;
}

static inline void ecn_withdraw_cwr(struct flow *f)
{
	f->s.cwr_due = false;
}

/* Flags of the first packet of a burst of new data; the others have no PKT_CWR (SKB_GSO_TCP_ECN).
 */
static inline uint16_t ecn_new_data(struct flow *f)
{
	uint16_t flags = f->conf.ecn ? PKT_ECT : 0;

	if (f->s.cwr_due)
		flags |= PKT_CWR;
	f->s.cwr_due = false;
	return flags;
}

/* The receiver sees CWR (tcp_ecn_accept_cwr): true when it must answer at once. */
static inline bool ecn_accept_cwr(struct flow *f, const struct pkt *k)
{
	if (!(k->flags & PKT_CWR))
		return false;
	f->r.ece = false;
	return true;
}

/* Data that is no duplicate (tcp_data_ecn_check): a mark asks for ECE, and quick ACKs keep a small
 * window going; so does data without ECT, which is a retransmission. */
static inline void ecn_data(struct flow *f, const struct pkt *k)
{
	struct receiver *r = &f->r;
	bool quick = k->flags & PKT_CE ? !r->ece : !(k->flags & PKT_ECT) && r->ecn_seen;

	if (quick) {
		r->quick = r->quick > ECN_QUICK_ACKS ? r->quick : ECN_QUICK_ACKS;
		r->ato_us = ECN_ATO_US;
	}
	if (k->flags & PKT_CE)
		r->ece = true;
	if (k->flags & (PKT_CE | PKT_ECT))
		r->ecn_seen = true;
}

#endif
