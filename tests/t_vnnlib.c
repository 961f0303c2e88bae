/* VNN-LIB: written claims read back, mistakes are named, hostile files refused. */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <unistd.h>

#include "vnnlib_fixture.h"

#define DECLARED "(declare-const X_0 Real)\n(declare-const X_1 Real)\n(declare-const Y_0 Real)\n"
#define INPUTS "(assert (<= X_0 1))(assert (>= X_0 0))(assert (= X_1 2))\n"

static struct vnnlib *read_back(const struct region *r, const struct band *b, enum vnnlib_mode mode)
{
	char *text = written(r, b, mode);
	struct vnnlib *v;

	assert_int_equal(vnnlib_parse(&v, text, strlen(text), "written"), 0);
	assert_int_equal(v->n, 1);
	free(text);
	return v;
}

// What varies, by input; the order of dimensions is not kept.
static const struct region_dim *dim_of(const struct region *r, int input)
{
	for (int d = 0; d < r->ndims; d++)
		if (r->dim[d].input == input)
			return &r->dim[d];
	return NULL;
}

static void assert_same_region(const struct region *a, const struct region *b)
{
	assert_int_equal(a->nin, b->nin);
	assert_int_equal(a->ndims, b->ndims);
	for (int d = 0; d < a->ndims; d++) {
		const struct region_dim *other = dim_of(b, a->dim[d].input);

		assert_non_null(other);
		assert_int_equal(a->dim[d].tied, other->tied);
		assert_true(a->dim[d].lo == other->lo && a->dim[d].hi == other->hi);
	}
	for (int i = 0; i < a->nin; i++) {
		double lo[REGION_INPUTS], hi[REGION_INPUTS], lo2[REGION_INPUTS], hi2[REGION_INPUTS];

		region_hull(a, lo, hi);
		region_hull(b, lo2, hi2);
		assert_true(lo[i] == lo2[i] && hi[i] == hi2[i]);
	}
}

static void exact_files_read_back(void **state)
{
	struct rng rng;

	rng_init(&rng, 1, 0);
	for (int i = 0; i < 50; i++) {
		struct region r;
		struct vnnlib *v;

		random_region(&r, &rng);
		v = read_back(&r, &some, VNNLIB_EXACT);
		assert_same_region(&r, &v->claims[0].region);
		assert_true(v->claims[0].lo == some.sure_lo && v->claims[0].hi == some.sure_hi);
		vnnlib_free(v);
	}
}

// In real arithmetic: long double has the bits for 1.25 times a double.
static void box_files_hold_the_region(void **state)
{
	struct rng rng;

	rng_init(&rng, 2, 0);
	for (int i = 0; i < 50; i++) {
		double lo[REGION_INPUTS], hi[REGION_INPUTS];
		struct region r;
		struct vnnlib *v;

		random_region(&r, &rng);
		v = read_back(&r, &some, VNNLIB_BOX);
		region_hull(&v->claims[0].region, lo, hi);
		for (int k = 0; k < r.nin; k++)
			if (!dim_of(&r, k) &&
				!(k % FRAME_FEATURES == FRAME_DELAY && dim_of(&r, k - 1)))
				assert_true(lo[k] == r.x[k] && hi[k] == r.x[k]);
		for (int d = 0; d < r.ndims; d++) {
			const struct region_dim *dim = &r.dim[d];

			assert_true(lo[dim->input] == dim->lo && hi[dim->input] == dim->hi);
			if (dim->tied < 0)
				continue;
			assert_true(lo[dim->tied] <= fminl(1, 1.25L * dim->lo));
			assert_true(hi[dim->tied] >= fminl(1, 1.25L * dim->hi));
			assert_true(lo[dim->tied] >= region_tied(dim->lo) - DBL_EPSILON);
			assert_true(hi[dim->tied] <= region_tied(dim->hi) + DBL_EPSILON);
		}
		vnnlib_free(v);
	}
}

