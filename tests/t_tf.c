/* TensorFlow checkpoints: reference listings and bytes, every flipped byte and truncation,
 * refusals. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/log.h"
#include "craft.h"
#include "golden.h"
#include "model/tf_import.h"

static void *copy_of(const void *data, size_t len)
{
	char *copy = malloc(len + 1);

	memcpy(copy, data, len);
	return copy;
}

static void test_listing_matches_reference(void **state)
{
	struct tf_bundle *b;
	json_t *j, *v;
	size_t i;

	need_file(GOLDEN "orca_bundle_index.json");
	need_file(SHARED "orca/model.ckpt-1283529.index");
	assert_int_equal(tf_open(&b, SHARED "orca/model.ckpt-1283529.index"), 0);
	j = golden_json(GOLDEN "orca_bundle_index.json");
	assert_int_equal(b->n, json_array_size(j));
	json_array_foreach(j, i, v)
	{
		const struct tf_tensor *t = &b->tensors[i];
		const json_t *shape = json_object_get(v, "shape");

		assert_string_equal(t->name, json_string_value(json_object_get(v, "name")));
		assert_int_equal(t->dtype, golden_number(v, "dtype"));
		assert_int_equal(t->shard, golden_number(v, "shard"));
		assert_int_equal(t->offset, golden_number(v, "offset"));
		assert_int_equal(t->size, golden_number(v, "size"));
		assert_int_equal(t->crc, golden_number(v, "crc32c_masked"));
		assert_int_equal(t->ndim, json_array_size(shape));
		for (int k = 0; k < t->ndim; k++)
			assert_int_equal(t->shape[k], json_integer_value(json_array_get(shape, k)));
	}
	json_decref(j);
	tf_free(b);
}

static void test_tensor_bytes_match_reference(void **state)
{
	struct tf_bundle *b;
	json_t *j, *v;
	char *bin;
	size_t len, i;

	need_file(GOLDEN "orca_weights.json");
	need_file(SHARED "orca/model.ckpt-1283529.index");
	assert_int_equal(tf_open(&b, SHARED "orca/model.ckpt-1283529"), 0);
	assert_int_equal(file_read(GOLDEN "orca_weights.bin", 1 << 24, &bin, &len), 0);
	j = golden_json(GOLDEN "orca_weights.json");
	assert_true(json_array_size(json_object_get(j, "tensors")) > 0);
	json_array_foreach(json_object_get(j, "tensors"), i, v)
	{
		const struct tf_tensor *t =
			tf_find(b, json_string_value(json_object_get(v, "name")));

		assert_non_null(t);
		assert_int_equal(t->size, golden_number(v, "bytes"));
		assert_memory_equal(t->data, bin + (size_t)golden_number(v, "offset"), t->size);
	}
	json_decref(j);
	free(bin);
	tf_free(b);
}

static void test_both_namings_give_one_actor(void **state)
{
	struct model *orca, *canopy;
	struct model_tensor t, u;

	need_file(GOLDEN "canopy_named.index");
	need_file(SHARED "orca/model.ckpt-1283529.index");
	assert_int_equal(tf_import_file(&orca, SHARED "orca/model.ckpt-1283529"), 0);
	assert_int_equal(tf_import_file(&canopy, GOLDEN "canopy_named.index"), 0);
	for (int i = 0; i < 12; i++) {
		assert_true(model_tensor(orca, i, &t) && model_tensor(canopy, i, &u));
		assert_string_equal(t.name, u.name);
		assert_int_equal(strncmp(t.name, "actor.", 6), 0);
		assert_memory_equal(t.data, u.data, t.shape[0] * t.shape[1] * sizeof(float));
	}
	for (int net = 0; net < MODEL_NETS; net++)
		assert_int_equal(orca->net[net].n, 3);
	assert_int_equal(canopy->net[MODEL_CRITIC].n, 0);
	assert_string_equal(orca->info.source, "TensorFlow checkpoint model.ckpt-1283529");
	assert_string_equal(canopy->info.source, "TensorFlow checkpoint canopy_named");
	assert_non_null(canopy->info.step);
	model_free(orca);
	model_free(canopy);
}

static int quiet_index(const char *data, size_t len)
{
	struct tf_bundle *b = NULL;
	char *exact = malloc(len ? len : 1); // so that a sanitizer sees an overrun
	int err;

	memcpy(exact, data, len);
	log_set_level(-1);
	err = tf_parse_index(&b, exact, len, "test");
	log_set_level(LOG_INFO);
	free(exact);
	tf_free(b);
	return err;
}

static void test_every_flip_and_cut_of_an_index_is_an_error(void **state)
{
	char *data;
	size_t len;

	need_file(GOLDEN "canopy_named.index");
	assert_int_equal(file_read(GOLDEN "canopy_named.index", 1 << 20, &data, &len), 0);
	assert_int_equal(quiet_index(data, len), 0);
	for (size_t i = 0; i < len; i++)
		for (int flip = 1; flip < 256; flip++) {
			data[i] ^= (char)flip;
			if (quiet_index(data, len) != -EBADMSG)
				fail_msg("byte %zu, flip %d", i, flip);
			data[i] ^= (char)flip;
		}
	for (size_t n = 0; n < len; n++)
		assert_int_equal(quiet_index(data, n), -EBADMSG);
	free(data);
}

static int quiet_attach(struct tf_bundle *b, const char *data, size_t len)
{
	int err;

	log_set_level(-1);
	err = tf_attach(b, 0, copy_of(data, len), len, "test");
	log_set_level(LOG_INFO);
	return err;
}

static void test_flips_and_cuts_of_tensors_are_errors(void **state)
{
	struct tf_bundle *b;
	char *data;
	size_t len;

	need_file(GOLDEN "canopy_named.index");
	assert_int_equal(tf_open(&b, GOLDEN "canopy_named"), 0);
	assert_int_equal(
		file_read(GOLDEN "canopy_named.data-00000-of-00001", 1 << 24, &data, &len), 0);
	assert_int_equal(quiet_attach(b, data, len), 0);
	for (size_t i = 0; i < len; i += i < 16 || i + 5000 > len ? 499 : 9973) {
		data[i] ^= 1;
		assert_int_equal(quiet_attach(b, data, len), -EBADMSG);
		data[i] ^= 1;
	}
	assert_int_equal(quiet_attach(b, data, len - 1), -EBADMSG);
	assert_int_equal(quiet_attach(b, data, 0), -EBADMSG);
	free(data);
	tf_free(b);
}

// Entries made of NAME and a value given as bytes; the header comes first.
struct line {
	const char *name, *value;
	size_t len;
};
#define LINE(name, value)                                                                          \
	{                                                                                          \
		name, value, sizeof(value) - 1                                                     \
	}
#define HEADER LINE("", "\x08\x01")
#define FLOAT2 "\x08\x01\x12\x04\x12\x02\x08\x02\x28\x08" // float32, shape [2], 8 bytes

static int craft_and_parse(const struct line *lines, int n, unsigned char compression)
{
	unsigned char buf[1024];
	struct craft c = {buf, 0};
	size_t len;
	char *data;
	int err;

	for (int i = 0; i < n; i++)
		craft_entry(&c, lines[i].name, lines[i].value, lines[i].len);
	data = craft_index(buf, c.n, compression, &len);
	err = quiet_index(data, len);
	free(data);
	return err;
}

static void test_refusals(void **state)
{
	static const struct {
		const char *what;
		struct line lines[3];
		int n;
	} bad[] = {
		{"no header", {LINE("a", FLOAT2)}, 1},
		{"empty", {{0}}, 0},
		{"no shards", {LINE("", "")}, 1},
		{"big endian", {LINE("", "\x08\x01\x10\x01")}, 1},
		{"slices", {HEADER, LINE("a", FLOAT2 "\x3a\x00")}, 2},
		{"string tensor", {HEADER, LINE("a", "\x08\x07\x28\x08")}, 2},
		{"size against shape",
			{HEADER, LINE("a", "\x08\x01\x12\x04\x12\x02\x08\x02\x28\x04")}, 2},
		{"no such shard", {HEADER, LINE("a", FLOAT2 "\x18\x01")}, 2},
		{"unknown rank", {HEADER, LINE("a", "\x08\x01\x12\x02\x18\x01\x28\x04")}, 2},
		{"order", {HEADER, LINE("b", FLOAT2), LINE("a", FLOAT2)}, 3},
		{"twice", {HEADER, LINE("a", FLOAT2), LINE("a", FLOAT2)}, 3},
		{"cut field", {HEADER, LINE("a", FLOAT2 "\x32\x09")}, 2},
		{"long varint", {HEADER, LINE("a", "\x88\x00\x01\x28\x04")}, 2},
		{"negative dimension",
			{HEADER, LINE("a", "\x08\x01\x12\x0d\x12\x0b\x08\xff\xff\xff\xff\xff\xff"
					   "\xff\xff\xff\x01")},
			2},
	};
	static const struct line good[] = {
		HEADER, LINE("a", FLOAT2), LINE("ab", "\x08\x09\x28\x08\x70\x05")};

	assert_int_equal(craft_and_parse(good, 3, 0), 0);
	assert_int_equal(craft_and_parse(good, 3, 1), -EBADMSG); // snappy
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (craft_and_parse(bad[i].lines, bad[i].n, 0) != -EBADMSG)
			fail_msg("accepted: %s", bad[i].what);
}

static void test_missing_files_are_errors(void **state)
{
	struct model *m;

	log_set_level(-1);
	assert_int_equal(tf_import_file(&m, "/nonexistent/model.ckpt"), -ENOENT);
	log_set_level(LOG_INFO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listing_matches_reference),
		cmocka_unit_test(test_tensor_bytes_match_reference),
		cmocka_unit_test(test_both_namings_give_one_actor),
		cmocka_unit_test(test_every_flip_and_cut_of_an_index_is_an_error),
		cmocka_unit_test(test_flips_and_cuts_of_tensors_are_errors),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_missing_files_are_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
