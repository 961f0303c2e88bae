/*
 * Which of several sources of events acts next. A binary tournament over the sources' times finds
 * the earliest; the lower source wins a tie. A handful of sources is scanned.
 */
#ifndef SIM_SOURCES_H
#define SIM_SOURCES_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#define NEVER UINT64_MAX

enum { SOURCES_SCANNED = 16 };

struct sources {
	uint64_t *key;		  /* [leaves] time of each; those past the last are NEVER */
	uint32_t *win;		  /* [leaves] winner below each inner node */
	uint32_t n, leaves, room; /* room: leaves allocated */
};

static inline void sources_free(struct sources *s)
{
	free(s->key);
	free(s->win);
	s->key = NULL;
	s->win = NULL;
	s->room = 0;
}

/* Out of line: few worlds play. */
static __attribute__((noinline)) void sources_replay(struct sources *s, uint32_t src)
{
	for (uint32_t node = (src + s->leaves) / 2; node; node /= 2) {
		uint32_t a = 2 * node, b = a + 1;
		uint32_t x = a >= s->leaves ? a - s->leaves : s->win[a];
		uint32_t y = b >= s->leaves ? b - s->leaves : s->win[b];

		x = s->key[y] < s->key[x] ? y : x;
		if (s->win[node] == x && x != src) // src lost here before and still does
			return;
		s->win[node] = x;
	}
}

static inline void sources_set(struct sources *s, uint32_t src, uint64_t t)
{
	if (s->key[src] == t)
		return;
	s->key[src] = t;
	if (s->leaves > SOURCES_SCANNED)
		sources_replay(s, src);
}

/* The source that acts next; of several at one instant the lowest. */
static inline uint32_t sources_next(const struct sources *s)
{
	uint64_t earliest = s->key[0];
	uint32_t best = 0;

	if (s->leaves > SOURCES_SCANNED)
		return s->win[1];
	for (uint32_t i = 1; i < s->n; i++)
		if (s->key[i] < earliest) {
			earliest = s->key[i];
			best = i;
		}
	return best;
}

/* The earliest time of the sources other than src. */
static inline uint64_t sources_others(const struct sources *s, uint32_t src)
{
	uint64_t earliest = NEVER;

	if (s->leaves > SOURCES_SCANNED) { // whom src and those above it met in the tournament
		earliest = s->key[src ^ 1];
		for (uint32_t node = (src + s->leaves) / 2; node > 1; node /= 2) {
			uint64_t t = s->key[s->win[node ^ 1]];

			earliest = t < earliest ? t : earliest;
		}
		return earliest;
	}
	for (uint32_t i = 0; i < s->n; i++)
		if (i != src && s->key[i] < earliest)
			earliest = s->key[i];
	return earliest;
}

/* n sources, each at NEVER; memory serves on. 0 or -ENOMEM. From all zero. */
static inline int sources_init(struct sources *s, uint32_t n)
{
	s->n = n;
	for (s->leaves = 2; s->leaves < n;)
		s->leaves *= 2;
	if (s->leaves > s->room) {
		sources_free(s);
		s->key = malloc(s->leaves * sizeof(*s->key));
		s->win = malloc(s->leaves * sizeof(*s->win));
		if (!s->key || !s->win)
			return -ENOMEM;
		s->room = s->leaves;
	}
	for (uint32_t i = 0; i < s->leaves; i++) {
		s->key[i] = NEVER;
		s->win[i] = 0;
	}
	for (uint32_t i = 0; i < s->leaves; i += 2)
		sources_replay(s, i);
	return 0;
}

#endif
