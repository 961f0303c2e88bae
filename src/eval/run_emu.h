/*
 * A run over the emulator: this kernel's TCP flows across the emulated path, in real time, both
 * ends in namespaces of their own. The record has the simulator's columns by the same computations
 * and says besides how far the run can be trusted.
 */
#ifndef EVAL_RUN_EMU_H
#define EVAL_RUN_EMU_H

#include "eval/run.h"

/* How far flows may be limited by their sockets' buffers in a run that is trusted. */
#define RUN_WINDOW_PCT 1

/*
 * As run_one, in a process of its own, so that whatever ends it or us leaves nothing behind. Call
 * netns_privileges before. -EINTR after work_stop, at once.
 */
int run_emulated(struct run_result *out, const struct run_conf *conf, const struct run_io *io);

/*
 * The times in ns, growing and without repeats, at which a run is looked at: the ends of the bins
 * of its series, the end of its metrics, its end. malloc'ed; NULL when memory is out.
 */
uint64_t *run_emu_times(const struct run_conf *conf, int *n);

#endif
