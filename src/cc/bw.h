/* Bandwidths of BBR: packets per us << BW_SCALE; gains are << BW_GAIN_SCALE (net/ipv4/tcp_bbr.c).
 */
#ifndef CC_BW_H
#define CC_BW_H

#include "cc/cc.h"

enum { BW_SCALE = 24, BW_GAIN_SCALE = 8, PACING_MARGIN_PCT = 1 };

#define BW_UNIT (1ull << BW_SCALE)
#define BW_GAIN_UNIT (1 << BW_GAIN_SCALE)

/* gain times bw less the pacing margin, in bytes/s of payload. */
static inline uint64_t bw_bytes_per_s(const struct cc *cc, uint64_t bw, uint32_t gain)
{
	uint64_t rate = bw * cc->mss * gain >> BW_GAIN_SCALE;

	return rate * (1000000 / 100 * (100 - PACING_MARGIN_PCT)) >> BW_SCALE;
}

#endif
