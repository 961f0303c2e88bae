/* The shield against one that tries every window, and what its certificates say against sampled
 * executions of the shielded policy. */
#include "slow_shield.h"

#include <stdio.h>

#include "cert/shielded.h"
#include "cert_nets.h"

#define ROUNDS 1500

static struct property_file *parsed(const char *text)
{
	struct property_file *f = NULL;

	assert_int_equal(property_parse(&f, text, "p.txt", NULL, 0), 0);
	return f;
}

// Every shipped set and more, on random decisions and windows.
static void test_brute_force(void **state)
{
	long applied = 0, moved = 0, torn = 0;
	struct property_file *f;

	for (int i = 0; (f = shield_file(i)); i++) {
		struct shield_decision s;
		struct shield *shield;
		struct rng g;

		rng_init(&g, 1, (uint64_t)i);
		assert_int_equal(shield_new(&shield, f), 0);
		for (int k = 0; k < ROUNDS; k++) {
			int n, most;
			uint32_t c, want;

			shield_decide(&s, &g, 1 + (uint32_t)rng_below(&g, 200));
			c = action_window(25 + (int)rng_below(&g, 376), s.d.w);
			want = slow_shield(f, &s.d, c, &n, &most);
			if (shield_window(shield, &s.d, c) != want)
				fail_msg("%s: w %u p %u: %u for %u, not %u", f->path, s.d.w, s.d.p,
					shield_window(shield, &s.d, c), c, want);
			applied += n > 0;
			moved += want != c;
			torn += most < n;
		}
		shield_free(shield);
		property_free(f);
	}
	print_message("%ld decisions with targets, %ld moved, %ld that no window meets in full\n",
		applied, moved, torn);
	assert_true(applied > 10000 && moved > 5000 && torn > 500);
}

// After changes of 0 both want their side of p: only p itself is both's.
static void test_contradictions(void **state)
{
	struct property_file *f = shield_file(0), *g = parsed(shield_texts[0]), *h = parsed(
		"property up\n then dcwnd in [10, 20]\nproperty down\n then dcwnd in [-20, -10]\n"
		"property low\n then dcwnd in [-15, 5]\n");
	struct shield *overlapping, *apart;
	struct shield_decision s;
	struct rng rng;

	rng_init(&rng, 1, 0);
	shield_decide(&s, &rng, 100);
	memset(s.changes, 0, sizeof(s.changes));
	s.d.w = 100;
	s.d.p = 110;
	s.d.nchanges = 3;
	s.x[STATE_SIZE - FRAME_FEATURES + FRAME_INV_RTT] = 0.55;
	assert_int_equal(shield_new(&overlapping, g), 0);
	for (uint32_t c = 25; c <= 400; c += 25)
		assert_int_equal(shield_window(overlapping, &s.d, c), 110);
	// most parts met: two of them from 95 to 100; then the nearest
	assert_int_equal(shield_new(&apart, h), 0);
	assert_int_equal(shield_window(apart, &s.d, 400), 100);
	assert_int_equal(shield_window(apart, &s.d, 98), 98);
	assert_int_equal(shield_window(apart, &s.d, 25), 95);
	// nothing is within reach: p is above 4 w
	s.d.w = 20;
	assert_int_equal(shield_window(overlapping, &s.d, 33), 33);
	shield_free(overlapping);
	shield_free(apart);
	property_free(f);
	property_free(g);
	property_free(h);
}

static void test_limits(void **state)
{
	struct property_file *f = parsed("property p\n then cwnd >= cwnd(prev), cwnd <= 1000000000\n");
	struct shield_decision s;
	struct shield *shield;
	struct rng rng;

	rng_init(&rng, 1, 0);
	shield_decide(&s, &rng, 100);
	assert_int_equal(shield_new(&shield, f), 0);
	s.d.w = 1;
	s.d.p = 4; // 4 w, the least window there is
	assert_int_equal(shield_window(shield, &s.d, 4), 4);
	s.d.w = UINT32_MAX;
	s.d.p = 900000000;
	assert_int_equal(shield_window(shield, &s.d, ACTION_MAX_WINDOW), 1000000000);
	assert_int_equal(shield_window(shield, &s.d, 4), 900000000);
	s.d.p = 0; // the first decision
	assert_int_equal(shield_window(shield, &s.d, 4), 4);
	s.d.p = 100;
	s.x[3] = NAN;
	assert_int_equal(shield_window(shield, &s.d, 4), 4);
	s.x[3] = 1e300; // no float
	assert_int_equal(shield_window(shield, &s.d, 4), 4);
	shield_free(shield);
	property_free(f);
}

