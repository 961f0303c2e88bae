/* The bottleneck: mahimahi's opportunities or a smooth rate, and its drop rules. */
#include "sim/link.h"

#include <errno.h>

#include "sim/link_log.h"

#define NS_PER_MS 1000000ull

int link_init(struct link *l, const struct link_conf *conf, uint64_t seed, link_deliver_fn *deliver,
	void *arg)
{
	memset(l, 0, sizeof(*l));
	return link_reset(l, conf, seed, deliver, arg);
}

static int reset_stats(struct link *l)
{
	memset(&l->stats, 0, sizeof(l->stats));
	if (!l->conf.stats)
		return 0;
	if (!l->hist)
		l->hist = malloc(sizeof(*l->hist));
	if (!l->hist)
		return -ENOMEM;
	memset(l->hist, 0, sizeof(*l->hist));
	l->hist->unit_ns = l->grid ? NS_PER_MS : 10000;
	l->stats.delays = l->hist;
	return 0;
}

static uint64_t limit(const struct link_conf *conf, uint32_t most)
{
	return conf->queue != QUEUE_INFINITE && most ? most : UINT64_MAX;
}

int link_reset(struct link *l, const struct link_conf *conf, uint64_t seed,
	link_deliver_fn *deliver, void *arg)
{
	const struct trace *t = conf->trace;
	enum aqm_kind aqm = conf->queue == QUEUE_CODEL ? AQM_CODEL
			    : conf->queue == QUEUE_PIE ? AQM_PIE
						       : AQM_NONE;

	*l = (struct link){.conf = *conf,
		.q = l->q,
		.hist = l->hist,
		.deliver = deliver,
		.arg = arg,
		.next_ns = LINK_NEVER,
		.grid = !t->rate_bps,
		.ns_per_byte = t->rate_bps ? 8e9 / t->rate_bps : 0,
		.op_ns = t->rate_bps ? LINK_NEVER : t->t_ms[0] * NS_PER_MS,
		.watched = conf->log || conf->stats,
		.max_pkts = limit(conf, conf->limit_pkts),
		.max_bytes = limit(conf, conf->limit_bytes)};
	l->runs = (conf->queue == QUEUE_INFINITE || conf->queue == QUEUE_DROPTAIL) &&
		  conf->loss <= 0 && conf->burst_loss.p <= 0 && !conf->log;
	rng_init(&l->rng, seed, 0);
	aqm_init(&l->aqm, aqm, &conf->aqm, seed);
	loss_init(&l->chain, &conf->burst_loss, seed);
	ring_clear(&l->q);
	if (conf->poll_ns)
		wakeup_begin(&l->wakeup, &l->rng);
	return reset_stats(l);
}

void link_free(struct link *l)
{
	ring_free(&l->q);
	free(l->hist);
}

static void note_departure(
	struct link *l, uint32_t n, uint32_t bytes, uint64_t at_ns, uint64_t delay)
{
	if (l->stats.delays)
		hist_add(l->stats.delays, delay, n);
	if (l->conf.log)
		link_log_departure(l->conf.log, at_ns / NS_PER_MS, bytes, delay / NS_PER_MS);
}

// n packets of the head cross the link at their scheduled time at_ns.
static ALWAYS_INLINE void cross(struct link *l, uint32_t n, uint64_t at_ns)
{
	const struct pkt *head = ring_head(&l->q);
	uint64_t delay = at_ns - head->t_ns;

	l->wire_left = 0;
	l->stats.departures += n;
	l->stats.bytes_out += n * head->bytes;
	l->stats.delay_sum_ns += n * delay;
	if (delay > l->stats.delay_max_ns)
		l->stats.delay_max_ns = delay;
	if (l->watched)
		note_departure(l, n, head->bytes, at_ns, delay);
}

// They are seen behind it now.
static ALWAYS_INLINE void hand_on(struct link *l, uint32_t n, uint64_t now_ns)
{
	struct pkt *head = ring_head(&l->q), part;
	const struct pkt *k = head;

	if (head->more < n) {
		l->q.head++;
	} else {
		part = pkt_first(head, n);
		pkt_skip(head, n);
		k = &part;
	}
	l->deliver(l->arg, k, now_ns > l->turn_ns ? now_ns : l->turn_ns);
}

static ALWAYS_INLINE void depart(struct link *l, uint32_t n, uint64_t at_ns, uint64_t now_ns)
{
	cross(l, n, at_ns);
	hand_on(l, n, now_ns);
}

