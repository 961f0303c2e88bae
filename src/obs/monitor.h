/*
 * The monitor: turns a flow's ACKs into a report about every 20 ms.
 *
 * It is fed from pkts_acked, before the window changes, with fields that the simulator and the
 * kernel (bpf_tcp_sock and friends) both keep, so that both make the same reports from the same
 * ACKs. At that point the delivery-rate sample and the lost counter are those that stood before
 * this ACK.
 */
#ifndef OBS_MONITOR_H
#define OBS_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

#include "cc/cc.h"

#define MONITOR_TICK_US 20000

/* One tick of one flow. */
struct report {
	double thr;	    /* bytes/s: mean over the ACKs of delivered * mss / interval */
	double pacing_rate; /* bytes/s: mtu * max(cwnd, packets_out) / srtt */
	double loss_rate;   /* bytes/s newly marked lost: growth of lost * mss / delta_t */
	double samples;	    /* RTT samples since the last report, at least 1 */
	double cwnd;	    /* packets, at the report and before any action */
	double delta_t;	    /* s since the last report, or since the start */
	double srtt_ms;	    /* smoothed RTT */
	double min_rtt_ms;  /* smallest RTT since the flow began, never forgotten */
};

struct monitor {
	uint64_t last_us;   /* of the last report */
	uint64_t last_lost; /* cc->lost then */
	double rate_sum;    /* bytes/s over `rates` ACKs since then */
	uint32_t rates;
	uint32_t samples;    /* RTT samples since then */
	uint32_t min_rtt_us; /* UINT32_MAX before the first sample */
	bool started;
};

/* Call at the flow's start: the minimum RTT counts from here. */
void monitor_init(struct monitor *m);

/* Begins the first report interval at this ACK, which itself does not count in it. */
void monitor_start(struct monitor *m, const struct cc *cc);

/*
 * Takes in one ACK; rtt_us is its RTT sample, below 0 for none. True when it completes a report:
 * the first ACK at least 20 ms after the last report, if there was an RTT sample since. This ACK is
 * part of it. An ACK before any delivery-rate sample does not count in the mean; thr is 0 when none
 * counted.
 */
bool monitor_ack(struct monitor *m, const struct cc *cc, int64_t rtt_us, struct report *out);

#endif