/* --- Certificates --- */

// A recorded partition, gone through again for every point.
struct leaves {
	int ndims, n, depth;
	struct {
		bool leaf;
		double normal[REGION_INPUTS], offset;
		enum engine_verdict verdict;
		int other;
	} *node;
	int open[256];
};

static void put_cut(void *arg, const double *normal, double offset)
{
	struct leaves *l = arg;

	assert_true(l->n < 65536 && l->depth < 256);
	memcpy(l->node[l->n].normal, normal, l->ndims * sizeof(*normal));
	l->node[l->n].offset = offset;
	l->node[l->n].leaf = false;
	l->open[l->depth++] = l->n++;
}

static void put_leaf(void *arg, double y_lo, double y_hi, enum engine_verdict verdict)
{
	struct leaves *l = arg;

	l->node[l->n].leaf = true;
	l->node[l->n++].verdict = verdict;
	if (l->depth)
		l->node[l->open[--l->depth]].other = l->n;
}

static enum engine_verdict verdict_at(const struct leaves *l, const double *t, int ndims)
{
	int i = 0;

	while (!l->node[i].leaf) {
		double at = 0;

		for (int d = 0; d < ndims; d++)
			at += l->node[i].normal[d] * t[d];
		i = at < l->node[i].offset ? i + 1 : l->node[i].other;
	}
	return l->node[i].verdict;
}

struct bench {
	struct actor *actor;
	struct engine *engine;
	float *scratch;
	struct leaves leaves;
	struct rng rng;
	long parts, cells, points, both; // both: parts neither proven nor refuted in full
};

static uint32_t executed(const struct bench *b, const struct shield *shield,
	const struct cert_decision *d, const double *x)
{
	struct cert_decision at = *d;
	uint32_t c = part_window(actor_run(b->actor, x, b->scratch), d->w);

	at.x = x;
	return shield_window(shield, &at, c);
}

#define POINTS 400

// Samples: no execution contradicts its leaf, and their share of hits is the exact one.
static void sample(struct bench *b, const struct shield *shield, const struct cert_decision *d,
	const struct part *part, const struct engine_answer *a)
{
	const struct region *r = &part->region;
	double t[REGION_INPUTS], x[REGION_INPUTS], hits = 0;

	for (int i = 0; i < POINTS; i++) {
		enum engine_verdict v;
		uint32_t window;
		bool hit;

		for (int k = 0; k < r->ndims; k++) {
			const struct region_dim *dim = &r->dim[k];
			double u = rng_uniform(&b->rng);

			if (r->ndims == 1) // evenly spread, each stratum at random
				u = (i + u) / POINTS;
			t[k] = dim->lo + u * (dim->hi - dim->lo);
		}
		region_state(r, t, x);
		window = executed(b, shield, d, x);
		hit = window >= part->lo && window <= part->hi;
		v = verdict_at(&b->leaves, t, r->ndims);
		if (v != ENGINE_UNKNOWN && hit != (v == ENGINE_HOLDS))
			fail_msg("%s: at %.17g the window is %u of %lld to %lld", part->property->name,
				r->ndims ? t[0] : 0, window, (long long)part->lo,
				(long long)part->hi);
		hits += hit;
		b->points++;
	}
	hits /= POINTS;
	assert_true(a->proven <= a->exact + 1e-12 && a->exact <= 1 - a->refuted + 1e-12);
	assert_true(fabs(hits - a->exact) < (r->ndims == 2 ? 0.13 : 0.03)); // 5 sigma
	if (a->missed) {
		uint32_t window;

		region_state(r, a->t, x);
		window = executed(b, shield, d, x);
		assert_true(window < part->lo || window > part->hi);
	}
}

