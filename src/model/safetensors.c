/* Reads and writes safetensors files with a digest over every byte. */
#include "model/safetensors.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"

#define HEAD "{\"__metadata__\":{\"digest\":\""
#define DIGITS 64
#define DIGEST_AT (8 + sizeof(HEAD) - 1)

static const struct {
	const char *name;
	size_t size;
} dtypes[] = {
	[ST_F32] = {"F32", 4},
	[ST_F64] = {"F64", 8},
	[ST_I64] = {"I64", 8},
	[ST_I32] = {"I32", 4},
	[ST_U32] = {"U32", 4},
	[ST_U8] = {"U8", 1},
};
#define NDTYPES ((int)(sizeof(dtypes) / sizeof(dtypes[0])))

static const char zeros[DIGITS + 1] =
	"0000000000000000000000000000000000000000000000000000000000000000";

const char *st_dtype_name(enum st_dtype dtype)
{
	return dtypes[dtype].name;
}

size_t st_dtype_size(enum st_dtype dtype)
{
	return dtypes[dtype].size;
}

uint64_t st_items(const struct st_tensor *t)
{
	uint64_t n = 1;

	for (int i = 0; i < t->ndim; i++)
		n *= t->shape[i];
	return n;
}

static size_t bytes_of(const struct st_tensor *t)
{
	return st_items(t) * dtypes[t->dtype].size;
}

// The digest of a file: SHA-256 with the digest's own digits read as zeros.
static void digest_of(char hex[HASH_HEX], const char *data, size_t len)
{
	struct hash_part parts[] = {
		{data, DIGEST_AT},
		{zeros, DIGITS},
		{data + DIGEST_AT + DIGITS, len - DIGEST_AT - DIGITS},
	};

	hash_sha256(hex, parts, 3);
}

// Offsets of the arrays by falling item size, so that each is aligned; returns the total.
static size_t lay_out(size_t *at, const struct st_tensor *t, int n)
{
	size_t off = 0;

	for (size_t size = 8; size; size /= 2)
		for (int i = 0; i < n; i++) {
			if (dtypes[t[i].dtype].size != size)
				continue;
			at[i] = off;
			off += bytes_of(&t[i]);
		}
	return off;
}

// Adds what must be new to an object and takes over value: 0, or -1 (also for text that is not
// UTF-8).
static int add_new(json_t *obj, const char *key, json_t *value)
{
	if (!json_object_get(obj, key))
		return json_object_set_new(obj, key, value);
	json_decref(value);
	return -1;
}

static json_t *describe(const struct st_tensor *t, size_t at)
{
	json_t *shape = json_array();

	for (int i = 0; i < t->ndim; i++)
		json_array_append_new(shape, json_integer((json_int_t)t->shape[i]));
	return json_pack("{s:s, s:o, s:[I,I]}", "dtype", dtypes[t->dtype].name, "shape", shape,
		"data_offsets", (json_int_t)at, (json_int_t)(at + bytes_of(t)));
}

static json_t *make_header(const struct st_tensor *t, int n, const size_t *at,
	const struct st_meta *meta, int nmeta, const char *path)
{
	json_t *root = json_object(), *strings = json_object();
	const char *bad = NULL;

	json_object_set_new(strings, "digest", json_string(zeros));
	for (int i = 0; i < nmeta && !bad; i++)
		if (add_new(strings, meta[i].key, json_string(meta[i].value)))
			bad = meta[i].key;
	json_object_set_new(root, "__metadata__", strings);
	for (int i = 0; i < n && !bad; i++)
		if (add_new(root, t[i].name, describe(&t[i], at[i])))
			bad = t[i].name;
	if (!bad)
		return root;
	pr_err("%s: cannot write '%s': not UTF-8, or named twice\n", path, bad);
	json_decref(root);
	return NULL;
}