static void count_drop(struct link *l, const struct pkt *victim, uint64_t at_ns)
{
	l->stats.drops++;
	l->stats.queue_pkts--;
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
static inline void start_wire(struct link *l, uint64_t at_ns)
{
	if (l->aqm.kind)
		judge_head(l, at_ns);
	l->wire_left = ring_head(&l->q)->bytes;
	l->stats.queue_pkts--;
	l->stats.queue_bytes -= l->wire_left;
}

// How many opportunities there are at the time of the next.
static uint32_t count_ops(const struct link *l)
{
	const struct trace *t = l->conf.trace;
	size_t i = l->next_op;

	while (++i < t->n && t->t_ms[i] == t->t_ms[l->next_op])
		;
	return i - l->next_op;
}

// Goes past the next opportunity and those at the same time, n at most; returns how many.
static uint32_t pass_ops(struct link *l, uint32_t n)
{
	const struct trace *t = l->conf.trace;

	if (!l->same_ops)
		l->same_ops = count_ops(l);
	n = n < l->same_ops ? n : l->same_ops;
	l->stats.capacity_bytes += n * TRACE_QUANTUM;
	l->next_op += n;
	l->same_ops -= n;
	if (l->next_op == t->n) {
		l->base_ms += t->t_ms[t->n - 1];
		l->next_op = 0;
	}
	l->op_ns = (l->base_ms + t->t_ms[l->next_op]) * NS_PER_MS;
	return n;
}

static void next_op(struct link *l)
{
	if (l->conf.log)
		link_log_opportunity(l->conf.log, l->op_ns / NS_PER_MS);
	pass_ops(l, 1);
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
		depart(l, 1, at_ns, now_ns);
		if (!left)
			return;
	}
}

// When the next opportunity is acted on: a polling process adds the fraction of a millisecond it
// slept from.
static uint64_t wake_ns(const struct link *l, uint64_t now_ns)
{
	return l->conf.poll_ns
		       ? wakeup_by_timer(&l->wakeup, l->op_ns + now_ns % NS_PER_MS + l->conf.poll_ns)
		       : l->op_ns;
}

// Opportunities of one time for packets of one run, as many as there are of both.
static void use_run(struct link *l, uint64_t at_ns, uint64_t now_ns)
{
	uint32_t n = pass_ops(l, ring_head(&l->q)->more + 1u);

	l->stats.queue_pkts -= n;
	l->stats.queue_bytes -= n * TRACE_QUANTUM;
	depart(l, n, at_ns, now_ns);
}

static void serve_grid(struct link *l, uint64_t now_ns)
{
	while (ring_len(&l->q)) {
		uint64_t at = l->op_ns;

		if (at > now_ns) {
			l->next_ns = wake_ns(l, now_ns);
			return;
		}
		if (l->runs && !l->wire_left && ring_head(&l->q)->bytes == TRACE_QUANTUM) {
			use_run(l, at, now_ns);
			continue;
		}
		next_op(l);
		use_opportunity(l, at, now_ns);
	}
	link_count(l, now_ns);
	l->next_ns = LINK_NEVER;
}

static uint64_t round_up(double ns)
{
	int64_t floor = ns;

	return floor + (floor < ns);
}

static ALWAYS_INLINE void start_smooth(struct link *l, uint64_t now_ns)
{
	double now = (int64_t)now_ns;

	if (l->free_at_ns + 1 < now) // not simply the rounding of the last departure
		l->free_at_ns = now;
	start_wire(l, now_ns);
	l->free_at_ns += (int32_t)l->wire_left * l->ns_per_byte;
	l->next_ns = round_up(l->free_at_ns);
}

