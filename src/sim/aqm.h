/*
 * Active queue management: CoDel and PIE as decisions about single packets; the link (link.h) owns
 * the queue, drops and marks.
 *
 * CoDel (RFC 8289 section 5): a packet is judged when it reaches the head and is to go on the wire.
 * Once the delay of heads has stayed at target or above for an interval, one is dropped, and the
 * next ones at drop_next += interval / sqrt(count) until a head waited less than target or no more
 * than a full packet is left behind it.
 *
 * PIE (RFC 8033, with the de-randomisation of section 5.4): a packet is judged on arrival, dropped
 * with probability drop_prob, which every interval moves by alpha (delay - target) + beta (delay -
 * delay before), alpha 1/8 and beta 5/4 per second, scaled down while drop_prob is small. The delay
 * is measured as in Linux (sch_pie.c): what the packet sent last had waited, 0 once it leaves
 * nothing behind.
 *
 * A packet of an ECN-capable transport is marked where it would have been dropped; PIE drops it all
 * the same once drop_prob exceeds 10 % (RFC 8033 section 5.1).
 */
#ifndef SIM_AQM_H
#define SIM_AQM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "sim/pkt.h"

#define AQM_FULL_PKT 1504 /* bytes: CoDel's MAXPACKET, PIE's MEAN_PKTSIZE */

enum aqm_kind { AQM_NONE, AQM_CODEL, AQM_PIE };
enum aqm_verdict { AQM_PASS, AQM_MARK, AQM_DROP };

struct aqm_conf {
	uint64_t target_ns;   /* CoDel's TARGET, PIE's QDELAY_REF */
	uint64_t interval_ns; /* CoDel's INTERVAL, PIE's T_UPDATE; over 0 */
	uint64_t burst_ns;    /* PIE's MAX_BURST */
};

/* What the RFCs recommend. */
#define AQM_CODEL_CONF ((struct aqm_conf){5000000, 100000000, 0})
#define AQM_PIE_CONF ((struct aqm_conf){15000000, 15000000, 150000000})

struct codel {
	uint64_t first_above_ns; /* when it will have been above target for an interval, 0: it is
				    not */
	uint64_t drop_next_ns;
	uint32_t count, last_count; /* drops since dropping began; when it began last */
	bool dropping;
};

struct pie {
	double drop_prob, accu_prob;
	uint64_t delay_ns, old_delay_ns; /* now; at the last update */
	uint64_t burst_ns;		 /* nothing is dropped while this is left */
	uint64_t update_ns;		 /* when drop_prob is updated next */
	struct rng rng;
};

struct aqm {
	enum aqm_kind kind;
	struct aqm_conf conf;
	struct codel codel;
	struct pie pie;
};

void aqm_init(struct aqm *a, enum aqm_kind kind, const struct aqm_conf *conf, uint64_t seed);

/* A packet arrives while queue_bytes wait and there is room for it. */
enum aqm_verdict aqm_arrive(
	struct aqm *a, const struct pkt *k, uint64_t queue_bytes, uint64_t now_ns);

/*
 * The head, whose t_ns is when it came, is to go on the wire and leaves behind_bytes waiting. On
 * AQM_DROP the next head is judged at the same now_ns with again set. What is dropped always leaves
 * a packet behind.
 */
enum aqm_verdict aqm_head(
	struct aqm *a, const struct pkt *head, uint64_t behind_bytes, uint64_t now_ns, bool again);

/* PIE's periodic update of drop_prob and the burst allowance; called by the above when due. */
void aqm_pie_update(struct aqm *a);

#endif
