/*
 * Recognises a token-bucket policer: two intervals of heavy loss in a row, each begun and ended by
 * a loss, with nearly the same delivery rate (net/ipv4/tcp_bbr.c's long-term bandwidth sampling).
 * That rate is then what the path really carries.
 */
#ifndef CC_POLICER_H
#define CC_POLICER_H

#include "cc/cc.h"

struct policer {
	uint64_t bw;				     /* of the last interval, see bw.h; 0 none */
	uint64_t last_ms, last_delivered, last_lost; /* where the interval began */
	uint32_t rounds;
	bool sampling; /* an interval is under way */
	bool found;    /* bw is the policer's; rounds counts those since */
};

/* Forgets everything. */
void policer_reset(struct policer *p, const struct cc *cc);

/* While none is found: an ACK's losses. */
void policer_sample(struct policer *p, const struct cc *cc, uint32_t losses, bool app_limited,
	bool round_start);

#endif