int st_format(char **data, size_t *len, const char *path, const struct st_tensor *tensors, int n,
	const struct st_meta *meta, int nmeta)
{
	size_t at[ST_MAX_TENSORS], body, head, padded;
	json_t *root = NULL;
	char *text = NULL, *out = NULL, hex[HASH_HEX];
	int err = -EINVAL;

	if (n > ST_MAX_TENSORS) {
		pr_err("%s: cannot write %d arrays, at most %d\n", path, n, ST_MAX_TENSORS);
		return err;
	}
	body = lay_out(at, tensors, n);
	root = make_header(tensors, n, at, meta, nmeta, path);
	if (!root)
		goto out;
	err = -ENOMEM;
	text = json_dumps(root, JSON_COMPACT);
	head = text ? strlen(text) : 0;
	padded = (head + 7) / 8 * 8;
	if (padded > ST_MAX_HEADER) {
		pr_err("%s: the header would be larger than a reader takes\n", path);
		err = -EINVAL;
		goto out;
	}
	out = text ? malloc(8 + padded + body) : NULL;
	if (!out)
		goto out;
	memcpy(out, &(uint64_t){padded}, 8);
	memcpy(out + 8, text, head);
	memset(out + 8 + head, ' ', padded - head);
	for (int i = 0; i < n; i++)
		if (bytes_of(&tensors[i]))
			memcpy(out + 8 + padded + at[i], tensors[i].data, bytes_of(&tensors[i]));
	digest_of(hex, out, 8 + padded + body);
	memcpy(out + DIGEST_AT, hex, DIGITS);
	*data = out;
	*len = 8 + padded + body;
	err = 0;
out:
	free(text);
	json_decref(root);
	return err;
}

int st_write(const char *path, const struct st_tensor *tensors, int n, const struct st_meta *meta,
	int nmeta)
{
	char *data;
	size_t len;
	int err = st_format(&data, &len, path, tensors, n, meta, nmeta);

	if (err)
		return err;
	err = file_write(path, data, len);
	free(data);
	return err;
}

// Reading: the error of one place is a text, printed once by st_parse.

static const char *read_shape(struct st_tensor *t, const json_t *shape, uint64_t bytes)
{
	uint64_t items = 1;

	if (!json_is_array(shape) || json_array_size(shape) > ST_MAX_DIMS)
		return "shape is not a list of at most 4 sizes";
	t->ndim = (int)json_array_size(shape);
	for (int i = 0; i < t->ndim; i++) {
		const json_t *v = json_array_get(shape, i);

		if (!json_is_integer(v) || json_integer_value(v) < 0)
			return "shape is not a list of sizes";
		t->shape[i] = (uint64_t)json_integer_value(v);
		if (__builtin_mul_overflow(items, t->shape[i], &items))
			return "shape is too large";
	}
	if (__builtin_mul_overflow(items, dtypes[t->dtype].size, &items) || items != bytes)
		return "data_offsets do not fit dtype and shape";
	return NULL;
}

static const char *read_tensor(
	struct st_tensor *t, const json_t *desc, const char *body, size_t len)
{
	const char *dtype = json_string_value(json_object_get(desc, "dtype"));
	const json_t *offsets = json_object_get(desc, "data_offsets");
	json_int_t begin, end;
	int d = 0;

	if (json_object_size(desc) != 3 || !dtype)
		return "not described by dtype, shape and data_offsets alone";
	while (d < NDTYPES && strcmp(dtype, dtypes[d].name))
		d++;
	if (d == NDTYPES)
		return "dtype is none of F32, F64, I64, I32, U32, U8";
	t->dtype = (enum st_dtype)d;
	if (json_array_size(offsets) != 2 || !json_is_integer(json_array_get(offsets, 0)) ||
		!json_is_integer(json_array_get(offsets, 1)))
		return "data_offsets are not two integers";
	begin = json_integer_value(json_array_get(offsets, 0));
	end = json_integer_value(json_array_get(offsets, 1));
	if (begin < 0 || end < begin || (uint64_t)end > len)
		return "data_offsets lie outside the file";
	t->data = body + begin;
	if ((uintptr_t)t->data % dtypes[d].size)
		return "data is not aligned";
	return read_shape(t, json_object_get(desc, "shape"), (uint64_t)(end - begin));
}

static int by_place(const void *a, const void *b)
{
	const struct st_tensor *s = *(const struct st_tensor *const *)a;
	const struct st_tensor *t = *(const struct st_tensor *const *)b;

	if (s->data != t->data)
		return s->data < t->data ? -1 : 1;
	return (bytes_of(s) > bytes_of(t)) - (bytes_of(s) < bytes_of(t));
}