// Both sides of every cut along one input, and the very cut: it belongs to the upper side.
static void attack(struct bench *b, const struct shield *shield, const struct cert_decision *d,
	const struct part *part)
{
	const struct region *r = &part->region;

	for (int i = 0; i < b->leaves.n && r->ndims == 1; i++) {
		double at = b->leaves.node[i].offset, t[3] = {nextafter(at, -1), at, nextafter(at, 2)};

		if (b->leaves.node[i].leaf || b->leaves.node[i].normal[0] != 1)
			continue;
		b->cells++;
		for (int k = 0; k < 3; k++) {
			enum engine_verdict v = verdict_at(&b->leaves, &t[k], 1);
			double x[REGION_INPUTS];
			uint32_t window;

			if (t[k] < r->dim[0].lo || t[k] > r->dim[0].hi)
				continue;
			region_state(r, &t[k], x);
			window = executed(b, shield, d, x);
			assert_true(v == ENGINE_UNKNOWN ||
				    (window >= part->lo && window <= part->hi) ==
					    (v == ENGINE_HOLDS));
		}
	}
}

static void certify(struct bench *b, const struct property_file *f, const struct shield *shield,
	struct cert_decision *d)
{
	const struct engine_sink sink = {put_cut, put_leaf, &b->leaves};
	const struct engine_ask ask = {.slices = 3, .budget = 20, .witness = true, .sink = &sink};

	d->clean = executed(b, shield, d, d->x);
	for (int i = 0; i < f->n; i++) {
		struct engine_answer a;
		struct part part;

		if (!f->property[i].used)
			continue;
		assert_int_equal(part_make(&part, &f->property[i], d), 0);
		if (part.status != PART_TRIGGERED || part.region.ndims > 2)
			continue;
		b->leaves.n = b->leaves.depth = 0;
		b->leaves.ndims = part.region.ndims;
		assert_int_equal(
			shielded_run(b->engine, ENGINE_AUTO, shield, d, &part, &ask, &a), 0);
		assert_int_equal(b->leaves.depth, 0);
		sample(b, shield, d, &part, &a);
		attack(b, shield, d, &part);
		b->parts++;
		b->both += a.proven < 1 && a.refuted < 1;
	}
}

static void open_bench(struct bench *b, uint64_t seed)
{
	static const int dims[] = {STATE_SIZE, 24, 16, 1};

	*b = (struct bench){.actor = random_actor(3, dims, 2.5, seed)};
	b->engine = engine_new(b->actor);
	b->scratch = malloc(mlp_scratch(b->actor->mlp) * sizeof(float));
	b->leaves.node = calloc(65537, sizeof(*b->leaves.node));
	rng_init(&b->rng, seed, 1);
}

static void close_bench(struct bench *b)
{
	engine_free(b->engine);
	free(b->scratch);
	free(b->leaves.node);
	free_actor(b->actor);
}

// States as recorded: floats, delay_metric tied to inv_rtt.
static void recorded(struct shield_decision *s, struct rng *g)
{
	shield_decide(s, g, 300);
	for (int i = 0; i < STATE_SIZE; i++)
		s->x[i] = i % FRAME_FEATURES == FRAME_DELAY ? (float)region_tied(s->x[i - 1])
							    : (float)s->x[i];
}

static void test_certificates_against_executions(void **state)
{
	struct property_file *f;
	struct bench b;

	open_bench(&b, 3);
	for (int i = 0; (f = shield_file(i)); i++) {
		struct shield *shield;

		assert_int_equal(shield_new(&shield, f), 0);
		for (int k = 0; k < 25; k++) {
			struct shield_decision s;

			recorded(&s, &b.rng);
			certify(&b, f, shield, &s.d);
		}
		shield_free(shield);
		property_free(f);
	}
	print_message("%ld parts, %ld of them mixed, %ld cuts, %ld executions\n", b.parts, b.both,
		b.cells, b.points);
	assert_true(b.parts > 500 && b.both > 50 && b.cells > 500);
	close_bench(&b);
}

