/*
 * Feature tables: what a policy sees, by the name that model files carry.
 *
 *   published  the ten frames of seven features (see frame.h)                                   70
 *   extended   these, then log4(w / p), then the signs of the last three installed changes,
 *              oldest first                                                                     74
 *   windowed   these, then log4(w) / 8                                                          75
 *
 * w is the window the decision is based on and p the one installed before: log4(w / p) is how much
 * CUBIC moved the window since, in the units of an action (its negative would restore p). What is
 * not known yet is 0: no p, fewer changes. Sources: properties speak of p and of the last changes,
 * which the published state does not contain; and where they count packets, what is allowed depends
 * on the window's size: 25 packets are much of a window of 50, and less than a percent of one of
 * 3,000.
 */
#ifndef OBS_STATE_H
#define OBS_STATE_H

#include <stdint.h>

#include "obs/frame.h"

#define STATE_SIGNS 3		    /* changes whose sign the extended state has */
#define STATE_LOG_WINDOW STATE_SIZE /* where the extended state has log4(w / p) */
#define STATE_EXTENDED_SIZE (STATE_SIZE + 1 + STATE_SIGNS)
#define STATE_TAIL_MAX (1 + STATE_SIGNS + 1)
#define STATE_SIZE_MAX (STATE_SIZE + STATE_TAIL_MAX)

struct state_table {
	const char *name;
	int size; /* numbers: STATE_SIZE and the tail's */
	int tail; /* after the frames */
};

extern const struct state_table state_published, state_extended, state_windowed;

/* By name, NULL if there is none; the names as "published, extended". */
const struct state_table *state_find(const char *name);
const char *state_names(void);

/*
 * Fills tail[t->tail] from the window w, the one installed before p (0 none) and the nchanges
 * known changes, the newest being changes_end[-1].
 */
void state_tail(const struct state_table *t, float *tail, uint32_t w, uint32_t p, int nchanges,
	const int64_t *changes_end);

#endif
