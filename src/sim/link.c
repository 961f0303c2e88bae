/* The bottleneck: mahimahi's opportunities or a smooth rate, and its drop rules. */
#include "sim/link.h"

#include <errno.h>
#include <math.h>

#include "sim/link_log.h"

#define NS_PER_MS 1000000ull

int link_init(struct link *l, const struct link_conf *conf, uint64_t seed, link_deliver_fn *deliver,
	void *arg)
{
	const struct trace *t = conf->trace;

	memset(l, 0, sizeof(*l));
	l->conf = *conf;
	l->deliver = deliver;
	l->arg = arg;
	l->next_ns = LINK_NEVER;
	l->grid = !t->rate_bps;
	l->ns_per_byte = t->rate_bps ? 8e9 / t->rate_bps : 0;
	l->op_ns = l->grid ? t->t_ms[0] * NS_PER_MS : LINK_NEVER;
	rng_init(&l->rng, seed, 0);
	aqm_init(&l->aqm,
		conf->queue == QUEUE_CODEL ? AQM_CODEL
		: conf->queue == QUEUE_PIE ? AQM_PIE
					   : AQM_NONE,
		&conf->aqm, seed);
	loss_init(&l->chain, &conf->burst_loss, seed);
	ring_init(&l->q, conf->limit_pkts && conf->limit_pkts < 4096 ? conf->limit_pkts + 1 : 1024);
	if (conf->stats) {
		l->stats.delays = calloc(1, sizeof(*l->stats.delays));
		if (!l->stats.delays)
			return -ENOMEM;
		l->stats.delays->unit_ns = l->grid ? NS_PER_MS : 10000;
	}
	return 0;
}

void link_free(struct link *l)
{
	free(l->q.p);
	free(l->stats.delays);
}

// The head has crossed the link at its scheduled time at_ns; it is seen behind it now.
static void depart(struct link *l, uint64_t at_ns, uint64_t now_ns)
{
	const struct pkt *k = ring_head(&l->q);
	uint64_t delay = at_ns - k->t_ns;

	l->wire_left = 0;
	l->q.head++;
	l->stats.departures++;
	l->stats.bytes_out += k->bytes;
	l->stats.delay_sum_ns += delay;
	if (delay > l->stats.delay_max_ns)
		l->stats.delay_max_ns = delay;
	if (l->stats.delays)
		hist_add(l->stats.delays, delay);
	if (l->conf.log)
		link_log_departure(l->conf.log, at_ns / NS_PER_MS, k->bytes, delay / NS_PER_MS);
	l->deliver(l->arg, k, now_ns);
}

static void count_drop(struct link *l, const struct pkt *victim, uint64_t at_ns)
{
	l->stats.drops++;
	l->stats.queue_bytes -= victim->bytes;
	if (l->conf.log)
		link_log_drop(l->conf.log, at_ns / NS_PER_MS, 1, victim->bytes);
	if (l->gone)
		l->gone(l->arg, victim, at_ns);
}

static void mark(struct link *l, struct pkt *k)
{
	k->flags |= PKT_CE;
	l->stats.marks++;
}

// Drops heads until one may go on the wire.
static void judge_head(struct link *l, uint64_t at_ns)
{
	for (bool again = false;; again = true) {
		struct pkt *head = ring_head(&l->q);
		enum aqm_verdict v =
			aqm_head(&l->aqm, head, l->stats.queue_bytes - head->bytes, at_ns, again);

		if (v == AQM_MARK)
			mark(l, head);
		if (v != AQM_DROP)
			return;
		count_drop(l, head, at_ns);
		l->q.head++;
	}
}

// The packet at the head goes on the wire: it no longer counts in the queue.
static void start_wire(struct link *l, uint64_t at_ns)
{
	if (l->aqm.kind)
		judge_head(l, at_ns);
	l->wire_left = ring_head(&l->q)->bytes;
	l->stats.queue_bytes -= l->wire_left;
}

