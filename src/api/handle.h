/*
 * The controller handle behind include/canopy/controller.h: a sender's book-keeping without its packets.
 *
 * Names follow Linux and src/sim, whose rules these are, less what needs TCP's sequence space: a packet number is
 * used once, so nothing is ever retransmitted and in flight means cc.packets_out.
 */
#ifndef API_HANDLE_H
#define API_HANDLE_H

#include "base/minmax.h"
#include "base/rng.h"
#include "canopy/controller.h"
#include "cc/cc.h"
#include "model/model.h"
#include "policy/policy.h"

enum sent_state { SENT_NONE, SENT_IN_FLIGHT, SENT_LOST, SENT_DONE };

/* struct canopy_packet from inside. */
struct __attribute__((may_alias)) sent {
	uint64_t number, sent_us;
	uint32_t first_tx_ago_us, delivered_ago_us; /* tcp_rate.c's, before sent_us */
	uint64_t delivered;
	uint32_t in_flight; /* this packet included */
	uint32_t epoch;     /* reduction that it was declared lost in, 0 none */
	uint32_t tag;       /* of the handle */
	uint8_t state;
	bool app_limited;
};
_Static_assert(sizeof(struct sent) <= sizeof(struct canopy_packet), "a packet's record holds its state");

struct canopy_controller {
	struct cc cc;
	struct rng rng;
	struct model *model;
	struct mlp *mlp;
	float *scratch;
	struct policy_conf policy;

	uint64_t last_ns, slack_ns; /* latest time seen; how early a paced packet may leave */
	uint32_t tag, initial_window;
	uint64_t largest;     /* acknowledged + 1 */
	struct minmax min_rtt;
	uint32_t rttvar_us;
	uint64_t rto_us;

	/* the delivery rate: send time of the newest packet delivered */
	uint64_t first_tx_us;

	/* a reduction */
	uint64_t high_seq;    /* first packet sent after it began */
	uint32_t prr_delivered, prr_out, prior_ssthresh;
	uint32_t epoch, undo_left; /* its losses not yet refuted */
	bool may_undo;

	/* was the window used? */
	uint64_t cwnd_usage_seq, cwnd_stamp_us, last_send_us;
	uint32_t cwnd_used;

	uint64_t sent, recoveries, timeouts, undone;
};

/* Brings cc's clock to now. False when time would run backwards. */
bool handle_clock(struct canopy_controller *c, uint64_t now_ns);

/* An RTT sample: newest_us for the minimum, oldest_us for the smoothed RTT, as Linux takes them. */
void handle_rtt(struct canopy_controller *c, uint32_t newest_us, uint32_t oldest_us);

/* tcp_cwnd_validate: was the window what limited sending? */
void handle_validate(struct canopy_controller *c, bool limited);

/* ssthresh to return to when a reduction is undone, and after idling (tcp_current_ssthresh). */
uint32_t handle_current_ssthresh(const struct canopy_controller *c);

static inline bool handle_reducing(const struct canopy_controller *c)
{
	return c->cc.state == CC_CWR || c->cc.state == CC_RECOVERY;
}

#endif
