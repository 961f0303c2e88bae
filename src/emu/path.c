/* A direction of the path in the order of due times. */
#include "emu/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/link_log.h"

#define STREAMS 11 /* of the direction's seed, one a stage; the link has the first few */
#define LINE_STREAMS (2 * PATH_STAGES) /* from one delay line of a stage to its next one */

/* A delay line and the stage that has it. */
struct place {
	int stage;
	struct delay *line;
};

bool path_add(struct path_stages *s, const struct path_stage *stage)
{
	if (s->n == PATH_STAGES)
		return false;
	s->stage[s->n++] = *stage;
	return true;
}

/* --- A packet meets the stages --- */

static void lose(struct path *p, const struct pkt *k, uint64_t t_ns, uint64_t *count)
{
	++*count;
	p->conf.gone(p->conf.arg, k, t_ns);
}

// From stage i on; true when it comes out behind the last at t_ns.
static bool pass(struct path *p, const struct path_stages *stages, struct path_state *state, int i,
	const struct pkt *k, uint64_t t_ns)
{
	for (; i < stages->n; i++) {
		const struct path_stage *s = &stages->stage[i];

		if (s->kind == PATH_DELAY) {
			delay_push(&state[i].lines[k->flow % state[i].nlines], k, t_ns);
			return false;
		}
		if (s->kind == PATH_LOSS && rng_uniform(&state[i].rng) < s->loss) {
			lose(p, k, t_ns, &p->lost);
			return false;
		}
		if (s->kind == PATH_ONOFF && !onoff_at(&state[i].onoff, t_ns)) {
			lose(p, k, t_ns, &p->off_drops);
			return false;
		}
	}
	return true;
}

static void pass_after(struct path *p, int i, const struct pkt *k, uint64_t t_ns)
{
	if (pass(p, &p->conf.after, p->after, i, k, t_ns))
		p->conf.out(p->conf.arg, k, t_ns);
}

// A process that polls sleeps anew whenever it has run.
static void woken(struct path *p, uint64_t now_ns)
{
	if (p->conf.poll_ns)
		link_woken(&p->link, now_ns);
}

static void serve(struct path *p)
{
	woken(p, p->link.next_ns);
	link_serve(&p->link, p->link.next_ns);
}

static void pass_before(struct path *p, int i, const struct pkt *k, uint64_t t_ns)
{
	if (!pass(p, &p->conf.before, p->before, i, k, t_ns))
		return;
	while (p->link.next_ns <= t_ns)
		serve(p);
	woken(p, t_ns);
	link_arrive(&p->link, k, t_ns);
}

// Behind the link.
static void crossed(void *arg, const struct pkt *k, uint64_t now_ns)
{
	struct path *p = arg;

	if (p->conf.link.log && !path_ends_at_link(p))
		link_log_sent(p->conf.link.log, p->clock_ns);
	pass_after(p, 0, k, now_ns);
}

static void gone(void *arg, const struct pkt *k, uint64_t now_ns)
{
	struct path *p = arg;

	p->conf.gone(p->conf.arg, k, now_ns);
}

/* --- Set-up --- */

static int init_lines(struct path_state *state, const struct path_stage *s,
	const struct path_conf *conf, uint64_t stream)
{
	int n = s->ndelay ? s->ndelay : 1;

	state->lines = calloc(n, sizeof(*state->lines));
	if (!state->lines)
		return -ENOMEM;
	state->nlines = n;
	for (int i = 0; i < n; i++) {
		delay_init(&state->lines[i], &s->delay[i], s->jitter_ns, conf->seed,
			stream + i * LINE_STREAMS);
		state->lines[i].poll_ns = conf->poll_ns;
	}
	return 0;
}

static int init_stages(const struct path_conf *conf, const struct path_stages *stages,
	struct path_state *state, uint64_t stream)
{
	uint64_t seed = conf->seed;
	int err = 0;

