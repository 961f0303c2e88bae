/*
 * Which windows the sender installs, proved from bounds on its executed pre-activation.
 *
 * The sender takes tanh(y) in double from the C library, rounds it to float, takes the largest
 * percent m in 25..400 with 100 * 4^a >= m, and installs max(4, floor(m w / 100)) packets. The
 * library's tanh is taken to be off by at most 2 units in the last place, which glibc documents as
 * its largest error. 4^a and tanh are decided with an exponential function whose bounds are proved
 * here; no table is used.
 */
#ifndef CHECK_WINDOW_H
#define CHECK_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

/* The sender's tanh is surely above `middle` at y (or, of sides that look down, its negative at -y)
 * >= shown (NAN at first), or where a proof finds so; beyond 1 there is nothing, below -1
 * everything. */
struct window_side {
	double middle, shown;
};

/* A wanted set of windows, by percents; first > last: none has such a window. */
struct window_target {
	int first, last;
	struct window_side from_first, past_last; /* at least that percent, more than it */
	struct window_side under_first,
		to_last; /* looking down: less than that percent, at most it */
};

/* The percents whose window for a report's w is within lo and hi. Rounding is upward here and
 * below. */
void window_aim(struct window_target *t, int64_t lo, int64_t hi, uint32_t w);

/* Every (no) executed y within y_lo and y_hi surely installs a wanted window. */
bool window_holds(struct window_target *t, double y_lo, double y_hi);
bool window_fails(struct window_target *t, double y_lo, double y_hi);

/* lo <= e^v <= hi for every v in [v_lo, v_hi], |v| <= 100. */
void window_exp(double v_lo, double v_hi, double *lo, double *hi);

#endif