// The arrays must fill [body, body + len) without gap or overlap.
static const char *check_cover(const struct st_file *f, const char *body, size_t len)
{
	const struct st_tensor **order = malloc((f->n + 1) * sizeof(*order));
	const char *bad = NULL;
	const char *at = body;

	if (!order)
		return "out of memory";
	for (int i = 0; i < f->n; i++)
		order[i] = &f->tensors[i];
	qsort(order, f->n, sizeof(*order), by_place);
	for (int i = 0; i < f->n && !bad; i++) {
		if ((const char *)order[i]->data != at)
			bad = "arrays overlap or leave a gap";
		at = (const char *)order[i]->data + bytes_of(order[i]);
	}
	free(order);
	return bad ? bad : at != body + len ? "there are bytes after the last array" : NULL;
}

static const char *read_meta(struct st_file *f, json_t *strings)
{
	const char *key;
	json_t *v;

	f->meta = calloc(json_object_size(strings) + 1, sizeof(*f->meta));
	if (!f->meta)
		return "out of memory";
	json_object_foreach(strings, key, v)
	{
		if (!json_is_string(v))
			return "__metadata__ holds something other than text";
		if (strcmp(key, "digest"))
			f->meta[f->nmeta++] = (struct st_meta){key, json_string_value(v)};
	}
	return NULL;
}

static const char *read_header(
	struct st_file *f, json_t *root, const char *body, size_t len, const char **noun)
{
	const char *key, *bad;
	json_t *v;

	if (!json_is_object(root))
		return "the header is not JSON";
	if (json_object_size(root) > ST_MAX_TENSORS + 1)
		return "too many arrays";
	bad = read_meta(f, json_object_get(root, "__metadata__"));
	f->tensors = calloc(json_object_size(root), sizeof(*f->tensors));
	if (bad || !f->tensors)
		return bad ? bad : "out of memory";
	json_object_foreach(root, key, v)
	{
		if (!strcmp(key, "__metadata__"))
			continue;
		f->tensors[f->n].name = key;
		bad = read_tensor(&f->tensors[f->n], v, body, len);
		if (bad) {
			*noun = key;
			return bad;
		}
		f->n++;
	}
	return check_cover(f, body, len);
}

static const char *read_file(struct st_file *f, const char *data, size_t len, const char **noun)
{
	uint64_t head;

	if (len < DIGEST_AT + DIGITS || memcmp(data + 8, HEAD, sizeof(HEAD) - 1))
		return "not a canopy safetensors file (no digest at its start)";
	memcpy(&head, data, 8);
	if (head > len - 8 || head > ST_MAX_HEADER || head < DIGEST_AT - 8 + DIGITS)
		return "the header's length does not fit the file";
	digest_of(f->digest, data, len);
	if (memcmp(f->digest, data + DIGEST_AT, DIGITS))
		return "the digest does not match: the file is damaged or was edited";
	f->json = json_loadb(data + 8, head, JSON_REJECT_DUPLICATES, NULL);
	return read_header(f, f->json, data + 8 + head, len - 8 - head, noun);
}

int st_parse(struct st_file **out, char *data, size_t len, const char *path)
{
	struct st_file *f = calloc(1, sizeof(*f));
	const char *noun = NULL, *bad = "out of memory";

	if (!f) {
		free(data);
	} else {
		f->block = data;
		bad = read_file(f, data, len, &noun);
	}
	if (bad) {
		pr_err("%s: %s%s%s\n", path, noun ? noun : "", noun ? ": " : "", bad);
		st_free(f);
		return -EBADMSG;
	}
	*out = f;
	return 0;
}

int st_read(struct st_file **out, const char *path)
{
	char *data;
	size_t len;
	int err = file_read(path, ST_MAX_FILE, &data, &len);

	return err ? err : st_parse(out, data, len, path);
}

void st_free(struct st_file *f)
{
	if (!f)
		return;
	json_decref(f->json);
	free(f->block);
	free(f->tensors);
	free(f->meta);
	free(f);
}

const struct st_tensor *st_find(const struct st_file *f, const char *name)
{
	for (int i = 0; i < f->n; i++)
		if (!strcmp(f->tensors[i].name, name))
			return &f->tensors[i];
	return NULL;
}

const char *st_get(const struct st_file *f, const char *key)
{
	for (int i = 0; i < f->nmeta; i++)
		if (!strcmp(f->meta[i].key, key))
			return f->meta[i].value;
	return NULL;
}
