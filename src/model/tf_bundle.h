/*
 * TensorFlow 1 checkpoints ("tensor bundle", V2): PREFIX.index, a sorted table of LevelDB's kind,
 * and PREFIX.data-SSSSS-of-NNNNN, the raw tensors.
 *
 * Everything is checked: magic, padding, every block's and every tensor's CRC-32C, key order, that
 * the blocks fill the index file, that shapes fit sizes and sizes fit the data. Refused with a
 * message: compressed blocks, big-endian files, partitioned variables, and dtypes other than the
 * four below.
 */
#ifndef MODEL_TF_BUNDLE_H
#define MODEL_TF_BUNDLE_H

#include <stddef.h>
#include <stdint.h>

#define TF_MAX_DIMS 8
#define TF_MAX_SHARDS 1024

enum tf_dtype { TF_FLOAT = 1, TF_DOUBLE = 2, TF_INT32 = 3, TF_INT64 = 9 };

struct tf_tensor {
	char *name;
	int dtype; /* enum tf_dtype */
	int ndim;  /* 0: a scalar */
	int64_t shape[TF_MAX_DIMS];
	int shard;
	uint64_t offset, size; /* bytes in the shard */
	uint32_t crc;	       /* masked CRC-32C of those bytes */
	const void *data;      /* unaligned; NULL until the shard is attached */
};

struct tf_bundle {
	struct tf_tensor *tensors; /* [n] by name */
	int n;
	int shards;
	char **data; /* [shards] attached bytes */
};

/* Reads prefix.index and all its shards; prefix may end in ".index". 0 or -errno; prints the error.
 */
int tf_open(struct tf_bundle **out, const char *prefix);

/* The index alone, from memory; path is for messages. -EBADMSG when it is not a sound index. */
int tf_parse_index(struct tf_bundle **out, const char *index, size_t len, const char *path);

/* Takes over a shard's malloc'ed bytes, also when it fails, and verifies its tensors. */
int tf_attach(struct tf_bundle *b, int shard, char *data, size_t len, const char *path);

void tf_free(struct tf_bundle *b);

/* By name; NULL if there is none. */
const struct tf_tensor *tf_find(const struct tf_bundle *b, const char *name);

/* "float32", ...; NULL for a dtype that is refused. */
const char *tf_dtype_name(int dtype);

#endif
