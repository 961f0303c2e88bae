/* The tensor-bundle reader. */
#include "model/tf_bundle.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"

#define FOOTER 48
#define TRAILER 5 // of a block: compression byte and CRC
#define MAGIC 0xdb4775248b80fb57ull
#define MAX_INDEX (64 << 20)
#define MAX_SHARD ((size_t)4 << 30)

static const struct {
	int id;
	const char *name;
	unsigned size;
} dtypes[] = {{TF_FLOAT, "float32", 4}, {TF_DOUBLE, "float64", 8}, {TF_INT32, "int32", 4},
	{TF_INT64, "int64", 8}};

// Bytes not yet read.
struct span {
	const unsigned char *p, *end;
};

struct parser {
	const char *path;
	const char *bad; // what is wrong, NULL while all is well
	const unsigned char *index;
	size_t len;  // of the blocks, without the footer
	size_t next; // where the next block must begin
	struct tf_bundle *b;
	int cap;
	char *key; // of the latest entry
	size_t key_len;
	bool header; // seen
};

static size_t left(const struct span *s)
{
	return (size_t)(s->end - s->p);
}

// A varint in its shortest form: a longer one could hide a changed byte.
static bool get_varint(struct span *s, uint64_t *v)
{
	*v = 0;
	for (int shift = 0; shift < 64 && s->p < s->end; shift += 7) {
		unsigned char c = *s->p++;

		if (shift == 63 && c > 1)
			return false;
		*v |= (uint64_t)(c & 127) << shift;
		if (!(c & 128))
			return c || !shift;
	}
	return false;
}

static bool get_bytes(struct span *s, uint64_t n, struct span *out)
{
	if (n > left(s))
		return false;
	*out = (struct span){s->p, s->p + n};
	s->p += n;
	return true;
}