static void next_op(struct link *l)
{
	const struct trace *t = l->conf.trace;

	l->stats.capacity_bytes += TRACE_QUANTUM;
	if (l->conf.log)
		link_log_opportunity(l->conf.log, l->op_ns / NS_PER_MS);
	if (++l->next_op == t->n) {
		l->base_ms += t->t_ms[l->next_op - 1];
		l->next_op = 0;
	}
	l->op_ns = (l->base_ms + t->t_ms[l->next_op]) * NS_PER_MS;
}

// One opportunity: 1504 bytes of what waits.
static void use_opportunity(struct link *l, uint64_t at_ns, uint64_t now_ns)
{
	uint32_t left = TRACE_QUANTUM;

	while (ring_len(&l->q)) {
		if (!l->wire_left)
			start_wire(l, at_ns);
		if (l->wire_left > left) {
			l->wire_left -= left;
			return;
		}
		left -= l->wire_left;
		depart(l, at_ns, now_ns);
		if (!left)
			return;
	}
}

// When the next opportunity is acted on: a polling process adds the fraction of a millisecond it
// slept from.
static uint64_t wake_ns(const struct link *l, uint64_t now_ns)
{
	return l->conf.poll_ns ? l->op_ns + now_ns % NS_PER_MS + l->slack_ns : l->op_ns;
}

static void serve_grid(struct link *l, uint64_t now_ns)
{
	while (ring_len(&l->q)) {
		uint64_t at = l->op_ns;

		if (at > now_ns) {
			l->next_ns = wake_ns(l, now_ns);
			return;
		}
		next_op(l);
		use_opportunity(l, at, now_ns);
	}
	link_count(l, now_ns);
	l->next_ns = LINK_NEVER;
}

static void start_smooth(struct link *l, uint64_t now_ns)
{
	if (l->free_at_ns + 1 < now_ns) // not simply the rounding of the last departure
		l->free_at_ns = now_ns;
	start_wire(l, now_ns);
	l->free_at_ns += l->wire_left * l->ns_per_byte;
	l->next_ns = ceil(l->free_at_ns);
}

static void serve_smooth(struct link *l, uint64_t now_ns)
{
	while (l->next_ns <= now_ns) {
		uint64_t at = l->next_ns;

		depart(l, at, at);
		l->next_ns = LINK_NEVER;
		if (ring_len(&l->q))
			start_smooth(l, at);
	}
}

// Passes opportunities that find nothing to send: whole rounds and strides of the trace at once.
static void skip_ops(struct link *l, uint64_t now_ns)
{
	const struct trace *t = l->conf.trace;
	uint64_t last = t->t_ms[t->n - 1], now_ms = now_ns / NS_PER_MS, ops = 0;

	while (l->op_ns <= now_ns && l->conf.log)
		next_op(l);
	while (l->base_ms + t->t_ms[l->next_op] <= now_ms) {
		size_t stride = t->n - l->next_op > 8 ? 8 : 1;

		if (!l->next_op && l->base_ms + last <= now_ms) {
			uint64_t rounds = (now_ms - l->base_ms) / last;

			ops += rounds * t->n;
			l->base_ms += rounds * last;
			continue;
		}
		if (l->base_ms + t->t_ms[l->next_op + stride - 1] > now_ms)
			stride = 1;
		ops += stride;
		l->next_op += stride;
		if (l->next_op == t->n) {
			l->next_op = 0;
			l->base_ms += last;
		}
	}
	l->stats.capacity_bytes += ops * TRACE_QUANTUM;
	l->op_ns = (l->base_ms + t->t_ms[l->next_op]) * NS_PER_MS;
}

void link_count(struct link *l, uint64_t now_ns)
{
	if (!l->grid)
		l->stats.capacity_bytes = now_ns / l->ns_per_byte;
	else if (!ring_len(&l->q) && l->op_ns <= now_ns)
		skip_ops(l, now_ns);
}

