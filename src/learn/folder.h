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
	char *run_spec;			/* ... and that of made_by, by which a run's folder is known */
	char *made_by; /* what a checkpoint must agree with: the spec, and digests of the files that it names */
	const char *spec;
	int lock;
	bool made;
};

/*
 * Checks that the output can be written, that it and the run's files are none that the spec names or
 * somebody else's, and that those of the spec can be read; makes the folder if need be and locks it:
 * the lock goes with the process, however that ends. 0 or -errno, printed. To be closed in either case.
 */
int folder_open(struct folder *f, const struct train_conf *c, const struct train_io *io);

/* A folder that was made and has remained empty is removed. */
void folder_close(struct folder *f);

/* As checkpoint_load, from the run's checkpoint; a hint beside its errors. */
int folder_resume(const struct folder *f, const struct checkpoint *parts);

/* Begins a run anew: removes what another one left, writes run.spec. 0 or -errno, printed. */
int folder_begin(const struct folder *f);

/* Whether the best model is there, whole and this run's. 0 or -errno, printed. */
int folder_check_best(const struct folder *f);

/* Copies the best model to the output, after the same check. 0 or -errno, printed. */
int folder_publish(const struct folder *f);

#endif
