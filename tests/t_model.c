/* Model files: round trips, every flipped byte, every truncation, malformed headers. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/log.h"
#include "base/rng.h"
#include "craft.h"
#include "model/model.h"
#include "model/safetensors.h"
#include "obs/frame.h"

static char dir[] = "/tmp/canopy-model-XXXXXX";

static char *in_dir(const char *name)
{
	return file_path("%s/%s", dir, name);
}

static void *copy_of(const void *data, size_t len)
{
	char *copy = malloc(len + 1);

	memcpy(copy, data, len);
	copy[len] = 0;
	return copy;
}

// Errors are expected by the thousand.
static int quiet_parse(const char *data, size_t len)
{
	struct st_file *f = NULL;
	int err;

	log_set_level(-1);
	err = st_parse(&f, copy_of(data, len), len, "test");
	log_set_level(LOG_INFO);
	st_free(f);
	return err;
}

static void test_safetensors_round_trip(void **state)
{
	static const float f32[] = {1, 2, 3, 4, 5, 6};
	static const double f64[] = {-0.5};
	static const int64_t i64[] = {INT64_MIN, 7};
	static const uint8_t u8[] = {1, 2, 3};
	const struct st_tensor t[] = {
		{"bytes", ST_U8, 1, {3}, u8},
		{"matrix \"é\"", ST_F32, 2, {2, 3}, f32},
		{"scalar", ST_F64, 0, {0}, f64},
		{"none", ST_I32, 2, {0, 4}, NULL},
		{"longs", ST_I64, 1, {2}, i64},
	};
	const struct st_meta meta[] = {{"format", "x"}, {"text", "two\nlines \\ \"q\""}};
	char *data, *again;
	size_t len, len2;
	struct st_file *f;

	assert_int_equal(st_format(&data, &len, "test", t, 5, meta, 2), 0);
	assert_int_equal(st_format(&again, &len2, "test", t, 5, meta, 2), 0);
	assert_int_equal(len, len2);
	assert_memory_equal(data, again, len);
	free(again);
	assert_int_equal(st_parse(&f, data, len, "test"), 0);
	assert_int_equal(f->n, 5);
	for (int i = 0; i < 5; i++) {
		const struct st_tensor *got = st_find(f, t[i].name);

		assert_non_null(got);
		assert_true(got->dtype == t[i].dtype && got->ndim == t[i].ndim &&
			    st_items(got) == st_items(&t[i]));
		if (t[i].data)
			assert_memory_equal(
				got->data, t[i].data, st_items(got) * st_dtype_size(got->dtype));
	}
	assert_string_equal(st_get(f, "text"), meta[1].value);
	assert_int_equal(f->nmeta, 2);
	assert_null(st_get(f, "digest"));
	assert_null(st_find(f, "other"));
	st_free(f);
}

static void test_writer_refuses_bad_names(void **state)
{
	static const float x[] = {1};
	const struct st_tensor twice[] = {{"a", ST_F32, 0, {0}, x}, {"a", ST_F32, 0, {0}, x}};
	const struct st_tensor utf8[] = {{"\xff", ST_F32, 0, {0}, x}};
	const struct st_meta digest[] = {{"digest", "mine"}};
	char *data;
	size_t len;

	log_set_level(-1);
	assert_int_equal(st_format(&data, &len, "test", twice, 2, NULL, 0), -EINVAL);
	assert_int_equal(st_format(&data, &len, "test", utf8, 1, NULL, 0), -EINVAL);
	assert_int_equal(st_format(&data, &len, "test", twice, 1, digest, 1), -EINVAL);
	log_set_level(LOG_INFO);
}

// A file with this header after the digest and nbody zero bytes, its digest made to match.
static int parse_crafted(const char *rest, size_t nbody)
{
	size_t len;
	char *data = craft_safetensors(rest, strlen(rest), nbody, &len);
	int err = quiet_parse(data, len);

	free(data);
	return err;
}

static void test_reader_refuses_malformed_headers(void **state)
{
	static const struct {
		const char *rest;
		size_t body;
	} bad[] = {
		{"}", 0}, // unclosed
		{"},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
			8}, // trailing bytes
		{"},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8}, // gap
		{"},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}",
			8}, // wrong size
		{"},\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
			4}, // past the end
		{"},\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}",
			4}, // negative
		{"},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}",
			4}, // reversed
		{"},\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4}, // dtype
		{"},\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}",
			4}, // real size
		{"},\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1],\"data_offsets\":[0,4]}}",
			4}, // dimensions
		{"},\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,"
		 "0]}}",
			0},
		{"},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}",
			4}, // extra
		{"},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4},
		{"},\"a\":{\"dtype\":\"F32\",\"shape\":1,\"data_offsets\":[0,4]}}", 4},
		{"},\"a\":{\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4}, {"},\"a\":7}", 0},
		{",\"n\":7}}", 0},		   // metadata not text
		{",\"n\":\"1\",\"n\":\"1\"}}", 0}, // twice
		{"},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
		 "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
			4},
		{"},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
		 "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
			4}, // overlap
		{"},\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
		 "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[1,5]}}",
			5}, // unaligned
	};

	assert_int_equal(parse_crafted("}}", 0), 0);
	assert_int_equal(
		parse_crafted(
			"},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4),
		0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse_crafted(bad[i].rest, bad[i].body) != -EBADMSG)
			fail_msg("accepted: %s", bad[i].rest);
}

static void fill(struct model *m, uint64_t seed)
{
	struct model_tensor t;
	struct rng r;

	rng_init(&r, seed, 0);
	for (int i = 0; model_tensor(m, i, &t); i++)
		for (int k = 0; k < t.shape[0] * t.shape[1]; k++)
			t.data[k] = (float)rng_uniform(&r);
}

static struct model *small_model(void)
{
	struct model *m = model_new();

	assert_int_equal(model_add_layer(&m->net[MODEL_ACTOR], STATE_SIZE, 2, true), 0);
	assert_int_equal(model_add_layer(&m->net[MODEL_ACTOR], 2, 1, false), 0);
	assert_int_equal(model_add_layer(&m->net[MODEL_CRITIC], STATE_SIZE, 1, false), 0);
	assert_int_equal(model_add_layer(&m->net[MODEL_CRITIC], 2, 1, false), 0);
	fill(m, 3);
	m->info.name = file_path("small");
	m->info.training = file_path("key = value\n");
	m->info.buffer_bdp = 0.1;
	return m;
}

static void test_model_round_trip(void **state)
{
	struct model *m = small_model(), *got;
	char *path = in_dir("m.safetensors"), *other = in_dir("n.safetensors"), *a, *b;
	size_t na, nb;

	assert_int_equal(model_save(m, path), 0);
	assert_int_equal(model_load(&got, path), 0);
	model_digest(m);
	assert_string_equal(got->sha256, m->sha256);
	assert_string_equal(got->info.name, "small");
	assert_string_equal(got->info.training, "key = value\n");
	assert_true(got->info.buffer_bdp == 0.1 && isnan(got->info.theta));
	assert_null(got->info.seed);
	assert_int_equal(got->net[MODEL_CRITIC].n, 2);
	assert_int_equal(got->net[MODEL_CRITIC2].n, 0);
	assert_int_equal(model_save(got, other), 0);
	assert_int_equal(file_read(path, 1 << 20, &a, &na), 0);
	assert_int_equal(file_read(other, 1 << 20, &b, &nb), 0);
	assert_int_equal(na, nb);
	assert_memory_equal(a, b, na);
	free(a);
	free(b);
	got->net[MODEL_ACTOR].layer[0].w[5] += 1;
	model_digest(got);
	assert_string_not_equal(got->sha256, m->sha256);
	model_free(got);
	model_free(m);
	free(path);
	free(other);
}

static void test_fold_equals_layers(void **state)
{
	struct model *m = small_model();
	struct mlp *folded = model_fold(m);
	const struct model_layer *l = &m->net[MODEL_ACTOR].layer[0], *l2 = l + 1;
	double x[STATE_SIZE], y, want = l2->b[0];

	for (int i = 0; i < STATE_SIZE; i++)
		x[i] = sin(i);
	for (int o = 0; o < 2; o++) {
		double z = l->b[o];

		for (int i = 0; i < STATE_SIZE; i++)
			z += x[i] * l->w[i * 2 + o];
		z = (z - l->mean[o]) / sqrt(l->var[o] + 1e-3) + l->beta[o];
		want += l2->w[o] * (z > 0 ? z : 0.2 * z);
	}
	mlp_forward_ref(folded, x, &y, 1);
	assert_true(fabs(y - want) < 1e-12);
	mlp_free(folded);
	model_free(m);
}

static void test_nonsense_models_are_refused(void **state)
{
	struct model *m = small_model();
	char *path = in_dir("bad.safetensors");
	float *w = &m->net[MODEL_CRITIC].layer[1].w[1];

	log_set_level(-1);
	*w = NAN;
	assert_int_equal(model_save(m, path), -EBADMSG);
	*w = INFINITY;
	assert_int_equal(model_save(m, path), -EBADMSG);
	*w = 0;
	m->net[MODEL_ACTOR].layer[0].var[1] = -1;
	assert_int_equal(model_save(m, path), -EBADMSG);
	m->net[MODEL_ACTOR].layer[0].var[1] = 1;
	m->net[MODEL_CRITIC].layer[1].in = 1; // the action is missing
	assert_int_equal(model_save(m, path), -EBADMSG);
	m->net[MODEL_CRITIC].layer[1].in = 2;
	assert_int_equal(model_check(m, path), 0);
	log_set_level(LOG_INFO);
	model_free(m);
	free(path);
}

static void test_every_flip_and_cut_of_a_model_is_an_error(void **state)
{
	struct model *m = small_model();
	char *path = in_dir("flip.safetensors"), *data;
	size_t len;

	assert_int_equal(model_save(m, path), 0);
	assert_int_equal(file_read(path, 1 << 20, &data, &len), 0);
	assert_int_equal(quiet_parse(data, len), 0);
	for (size_t i = 0; i < len; i++)
		for (int bit = 0; bit < 8; bit++) {
			data[i] ^= (char)(1 << bit);
			if (quiet_parse(data, len) != -EBADMSG)
				fail_msg("byte %zu, bit %d", i, bit);
			data[i] ^= (char)(1 << bit);
		}
	for (size_t n = 0; n < len; n++)
		assert_int_equal(quiet_parse(data, n), -EBADMSG);
	free(data);
	free(path);
	model_free(m);
}

static void test_missing_file_is_an_error(void **state)
{
	char *path = in_dir("none");
	struct model *m;

	log_set_level(-1);
	assert_int_equal(model_load(&m, path), -ENOENT);
	log_set_level(LOG_INFO);
	free(path);
}

static int make_dir(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	static const char *const names[] = {"m.safetensors", "n.safetensors", "flip.safetensors"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *path = in_dir(names[i]);

		unlink(path);
		free(path);
	}
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_safetensors_round_trip),
		cmocka_unit_test(test_writer_refuses_bad_names),
		cmocka_unit_test(test_reader_refuses_malformed_headers),
		cmocka_unit_test(test_model_round_trip),
		cmocka_unit_test(test_fold_equals_layers),
		cmocka_unit_test(test_nonsense_models_are_refused),
		cmocka_unit_test(test_every_flip_and_cut_of_a_model_is_an_error),
		cmocka_unit_test(test_missing_file_is_an_error),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