// A shield of other properties than those judged.
static void test_another_shield(void **state)
{
	struct property_file *f, *by = parsed(shield_texts[1]);
	struct shield *shield;
	struct bench b;

	open_bench(&b, 4);
	assert_int_equal(shield_new(&shield, by), 0);
	for (int i = 0; (f = shield_file(i)); i++) {
		for (int k = 0; k < 10; k++) {
			struct shield_decision s;

			recorded(&s, &b.rng);
			certify(&b, f, shield, &s.d);
		}
		property_free(f);
	}
	print_message("%ld parts, %ld of them mixed\n", b.parts, b.both);
	assert_true(b.parts > 200 && b.both > 20);
	shield_free(shield);
	property_free(by);
	close_bench(&b);
}

// Where nothing is enforced the answer is the bare policy's, to the bit.
static void test_relational_is_bare(void **state)
{
	struct property_file *f;
	struct shield *shield;
	struct bench b;

	open_bench(&b, 5);
	assert_int_equal(property_load(&f, "robustness", NULL, 0), 0);
	assert_int_equal(shield_new(&shield, f), 0);
	assert_int_equal(shield->n, 0);
	assert_false(shield_enforces(shield, &f->property[0]));
	for (int k = 0; k < 50; k++) {
		const struct engine_ask ask = {.slices = 3};
		struct engine_answer bare, shielded;
		struct shield_decision s;
		struct part part;

		recorded(&s, &b.rng);
		s.d.clean = executed(&b, shield, &s.d, s.x);
		assert_int_equal(part_make(&part, &f->property[0], &s.d), 0);
		if (part.status != PART_TRIGGERED)
			continue;
		shielded_run(b.engine, ENGINE_AUTO, NULL, &s.d, &part, &ask, &bare);
		shielded_run(b.engine, ENGINE_AUTO, shield, &s.d, &part, &ask, &shielded);
		assert_true(bare.proven == shielded.proven && bare.refuted == shielded.refuted);
		assert_true(bare.exact == shielded.exact && bare.y_lo == shielded.y_lo);
		b.parts++;
	}
	assert_true(b.parts > 20);
	shield_free(shield);
	property_free(f);
	close_bench(&b);
}

// The ends of regions are floats' ends: at 0.5 all three apply, on a strip that has a measure.
static void test_shared_end(void **state)
{
	struct property_file *f = parsed("property a\n over inv_rtt in [0.5, 1]\n then dcwnd >= 1\n"
					 "property b\n over inv_rtt in [0, 0.5]\n then dcwnd <= -1\n"
					 "property c\n over inv_rtt in [0, 0.5]\n then dcwnd <= -2\n");
	const struct engine_ask ask = {.slices = 1, .witness = true};
	struct shield_decision s;
	struct engine_answer a;
	struct shield *shield;
	struct part part;
	struct bench b;

	open_bench(&b, 6);
	recorded(&s, &b.rng);
	s.d.w = s.d.p = 100;
	assert_int_equal(shield_new(&shield, f), 0);
	assert_int_equal(part_make(&part, &f->property[0], &s.d), 0);
	assert_int_equal(shielded_run(b.engine, ENGINE_AUTO, shield, &s.d, &part, &ask, &a), 0);
	assert_true(fabs(a.proven - (1 - 0x1p-24)) < 0x1p-40 && a.refuted > 0 && a.missed);
	assert_int_equal(shield_window(shield, &s.d, 100), s.x[STATE_SIZE - 2] > 0.5f ? 101 : 98);
	shield_free(shield);
	property_free(f);
	close_bench(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_brute_force),
		cmocka_unit_test(test_contradictions),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_certificates_against_executions),
		cmocka_unit_test(test_another_shield),
		cmocka_unit_test(test_relational_is_bare),
		cmocka_unit_test(test_shared_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
