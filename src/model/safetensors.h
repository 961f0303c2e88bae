/*
 * Named arrays in a file: safetensors, the format of models and of recorded decisions.
 *
 * The file is a u64 (little-endian) header length, a JSON header, then the arrays' bytes. Any
 * safetensors library reads it (Python: safetensors.numpy.load_file). Ours are stricter than the
 * format asks:
 *
 * - The header begins with {"__metadata__":{"digest":"D", where D is the SHA-256, in 64 lower-case
 *   hexadecimal digits, of the whole file with these digits replaced by 64 zeros ("0"). A file
 * without the digest, or with any byte changed, is refused.
 * - Every array is aligned to its item size, and the arrays fill the rest of the file without gap
 * or overlap.
 *
 * The same arguments give the same bytes. Little-endian machines only, as the rest of canopy.
 */
#ifndef MODEL_SAFETENSORS_H
#define MODEL_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#define ST_MAX_DIMS 4
#define ST_MAX_TENSORS 4096
#define ST_MAX_HEADER (16 << 20)
#define ST_MAX_FILE ((size_t)4 << 30)

enum st_dtype { ST_F32, ST_F64, ST_I64, ST_I32, ST_U32, ST_U8 };

struct st_tensor {
	const char *name; /* unique, not "__metadata__" */
	enum st_dtype dtype;
	int ndim;		     /* 0: a scalar */
	uint64_t shape[ST_MAX_DIMS]; /* row-major; a dimension may be 0 */
	const void *data;	     /* may be NULL when there are no items */
};

/* A string of __metadata__: unique UTF-8 keys, not "digest". */
struct st_meta {
	const char *key, *value;
};

struct st_file {
	struct st_tensor *tensors; /* [n] in the order of the header */
	int n;
	struct st_meta *meta; /* [nmeta] in the order of the header, without the digest */
	int nmeta;
	char digest[65];
	void *block, *json; /* what the pointers above point into */
};

/* "F32", ... and the bytes of an item. */
const char *st_dtype_name(enum st_dtype dtype);
size_t st_dtype_size(enum st_dtype dtype);

/* Items in a tensor: the product of its shape. */
uint64_t st_items(const struct st_tensor *t);

/*
 * Writes (atomically) n tensors and nmeta strings. The arrays are laid out by falling item size,
 * otherwise in the order given. Returns 0 or -errno (-EINVAL: a name, key or value that the format
 * cannot hold); prints the error.
 */
int st_write(const char *path, const struct st_tensor *tensors, int n, const struct st_meta *meta,
	int nmeta);

/* The bytes st_write would write, malloc'ed. path is for messages. */
int st_format(char **data, size_t *len, const char *path, const struct st_tensor *tensors, int n,
	const struct st_meta *meta, int nmeta);

/* Reads and verifies a whole file. Returns 0 or -errno (-EBADMSG: not such a file); prints the
 * error. */
int st_read(struct st_file **out, const char *path);

/* As st_read, from memory: data is malloc'ed and belongs to st_parse, also when it fails. */
int st_parse(struct st_file **out, char *data, size_t len, const char *path);

void st_free(struct st_file *f);

/* By name or key; NULL if there is none. */
const struct st_tensor *st_find(const struct st_file *f, const char *name);
const char *st_get(const struct st_file *f, const char *key);

#endif
