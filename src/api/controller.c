/* The controller handle: making one, sending, and what it tells. Acknowledgements and losses are in
 * events.c. */
#include "canopy/controller.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/handle.h"
#include "base/log.h"
#include "base/opts.h"

enum {
	HZ = 250,
	JIFFIES_0 = 1000, // at the clock's 0; CUBIC takes 0 for "no epoch"
	RTO_INIT_US = 1000000,
	RTO_MIN_US = 200000,
	RTO_MAX_US = 120000000,
	MIN_RTT_WINDOW_US = 300000000,
	RTT_MAX_US = 500000000, // 1/8 us in 32 bits,
	PACE_AFTER = 10,	// packets sent before pacing starts
};

static const struct canopy_controller_conf defaults = {
	.packet_bytes = 1200,
	.initial_window = 10,
	.max_window = 1000000,
	.slack_ns = 1000000,
};
#define HEADER_BYTES 52

/* --- Making one --- */

static int unknown(const char *what)
{
	const char *names[16], *near;
	int n = 0;

	while (n < 16 && (names[n] = cc_name(n)))
		n++;
	near = opts_nearest(what, names, n);
	if (near)
		pr_err("there is no controller '%s', did you mean '%s'?\n", what, near);
	else
		pr_err("'%s' is neither a controller (%s) nor a model file\n", what, cc_names());
	return -EINVAL;
}

static int load(struct canopy_controller *c, const char *what)
{
	size_t len = strlen(what);
	int err;

	c->cc.ops = cc_find(what);
	if (c->cc.ops)
		return 0;
	if (!strchr(what, '/') && access(what, F_OK) &&
		(len < 12 || strcmp(what + len - 12, ".safetensors")))
		return unknown(what);
	err = model_load(&c->model, what);
	if (err)
		return err;
	c->cc.ops = &cc_policy;
	c->mlp = model_fold(c->model);
	c->scratch = c->mlp ? malloc(mlp_scratch(c->mlp) * sizeof(float)) : NULL;
	c->policy = (struct policy_conf){.mode = POLICY_MODEL,
		.mlp = c->mlp,
		.states = c->model->states,
		.scratch = c->scratch};
	return c->scratch ? 0 : -ENOMEM;
}

static int resolve(struct canopy_controller_conf *out, const struct canopy_controller_conf *conf)
{
	struct canopy_controller_conf k = conf ? *conf : defaults;

	if (!k.packet_bytes)
		k.packet_bytes = defaults.packet_bytes;
	if (!k.wire_bytes)
		k.wire_bytes = k.packet_bytes + HEADER_BYTES;
	if (!k.initial_window)
		k.initial_window = defaults.initial_window;
	if (!k.max_window)
		k.max_window = defaults.max_window;
	if (!k.slack_ns)
		k.slack_ns = defaults.slack_ns;
	if (k.packet_bytes > UINT16_MAX || k.wire_bytes < k.packet_bytes ||
		k.initial_window > k.max_window || k.max_window >= CC_SSTHRESH_MAX ||
		k.initial_rtt_ns > RTT_MAX_US * 1000ull || k.pacing < -1 || k.pacing > 1) {
		pr_err("controller: a field of the configuration is out of range (see "
		       "canopy/controller.h)\n");
		return -EINVAL;
	}
	*out = k;
	return 0;
}

static void init_cc(struct canopy_controller *c, const struct canopy_controller_conf *k)
{
	struct cc *cc = &c->cc;
	uint64_t rtt_us = k->initial_rtt_ns / 1000;

	cc->cwnd = k->initial_window;
	cc->ssthresh = CC_SSTHRESH_MAX;
	cc->pacing = k->pacing > 0;
	cc->pacing_set = k->pacing != 0;
	cc->hz = HZ;
	cc->mss = k->packet_bytes;
	cc->mtu = k->wire_bytes;
	cc->cwnd_clamp = k->max_window;
	cc->min_rtt_us = UINT32_MAX;
	cc->rng = &c->rng;
	cc->delivered_us = c->first_tx_us = c->cwnd_stamp_us = cc->now_us;
	c->rto_us = RTO_INIT_US;
	minmax_reset(&c->min_rtt, cc->now_us, UINT32_MAX);
	if (k->initial_rtt_ns)
		handle_rtt(c, rtt_us ? rtt_us : 1, rtt_us ? rtt_us : 1);
	cc->pacing_rate = (uint64_t)cc->mss * cc->cwnd * 2 * 1000000 / (rtt_us ? rtt_us : 1000);
	cc->ops->init(cc, cc->ops == &cc_policy ? &c->policy : NULL);
}

