/* CoDel's control law at the head of the queue and PIE's controller at its tail. */
#include "sim/aqm.h"

#include <math.h>

#define PIE_STREAM 2 /* of the link's seed */

#define PIE_ALPHA 0.125
#define PIE_BETA 1.25
#define PIE_MARK_MAX 0.1  /* RFC 8033 section 5.1 */
#define PIE_STEP_FROM 0.1 /* section 5.5: from here on drop_prob grows ... */
#define PIE_STEP_MAX 0.02 /* ... by no more than this at once */
#define PIE_DECAY 0.98	  /* of drop_prob in an idle interval */
#define PIE_ACCU_LOW 0.85 /* section 5.4: no drop before, one at the latest after */
#define PIE_ACCU_HIGH 8.5
#define PIE_SAFE_PROB 0.2 /* below it a short queue is left alone */

#define CODEL_RECENT 16 /* intervals: dropping resumes near the old rate */

void aqm_init(struct aqm *a, enum aqm_kind kind, const struct aqm_conf *conf, uint64_t seed)
{
	memset(a, 0, sizeof(*a));
	a->kind = kind;
	a->conf = *conf;
	a->pie.burst_ns = conf->burst_ns;
	a->pie.update_ns = conf->interval_ns;
	rng_init(&a->pie.rng, seed, PIE_STREAM);
}

/* --- CoDel --- */

static uint64_t control_law(const struct aqm *a, uint64_t t_ns)
{
	return t_ns + (uint64_t)(a->conf.interval_ns / sqrt(a->codel.count));
}

// RFC 8289's dodequeue: has the delay been above target for an interval?
static bool above_target(struct aqm *a, uint64_t sojourn_ns, uint64_t behind_bytes, uint64_t now_ns)
{
	struct codel *c = &a->codel;

	if (sojourn_ns < a->conf.target_ns || behind_bytes <= AQM_FULL_PKT) {
		c->first_above_ns = 0;
		return false;
	}
	if (!c->first_above_ns) {
		c->first_above_ns = now_ns + a->conf.interval_ns;
		return false;
	}
	return now_ns >= c->first_above_ns;
}

static void start_dropping(struct aqm *a, uint64_t now_ns)
{
	struct codel *c = &a->codel;
	uint32_t delta = c->count - c->last_count;
	bool recent =
		(int64_t)(now_ns - c->drop_next_ns) < (int64_t)(CODEL_RECENT * a->conf.interval_ns);

	c->dropping = true;
	c->count = delta > 1 && recent ? delta : 1;
	c->last_count = c->count;
	c->drop_next_ns = control_law(a, now_ns);
}

static enum aqm_verdict codel_head(
	struct aqm *a, const struct pkt *head, uint64_t behind_bytes, uint64_t now_ns, bool again)
{
	struct codel *c = &a->codel;
	bool ect = head->flags & PKT_ECT;

	if (!above_target(a, now_ns - head->t_ns, behind_bytes, now_ns)) {
		c->dropping = false;
		return AQM_PASS;
	}
	if (!c->dropping) {
		start_dropping(a, now_ns);
		return ect ? AQM_MARK : AQM_DROP;
	}
	// The time of the drop after this one is set once it is known that there is a next
	// candidate.
	if (again && now_ns >= c->drop_next_ns)
		c->drop_next_ns = control_law(a, c->drop_next_ns);
	if (now_ns < c->drop_next_ns)
		return AQM_PASS;
	c->count++;
	if (!ect)
		return AQM_DROP;
	c->drop_next_ns = control_law(a, c->drop_next_ns);
	return AQM_MARK;
}

/* --- PIE --- */

// RFC 8033 section 5.2's table: the smaller drop_prob, the smaller its steps.
static double auto_tune(double drop_prob, double p)
{
	static const struct {
		double below, divisor;
	} row[] = {{1e-6, 2048}, {1e-5, 512}, {1e-4, 128}, {1e-3, 32}, {1e-2, 8}, {1e-1, 2}};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		if (drop_prob < row[i].below)
			return p / row[i].divisor;
	return p;
}

void aqm_pie_update(struct aqm *a)
{
	struct pie *s = &a->pie;
	double delay = s->delay_ns * 1e-9, old = s->old_delay_ns * 1e-9,
	       ref = a->conf.target_ns * 1e-9;
	double p = auto_tune(s->drop_prob, PIE_ALPHA * (delay - ref) + PIE_BETA * (delay - old));

	if (s->drop_prob >= PIE_STEP_FROM && p > PIE_STEP_MAX)
		p = PIE_STEP_MAX;
	s->drop_prob += p;
	if (!s->delay_ns && !s->old_delay_ns)
		s->drop_prob *= PIE_DECAY;
	s->drop_prob = s->drop_prob < 0 ? 0 : s->drop_prob > 1 ? 1 : s->drop_prob;
	s->burst_ns = s->burst_ns > a->conf.interval_ns ? s->burst_ns - a->conf.interval_ns : 0;
	if (s->drop_prob == 0 && s->delay_ns < a->conf.target_ns / 2 &&
		s->old_delay_ns < a->conf.target_ns / 2)
		s->burst_ns = a->conf.burst_ns;
	s->old_delay_ns = s->delay_ns;
}

// Between events the delay stands still, so that updates may be made up for when the next event
// comes.
static void pie_catch_up(struct aqm *a, uint64_t now_ns)
{
	struct pie *s = &a->pie;

	while (s->update_ns <= now_ns) {
		aqm_pie_update(a);
		s->update_ns += a->conf.interval_ns;
		if (s->drop_prob == 0 && !s->delay_ns &&
			s->update_ns <= now_ns) // idle: nothing changes any more
			s->update_ns +=
				(now_ns - s->update_ns) / a->conf.interval_ns * a->conf.interval_ns;
	}
}

static bool pie_drops(struct aqm *a, uint64_t queue_bytes)
{
	struct pie *s = &a->pie;

	if (s->burst_ns ||
		(s->old_delay_ns < a->conf.target_ns / 2 && s->drop_prob < PIE_SAFE_PROB) ||
		queue_bytes <= 2 * AQM_FULL_PKT)
		return false;
	s->accu_prob = s->drop_prob == 0 ? 0 : s->accu_prob + s->drop_prob;
	if (s->accu_prob < PIE_ACCU_LOW)
		return false;
	if (s->accu_prob < PIE_ACCU_HIGH && rng_uniform(&s->rng) >= s->drop_prob)
		return false;
	s->accu_prob = 0;
	return true;
}

static void pie_measure(
	struct aqm *a, const struct pkt *head, uint64_t behind_bytes, uint64_t now_ns)
{
	pie_catch_up(a, now_ns);
	a->pie.delay_ns = behind_bytes ? now_ns - head->t_ns : 0;
}

/* --- What the link calls --- */

enum aqm_verdict aqm_arrive(
	struct aqm *a, const struct pkt *k, uint64_t queue_bytes, uint64_t now_ns)
{
	if (a->kind != AQM_PIE)
		return AQM_PASS;
	pie_catch_up(a, now_ns);
	if (!pie_drops(a, queue_bytes))
		return AQM_PASS;
	return (k->flags & PKT_ECT) && a->pie.drop_prob <= PIE_MARK_MAX ? AQM_MARK : AQM_DROP;
}

enum aqm_verdict aqm_head(
	struct aqm *a, const struct pkt *head, uint64_t behind_bytes, uint64_t now_ns, bool again)
{
	if (a->kind == AQM_CODEL)
		return codel_head(a, head, behind_bytes, now_ns, again);
	pie_measure(a, head, behind_bytes, now_ns);
	return AQM_PASS;
}
