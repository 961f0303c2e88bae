/* A link log's arrivals again through a link in virtual time: what comes of them must be the same.
 */
#ifndef TESTS_REPLAY_H
#define TESTS_REPLAY_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/path.h"
#include "sim/link_log.h"

struct replay_event {
	uint64_t t_ms, a, b; /* since the base timestamp */
	char sign;
};

struct replay_log {
	struct replay_event *e; /* [n] */
	size_t n;
};

static inline void replay_read(struct replay_log *l, const char *path)
{
	FILE *f = fopen(path, "r");
	char line[512];
	size_t cap = 0;
	uint64_t base = 0;

	memset(l, 0, sizeof(*l));
	while (f && fgets(line, sizeof(line), f)) {
		struct replay_event e = {.b = 0};

		sscanf(line, "# base timestamp: %" SCNu64, &base);
		if (*line == '#' || sscanf(line, "%" SCNu64 " %c %" SCNu64 " %" SCNu64, &e.t_ms,
					    &e.sign, &e.a, &e.b) < 3)
			continue;
		if (l->n == cap) {
			cap = cap ? 2 * cap : 4096;
			l->e = realloc(l->e, cap * sizeof(*l->e));
			if (!l->e)
				abort();
		}
		e.t_ms -= base;
		l->e[l->n++] = e;
	}
	if (f)
		fclose(f);
}

static inline void replay_out(void *arg, const struct pkt *k, uint64_t due_ns)
{
}

/* Puts the arrivals of l into a path like conf, without delay; its log goes to path. */
static inline int replay_run(const struct replay_log *l, struct path_conf conf, const char *path)
{
	struct link_log_conf lc = {
		.direction = "Downlink", .trace = "t", .command = "replay", .queue = "q"};
	struct path p;
	int err = link_log_open(&conf.link.log, path, &lc);

	conf.before.n = conf.after.n = 0;
	conf.out = conf.gone = replay_out;
	err = err ? err : path_init(&p, &conf);
	for (size_t i = 0; i < l->n && !err; i++)
		if (l->e[i].sign == '+')
			path_arrive(&p, &(struct pkt){.bytes = l->e[i].a}, l->e[i].t_ms * 1000000);
	if (!err) {
		path_serve(&p, l->e[l->n - 1].t_ms * 1000000);
		link_count(&p.link, l->e[l->n - 1].t_ms * 1000000);
		path_free(&p);
	}
	return err ? err : link_log_close(conf.link.log);
}

/*
 * Whether two logs have the same arrivals, departures and drops in the same order, and the same
 * opportunities. Prints the first difference.
 */
static inline bool replay_same(const struct replay_log *a, const struct replay_log *b)
{
	size_t i = 0, k = 0, ops_a = 0, ops_b = 0;

	for (;; i++, k++) {
		for (; i < a->n && a->e[i].sign == '#'; i++)
			ops_a++;
		for (; k < b->n && b->e[k].sign == '#'; k++)
			ops_b++;
		if (i == a->n || k == b->n)
			break;
		if (memcmp(&a->e[i], &b->e[k], sizeof(a->e[i]))) {
			printf("event %zu: %" PRIu64 " %c %" PRIu64 " %" PRIu64
			       ", replayed %" PRIu64 " %c %" PRIu64 " %" PRIu64 "\n",
				i, a->e[i].t_ms, a->e[i].sign, a->e[i].a, a->e[i].b, b->e[k].t_ms,
				b->e[k].sign, b->e[k].a, b->e[k].b);
			return false;
		}
	}
	if (i == a->n && k == b->n && ops_a == ops_b)
		return true;
	printf("%zu of %zu and %zu of %zu events, %zu and %zu opportunities\n", i, a->n, k, b->n,
		ops_a, ops_b);
	return false;
}

#endif