static void serve_smooth(struct link *l, uint64_t until_ns)
{
	while (l->next_ns <= until_ns) {
		uint64_t at = l->next_ns;
		uint32_t n = 1, run = l->conf.by_ms ? ring_head(&l->q)->more + 1u : 1;

		cross(l, 1, at);
		for (; n < run; n++) {
			start_smooth(l, at);
			if (l->next_ns > until_ns || l->next_ns / NS_PER_MS != at / NS_PER_MS)
				break;
			at = l->next_ns;
			cross(l, 1, at);
		}
		hand_on(l, n, at);
		if (n < run)
			continue; // the next is on the wire already
		if (ring_len(&l->q))
			start_smooth(l, at);
		else
			l->next_ns = LINK_NEVER;
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
	l->same_ops = 0;
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

void link_serve(struct link *l, uint64_t now_ns)
{
	if (l->grid)
		serve_grid(l, now_ns);
	else
		serve_smooth(l, now_ns);
}

static inline bool fits(const struct link *l, uint32_t n, uint32_t bytes)
{
	return l->stats.queue_pkts + n <= l->max_pkts &&
	       l->stats.queue_bytes + bytes <= l->max_bytes;
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

// Before an arrival: what the link still had to do.
static inline void serve_due(struct link *l, uint64_t now_ns)
{
	if (l->grid &&
		!ring_len(
			&l->q)) { // asleep: whether the idle time was counted already is no matter
		link_count(l, now_ns);
	} else if (l->grid ? l->op_ns <= now_ns : l->next_ns <= now_ns) {
		link_serve(l, now_ns);
	}
}

static ALWAYS_INLINE void join(struct link *l, const struct pkt *k, uint32_t n, uint64_t now_ns)
{
	uint32_t bytes = n * k->bytes;

	ring_push(&l->q, k)->t_ns = l->grid ? now_ns / NS_PER_MS * NS_PER_MS : now_ns;
	l->stats.arrivals += n;
	l->stats.bytes_in += bytes;
	l->stats.queue_pkts += n;
	l->stats.queue_bytes += bytes;
}

// After an arrival: when the link acts next.
static inline void set_out(struct link *l, uint64_t now_ns)
{
	if (l->grid && ring_len(&l->q))
		l->next_ns = wake_ns(l, now_ns);
	else if (l->next_ns == LINK_NEVER && ring_len(&l->q))
		start_smooth(l, now_ns);
}

// One packet joins the queue, or is dropped or marked, or has another dropped.
static void judge(struct link *l, const struct pkt *k, uint64_t now_ns)
{
	join(l, k, 1, now_ns);
	if (l->conf.log)
		link_log_arrival(l->conf.log, now_ns / NS_PER_MS, k->bytes);
	if (l->aqm.kind && fits(l, 0, 0))
		judge_arrival(l, &l->q.p[(l->q.tail - 1) & l->q.mask], now_ns);
	while (!fits(l, 0, 0))
		drop(l, now_ns);
	set_out(l, now_ns);
}

static bool lose(struct link *l)
{
	bool lost = (l->conf.loss > 0 && rng_uniform(&l->rng) < l->conf.loss) |
		    (l->conf.burst_loss.p > 0 && loss_next(&l->chain));

	l->stats.lost += lost;
	return lost;
}

static NOINLINE void arrive_one_by_one(struct link *l, const struct pkt *k, uint64_t now_ns)
{
	struct pkt rest = *k, one;
	bool more;

	do {
		more = pkt_take(&one, &rest);
		if (lose(l)) {
			if (l->gone)
				l->gone(l->arg, &one, now_ns);
			continue;
		}
		serve_due(l, now_ns);
		judge(l, &one, now_ns);
	} while (more);
}

// Too long for the queue: what fits joins it together. The link is up to date.
static NOINLINE void arrive_in_parts(struct link *l, const struct pkt *k, uint64_t now_ns)
{
	struct pkt rest = *k, part;
	uint32_t n = k->more;

	while (n && !fits(l, n, n * k->bytes))
		n--;
	if (!n) {
		pkt_take(&part, &rest);
		judge(l, &part, now_ns);
		n = 1;
	} else {
		part = pkt_first(&rest, n);
		pkt_skip(&rest, n);
		join(l, &part, n, now_ns);
		set_out(l, now_ns);
	}
	if (n <= k->more)
		arrive_one_by_one(l, &rest, now_ns);
}

void link_arrive(struct link *l, const struct pkt *k, uint64_t now_ns)
{
	uint32_t n = k->more + 1u;

	if (!l->runs) {
		arrive_one_by_one(l, k, now_ns);
		return;
	}
	serve_due(l, now_ns);
	if (!fits(l, n, n * k->bytes)) {
		arrive_in_parts(l, k, now_ns);
		return;
	}
	join(l, k, n, now_ns);
	set_out(l, now_ns);
}

double link_delay_quantile_ms(const struct link_stats *s, double q)
{
	return s->delays ? hist_quantile_ns(s->delays, q) * 1e-6 : 0;
}