// Packets that wait, the one on the wire apart.
static uint32_t waiting(const struct link *l)
{
	return ring_len(&l->q) - (l->wire_left > 0);
}

uint32_t link_wakeup_ns(struct rng *r)
{
	double ns = 20e3 + 35e3 * rng_exp(r);

	return rng_u64(r) >> 58 ? ns : ns + 800e3 * rng_exp(r);
}

static void draw_slack(struct link *l)
{
	if (l->conf.poll_ns)
		l->slack_ns = l->conf.poll_ns + link_wakeup_ns(&l->rng);
}

void link_serve(struct link *l, uint64_t now_ns)
{
	draw_slack(l);
	if (l->grid)
		serve_grid(l, now_ns);
	else
		serve_smooth(l, now_ns);
	l->stats.queue_pkts = waiting(l);
}

static bool over_limit(const struct link *l)
{
	const struct link_conf *c = &l->conf;

	return c->queue != QUEUE_INFINITE &&
	       ((c->limit_pkts && waiting(l) > c->limit_pkts) ||
		       (c->limit_bytes && l->stats.queue_bytes > c->limit_bytes));
}

// Drops one packet that waits: the last, or the first that is not on the wire.
static void drop(struct link *l, uint64_t now_ns)
{
	struct pkt *head = ring_head(&l->q), victim;

	if (l->conf.queue != QUEUE_DROPHEAD) {
		victim = l->q.p[--l->q.tail & l->q.mask];
	} else if (l->wire_left) {
		struct pkt *second = &l->q.p[(l->q.head + 1) & l->q.mask];

		victim = *second;
		*second = *head;
		l->q.head++;
	} else {
		victim = *head;
		l->q.head++;
	}
	count_drop(l, &victim, now_ns);
}

// The packet that has just come, while there is room.
static void judge_arrival(struct link *l, struct pkt *in, uint64_t now_ns)
{
	enum aqm_verdict v = aqm_arrive(&l->aqm, in, l->stats.queue_bytes - in->bytes, now_ns);

	if (v == AQM_MARK)
		mark(l, in);
	else if (v == AQM_DROP)
		drop(l, now_ns);
}

void link_arrive(struct link *l, const struct pkt *k, uint64_t now_ns)
{
	struct pkt *in;

	if ((l->conf.loss > 0 && rng_uniform(&l->rng) < l->conf.loss) |
		(l->conf.burst_loss.p > 0 && loss_next(&l->chain))) {
		l->stats.lost++;
		if (l->gone)
			l->gone(l->arg, k, now_ns);
		return;
	}
	if (l->grid && !ring_len(&l->q)) { // asleep: whether the idle time was counted already is no matter
		link_count(l, now_ns);
		draw_slack(l);
	} else if (l->grid ? l->op_ns <= now_ns : l->next_ns <= now_ns) {
		link_serve(l, now_ns);
	}
	in = ring_push(&l->q, k);
	in->t_ns = l->grid ? now_ns / NS_PER_MS * NS_PER_MS : now_ns;
	l->stats.arrivals++;
	l->stats.bytes_in += k->bytes;
	l->stats.queue_bytes += k->bytes;
	if (l->conf.log)
		link_log_arrival(l->conf.log, now_ns / NS_PER_MS, k->bytes);
	if (l->aqm.kind && !over_limit(l))
		judge_arrival(l, in, now_ns);
	while (over_limit(l))
		drop(l, now_ns);
	if (l->grid && ring_len(&l->q))
		l->next_ns = wake_ns(l, now_ns);
	else if (l->next_ns == LINK_NEVER && ring_len(&l->q))
		start_smooth(l, now_ns);
	l->stats.queue_pkts = waiting(l);
}

double link_delay_quantile_ms(const struct link_stats *s, double q)
{
	return s->delays ? hist_quantile_ns(s->delays, q) * 1e-6 : 0;
}