static void every_kind_of_band(void **state)
{
	static const struct {
		struct band band;
		double lo, hi;
		const char *line;
	} cases[] = {
		{{1, 2, 0, 0, -0.5, 0.25, 0, 0}, -0.5, 0.25,
			"(assert (or (<= Y_0 -0.5) (>= Y_0 0.25)))\n"},
		{{1, 2, 0, 0, -0.5, INFINITY, 0, 0}, -0.5, INFINITY, "(assert (<= Y_0 -0.5))\n"},
		{{1, 2, 0, 0, -INFINITY, 2, 0, 0}, -INFINITY, 2, "(assert (>= Y_0 2.0))\n"},
		{{2, 1, 0, 0, INFINITY, -INFINITY, 0, 0}, 0, 0,
			"(assert (or (<= Y_0 0.0) (>= Y_0 0.0)))\n"},
	};
	const struct band whole = {1, 2, 0, 0, -INFINITY, INFINITY, 0, 0};
	struct region r;
	size_t len;
	char *text;

	region_point(&r, (double[]){1, 2}, 2);
	for (size_t i = 0; i < LEN(cases); i++) {
		struct vnnlib *v = read_back(&r, &cases[i].band, VNNLIB_BOX);

		text = written(&r, &cases[i].band, VNNLIB_BOX);
		assert_non_null(strstr(text, cases[i].line));
		assert_true(v->claims[0].lo == cases[i].lo && v->claims[0].hi == cases[i].hi);
		free(text);
		vnnlib_free(v);
	}
	assert_int_equal(vnnlib_format(&text, &len, &r, &whole, VNNLIB_BOX, NULL), -EDOM);
	r.x[1] = NAN;
	assert_int_equal(vnnlib_format(&text, &len, &r, &some, VNNLIB_BOX, NULL), -EINVAL);
}

// Verdicts of a read claim: only lo < y < hi is right.
static void bands_of_claims_are_open(void **state)
{
	struct vnnlib_claim c = {.lo = -1, .hi = 2}, none = {.lo = 1, .hi = nextafter(1, 2)},
			    up = {.lo = -INFINITY, .hi = -DBL_MAX},
			    half = {.lo = 0, .hi = INFINITY};
	struct band b;

	vnnlib_band(&b, &c);
	assert_true(!band_empty(&b) && band_holds(&b, nextafter(-1, 0), nextafter(2, 0)));
	assert_false(band_holds(&b, -1, 0));
	assert_false(band_holds(&b, 0, 2));
	assert_true(band_fails(&b, 2, 3) && band_fails(&b, -2, -1));
	assert_false(band_fails(&b, -2, nextafter(-1, 0)));
	vnnlib_band(&b, &half);
	assert_true(!band_empty(&b) && band_holds(&b, SMALLEST, DBL_MAX) && band_fails(&b, -1, 0));
	vnnlib_band(&b, &none);
	assert_true(band_empty(&b) && band_fails(&b, 1, 1) && !band_holds(&b, 1, 1));
	vnnlib_band(&b, &up);
	assert_true(band_empty(&b) && band_fails(&b, -DBL_MAX, -DBL_MAX));
}

static struct vnnlib *parsed(const char *text)
{
	char *copy = strdup(text);
	struct vnnlib *v = NULL;

	assert_int_equal(vnnlib_parse(&v, copy, strlen(copy), "foreign"), 0);
	free(copy);
	return v;
}

// As VNN-COMP's files have it: alternatives that fix inputs and outputs together.
static void alternatives_become_claims(void **state)
{
	struct vnnlib *v =
		parsed(DECLARED "(assert (or ; two boxes, the first with two limits\n"
				"(and (<= X_0 1e-1) (>= X_0 -0.5) (<= Y_0 -1) (= X_1 3))\n"
				"(and (<= X_0 0.1) (<= -0.5 X_0) (>= Y_0 1) (= 3 X_1))\n"
				"(and (>= X_0 1) (<= X_0 2) (= X_1 4) (<= 7 Y_0))))");

	assert_int_equal(v->n, 2);
	assert_true(v->claims[0].lo == -1 && v->claims[0].hi == 1);
	assert_int_equal(v->claims[0].region.ndims, 1);
	assert_true(v->claims[0].region.dim[0].lo == -0.5 && v->claims[0].region.dim[0].hi == 0.1);
	assert_true(v->claims[0].region.x[1] == 3);
	assert_true(v->claims[1].lo == -INFINITY && v->claims[1].hi == 7);
	assert_true(v->claims[1].region.dim[0].lo == 1 && v->claims[1].region.dim[0].hi == 2);
	vnnlib_free(v);
}

static int parse_quietly(const char *text)
{
	char *copy = strdup(text);
	struct vnnlib *v = NULL;
	int err = vnnlib_parse(&v, copy, strlen(copy), "f.vnnlib");

	assert_true(err || v);
	vnnlib_free(v);
	free(copy);
	return err;
}

