/*
 * What a run takes: its memory, so that one that no machine could hold is refused before hours have
 * gone into it, not when the last page is touched or the first checkpoint read back.
 */
#ifndef LEARN_FOOTPRINT_H
#define LEARN_FOOTPRINT_H

#include "learn/train.h"

/* Bytes, within some percent. Environments, about 0.2 MB each, come on top. */
struct footprint {
	double replay;	   /* transitions */
	double learner;	   /* networks, Adam's state, what an update computes */
	double checkpoint; /* the file, which is put together in memory */
};

struct footprint footprint_of(const struct train_conf *c);

/* -ENOMEM where it takes more memory than the machine has, -EFBIG where its checkpoints would be
 * too large to be read back: printed, with how much. */
int footprint_check(const struct train_conf *c);

#endif
