/* The inside of run_emulated: one run over the emulator, by this process. */
#ifndef EVAL_EMULATE_H
#define EVAL_EMULATE_H

#include "eval/run.h"

/* As run_one. Changes signals, namespaces and priority of the process. -EINTR after work_stop. */
int emulate(struct run_result *out, const struct run_conf *conf, const struct run_io *io);

#endif
