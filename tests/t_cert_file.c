/* Certificate files: what is written is read again; what was changed, cut off or is hostile is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "cert_entries.h"
#include "refusal.h"

static char *dir, *path;

// A file of n random entries.
static void write_some(int n, uint64_t seed)
{
	struct cert_head head = entries_head();
	struct cert_writer *w;
	struct rng g;

	rng_init(&g, seed, 0);
	assert_int_equal(cert_file_create(&w, path, &head), 0);
	for (int i = 0; i < n; i++) {
		struct cert_entry e = entries_random(&g, i % 4);
		char *line = cert_entry_format(&e);

		assert_non_null(line);
		assert_int_equal(cert_file_add(w, line), 0);
		free(line);
		cert_entry_free(&e);
	}
	assert_int_equal(cert_file_finish(w, true), 0);
}

// Reads all of what a file says: entries or an error.
static int read_text(const char *text, size_t len)
{
	FILE *f = fmemopen((void *)text, len, "rb");
	struct cert_reader *r = NULL;
	struct cert_entry e;
	int err, n = 0;

	assert_non_null(f);
	err = cert_file_read(&r, f, "c.json");
	while (!err && (err = cert_file_next(r, &e)) > 0) {
		cert_entry_free(&e);
		n++;
		err = 0;
	}
	if (r)
		cert_file_close(r);
	fclose(f);
	return err ? err : n;
}

static void same_part(const struct cert_part *a, const struct cert_part *b)
{
	assert_string_equal(a->property, b->property);
	assert_string_equal(a->engine, b->engine);
	assert_int_equal(a->region.ndims, b->region.ndims);
	for (int d = 0; d < a->region.ndims; d++) {
		assert_int_equal(a->region.dim[d].input, b->region.dim[d].input);
		assert_int_equal(a->region.dim[d].tied, b->region.dim[d].tied);
		assert_true(a->region.dim[d].lo == b->region.dim[d].lo);
		assert_true(a->region.dim[d].hi == b->region.dim[d].hi);
		assert_true(!a->missed || a->t[d] == b->t[d]);
	}
	assert_true(b->region.x[0] == 0.125 && b->region.x[1] == a->region.x[1]);
	assert_int_equal(a->lo, b->lo);
	assert_int_equal(a->hi, b->hi);
	assert_int_equal(a->missed, b->missed);
	assert_true(a->proven == b->proven && a->refuted == b->refuted);
	assert_true(a->exact == b->exact || (isnan(a->exact) && isnan(b->exact)));
	assert_true(a->y_lo == b->y_lo && a->y_hi == b->y_hi);
	assert_int_equal(a->tree.ndims, b->tree.ndims);
	assert_int_equal(a->tree.nodes, b->tree.nodes);
	assert_int_equal(a->tree.ncuts, b->tree.ncuts);
	assert_int_equal(a->tree.nbounds, b->tree.nbounds);
	assert_memory_equal(a->tree.kind, b->tree.kind, a->tree.nodes);
	for (size_t i = 0; i < a->tree.ncuts; i++)
		assert_true(a->tree.cuts[i] == b->tree.cuts[i]);
	assert_memory_equal(a->tree.bounds, b->tree.bounds, a->tree.nbounds * sizeof(double));
}

static void test_round_trip(void **state)
{
	struct cert_head head = entries_head();
	struct cert_reader *r;
	const struct cert_head *h;
	struct cert_entry a, b;
	struct rng g;

	write_some(20, 1);
	rng_init(&g, 1, 0);
	assert_int_equal(cert_file_open(&r, path), 0);
	h = cert_file_head(r);
	assert_string_equal(h->canopy, CANOPY_VERSION);
	assert_string_equal(h->model_name, head.model_name);
	assert_string_equal(h->model_sha256, head.model_sha256);
	assert_string_equal(h->property.file, head.property.file);
	assert_string_equal(h->property.text, head.property.text);
	assert_string_equal(h->property.set, head.property.set);
	assert_int_equal(h->nparams, 2);
	assert_string_equal(h->params[1].name, "x");
	assert_true(h->params[0].value == 0.25 && h->params[1].value == 25);
	for (int i = 0; i < 20; i++) {
		a = entries_random(&g, i % 4);
		assert_int_equal(cert_file_next(r, &b), 1);
		assert_int_equal(cert_file_line(r), i + 2);
		assert_string_equal(a.source, b.source);
		assert_int_equal(a.nstate, b.nstate);
		assert_memory_equal(a.state, b.state, a.nstate * sizeof(double));
		assert_true(a.w == b.w && a.p == b.p && a.clean == b.clean);
		assert_int_equal(a.nchanges, b.nchanges);
		assert_memory_equal(a.changes, b.changes, sizeof(a.changes));
		assert_int_equal(a.nparts, b.nparts);
		for (int k = 0; k < a.nparts; k++)
			same_part(&a.parts[k], &b.parts[k]);
		cert_entry_free(&a);
		cert_entry_free(&b);
	}
	assert_int_equal(cert_file_next(r, &b), 0);
	cert_file_close(r);
}

// The claims of an answer: shares are lowered, but none and all stay what they are.
static void test_claims(void **state)
{
	struct engine_answer a = {.engine = "exact",
		.proven = 0.5,
		.refuted = 1,
		.exact = NAN,
		.y_lo = -1,
		.y_hi = 2,
		.missed = true,
		.t = {0.75}};
	struct cert_part p = {.region.ndims = 1};

	assert_int_equal(cert_part_claim(&p, &a), 0);
	assert_string_equal(p.engine, "exact");
	assert_true(p.proven < 0.5 && p.proven > 0.5 - 1e-8);
	assert_true(p.refuted == 1 && isnan(p.exact) && p.y_lo == -1 && p.y_hi == 2);
	assert_true(p.missed && p.t[0] == 0.75);
	free(p.engine);
	a.proven = 0;
	assert_int_equal(cert_part_claim(&p, &a), 0);
	assert_true(p.proven == 0);
	free(p.engine);
}

// It is one JSON document for everybody else.
static void test_is_json(void **state)
{
	for (int n = 0; n < 4; n++) {
		json_t *o;

		write_some(n, 2);
		o = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(o);
		assert_string_equal(json_string_value(json_object_get(o, "format")), CERT_FORMAT);
		assert_int_equal(json_array_size(json_object_get(o, "decisions")), n);
		json_decref(o);
	}
}

static void test_cut_off(void **state)
{
	char *text;
	size_t len;

	write_some(3, 3);
	assert_int_equal(file_read(path, 1 << 24, &text, &len), 0);
	assert_int_equal(read_text(text, len), 3);
	log_set_level(-1);
	for (size_t n = 1; n < len; n++)
		assert_true(read_text(text, n) < 0);
	log_set_level(LOG_INFO);
	free(text);
}

static void test_flipped(void **state)
{
	char *text;
	size_t len;

	write_some(2, 4);
	assert_int_equal(file_read(path, 1 << 24, &text, &len), 0);
	log_set_level(-1);
	for (size_t i = 0; i < len; i++)
		for (int bit = 0; bit < 8; bit += 3) {
			text[i] ^= (char)(1 << bit);
			assert_true(read_text(text, len) < 0);
			text[i] ^= (char)(1 << bit);
		}
	log_set_level(LOG_INFO);
	assert_int_equal(read_text(text, len), 2);
	free(text);
}

// Head, a decision with a part, end; the digest is what it should be.
#define HEAD                                                                                       \
	"{\"format\":\"canopy-certificate\",\"version\":1,\"canopy\":\"0\",\"model\":{\"name\":"   \
	"\"m\",\"sha256\":"                                                                        \
	"\"" A64 "\"},\"property\":{\"file\":\"f\",\"set\":\"s\",\"sha256\":\""                    \
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\"text\":\"\"},"       \
	"\"parameters\":{},"                                                                       \
	"\"decisions\":["
#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define PART                                                                                       \
	"{\"property\":\"p\",\"vary\":[{\"input\":1,\"tied\":null,\"lo\":0,\"hi\":1}],\"fixed\":[" \
	"{\"input\":0,"                                                                            \
	"\"value\":2}],\"target\":[0,9],\"engine\":\"e\",\"proven\":0,\"refuted\":0,\"exact\":"    \
	"null,\"y\":[0,1],"                                                                        \
	"\"tree\":\"auu\",\"cuts\":[0,0.5],\"bounds\":[0,1,null,1],\"counterexample\":null}"
#define DECISION                                                                                   \
	"{\"source\":\"\",\"state\":[0,0.5],\"w\":9,\"p\":0,\"clean\":9,\"changes\":[1,-2],"       \
	"\"parts\":[" PART "]}"

static char *sealed(const char *body)
{
	char hex[HASH_HEX];

	hash_sha256(hex, &(struct hash_part){body, strlen(body)}, 1);
	return file_path("%s\"sha256\":\"%s\"}\n", body, hex);
}

// The first `from` in the file becomes `to`: what is wrong then, in words.
static const struct {
	const char *from, *to, *message;
} wrongs[] = {
	{"canopy-certificate", "canopy-model", "c.json:1: 'format' is 'canopy-model'"},
	{"\"version\":1", "\"version\":3", "'version' is 3"},
	{"\"version\":1", "\"version\":2", "'policy' is missing"},
	{"\"parameters\":{}", "\"parameters\":{},\"policy\":\"shielded\"", "no member 'policy'"},
	{"\"version\":1", "\"version\":2,\"policy\":\"bare\",\"shield\":{}", "'policy' is 'bare'"},
	{"\"version\":1", "\"version\":2,\"policy\":\"shielded\",\"shield\":[]",
		"'shield' is not an object"},
	{"\"version\":1", "\"version\":2,\"policy\":\"shielded\",\"shield\":{}", "'file' is missing"},
	{"\"version\":1",
		"\"version\":2,\"policy\":\"shielded\",\"shield\":{\"file\":\"\",\"set\":\"\","
		"\"sha256\":\"" A64 "\",\"text\":\"\"}",
		"property text has another digest"},
	{"\"version\":1", "\"version\":1.5", "'version' is not a whole number"},
	{"\"version\":1,", "", "'version' is missing"},
	{"\"canopy\":", "\"canopi\":", "'canopy' is missing"},
	{"\"canopy\":\"0\"", "\"canopy\":\"0\",\"paramters\":1",
		"no member 'paramters', did you mean 'parameters'?"},
	{A64, "a", "'sha256' is not a digest"},
	{"e3b0", "e3b1", "property text has another digest"},
	{"\"parameters\":{}", "\"parameters\":{\"x\":\"1\"}", "'x' is not a number"},
	{"\"parameters\":{}", "\"parameters\":[]", "'parameters' is not an object"},
	{"\"decisions\":[", "\"decisions\":{", "c.json:1: not the head"},
	{"\"source\":\"\"", "\"source\":5", "c.json:2: 'source' is not a text"},
	{"[0,0.5],\"w\"", "[],\"w\"", "'state' has 0 numbers"},
	{"[0,0.5],\"w\"", "[0,null],\"w\"", "'state': item 2 is not a number"},
	{"[0,0.5],\"w\"", "[0,NaN],\"w\"", "column"},
	{"[0,0.5],\"w\"", "[0,1e999],\"w\"", "real number overflow"},
	{"\"w\":9", "\"w\":-1", "'w' is -1, not within 0 and 4294967295"},
	{"\"w\":9", "\"w\":99999999999999999999", "too big"},
	{"\"w\":9", "\"w\":9,\"w\":9", "duplicate"},
	{"[1,-2]", "[1,0.5]", "'changes': item 2"},
	{"\"input\":1", "\"input\":2", "part 1: 'input' is 2, not within 0 and 1"},
	{"\"input\":1", "\"input\":-1", "'input' is -1"},
	{"\"tied\":null", "\"tied\":0", "tied to another"},
	{"\"lo\":0,", "\"lo\":1,", "not below hi"},
	{"\"hi\":1", "\"hi\":1e400", "overflow"},
	{"\"hi\":1}", "\"hi\":1},{\"input\":1,\"tied\":null,\"lo\":0,\"hi\":1}", "varies twice"},
	{"\"value\":2", "\"valeu\":2", "'value' is missing"},
	{"[0,9]", "[0]", "'target' is not two whole numbers"},
	{"[0,9]", "[0,1.5]", "'target' is not two whole numbers"},
	{"\"proven\":0", "\"proven\":1.5", "'proven' is 1.5, not within 0 and 1"},
	{"\"proven\":0", "\"proven\":null", "'proven' is not a number"},
	{"\"exact\":null", "\"exact\":-1", "'exact' is -1"},
	{"\"y\":[0,1]", "\"y\":[2,1]", "'y': 2 is above 1"},
	{"\"y\":[0,1]", "\"y\":[2]", "'y' is not two numbers"},
	{"auu", "aux", "node 3 is none of"},
	{"auu", "au", "not whole"},
	{"auu", "asu", "do not fit"},
	{"auu", "asuu", "goes on after its last leaf"},
	{"auu", "auuu", "goes on after its last leaf"},
	{"auu", "", "not whole"},
	{"auu", "aauu", "'cuts' has fewer numbers"},
	{"auu", "u", "do not fit"},
	{"auu", "auh", "no interval on which anything holds"},
	{"\"cuts\":[0,0.5]", "\"cuts\":[1,0.5]", "1 is no varied input"},
	{"\"cuts\":[0,0.5]", "\"cuts\":[0.5,0.5]", "no varied input"},
	{"\"cuts\":[0,0.5]", "\"cuts\":[0,null]", "'cuts': item 2"},
	{"\"cuts\":[0,0.5]", "\"cuts\":[0,0.5,1]", "do not fit"},
	{"[0,1,null,1]", "[0,1,null]", "do not fit"},
	{"[0,1,null,1]", "[0,1,2,1]", "2 and 1 of leaf 2 are no interval"},
	{"\"counterexample\":null", "\"counterexample\":[1,2]", "'counterexample' has 2 numbers"},
	{"\"counterexample\":null", "\"counterexample\":\"t\"",
		"'counterexample' is not a list or null"},
	{"]}\n],", "]},\n],", "a decision is missing"},
	{"]}\n],", "]}\n" DECISION "\n],", "a comma is missing"},
	{"]}\n],", "]}]}]\n],", "c.json:2: column"},
	{"]}\n],", "]},\n[]\n],", "not an object"},
	{"]}\n],", "]},\n", "c.json:3: column"},
};

static int read_sealed(const char *body)
{
	char *file = sealed(body);
	int err = read_text(file, strlen(file));

	free(file);
	return err;
}

static void test_hostile(void **state)
{
	static const char good[] = HEAD "\n" DECISION "\n],\n";

	assert_int_equal(read_sealed(good), 1);
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		const char *at = strstr(good, wrongs[i].from);
		struct refusal r = {.said = wrongs[i].message};
		char *body;

		assert_non_null(at);
		body = file_path("%.*s%s%s", (int)(at - good), good, wrongs[i].to,
			at + strlen(wrongs[i].from));
		r.input = body;
		check_refusals(read_sealed, &r, 1);
		free(body);
	}
}

static void test_digest(void **state)
{
	char *file = sealed(HEAD "\n" DECISION "\n],\n"), *more = file_path("%s ", file);

	log_set_level(-1);
	assert_true(read_text(more, strlen(more)) < 0);
	file[strlen(file) - 5] = 'g';
	assert_int_equal(read_text(file, strlen(file)), -EKEYREJECTED);
	log_set_level(LOG_INFO);
	free(file);
	free(more);
}

// Nothing is left of a file that was given up, and nothing appears before it is whole.
static void test_given_up(void **state)
{
	struct cert_head head = entries_head();
	struct cert_writer *w;

	unlink(path);
	assert_int_equal(cert_file_create(&w, path, &head), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(cert_file_add(w, "{}"), 0);
	assert_int_equal(cert_file_finish(w, false), 0);
	assert_int_equal(access(path, F_OK), -1);
	log_set_level(-1);
	assert_int_equal(cert_file_create(&w, "/nowhere/c.json", &head), -ENOENT);
	head.property.text = (char *)"\xff";
	assert_int_equal(cert_file_create(&w, path, &head), -EINVAL);
	log_set_level(LOG_INFO);
	assert_int_equal(access(path, F_OK), -1);
}

static int set_up(void **state)
{
	static char name[] = "/tmp/canopy-cert-XXXXXX";

	dir = mkdtemp(name);
	path = dir ? file_path("%s/c.json", dir) : NULL;
	return !dir;
}

static int tear_down(void **state)
{
	unlink(path);
	free(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_claims),
		cmocka_unit_test(test_is_json),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_digest),
		cmocka_unit_test(test_given_up),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