int canopy_controller_new(struct canopy_controller **out, const char *what,
	const struct canopy_controller_conf *conf, uint64_t now_ns)
{
	struct canopy_controller_conf k;
	struct canopy_controller *c;
	int err;

	if (!out || !what)
		return -EINVAL;
	err = resolve(&k, conf);
	if (err)
		return err;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	err = load(c, what);
	if (!err && !(c->cc.priv = calloc(1, c->cc.ops->priv_size + 1)))
		err = -ENOMEM;
	if (err) {
		c->cc.ops = NULL;
		canopy_controller_free(c);
		return err;
	}
	rng_init(&c->rng, k.seed, 0);
	c->tag = (uint32_t)((uintptr_t)c >> 4);
	c->slack_ns = k.slack_ns;
	c->initial_window = k.initial_window;
	handle_clock(c, now_ns);
	init_cc(c, &k);
	*out = c;
	return 0;
}

void canopy_controller_free(struct canopy_controller *c)
{
	if (!c)
		return;
	if (c->cc.ops && c->cc.ops->release)
		c->cc.ops->release(&c->cc);
	free(c->cc.priv);
	free(c->scratch);
	mlp_free(c->mlp);
	model_free(c->model);
	free(c);
}

/* --- Time --- */

bool handle_clock(struct canopy_controller *c, uint64_t now_ns)
{
	if (now_ns < c->last_ns)
		return false;
	c->last_ns = now_ns;
	c->cc.now_ns = now_ns;
	c->cc.now_us = now_ns / 1000;
	c->cc.jiffies = (uint32_t)(now_ns / (1000000000 / HZ) + JIFFIES_0);
	return true;
}

void handle_rtt(struct canopy_controller *c, uint32_t newest_us, uint32_t oldest_us)
{
	struct cc *cc = &c->cc;
	int64_t err;

	cc->min_rtt_us = minmax_take(&c->min_rtt, false, MIN_RTT_WINDOW_US, cc->now_us, newest_us);
	oldest_us = oldest_us < RTT_MAX_US ? oldest_us : RTT_MAX_US;
	if (!cc->srtt_us8) {
		cc->srtt_us8 = oldest_us << 3;
		c->rttvar_us = oldest_us / 2;
	} else { // RFC 6298
		err = (int64_t)oldest_us - (cc->srtt_us8 >> 3);
		cc->srtt_us8 += err;
		c->rttvar_us += ((err < 0 ? -err : err) - (int64_t)c->rttvar_us) / 4;
	}
	cc->srtt_us8 = cc->srtt_us8 > 1 ? cc->srtt_us8 : 1;
	c->rto_us = 4ull * c->rttvar_us;
	c->rto_us = (cc->srtt_us8 >> 3) + (c->rto_us > RTO_MIN_US ? c->rto_us : RTO_MIN_US);
	c->rto_us = c->rto_us < RTO_MAX_US ? c->rto_us : RTO_MAX_US;
}

/* --- Sending --- */

uint32_t handle_current_ssthresh(const struct canopy_controller *c)
{
	const struct cc *cc = &c->cc;
	uint32_t three_quarters = (cc->cwnd >> 1) + (cc->cwnd >> 2);

	return handle_reducing(c) || cc->ssthresh > three_quarters ? cc->ssthresh : three_quarters;
}

void handle_validate(struct canopy_controller *c, bool limited)
{
	struct cc *cc = &c->cc;

	if (c->largest >= c->cwnd_usage_seq || limited ||
		(!cc->cwnd_limited && cc->packets_out > cc->max_packets_out)) {
		cc->cwnd_limited = limited;
		cc->max_packets_out = cc->packets_out;
		c->cwnd_usage_seq = cc->snd_nxt;
	}
	if (cc_is_cwnd_limited(cc)) {
		c->cwnd_used = 0;
		c->cwnd_stamp_us = cc->now_us;
		return;
	}
	if (cc->packets_out > c->cwnd_used)
		c->cwnd_used = cc->packets_out;
	if (cc->ops->cong_control || cc->now_us - c->cwnd_stamp_us < c->rto_us ||
		cc->state != CC_OPEN)
		return;
	// RFC 2861: an application that does not use its window loses it by halves.
	if (c->cwnd_used < cc->cwnd) {
		uint32_t used = c->cwnd_used > c->initial_window ? c->cwnd_used : c->initial_window;

		cc->ssthresh = handle_current_ssthresh(c);
		cc->cwnd = (cc->cwnd + used) / 2;
	}
	c->cwnd_used = 0;
	c->cwnd_stamp_us = cc->now_us;
}

// tcp_slow_start_after_idle_check
static void restart_after_idle(struct canopy_controller *c)
{
	struct cc *cc = &c->cc;
	int64_t idle = cc->now_us - c->last_send_us;
	uint32_t restart = cc->cwnd < c->initial_window ? cc->cwnd : c->initial_window;

	if (cc->ops->cong_control || !c->sent || idle <= (int64_t)c->rto_us)
		return;
	if (cc->ops->cwnd_event)
		cc->ops->cwnd_event(cc, CC_EV_CWND_RESTART);
	cc->ssthresh = handle_current_ssthresh(c);
	while ((idle -= c->rto_us) > 0 && cc->cwnd > restart)
		cc->cwnd /= 2;
	cc->cwnd = cc->cwnd > restart ? cc->cwnd : restart;
	c->cwnd_used = 0;
	c->cwnd_stamp_us = cc->now_us;
}