static void mistakes_are_named(void **state)
{
	static const struct refusal cases[] = {
		{"", "f.vnnlib: X_0 is not declared"},
		{"(declare-const X_0 Real)", "f.vnnlib: Y_0 is not declared"},
		{"(declare-const X_1 Real)(declare-const Y_0 Real)", "X_1 is declared, X_0 is not"},
		{"\n(declare-cnst X_0 Real)",
			"f.vnnlib:2: 'declare-cnst' is not known here, did you mean "
			"'declare-const'?"},
		{"(check-sat)", "'check-sat' is not one of declare-const, assert"},
		{"(declare-const X_0 Int)", "'Int' is not one of Real"},
		{"(declare-const X_0 Rael)", "did you mean 'Real'?"},
		{"(declare-const X_0)", "needs a name and a type"},
		{"(declare-const X_00 Real)", "'X_00' is not X_0 to X_95 or Y_0"},
		{"(declare-const X_96 Real)", "'X_96' is not X_0"},
		{"(declare-const Y_1 Real)", "'Y_1' is not X_0"},
		{DECLARED "(declare-const Y_0 Real)", "f.vnnlib:4: 'Y_0' is declared already"},
		{"assert", "f.vnnlib:1: 'assert' is not a command in parentheses"},
		{"()", "is not a command"},
		{DECLARED "(assert)", "needs one formula, here are 0"},
		{DECLARED "(assert (<= X_0 1) (<= X_0 2))", "here are 2"},
		{DECLARED "(assert X_0)", "should be a formula in parentheses"},
		{DECLARED "(assert (adn (<= X_0 1)))", "did you mean 'and'?"},
		{DECLARED "(assert (< X_0 1))", "'<' is not known here, did you mean '<='?"},
		{DECLARED "(assert (or))", "'or' has no alternatives"},
		{DECLARED "(assert (<= X_0))", "compares two things, here are 1"},
		{DECLARED "(assert (<= X_2 1))", "'X_2' is not declared"},
		{DECLARED "(assert (<= Z 1))", "'Z' is neither an input X_i nor the output Y_0"},
		{DECLARED "(assert (<= X_0 X_1))", "'X_1' is not a number"},
		{DECLARED "(assert (<= X_0 0x10))", "'0x10' is not a number"},
		{DECLARED "(assert (<= X_0 inf))", "'inf' is not a number"},
		{DECLARED "(assert (<= X_0 nan))", "'nan' is not a number"},
		{DECLARED "(assert (<= X_0 1e999))", "'1e999' is not a number"},
		{DECLARED "(assert (<= X_0 (- -1)))", "is not a number"},
		{DECLARED "(assert (<= X_0 (- (- 1))))", "is not a number"},
		{DECLARED "(assert (= X_1 (* 1.25 X_0)))", "inputs may be tied only as"},
		{DECLARED "(assert (<= 1 2))", "'2' is neither an input"},
		{DECLARED "(assert (<= X_0 1))(assert (>= X_0 0))(assert (>= Y_0 1))",
			"X_1 has no lower limit"},
		{DECLARED "(assert (<= X_0 1))(assert (= X_1 0))(assert (>= Y_0 1))",
			"X_0 has no lower limit"},
		{DECLARED "(assert (<= X_0 1))\n\n(assert (>= X_0 1.5))",
			"f.vnnlib:6: '>=' leaves X_0 without"},
		{DECLARED INPUTS, "Y_0 has no limit"},
		{DECLARED INPUTS "(assert (<= Y_0 1))(assert (>= Y_0 0))",
			"is bounded on both sides"},
		{DECLARED INPUTS "(assert (<= Y_0 0))(assert (>= Y_0 1))",
			"an (or ...) around the limits?"},
		{DECLARED INPUTS "(assert (<= Y_0 0)", "f.vnnlib:5: '(' is never closed"},
		{"\n)", "f.vnnlib:2: ')' closes nothing"},
		{"\n\001", "f.vnnlib:2: byte 0x01 is not text"},
	};

	check_refusals(parse_quietly, cases, LEN(cases));
}

#define TIE(a, b)                                                                                  \
	"(assert (or (and (<= " a " 0.8) (= " b " (* 1.25 " a "))) "                               \
	"(and (>= " a " 0.8) (= " b " 1))))"

