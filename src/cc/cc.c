/* What controllers share, and their registry. Source: Linux net/ipv4/tcp_cong.c, RFC 5681. */
#include "cc/cc.h"

#include <string.h>

static const struct cc_ops *const registry[] = {&cc_cubic, &cc_reno, &cc_vegas, &cc_bbr};

const struct cc_ops *cc_find(const char *name)
{
	for (size_t i = 0; i < sizeof(registry) / sizeof(registry[0]); i++)
		if (!strcmp(registry[i]->name, name))
			return registry[i];
	return NULL;
}

const char *cc_name(int i)
{
	return i >= 0 && (size_t)i < sizeof(registry) / sizeof(registry[0]) ? registry[i]->name
									    : NULL;
}

const char *cc_names(void)
{
	return "cubic, reno, vegas, bbr";
}

uint32_t cc_reno_undo_cwnd(struct cc *cc)
{
	return cc->cwnd > cc->prior_cwnd ? cc->cwnd : cc->prior_cwnd;
}

void cc_rate_sample(struct cc *cc, struct cc_ack *rs, uint64_t prior_delivered, uint64_t prior_lost,
	uint64_t prior_us)
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
	if (ack_us > rs->interval_us)
		rs->interval_us = ack_us;
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