	for (int i = 0; i < stages->n && !err; i++, stream++) {
		const struct path_stage *s = &stages->stage[i];

		if (s->kind == PATH_DELAY)
			err = init_lines(&state[i], s, conf, stream);
		else if (s->kind == PATH_ONOFF)
			onoff_init(&state[i].onoff, &s->onoff, seed, stream);
		else
			rng_init(&state[i].rng, seed, stream);
	}
	return err;
}

int path_init(struct path *p, const struct path_conf *conf)
{
	int err;

	memset(p, 0, sizeof(*p));
	p->conf = *conf;
	p->conf.link.poll_ns = conf->poll_ns;
	err = link_init(&p->link, &p->conf.link, conf->seed, crossed, p);
	if (err)
		return err;
	p->link.gone = gone;
	err = init_stages(conf, &conf->before, p->before, STREAMS);
	if (!err)
		err = init_stages(conf, &conf->after, p->after, STREAMS + PATH_STAGES);
	if (err) {
		path_free(p);
		p->conf.out = NULL;
	}
	return err;
}

static void free_stages(const struct path_stages *stages, struct path_state *state)
{
	for (int i = 0; i < stages->n; i++) {
		for (int j = 0; j < state[i].nlines; j++)
			delay_free(&state[i].lines[j]);
		free(state[i].lines);
	}
}

void path_free(struct path *p)
{
	if (!p->conf.out)
		return;
	link_free(&p->link);
	free_stages(&p->conf.before, p->before);
	free_stages(&p->conf.after, p->after);
}

/* --- Time --- */

// The earliest due time of the stages, and of which: the last one where several are due then.
static uint64_t earliest(
	const struct path_stages *stages, const struct path_state *state, struct place *at)
{
	uint64_t first = PATH_NEVER;

	for (int i = stages->n - 1; i >= 0; i--)
		for (int j = 0; j < state[i].nlines; j++) {
			uint64_t due = delay_due(&state[i].lines[j]);

			if (due < first) {
				first = due;
				*at = (struct place){i, &state[i].lines[j]};
			}
		}
	return first;
}

void path_serve(struct path *p, uint64_t now_ns)
{
	if (now_ns > p->now_ns)
		p->now_ns = now_ns;
	for (;;) {
		struct place b, a;
		uint64_t before = earliest(&p->conf.before, p->before, &b);
		uint64_t after = earliest(&p->conf.after, p->after, &a);
		uint64_t link = p->link.next_ns;
		struct pkt k;

		// what is further on goes first: all opportunities up to an arrival are used before
		if (after <= link && after <= before && after <= p->now_ns) {
			k = delay_pop(a.line);
			pass_after(p, a.stage + 1, &k, after);
		} else if (link <= before && link <= p->now_ns) {
			serve(p);
		} else if (before <= p->now_ns) {
			k = delay_pop(b.line);
			pass_before(p, b.stage + 1, &k, before);
		} else {
			return;
		}
	}
}

void path_arrive(struct path *p, const struct pkt *k, uint64_t t_ns)
{
	if (t_ns > p->now_ns)
		path_serve(p, t_ns);
	pass_before(p, 0, k, p->now_ns);
}

static bool link_busy(const struct path *p)
{
	return ring_len(&p->link.q) > 0;
}

uint64_t path_next(const struct path *p)
{
	struct place at;
	uint64_t after = earliest(&p->conf.after, p->after, &at);
	uint64_t until = link_busy(p) ? p->link.next_ns : earliest(&p->conf.before, p->before, &at);

	return after < until ? after : until;
}

static uint64_t delayed(const struct path_stages *stages, const struct path_state *state)
{
	uint64_t n = 0;

	for (int i = 0; i < stages->n; i++)
		for (int j = 0; j < state[i].nlines; j++)
			n += ring_len(&state[i].lines[j].line);
	return n;
}

bool path_idle(const struct path *p)
{
	return !link_busy(p) && !delayed(&p->conf.before, p->before);
}

bool path_ends_at_link(const struct path *p)
{
	return !p->conf.after.n;
}

uint64_t path_packets(const struct path *p)
{
	return ring_len(&p->link.q) + delayed(&p->conf.before, p->before) +
	       delayed(&p->conf.after, p->after);
}
