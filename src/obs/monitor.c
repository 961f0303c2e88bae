/* ACKs to reports. */
#include "obs/monitor.h"

void monitor_init(struct monitor *m)
{
	*m = (struct monitor){.min_rtt_us = UINT32_MAX};
}

static void begin_interval(struct monitor *m, const struct cc *cc)
{
	m->last_us = cc->now_us;
	m->last_lost = cc->lost;
	m->rate_sum = 0;
	m->rates = 0;
	m->samples = 0;
}

void monitor_start(struct monitor *m, const struct cc *cc)
{
	begin_interval(m, cc);
	m->started = true;
}

static void fill(const struct monitor *m, const struct cc *cc, struct report *r)
{
	uint32_t wnd = cc->cwnd > cc->packets_out ? cc->cwnd : cc->packets_out;
	double srtt_us = cc->srtt_us8 ? cc->srtt_us8 / 8.0 : 1;
	double dt_s = (double)(cc->now_us - m->last_us) / 1e6;

	*r = (struct report){
		.thr = m->rates ? m->rate_sum / m->rates : 0,
		.pacing_rate = (double)cc->mtu * wnd / (srtt_us / 1e6),
		.loss_rate = (double)(cc->lost - m->last_lost) * cc->mss / dt_s,
		.samples = m->samples,
		.cwnd = cc->cwnd,
		.delta_t = dt_s,
		.srtt_ms = srtt_us / 1e3,
		.min_rtt_ms = m->min_rtt_us / 1e3,
	};
}

bool monitor_ack(struct monitor *m, const struct cc *cc, int64_t rtt_us, struct report *out)
{
	if (rtt_us >= 0 && rtt_us < m->min_rtt_us)
		m->min_rtt_us = (uint32_t)rtt_us;
	if (!m->started)
		return false;
	m->samples += rtt_us >= 0;
	if (cc->rate_interval_us > 0) {
		m->rate_sum +=
			(double)cc->rate_delivered * cc->mss / ((double)cc->rate_interval_us / 1e6);
		m->rates++;
	}
	if (cc->now_us - m->last_us < MONITOR_TICK_US || !m->samples)
		return false;
	fill(m, cc, out);
	begin_interval(m, cc);
	return true;
}