// The time of the next packet under pacing; up to half a packet's time lost is made up.
static void pace(struct canopy_controller *c)
{
	struct cc *cc = &c->cc;
	uint64_t prior = cc->wstamp_ns, len_ns, credit;

	if (cc->wstamp_ns < cc->now_ns)
		cc->wstamp_ns = cc->now_ns;
	if (!cc->pacing || !cc->pacing_rate || cc->data_segs_out < PACE_AFTER)
		return;
	len_ns = cc->mss * 1000000000ull / cc->pacing_rate;
	credit = cc->wstamp_ns - prior;
	cc->wstamp_ns += len_ns - (credit < len_ns / 2 ? credit : len_ns / 2);
}

int canopy_controller_on_packet_sent(
	struct canopy_controller *c, uint64_t now_ns, struct canopy_packet *packet)
{
	struct sent *p = (struct sent *)packet;
	struct cc *cc;

	if (!c || !p || (p->tag == c->tag && p->state == SENT_IN_FLIGHT) ||
		!handle_clock(c, now_ns))
		return -EINVAL;
	cc = &c->cc;
	if (!cc->packets_out) {
		restart_after_idle(c);
		if (cc->ops->cwnd_event)
			cc->ops->cwnd_event(cc, CC_EV_TX_START);
		c->first_tx_us = cc->delivered_us = cc->now_us;
	}
	cc->packets_out++;
	*p = (struct sent){
		.number = cc->snd_nxt++,
		.sent_us = cc->now_us,
		.first_tx_ago_us = cc->now_us - c->first_tx_us,
		.delivered_ago_us = cc->now_us - cc->delivered_us,
		.delivered = cc->delivered,
		.in_flight = cc->packets_out,
		.tag = c->tag,
		.state = SENT_IN_FLIGHT,
		.app_limited = cc->app_limited,
	};
	c->sent++;
	cc->data_segs_out++;
	c->last_send_us = cc->now_us;
	c->prr_out += handle_reducing(c);
	pace(c);
	handle_validate(c, cc->packets_out >= cc->cwnd);
	return 0;
}

int canopy_controller_on_app_limited(struct canopy_controller *c, uint64_t now_ns)
{
	uint64_t until;

	if (!c || !handle_clock(c, now_ns))
		return -EINVAL;
	until = c->cc.delivered + c->cc.packets_out;
	c->cc.app_limited = until ? until : 1;
	return 0;
}

uint64_t canopy_controller_next_send(struct canopy_controller *c, uint64_t now_ns)
{
	if (!c)
		return CANOPY_NEVER;
	if (c->cc.packets_out >= c->cc.cwnd) {
		handle_clock(c, now_ns);
		handle_validate(c, true);
		return CANOPY_NEVER;
	}
	if (!c->cc.pacing || c->cc.wstamp_ns <= now_ns + c->slack_ns)
		return now_ns;
	return c->cc.wstamp_ns - c->slack_ns;
}

/* --- What it tells --- */

uint32_t canopy_controller_window(const struct canopy_controller *c)
{
	return c ? c->cc.cwnd : 0;
}

uint64_t canopy_controller_window_bytes(const struct canopy_controller *c)
{
	return c ? (uint64_t)c->cc.cwnd * c->cc.mss : 0;
}

uint64_t canopy_controller_pacing_rate(const struct canopy_controller *c)
{
	return c ? c->cc.pacing_rate : 0;
}

uint32_t canopy_controller_ssthresh(const struct canopy_controller *c)
{
	return c ? c->cc.ssthresh : 0;
}

uint32_t canopy_controller_in_flight(const struct canopy_controller *c)
{
	return c ? c->cc.packets_out : 0;
}

int canopy_controller_stats(const struct canopy_controller *c, struct canopy_controller_stats *out)
{
	static const enum canopy_controller_state states[] = {
		CANOPY_OPEN, CANOPY_OPEN, CANOPY_REDUCING, CANOPY_RECOVERY, CANOPY_TIMED_OUT};
	const struct cc *cc;

	if (!c || !out)
		return -EINVAL;
	cc = &c->cc;
	*out = (struct canopy_controller_stats){
		.state = states[cc->state],
		.sent = c->sent,
		.delivered = cc->delivered,
		.lost = cc->lost,
		.recoveries = c->recoveries,
		.timeouts = c->timeouts,
		.undone = c->undone,
		.srtt_ns = cc->srtt_us8 * 125ull,
		.min_rtt_ns = cc->min_rtt_us == UINT32_MAX ? 0 : cc->min_rtt_us * 1000ull,
		.rto_ns = c->rto_us * 1000,
		.delivery_rate = cc->rate_interval_us > 0
					 ? cc->rate_delivered * 1e6 * cc->mss / cc->rate_interval_us
					 : 0,
		.decisions = cc->ops == &cc_policy ? policy_stats(cc)->decisions : 0,
	};
	return 0;
}