static uint32_t get_u32(const unsigned char *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

// One protocol-buffer field: a varint or fixed32 in v, or bytes in sub.
struct field {
	unsigned number, wire;
	uint64_t v;
	struct span sub;
};

static bool get_field(struct span *s, struct field *f)
{
	uint64_t tag;

	if (!get_varint(s, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
		return false;
	*f = (struct field){.number = (unsigned)(tag >> 3), .wire = tag & 7};
	switch (f->wire) {
	case 0:
		return get_varint(s, &f->v);
	case 1:
		return get_bytes(s, 8, &f->sub);
	case 2:
		return get_varint(s, &f->v) && get_bytes(s, f->v, &f->sub);
	case 5:
		if (!get_bytes(s, 4, &f->sub))
			return false;
		f->v = get_u32(f->sub.p);
		return true;
	}
	return false;
}

static const char *read_header(struct parser *ps, struct span s)
{
	struct field f;
	uint64_t shards = 0;

	while (left(&s)) {
		if (!get_field(&s, &f))
			return "the bundle header is damaged";
		if (f.number == 1 && f.wire == 0)
			shards = f.v;
		else if (f.number == 2 && f.wire == 0 && f.v)
			return "big-endian checkpoints are not supported";
	}
	if (shards < 1 || shards > TF_MAX_SHARDS)
		return "the number of shards makes no sense";
	ps->b->shards = (int)shards;
	ps->b->data = calloc(shards, sizeof(*ps->b->data));
	return ps->b->data ? NULL : "out of memory";
}

static const char *read_dim(struct tf_tensor *t, struct span s)
{
	struct field f;
	uint64_t size = 0;

	while (left(&s)) {
		if (!get_field(&s, &f))
			return "a dimension is damaged";
		if (f.number == 1 && f.wire == 0)
			size = f.v;
	}
	if (t->ndim == TF_MAX_DIMS || size > INT64_MAX)
		return "the shape makes no sense";
	t->shape[t->ndim++] = (int64_t)size;
	return NULL;
}

static const char *read_shape(struct tf_tensor *t, struct span s)
{
	struct field f;
	const char *bad = NULL;

	while (left(&s) && !bad) {
		if (!get_field(&s, &f))
			return "the shape is damaged";
		if (f.number == 2 && f.wire == 2)
			bad = read_dim(t, f.sub);
		else if (f.number == 3 && f.v)
			bad = "the shape is unknown";
	}
	return bad;
}

static const char *check_size(const struct tf_tensor *t)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++)
		if (dtypes[i].id == t->dtype)
			bytes = dtypes[i].size;
	if (!bytes)
		return "its type is none of float32, float64, int32, int64";
	for (int i = 0; i < t->ndim; i++)
		if (__builtin_mul_overflow(bytes, (uint64_t)t->shape[i], &bytes))
			return "the shape is too large";
	return bytes == t->size ? NULL : "size and shape disagree";
}

static const char *read_entry(struct tf_tensor *t, struct span s)
{
	struct field f;
	const char *bad = NULL;

	while (left(&s) && !bad) {
		if (!get_field(&s, &f))
			return "the entry is damaged";
		if (f.number == 1 && f.wire == 0)
			t->dtype = f.v < 1000 ? (int)f.v : -1;
		else if (f.number == 2 && f.wire == 2)
			bad = read_shape(t, f.sub);
		else if (f.number == 3 && f.wire == 0)
			t->shard = f.v < TF_MAX_SHARDS ? (int)f.v : TF_MAX_SHARDS;
		else if (f.number == 4 && f.wire == 0)
			t->offset = f.v;
		else if (f.number == 5 && f.wire == 0)
			t->size = f.v;
		else if (f.number == 6 && f.wire == 5)
			t->crc = (uint32_t)f.v;
		else if (f.number == 7)
			bad = "partitioned variables are not supported";
	}
	return bad ? bad : check_size(t);
}

// The next tensor's place in the bundle, its name copied from the key.
static struct tf_tensor *add_tensor(struct parser *ps)
{
	struct tf_tensor *t;

	if (ps->b->n == ps->cap) {
		ps->cap = ps->cap ? 2 * ps->cap : 64;
		t = realloc(ps->b->tensors, ps->cap * sizeof(*t));
		if (!t)
			return NULL;
		ps->b->tensors = t;
	}
	t = &ps->b->tensors[ps->b->n];
	*t = (struct tf_tensor){.name = strdup(ps->key)};
	ps->b->n += t->name != NULL;
	return t->name ? t : NULL;
}

static const char *take_entry(struct parser *ps, struct span value)
{
	struct tf_tensor *t;
	const char *bad;

	if (!ps->header) {
		ps->header = true;
		return ps->key_len ? "there is no bundle header" : read_header(ps, value);
	}
	if (memchr(ps->key, 0, ps->key_len))
		return "a name holds a NUL";
	t = add_tensor(ps);
	if (!t)
		return "out of memory";
	bad = read_entry(t, value);
	if (!bad && t->shard >= ps->b->shards)
		bad = "it lies in a shard that does not exist";
	if (bad)
		pr_err("%s: tensor %s: %s\n", ps->path, t->name, bad);
	return bad;
}

// Reads the block at (off, size), verified, without its restart array.
static const char *open_block(struct parser *ps, uint64_t off, uint64_t size, struct span *entries)
{
	const unsigned char *p;
	uint32_t restarts;

	if (off != ps->next || ps->len - off < TRAILER || size > ps->len - off - TRAILER)
		return "the blocks do not fill the file";
	p = ps->index + off;
	if (get_u32(p + size + 1) != hash_crc32c_masked(p, size + 1))
		return "a block's checksum does not match";
	if (p[size])
		return "compressed blocks are not supported";
	if (size < 4)
		return "a block is too short";
	restarts = get_u32(p + size - 4);
	if (restarts > (size - 4) / 4)
		return "a block's restart array is damaged";
	ps->next = off + size + TRAILER;
	*entries = (struct span){p, p + size - 4 - 4 * (size_t)restarts};
	return NULL;
}

// Replaces the key by its first `shared` bytes and the suffix; keys must rise over the whole table.
static const char *next_key(
	struct parser *ps, uint64_t shared, const struct span *suffix, bool first)
{
	size_t old = ps->key_len, add = left(suffix);
	char *key;
	int order;

	if (shared > old)
		return "a key refers past the one before";
	key = malloc(shared + add + 1);
	if (!key)
		return "out of memory";
	memcpy(key, ps->key, shared);
	memcpy(key + shared, suffix->p, add);
	key[shared + add] = 0;
	order = memcmp(key, ps->key, shared + add < old ? shared + add : old);
	free(ps->key);
	ps->key = key;
	ps->key_len = shared + add;
	return first || order > 0 || (!order && shared + add > old) ? NULL
								    : "keys are not in order";
}

// Walks a block's entries: data blocks hold tensors, the index block the handles of data blocks.
static const char *walk(
	struct parser *ps, struct span s, const char *(*take)(struct parser *, struct span))
{
	const char *bad = NULL;
	bool block_start = true;

	while (left(&s) && !bad) {
		uint64_t shared, unshared, len;
		struct span suffix, value;

		if (!get_varint(&s, &shared) || !get_varint(&s, &unshared) ||
			!get_varint(&s, &len) || !get_bytes(&s, unshared, &suffix) ||
			!get_bytes(&s, len, &value) || (block_start && shared))
			return "an entry is damaged";
		bad = next_key(ps, shared, &suffix, !ps->header);
		if (!bad)
			bad = take(ps, value);
		block_start = false;
	}
	return bad;
}

static const char *take_handle(struct parser *ps, struct span value)
{
	uint64_t off, size;
	struct span entries;
	char *separator = ps->key;
	size_t separator_len = ps->key_len;
	const char *bad;

	if (!get_varint(&value, &off) || !get_varint(&value, &size) || left(&value))
		return "a block handle is damaged";
	bad = open_block(ps, off, size, &entries);
	if (bad)
		return bad;
	ps->key = ps->b->n ? strdup(ps->b->tensors[ps->b->n - 1].name) : calloc(1, 1);
	ps->key_len = ps->key ? strlen(ps->key) : 0;
	bad = ps->key ? walk(ps, entries, take_entry) : "out of memory";
	if (!bad && (strcmp(ps->key, separator) > 0))
		bad = "a block reaches past its key in the index";
	free(ps->key);
	ps->key = separator;
	ps->key_len = separator_len;
	return bad;
}

static const char *read_footer(const unsigned char *p, uint64_t handle[4])
{
	struct span s = {p, p + FOOTER - 8};
	uint64_t magic = get_u32(p + 40) | (uint64_t)get_u32(p + 44) << 32;

	if (magic != MAGIC)
		return "not a TensorFlow V2 checkpoint index";
	for (int i = 0; i < 4; i++)
		if (!get_varint(&s, &handle[i]))
			return "the footer is damaged";
	while (left(&s))
		if (*s.p++)
			return "the footer is damaged";
	return NULL;
}

static const char *read_index(struct parser *ps)
{
	uint64_t handle[4] = {0};
	struct span meta, index;
	const char *bad = read_footer(ps->index + ps->len, handle);

	// The last two blocks first: the index names the others, which must fill what is before
	// them.
	ps->next = handle[0];
	if (!bad && handle[0] > ps->len)
		bad = "the blocks do not fill the file";
	if (!bad)
		bad = open_block(ps, handle[0], handle[1], &meta);
	if (!bad && left(&meta))
		bad = "the metaindex is not empty";
	if (!bad)
		bad = open_block(ps, handle[2], handle[3], &index);
	if (!bad && ps->next != ps->len)
		bad = "the blocks do not fill the file";
	ps->next = 0;
	if (!bad)
		bad = walk(ps, index, take_handle);
	if (!bad && ps->next != handle[0])
		bad = "the blocks do not fill the file";
	return bad || ps->header ? bad : "there is no bundle header";
}

int tf_parse_index(struct tf_bundle **out, const char *index, size_t len, const char *path)
{
	struct parser ps = {.path = path, .index = (const unsigned char *)index};
	const char *bad = "too short for a checkpoint index";

	ps.b = calloc(1, sizeof(*ps.b));
	ps.key = calloc(1, 1);
	if (!ps.b || !ps.key)
		bad = "out of memory";
	else if (len >= FOOTER) {
		ps.len = len - FOOTER;
		bad = read_index(&ps);
	}
	free(ps.key);
	if (bad) {
		pr_err("%s: %s\n", path, bad);
		tf_free(ps.b);
		return -EBADMSG;
	}
	*out = ps.b;
	return 0;
}

int tf_attach(struct tf_bundle *b, int shard, char *data, size_t len, const char *path)
{
	free(b->data[shard]);
	b->data[shard] = data;
	for (int i = 0; i < b->n; i++) {
		struct tf_tensor *t = &b->tensors[i];

		if (t->shard != shard)
			continue;
		if (t->offset > len || t->size > len - t->offset) {
			pr_err("%s: ends before tensor %s does\n", path, t->name);
			return -EBADMSG;
		}
		if (hash_crc32c_masked(data + t->offset, t->size) != t->crc) {
			pr_err("%s: the checksum of tensor %s does not match\n", path, t->name);
			return -EBADMSG;
		}
		t->data = data + t->offset;
	}
	return 0;
}

static int open_shards(struct tf_bundle *b, int prefix_len, const char *prefix)
{
	int err = 0;

	for (int i = 0; i < b->shards && !err; i++) {
		char *path = file_path("%.*s.data-%05d-of-%05d", prefix_len, prefix, i, b->shards),
		     *data;
		size_t len;

		err = file_read(path, MAX_SHARD, &data, &len);
		if (!err)
			err = tf_attach(b, i, data, len, path);
		free(path);
	}
	return err;
}

int tf_open(struct tf_bundle **out, const char *prefix)
{
	size_t n = strlen(prefix);
	bool suffixed = n > 6 && !strcmp(prefix + n - 6, ".index");
	int prefix_len = (int)(suffixed ? n - 6 : n);
	char *path = file_path("%.*s.index", prefix_len, prefix), *index;
	struct tf_bundle *b = NULL;
	size_t len;
	int err = file_read(path, MAX_INDEX, &index, &len);

	if (err)
		goto out;
	err = tf_parse_index(&b, index, len, path);
	free(index);
	if (!err)
		err = open_shards(b, prefix_len, prefix);
	if (err)
		goto out;
	*out = b;
	b = NULL;
out:
	free(path);
	tf_free(b);
	return err;
}

void tf_free(struct tf_bundle *b)
{
	if (!b)
		return;
	for (int i = 0; i < b->n; i++)
		free(b->tensors[i].name);
	for (int i = 0; i < b->shards && b->data; i++)
		free(b->data[i]);
	free(b->tensors);
	free(b->data);
	free(b);
}

const struct tf_tensor *tf_find(const struct tf_bundle *b, const char *name)
{
	for (int i = 0; i < b->n; i++)
		if (!strcmp(b->tensors[i].name, name))
			return &b->tensors[i];
	return NULL;
}

const char *tf_dtype_name(int dtype)
{
	for (size_t i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++)
		if (dtypes[i].id == dtype)
			return dtypes[i].name;
	return NULL;
}
