/*
 * A training run's folder: one run at a time, and the files in it that a run goes on from.
 */
#ifndef LEARN_FOLDER_H
#define LEARN_FOLDER_H

#include "learn/checkpoint.h"
#include "learn/train.h"

struct folder {
	const char *dir, *output;
	char *checkpoint, *best, *last; /* paths in it */
	char *made_by; /* what a checkpoint must agree with: the spec, and digests of the files that it names */
	int lock;
	bool made;
};

/*
 * Checks that the output can be written and the files that the spec names can be read, makes the
 * folder if need be and locks it: the lock goes with the process, however that ends. 0 or -errno,
 * printed. To be closed in either case.
 */
int folder_open(struct folder *f, const struct train_conf *c, const struct train_io *io);

/* A folder that was made and has remained empty is removed. */
void folder_close(struct folder *f);

/* Fills the parts from the checkpoint; -ENOENT, silently, where there is none or a restart is wanted, which
 * removes it; otherwise as checkpoint_load. */
int folder_resume(struct folder *f, const struct checkpoint *parts, bool restart);

/* Copies the best model to the output, if it is whole. 0 or -errno, printed. */
int folder_publish(const struct folder *f);

#endif
