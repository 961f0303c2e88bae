/*
 * Checkpoints: everything that a run needs to go on, as named arrays in one safetensors file.
 *
 * Whoever has state lists its arrays; saving writes them, loading fills them in place. The file
 * replaces its predecessor atomically, with a digest over all bytes, and the predecessor stays as
 * FILE with .previous before its last extension: at every moment one of them is whole.
 */
#ifndef LEARN_CHECKPOINT_H
#define LEARN_CHECKPOINT_H

#include <stdint.h>

#include "model/safetensors.h"

#define CHECKPOINT_VERSION "1"
#define CHECKPOINT_MAX_PARTS 512

struct checkpoint {
	int n;
	struct checkpoint_part {
		char name[80];
		enum st_dtype dtype;
		uint64_t items;
		void *data;
	} part[CHECKPOINT_MAX_PARTS];
};

/* Appends an array: name is prefix and name, joined. */
void checkpoint_add(struct checkpoint *c, const char *prefix, const char *name, enum st_dtype dtype,
	uint64_t items, void *data);

/* Writes; spec is the text of the training spec that the run goes by. 0 or -errno, printed. */
int checkpoint_save(const struct checkpoint *c, const char *path, const char *spec);

/*
 * Fills the arrays from path or, where that is damaged or missing, from the previous one (with a
 * warning). 0; -ENOENT, silently, if there is neither; -EINVAL if it belongs to another spec, after
 * naming the first line that differs; -EBADMSG, or another -errno. Arrays are untouched on failure.
 */
int checkpoint_load(const struct checkpoint *c, const char *path, const char *spec);

/* Removes path and the previous one. */
void checkpoint_remove(const char *path);

#endif
