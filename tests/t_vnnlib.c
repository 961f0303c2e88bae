/* VNN-LIB: written claims read back, mistakes, and z3 as an independent judge of grammar and meaning. */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <unistd.h>

#include "base/rng.h"
#include "cert/vnnlib.h"
#include "nn/mlp.h"
#include "trace_fixture.h"

#define DECLARED "(declare-const X_0 Real)\n(declare-const X_1 Real)\n(declare-const Y_0 Real)\n"
#define INPUTS "(assert (<= X_0 1))(assert (>= X_0 0))(assert (= X_1 2))\n"
#define SMALLEST 0x1p-1074

static char dir[] = "/tmp/canopy-vnnlib-XXXXXX";

static const struct band some = {.first = 50, .last = 150, .sure_lo = -0.3, .sure_hi = 0.7};

static char *written(const struct region *r, const struct band *b, enum vnnlib_mode mode)
{
	char *text;
	size_t len;

	assert_int_equal(vnnlib_format(&text, &len, r, b, mode, "one\ntwo"), 0);
	assert_int_equal(strlen(text), len);
	return text;
}

static struct vnnlib *read_back(const struct region *r, const struct band *b, enum vnnlib_mode mode)
{
	char *text = written(r, b, mode);
	struct vnnlib *v;

	assert_int_equal(vnnlib_parse(&v, text, strlen(text), "written"), 0);
	assert_int_equal(v->n, 1);
	free(text);
	return v;
}

