/* A direction of the path in the order of due times. */
#include "emu/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/link_log.h"

#define JITTER_STREAM 11 /* of the direction's seed; the link has the first few */
#define ONOFF_STREAM 12
#define LINE_STREAMS 16 /* from one delay line's jitter to the next one's */

static struct delay *line_of(struct path *p, const struct pkt *k)
{
	return &p->lines[p->nlines > 1 ? k->flow % p->nlines : 0];
}

// The line whose first packet leaves first.
static struct delay *first_line(const struct path *p)
{
	struct delay *first = p->lines;

	for (int i = 1; i < p->nlines; i++)
		if (delay_due(&p->lines[i]) < delay_due(first))
			first = &p->lines[i];
	return first;
}

// Behind the link: the way out, or the delay line.
static void crossed(void *arg, const struct pkt *k, uint64_t now_ns)
{
	struct path *p = arg;

	if (p->conf.delay_first) {
		p->conf.out(p->conf.arg, k, now_ns);
		return;
	}
	if (p->conf.link.log)
		link_log_sent(p->conf.link.log, p->clock_ns);
	delay_push(line_of(p, k), k, now_ns);
}

static void gone(void *arg, const struct pkt *k, uint64_t now_ns)
{
	struct path *p = arg;

	p->conf.gone(p->conf.arg, k, now_ns);
}

int path_init(struct path *p, const struct path_conf *conf)
{
	int err;

	memset(p, 0, sizeof(*p));
	p->conf = *conf;
	err = link_init(&p->link, &conf->link, conf->seed, crossed, p);
	if (err)
		return err;
	p->link.gone = gone;
	p->nlines = conf->ndelay > 1 ? conf->ndelay : 1;
	p->lines = calloc(p->nlines, sizeof(*p->lines));
	if (!p->lines) {
		link_free(&p->link);
		p->conf.out = NULL;
		return -ENOMEM;
	}
	for (int i = 0; i < p->nlines; i++)
		delay_init(&p->lines[i], &conf->delay[i], conf->jitter_ns, conf->seed,
			JITTER_STREAM + i * LINE_STREAMS);
	onoff_init(&p->onoff, &conf->onoff, conf->seed, ONOFF_STREAM);
	return 0;
}

void path_free(struct path *p)
{
	if (!p->conf.out)
		return;
	link_free(&p->link);
	for (int i = 0; i < p->nlines; i++)
		delay_free(&p->lines[i]);
	free(p->lines);
}

static void enter_link(struct path *p, const struct pkt *k, uint64_t t_ns)
{
	if (!onoff_at(&p->onoff, t_ns)) {
		p->off_drops++;
		p->conf.gone(p->conf.arg, k, t_ns);
		return;
	}
	while (p->link.next_ns <= t_ns)
		link_serve(&p->link, p->link.next_ns);
	link_arrive(&p->link, k, t_ns);
}

static void leave_delay(struct path *p, struct delay *d)
{
	struct pkt k = *ring_head(&d->line);

	d->line.head++;
	if (p->conf.delay_first)
		enter_link(p, &k, k.t_ns);
	else
		p->conf.out(p->conf.arg, &k, k.t_ns);
}

void path_serve(struct path *p, uint64_t now_ns)
{
	if (now_ns > p->now_ns)
		p->now_ns = now_ns;
	for (;;) {
		struct delay *d = first_line(p);
		uint64_t link = p->link.next_ns, delay = delay_due(d);

		if (link <= delay && link <= p->now_ns)
			link_serve(&p->link, link);
		else if (delay <= p->now_ns)
			leave_delay(p, d);
		else
			return;
	}
}

void path_arrive(struct path *p, const struct pkt *k, uint64_t t_ns)
{
	if (t_ns > p->now_ns)
		path_serve(p, t_ns);
	if (p->conf.delay_first)
		delay_push(line_of(p, k), k, p->now_ns);
	else
		enter_link(p, k, p->now_ns);
}

static bool link_busy(const struct path *p)
{
	return ring_len(&p->link.q) > 0;
}

uint64_t path_next(const struct path *p)
{
	uint64_t link = p->link.next_ns, delay = delay_due(first_line(p));

	if (p->conf.delay_first)
		return link_busy(p) ? link : delay;
	return link < delay ? link : delay;
}

bool path_idle(const struct path *p)
{
	return !link_busy(p) && !(p->conf.delay_first && delay_due(first_line(p)) != PATH_NEVER);
}

uint64_t path_packets(const struct path *p)
{
	uint64_t n = ring_len(&p->link.q);

	for (int i = 0; i < p->nlines; i++)
		n += ring_len(&p->lines[i].line);
	return n;
}
