/*
 * Generated traces: link rates made from a name, wherever a trace file is asked for.
 *
 * Rates are nominal as in mahimahi's world: one opportunity a millisecond, 1500 bytes, is 12
 * Mbit/s. An opportunity is placed at the first millisecond at which the exact schedule has earned
 * it, so the list never runs ahead of the schedule nor a whole opportunity (or millisecond) behind
 * it, and wired12, 24, 48, 96 and 192 are byte for byte the published files. Where a period holds
 * no whole number of opportunities, the list holds as many periods as do, up to GENERATE_LOOP_MS;
 * past that, one opportunity of a round is rounded up.
 */
#ifndef TRACE_GENERATE_H
#define TRACE_GENERATE_H

#include <stdio.h>

#include "trace/trace.h"

#define GENERATE_LOOP_MS 600000

/* X(function, syntax, an example, what it is): help, the manual, errors and the parser follow this
 * table. */
#define TRACE_GENERATORS(X)                                                                        \
	X(smooth, "Rkbit, Rmbit, Rgbit", "12mbit",                                                 \
		"R (10 kbit to 10 gbit) at a constant rate without mahimahi's millisecond grid")   \
	X(wired, "wiredN", "wired12",                                                              \
		"N Mbit/s on the millisecond grid (0.01 to 10000, to 3 decimals)")                 \
	X(wired_step, "wiredN-Fx-u-Ts, wiredN-Fx-d-Ts", "wired12-2x-d-7s",                         \
		"N Mbit/s for T seconds, then N times (u) or over (d) F for T; long instead of "   \
		"Ts: 30 s")                                                                        \
	X(step, "stepP_A_B[_C...]", "step10000_4_12_24",                                           \
		"each rate in Mbit/s for P ms, up to 8 of them")                                   \
	X(step_3, "step-10s-3-level", "step-10s-3-level", "4, 12 and 24 Mbit/s for 10 s each")     \
	X(bump, "bumpP_A_B", "bump500_12_24",                                                      \
		"every P ms: A Mbit/s with a plateau of B in the middle half")                     \
	X(mountain, "mountainP_A_B", "mountain500_12_24",                                          \
		"every P ms: straight from A to B Mbit/s and straight back")                       \
	X(sawtooth, "sawtoothP_A_B", "sawtooth500_12_24",                                          \
		"every P ms: straight from A to B Mbit/s, then a jump back")                       \
	X(cellular, "cellular[:SEED[:MEAN[:SECONDS]]]", "cellular:1",                              \
		"a cellular link: seed 1, a mean of 8 Mbit/s and 60 s if not given")

/* The table as text, for help and the manual. */
#define GENERATE_ROW_(fn, syntax, example, help) "  " syntax "\n      " help "\n"
#define TRACE_GENERATORS_TEXT TRACE_GENERATORS(GENERATE_ROW_)

/* Makes the trace of that name. Prints what is wrong with a name, and the nearest one. 0 or -errno.
 */
int trace_generate(struct trace **out, const char *name);

/* The first rate in Mbit/s of a generated trace's name; 0 for a cellular one or any other name.
 * Silent. */
double trace_generated_nominal(const char *name);

/* Is it a generated trace's name? Silent. */
int trace_is_generated(const char *name);

/* One name a line: every published trace that can be generated, and an example of every kind. */
void trace_generators_list(FILE *out);

#endif