static void ties_are_taken_in_their_form_alone(void **state)
{
	static const struct refusal cases[] = {
		{DECLARED TIE("X_0", "X_0"), "not a number"},
		{DECLARED TIE("X_0", "X_3"), "ties X_3, which is not declared"},
		{DECLARED TIE("X_0", "X_1") TIE("X_1", "X_0"), "of which one is tied already"},
		{DECLARED "(assert (<= X_0 1))(assert (>= X_0 0.5))(assert (<= X_1 0.9))"
			  "(assert (<= Y_0 0))" TIE("X_0", "X_1"),
			"X_1 is tied to X_0 and has limits of its own besides"},
		{DECLARED "(assert (or (and (<= X_0 0.7) (= X_1 (* 1.25 X_0))) (and (>= X_0 0.7) "
			  "(= X_1 "
			  "1))))",
			"not a number"},
	};
	struct vnnlib *v = parsed(DECLARED
		"(assert (<= X_0 1))(assert (>= X_0 0.5))(assert (<= Y_0 0))" TIE("X_0", "X_1"));

	assert_int_equal(v->claims[0].region.ndims, 1);
	assert_int_equal(v->claims[0].region.dim[0].tied, 1);
	vnnlib_free(v);
	check_refusals(parse_quietly, cases, LEN(cases));
}

// Each "or" of two doubles the sets: refused, not tried.
static void alternatives_do_not_explode(void **state)
{
	char text[8192] = DECLARED, *at = text + strlen(text), deep[256];
	static struct refusal cases[] = {
		{NULL, "makes more than 256 alternatives"},
		{NULL, "more than 64 lists within each other"},
	};

	for (int i = 0; i < 40; i++)
		at += sprintf(at, "(assert (or (<= X_0 %d) (<= X_1 %d)))\n", i + 1, i + 1);
	memset(deep, '(', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	cases[0].input = text;
	cases[1].input = deep;
	check_refusals(parse_quietly, cases, 2);
}

// Every line by the grammar that VNN-COMP's tools take, written down here once more as patterns.
static void box_files_keep_to_the_vnncomp_grammar(void **state)
{
#define NUMBER "-?[0-9]+\\.[0-9]+"
	static const char pattern[] =
		"^(;.*|\\(declare-const (X_[0-9]+|Y_0) Real\\)|"
		"\\(assert \\((<=|>=) (X_[0-9]+|Y_0) " NUMBER "\\)\\)|"
		"\\(assert \\(or \\(<= Y_0 " NUMBER "\\) \\(>= Y_0 " NUMBER "\\)\\)\\))$";
	struct region r;
	struct rng rng;
	regex_t line;

	assert_int_equal(regcomp(&line, pattern, REG_EXTENDED | REG_NOSUB), 0);
	rng_init(&rng, 3, 0);
	for (int i = 0; i < 10; i++) {
		char *text, *save = NULL;
		bool tied = false, marked;

		random_region(&r, &rng);
		for (int d = 0; d < r.ndims; d++)
			tied |= r.dim[d].tied >= 0;
		text = written(&r, &some, VNNLIB_BOX);
		marked = strstr(text, "a larger region than the claim's");
		assert_int_equal(marked, tied);
		for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
			if (regexec(&line, l, 0, NULL, 0))
				fail_msg("'%s'", l);
		free(text);
	}
	regfree(&line);
}

static void files_are_written_and_read(void **state)
{
	char *path = file_path("%s/claim.vnnlib", dir);
	struct region r;
	struct vnnlib *v;

	region_point(&r, (double[]){1, 2}, 2);
	assert_int_equal(vnnlib_write(&r, &some, VNNLIB_EXACT, NULL, path), 0);
	assert_int_equal(vnnlib_read(&v, path), 0);
	assert_same_region(&r, &v->claims[0].region);
	vnnlib_free(v);
	vnnlib_free(NULL);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_files_read_back),
		cmocka_unit_test(box_files_hold_the_region),
		cmocka_unit_test(every_kind_of_band),
		cmocka_unit_test(bands_of_claims_are_open),
		cmocka_unit_test(alternatives_become_claims),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(ties_are_taken_in_their_form_alone),
		cmocka_unit_test(alternatives_do_not_explode),
		cmocka_unit_test(box_files_keep_to_the_vnncomp_grammar),
		cmocka_unit_test(files_are_written_and_read),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
