/*
 * From action to window: percent m = floor(100 * 4^a) in 25..400, then max(4, floor(m * w / 100))
 * packets.
 *
 * m comes from one table of 375 doubles, shared by sender, certificate and learner: threshold(m) is
 * the smallest double a with 100 * 4^a >= m in real arithmetic, so that percent(a) is exact for
 * every double and the same on every machine.
 */
#ifndef POLICY_ACTION_H
#define POLICY_ACTION_H

#include <stdint.h>

#define ACTION_MIN_PERCENT 25
#define ACTION_MAX_PERCENT 400
#define ACTION_MIN_WINDOW 4 /* packets */
#define ACTION_MAX_WINDOW INT32_MAX /* what a controller adds to it stays in 32 bits */

/* The percent of action a; a is clipped to [-1, 1]. NaN gives 100, which leaves CUBIC's window. */
int action_percent(double a);

/* The smallest action whose percent is at least m, m in 25..400; -1 for 25. */
double action_threshold(int m);

/* The installed window in packets for a report's window w; at most ACTION_MAX_WINDOW. */
uint32_t action_window(int percent, uint32_t w);

#endif
