/*
 * The extreme of a value over a sliding window in constant space: Kathleen Nichols' three best samples, with
 * Linux's rules (lib/win_minmax.c). Time is any counter that does not fall: microseconds, rounds.
 */
#ifndef BASE_MINMAX_H
#define BASE_MINMAX_H

#include <stdbool.h>
#include <stdint.h>

struct minmax {
	struct minmax_sample {
		uint64_t t, v;
	} s[3]; /* best, second and third best, each newer than the one before */
};

static inline void minmax_reset(struct minmax *m, uint64_t t, uint64_t v)
{
	m->s[0] = m->s[1] = m->s[2] = (struct minmax_sample){t, v};
}

/* Takes sample v at t into a window of the given length; returns the maximum, or the minimum. */
static inline uint64_t minmax_take(struct minmax *m, bool max, uint64_t window, uint64_t t, uint64_t v)
{
	struct minmax_sample *s = m->s, new = {t, v};
	uint64_t age;

#define BEATS(old) (max ? v >= (old).v : v <= (old).v)
	if (BEATS(s[0]) || t - s[2].t > window) {
		minmax_reset(m, t, v);
		return v;
	}
	if (BEATS(s[1]))
		s[1] = s[2] = new;
	else if (BEATS(s[2]))
		s[2] = new;
#undef BEATS
	age = t - s[0].t;
	if (age > window) { // the best is too old: the second moves up, perhaps the third too
		s[0] = s[1], s[1] = s[2], s[2] = new;
		if (t - s[0].t > window)
			s[0] = s[1], s[1] = s[2], s[2] = new;
	} else if (s[1].t == s[0].t && age > window / 4) { // a quarter has passed without a second best
		s[1] = s[2] = new;
	} else if (s[2].t == s[1].t && age > window / 2) {
		s[2] = new;
	}
	return s[0].v;
}

/* Up to when a sample that beats none of the three changes nothing. */
static inline uint64_t minmax_quiet_until(const struct minmax *m, uint64_t window)
{
	const struct minmax_sample *s = m->s;

	return s[0].t + (s[1].t == s[0].t ? window / 4 : s[2].t == s[1].t ? window / 2 : window);
}

#endif