// A state of full size with numbers of every sign and size, some inputs varied.
static void random_region(struct region *r, struct rng *rng)
{
	double x[STATE_SIZE];

	for (int i = 0; i < STATE_SIZE; i++)
		x[i] = ldexp(rng_normal(rng), (int)rng_below(rng, 40) - 30);
	x[3] = 0;
	x[4] = SMALLEST;
	region_point(r, x, STATE_SIZE);
	for (int f = FRAME_HISTORY - 1; f >= 0; f--) {
		double lo = rng_uniform(rng), hi = lo + rng_uniform(rng);

		if (rng_below(rng, 2))
			assert_int_equal(
				region_vary(r, f * FRAME_FEATURES + FRAME_INV_RTT, lo, hi), 0);
		if (rng_below(rng, 2))
			assert_int_equal(
				region_vary(r, f * FRAME_FEATURES + FRAME_LOSS, -hi, lo), 0);
	}
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

static void need_z3(void)
{
	if (!system("command -v z3 >/dev/null"))
		return;
	print_message("skip: apt-get install z3 judges the files independently\n");
	skip();
}

// z3's first line on a text: "sat", "unsat", or a complaint.
static void ask_z3(char answer[128], const char *text)
{
	char *path = file_path("%s/ask.smt2", dir), *cmd = file_path("z3 -T:60 '%s' 2>&1", path);
	FILE *f;

	assert_int_equal(file_write(path, text, strlen(text)), 0);
	f = popen(cmd, "r");
	assert_non_null(f);
	assert_non_null(fgets(answer, 128, f));
	answer[strcspn(answer, "\n")] = '\0';
	while (fgetc(f) != EOF)
		;
	pclose(f);
	free(cmd);
	free(path);
}

static void z3_takes_both_kinds_of_file(void **state)
{
	char answer[128];
	struct region r;
	struct rng rng;

	need_z3();
	rng_init(&rng, 4, 0);
	for (int i = 0; i < 6; i++) {
		char *text, *ask;

		random_region(&r, &rng);
		text = written(&r, &some, i % 2 ? VNNLIB_EXACT : VNNLIB_BOX);
		ask = file_path("%s(check-sat)\n", text);
		ask_z3(answer, ask);
		assert_string_equal(answer, "sat"); // nothing ties Y_0 to a network yet
		free(ask);
		free(text);
	}
}

// The network as constraints between X_i and Y_0, in exact decimals.
static void put_network(FILE *f, const struct mlp *m)
{
	char from[16] = "X";

	for (int l = 0; l < m->n; l++) {
		const struct mlp_layer *layer = &m->layer[l];
		bool last = l == m->n - 1;

		for (int o = 0; o < layer->out; o++) {
			fprintf(f, "(define-fun z%d_%d () Real (+ (- %.1074f %.1074f)", l, o,
				fmax(layer->b[o], 0), fmax(-layer->b[o], 0));
			for (int k = 0; k < layer->in; k++) {
				double w = layer->w[k * layer->out + o];

				fprintf(f, " (* %s%.1074f%s %s_%d)", w < 0 ? "(- " : "", fabs(w),
					w < 0 ? ")" : "", from, k);
			}
			fprintf(f, "))\n");
			if (!last)
				fprintf(f,
					"(define-fun h%d_%d () Real (ite (> z%d_%d 0.0) z%d_%d (* "
					"0.2 z%d_%d)))\n",
					l, o, l, o, l, o, l, o);
		}
		snprintf(from, sizeof(from), "h%d", l);
	}
	fprintf(f, "(assert (= Y_0 z%d_0))\n(check-sat)\n", m->n - 1);
}

static void assert_judged(const struct mlp *m, const struct region *r, const struct band *b,
	enum vnnlib_mode mode, const char *want)
{
	char *claim = written(r, b, mode), *text = NULL, answer[128];
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	fputs(claim, f);
	put_network(f, m);
	fclose(f);
	ask_z3(answer, text);
	assert_string_equal(answer, want);
	free(text);
	free(claim);
}

static struct band open_band(double lo, double hi)
{
	return (struct band){.first = 50, .last = 150, .sure_lo = lo, .sure_hi = hi};
}

// y = 2 delay_metric - inv_rtt over inv_rtt in [0.5, 1]: 0.75 at 0.5, 1.2 at the kink, 1 at the end.
// Untied it would range over [0.25, 1.5].
static void z3_knows_the_tie(void **state)
{
	struct mlp *m;
	struct band wide = open_band(0.7, 1.25), low = open_band(0.7, 1.19),
		    high = open_band(0.76, 1.25), all = open_band(0.2, 1.6);
	struct region r;

	need_z3();
	m = mlp_new(1, (int[]){FRAME_FEATURES, 1}, 0.2);
	m->layer[0].w[FRAME_DELAY] = 2;
	m->layer[0].w[FRAME_INV_RTT] = -1;
	region_point(&r, (double[FRAME_FEATURES]){0.1, 0.2, -0.3}, FRAME_FEATURES);
	assert_int_equal(region_vary(&r, FRAME_INV_RTT, 0.5, 1), 0);
	assert_judged(m, &r, &wide, VNNLIB_EXACT, "unsat");
	assert_judged(m, &r, &wide, VNNLIB_BOX, "sat"); // the larger region
	assert_judged(m, &r, &all, VNNLIB_BOX, "unsat");
	assert_judged(m, &r, &low, VNNLIB_EXACT, "sat");
	assert_judged(m, &r, &high, VNNLIB_EXACT, "sat");
	mlp_free(m);
}

// Random networks with a hidden layer: the range on a fine grid, and bands just outside and inside of it. The
// output is linear between the grid's points but for kinks, and its slope times the grid's step is far below
// the margin.
static void z3_agrees_on_small_networks(void **state)
{
	enum { GRID = 20000 };
	struct rng rng;

	need_z3();
	rng_init(&rng, 5, 0);
	for (int i = 0; i < 4; i++) {
		struct mlp *m = mlp_new(2, (int[]){FRAME_FEATURES, 4, 1}, 0.2);
		double x[FRAME_FEATURES], least = INFINITY, most = -INFINITY, y, margin = 1e-3;
		struct region r;
		struct band in, above, below;

		for (int l = 0; l < 2; l++) {
			for (int k = 0; k < m->layer[l].in * m->layer[l].out; k++)
				m->layer[l].w[k] = rng_normal(&rng);
			for (int k = 0; k < m->layer[l].out; k++)
				m->layer[l].b[k] = rng_normal(&rng);
		}
		for (int k = 0; k < FRAME_FEATURES; k++)
			x[k] = rng_normal(&rng);
		region_point(&r, x, FRAME_FEATURES);
		assert_int_equal(region_vary(&r, FRAME_INV_RTT, 0.6, 1), 0);
		for (int g = 0; g <= GRID; g++) {
			double t = 0.6 + 0.4 * g / GRID;

			region_state(&r, &t, x);
			mlp_forward_ref(m, x, &y, 1);
			least = fmin(least, y);
			most = fmax(most, y);
		}
		in = open_band(least - margin, most + margin);
		above = open_band(least - margin, most - (most - least) / 100);
		below = open_band(least + (most - least) / 100, most + margin);
		assert_judged(m, &r, &in, VNNLIB_EXACT, "unsat");
		assert_judged(m, &r, &above, VNNLIB_EXACT, "sat");
		assert_judged(m, &r, &below, VNNLIB_EXACT, "sat");
		mlp_free(m);
	}
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

static int enter(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int leave(void **state)
{
	char *cmd = file_path("rm -r '%s'", dir);
	int err = system(cmd);

	free(cmd);
	return err;
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
		cmocka_unit_test(z3_takes_both_kinds_of_file),
		cmocka_unit_test(z3_knows_the_tie),
		cmocka_unit_test(z3_agrees_on_small_networks),
		cmocka_unit_test(files_are_written_and_read),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
