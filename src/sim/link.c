/* The bottleneck: mahimahi's opportunities or a smooth rate, and its drop rules. */
#include "sim/link.h"

#include <errno.h>
#include <math.h>

#include "sim/link_log.h"

#define NS_PER_MS 1000000ull

int link_init(struct link *l, const struct link_conf *conf, uint64_t seed, link_deliver_fn *deliver, void *arg)
{
	const struct trace *t = conf->trace;

	memset(l, 0, sizeof(*l));
	l->conf = *conf;
	l->deliver = deliver;
	l->arg = arg;
	l->next_ns = LINK_NEVER;
	l->grid = !t->rate_bps;
	l->ns_per_byte = t->rate_bps ? 8e9 / t->rate_bps : 0;
	rng_init(&l->rng, seed, 0);
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

static uint64_t op_ns(const struct link *l)
{
	return (l->base_ms + l->conf.trace->t_ms[l->next_op]) * NS_PER_MS;
}

static void next_op(struct link *l)
{
	if (++l->next_op == l->conf.trace->n) {
		l->base_ms += l->conf.trace->t_ms[l->next_op - 1];
		l->next_op = 0;
	}
}

static void depart(struct link *l, const struct pkt *k, uint64_t now_ns)
{
	uint64_t delay = now_ns - k->t_ns;

	l->stats.departures++;
	l->stats.bytes_out += k->bytes;
	l->stats.delay_sum_ns += delay;
	if (delay > l->stats.delay_max_ns)
		l->stats.delay_max_ns = delay;
	if (l->stats.delays)
		hist_add(l->stats.delays, delay);
	if (l->conf.log)
		link_log_departure(l->conf.log, now_ns / NS_PER_MS, k->bytes, delay / NS_PER_MS);
	l->deliver(l->arg, k, now_ns);
}

static struct pkt dequeue(struct link *l)
{
	struct pkt k = *ring_head(&l->q);

	l->q.head++;
	l->stats.queue_bytes -= k.bytes;
	return k;
}

// One opportunity: 1504 bytes of what waits.
static void use_opportunity(struct link *l, uint64_t now_ns)
{
	uint32_t left = TRACE_QUANTUM;

	l->stats.capacity_bytes += TRACE_QUANTUM;
	if (l->conf.log)
		link_log_opportunity(l->conf.log, now_ns / NS_PER_MS);
	while (left) {
		uint32_t part;

		if (!l->transit_left) {
			if (!ring_len(&l->q))
				return;
			l->transit = dequeue(l);
			l->transit_left = l->transit.bytes;
		}
		part = l->transit_left < left ? l->transit_left : left;
		l->transit_left -= part;
		left -= part;
		if (!l->transit_left)
			depart(l, &l->transit, now_ns);
	}
}

// Passes opportunities that find nothing to send without looking at each one's queue.
static void skip_opportunities(struct link *l, uint64_t now_ns)
{
	const struct trace *t = l->conf.trace;
	uint64_t now_ms = now_ns / NS_PER_MS;

	while (l->base_ms + t->t_ms[l->next_op] <= now_ms) {
		l->stats.capacity_bytes += TRACE_QUANTUM;
		if (l->conf.log)
			link_log_opportunity(l->conf.log, l->base_ms + t->t_ms[l->next_op]);
		next_op(l);
	}
}

static void serve_grid(struct link *l, uint64_t now_ns)
{
	while (ring_len(&l->q) || l->transit_left) {
		uint64_t at = op_ns(l);

		if (at > now_ns) {
			l->next_ns = at;
			return;
		}
		next_op(l);
		use_opportunity(l, at);
	}
	skip_opportunities(l, now_ns);
	l->next_ns = LINK_NEVER;
}

static void start_smooth(struct link *l, uint64_t now_ns)
{
	if (l->free_at_ns + 1 < now_ns) // not simply the rounding of the last departure
		l->free_at_ns = now_ns;
	l->transit = dequeue(l);
	l->transit_left = l->transit.bytes;
	l->free_at_ns += l->transit.bytes * l->ns_per_byte;
	l->next_ns = ceil(l->free_at_ns);
}

static void serve_smooth(struct link *l, uint64_t now_ns)
{
	if (now_ns > l->counted_ns) {
		l->stats.capacity_bytes = now_ns / l->ns_per_byte;
		l->counted_ns = now_ns;
	}
	while (l->next_ns <= now_ns) {
		uint64_t at = l->next_ns;
		struct pkt done = l->transit;

		l->transit_left = 0;
		l->next_ns = LINK_NEVER;
		if (ring_len(&l->q))
			start_smooth(l, at);
		depart(l, &done, at);
	}
}

void link_serve(struct link *l, uint64_t now_ns)
{
	if (l->grid)
		serve_grid(l, now_ns);
	else
		serve_smooth(l, now_ns);
	l->stats.queue_pkts = ring_len(&l->q);
}

static void drop(struct link *l, uint64_t now_ns, uint32_t bytes)
{
	l->stats.drops++;
	if (l->conf.log)
		link_log_drop(l->conf.log, now_ns / NS_PER_MS, 1, bytes);
}

static bool over_limit(const struct link *l)
{
	const struct link_conf *c = &l->conf;

	return c->queue != QUEUE_INFINITE && ((c->limit_pkts && ring_len(&l->q) > c->limit_pkts) ||
						     (c->limit_bytes && l->stats.queue_bytes > c->limit_bytes));
}

// Queues the packet, then drops at the tail or the head until the limit holds.
static void enqueue(struct link *l, const struct pkt *k, uint64_t now_ns)
{
	ring_push(&l->q, k);
	l->stats.queue_bytes += k->bytes;
	while (over_limit(l)) {
		uint32_t at = l->conf.queue == QUEUE_DROPTAIL ? --l->q.tail : l->q.head++;
		uint32_t bytes = l->q.p[at & l->q.mask].bytes;

		l->stats.queue_bytes -= bytes;
		drop(l, now_ns, bytes);
	}
}

void link_arrive(struct link *l, const struct pkt *k, uint64_t now_ns)
{
	struct pkt in = *k;

	if (l->conf.loss > 0 && rng_uniform(&l->rng) < l->conf.loss) {
		l->stats.lost++;
		return;
	}
	link_serve(l, now_ns);
	in.t_ns = l->grid ? now_ns / NS_PER_MS * NS_PER_MS : now_ns;
	l->stats.arrivals++;
	l->stats.bytes_in += in.bytes;
	if (l->conf.log)
		link_log_arrival(l->conf.log, now_ns / NS_PER_MS, in.bytes);
	enqueue(l, &in, now_ns);
	l->stats.queue_pkts = ring_len(&l->q);
	if (!ring_len(&l->q) || l->next_ns != LINK_NEVER)
		return;
	if (l->grid)
		l->next_ns = op_ns(l);
	else
		start_smooth(l, now_ns);
}

double link_delay_quantile_ms(const struct link_stats *s, double q)
{
	return s->delays ? hist_quantile_ns(s->delays, q) * 1e-6 : 0;
}
