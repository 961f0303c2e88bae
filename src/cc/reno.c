/* Reno: slow start, one packet a round trip, half on loss (RFC 5681; Linux net/ipv4/tcp_cong.c). */
#include "cc/cc.h"

static void reno_init(struct cc *cc, const void *arg)
{
}

static uint32_t reno_ssthresh(struct cc *cc)
{
	return cc->cwnd > 4 ? cc->cwnd / 2 : 2;
}

static void reno_cong_avoid(struct cc *cc, uint32_t acked)
{
	if (!cc_is_cwnd_limited(cc))
		return;
	if (cc_in_slow_start(cc)) {
		acked = cc_slow_start(cc, acked);
		if (!acked)
			return;
	}
	cc_cong_avoid_ai(cc, cc->cwnd, acked);
}

const struct cc_ops cc_reno = {
	.name = "reno",
	.init = reno_init,
	.ssthresh = reno_ssthresh,
	.undo_cwnd = cc_reno_undo_cwnd,
	.cong_avoid = reno_cong_avoid,
};
