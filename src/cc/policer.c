/* Loss intervals and their rates. */
#include "cc/policer.h"

#include "cc/bw.h"

enum {
	MIN_ROUNDS = 4,		  /* of an interval; four times as many are too long */
	LOSS_THRESH = 50,	  /* of 256: heavy loss */
	RATIO = BW_GAIN_UNIT / 8, /* rates that differ by less than an eighth ... */
	DIFF = 4000 / 8,	  /* ... or by these bytes/s are the same */
};

static void begin(struct policer *p, const struct cc *cc)
{
	p->last_ms = cc->delivered_us / 1000;
	p->last_delivered = cc->delivered;
	p->last_lost = cc->lost;
	p->rounds = 0;
}

void policer_reset(struct policer *p, const struct cc *cc)
{
	p->bw = 0;
	p->found = p->sampling = false;
	begin(p, cc);
}

static void interval_done(struct policer *p, const struct cc *cc, uint64_t bw)
{
	uint64_t diff = bw > p->bw ? bw - p->bw : p->bw - bw;

	if (p->bw && (diff * BW_GAIN_UNIT <= RATIO * p->bw ||
			     bw_bytes_per_s(cc, diff, BW_GAIN_UNIT) <= DIFF)) {
		p->bw = (bw + p->bw) / 2;
		p->found = true;
		p->rounds = 0;
		return;
	}
	p->bw = bw;
	begin(p, cc);
}

void policer_sample(
	struct policer *p, const struct cc *cc, uint32_t losses, bool app_limited, bool round_start)
{
	uint64_t lost, delivered;
	int64_t ms;

	if (!p->sampling) {
		if (!losses)
			return;
		begin(p, cc);
		p->sampling = true;
	}
	if (app_limited) {
		policer_reset(p, cc);
		return;
	}
	p->rounds += round_start;
	if (p->rounds < MIN_ROUNDS)
		return;
	if (p->rounds > 4 * MIN_ROUNDS) {
		policer_reset(p, cc);
		return;
	}
	lost = cc->lost - p->last_lost;
	delivered = cc->delivered - p->last_delivered;
	if (!losses || !delivered || lost << 8 < LOSS_THRESH * delivered)
		return;
	ms = cc->delivered_us / 1000 - p->last_ms;
	if (ms >= 1)
		interval_done(p, cc, delivered * BW_UNIT / (ms * 1000));
}
