/*
 * Exact certificates against execution: no executed y outside its bounds, no verdict contradicted,
 * at random points and at those where it would show first. CANOPY_SOUND=n takes n times as many
 * points.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cert_nets.h"
#include "exact_slow.h"
#include "policy/action.h"

#ifdef CANOPY_DEBUG
#define POINTS 4096 // a region, under sanitizers
#else
#define POINTS 40960
#endif
#define BATCH 256
#define EVERY_DOUBLE 32 // points are executed in double too

static const struct engine_ops *const engines[] = {NULL, &engine_exact1, &engine_exact2};

struct trial {
	const struct actor *actor;
	struct engine_ask ask;
	struct engine_answer o;
	struct partition parts;
	struct rng rng;
	float *scratch;
	double t[BATCH][2];
	int n;
	long points, bad;
};

// Whether the leaf of t, or both at a cut, allow y; a cut is as wide as the rounding of its own
// line.
static bool leaf_allows(const struct partition *p, int i, const double *t, double y, bool hit)
{
	const struct partition_node *n = &p->node[i];
	double side, width;

	if (n->leaf)
		return y >= n->y_lo && y <= n->y_hi &&
		       (n->verdict == ENGINE_UNKNOWN || hit == (n->verdict == ENGINE_HOLDS));
	side = n->normal[0] * t[0] - n->offset;
	width = fabs(n->normal[0] * t[0]) + fabs(n->offset);
	if (p->dims > 1) {
		side += n->normal[1] * t[1];
		width += fabs(n->normal[1] * t[1]);
	}
	width *= p->dims > 1 ? 1e-14 : 0;
	return (side > width || leaf_allows(p, i + 1, t, y, hit)) &&
	       (side < -width || leaf_allows(p, n->other, t, y, hit));
}

static void check(struct trial *r, const double *t, double y, float action)
{
	int percent = action_percent(action);
	bool hit = percent >= r->ask.band.first && percent <= r->ask.band.last;

	r->points++;
	if (y >= r->o.y_lo && y <= r->o.y_hi && leaf_allows(&r->parts, 0, t, y, hit))
		return;
	if (!r->bad++)
		printf("y = %.17g at (%.17g, %.17g), bounds %.17g to %.17g, or its leaf\n", y, t[0],
			r->parts.dims > 1 ? t[1] : 0, r->o.y_lo, r->o.y_hi);
}

// Executes what has been gathered.
static void flush(struct trial *r)
{
	int nin = r->actor->layer[0].in;
	float x[BATCH * REGION_INPUTS], y[BATCH];
	double state[REGION_INPUTS], exact;

	for (int i = 0; i < r->n; i++) {
		region_state(&r->ask.region, r->t[i], state);
		for (int k = 0; k < nin; k++)
			x[i * nin + k] = (float)state[k];
		if ((r->points + i) % EVERY_DOUBLE)
			continue;
		mlp_forward_ref(r->actor->mlp, state, &exact, 1);
		check(r, r->t[i], exact, (float)tanh(exact));
	}
	mlp_forward(r->actor->mlp, x, y, r->n, r->scratch);
	for (int i = 0; i < r->n; i++)
		check(r, r->t[i], y[i], mlp_action(y[i]));
	r->n = 0;
}

static void point(struct trial *r, double t0, double t1)
{
	double t[2] = {t0, t1};

	for (int d = 0; d < r->ask.region.ndims; d++) {
		const struct region_dim *dim = &r->ask.region.dim[d];

		r->t[r->n][d] = fmin(fmax(t[d], dim->lo), dim->hi);
	}
	if (++r->n == BATCH)
		flush(r);
}

// t and its neighbours as a double and as a float.
static void around(struct trial *r, double t0, double t1)
{
	float f = (float)t0, g = (float)t1;

	for (int i = -2; i <= 2; i++)
		point(r, t0 + i * 0x1p-53 * (1 + fabs(t0)), t1 - i * 0x1p-53 * (1 + fabs(t1)));
	for (int i = -1; i <= 1; i += 2) {
		point(r, nextafterf(f, i * INFINITY), t1);
		point(r, t0, nextafterf(g, i * INFINITY));
		point(r, ((double)f + nextafterf(f, i * INFINITY)) / 2, g); // rounds to either
	}
}

// The places where neurons and verdicts change.
static void probe_cuts(struct trial *r, int most)
{
	const struct region *g = &r->ask.region;
	const struct partition *p = &r->parts;
	int every = p->n / most + 1;

	for (int i = (int)(rng_uniform(&r->rng) * every); i < p->n; i += every) {
		const struct partition_node *n = &p->node[i];
		double t[2] = {n->offset, 0};

		if (n->leaf)
			continue;
		if (g->ndims > 1) { // a random point, moved onto the line
			double norm = n->normal[0] * n->normal[0] + n->normal[1] * n->normal[1],
			       off;

			for (int d = 0; d < 2; d++)
				t[d] = g->dim[d].lo +
				       rng_uniform(&r->rng) * (g->dim[d].hi - g->dim[d].lo);
			off = (n->normal[0] * t[0] + n->normal[1] * t[1] - n->offset) / norm;
			t[0] -= off * n->normal[0];
			t[1] -= off * n->normal[1];
			if (!(t[0] >= g->dim[0].lo && t[0] <= g->dim[0].hi &&
				    t[1] >= g->dim[1].lo && t[1] <= g->dim[1].hi))
				continue;
		}
		around(r, t[0], t[1]);
	}
	around(r, r->o.arg_lo[0], r->o.arg_lo[1]);
	around(r, r->o.arg_hi[0], r->o.arg_hi[1]);
}

// The partition has the region's measure, and the answer's shares.
static void check_shares(struct trial *r)
{
	const struct region *g = &r->ask.region;
	struct slow_polygon box = {
		4, {g->dim[0].lo, g->dim[0].hi, g->dim[0].hi, g->dim[0].lo}, {0, 0, 1, 1}};
	double share[3] = {0}, whole;

	if (g->ndims > 1)
		for (int i = 0; i < 4; i++)
			box.y[i] = i < 2 ? g->dim[1].lo : g->dim[1].hi;
	whole = slow_area(&box);
	partition_measure(&r->parts, 0, &box, share);
	assert_true(fabs(share[0] + share[1] + share[2] - whole) < 1e-12 * whole);
	assert_true(fabs(share[ENGINE_HOLDS] / whole - r->o.proven) < 1e-9);
	assert_true(fabs(share[ENGINE_FAILS] / whole - r->o.refuted) < 1e-9);
	assert_true(r->o.proven <= r->o.exact && r->o.exact <= 1 - r->o.refuted);
}

static void check_witness(struct trial *r)
{
	double x[REGION_INPUTS];
	int percent;

	assert_true(r->o.missed || r->o.refuted == 0);
	assert_false(r->o.missed && r->o.proven == 1);
	if (!r->o.missed)
		return;
	region_state(&r->ask.region, r->o.t, x);
	percent = action_percent(mlp_action(actor_run(r->actor, x, r->scratch)));
	assert_true(percent < r->ask.band.first || percent > r->ask.band.last);
}

// A band around what the network does somewhere in the region, for windows of 100 packets.
static void random_band(struct trial *r)
{
	const struct region *g = &r->ask.region;
	double t[2], x[REGION_INPUTS], wide = pow(10, 2 * rng_uniform(&r->rng));
	int percent;

	for (int d = 0; d < g->ndims; d++)
		t[d] = g->dim[d].lo + rng_uniform(&r->rng) * (g->dim[d].hi - g->dim[d].lo);
	region_state(g, t, x);
	percent = action_percent(mlp_action(actor_run(r->actor, x, r->scratch)));
	band_make(&r->ask.band, percent - (int)(wide * rng_uniform(&r->rng)),
		percent + (int)(wide * rng_uniform(&r->rng)), 100);
}

static void run_trial(struct trial *r, void *state, long points)
{
	const struct region *g = &r->ask.region;
	int dims = g->ndims;
	struct engine_sink sink = partition_sink(&r->parts, dims);

	random_band(r);
	r->ask.sink = &sink;
	r->ask.witness = true;
	r->ask.slices = 1;
	assert_int_equal(engines[dims]->run(state, &r->ask, &r->o), 0);
	assert_true(r->o.slack > 0 && r->o.slack < INFINITY);
	check_shares(r);
	check_witness(r);
	for (long i = 0; i < points; i++)
		point(r, g->dim[0].lo + rng_uniform(&r->rng) * (g->dim[0].hi - g->dim[0].lo),
			dims > 1 ? g->dim[1].lo +
					   rng_uniform(&r->rng) * (g->dim[1].hi - g->dim[1].lo)
				 : 0);
	probe_cuts(r, 200);
	flush(r);
}

static long wanted(void)
{
	const char *times = getenv("CANOPY_SOUND");

	return POINTS * (times ? atol(times) : 1);
}

static void run_trials(const struct actor *a, int regions, uint64_t seed,
	void (*make)(struct rng *, struct region *, int, int))
{
	struct trial *r = calloc(1, sizeof(*r));
	void *state[3];

	rng_init(&r->rng, seed, 0);
	r->actor = a;
	r->scratch = malloc(mlp_scratch(a->mlp) * sizeof(float));
	for (int d = 1; d <= 2; d++)
		state[d] = engines[d]->open(a);
	for (int i = 0; i < regions; i++) {
		do
			make(&r->rng, &r->ask.region, a->layer[0].in, 1 + i % 2);
		while (r->ask.region.ndims == 0);
		run_trial(r, state[r->ask.region.ndims], wanted());
	}
	print_message("%ld points, %ld violations\n", r->points, r->bad);
	assert_int_equal(r->bad, 0);
	for (int d = 1; d <= 2; d++)
		engines[d]->close(state[d]);
	free(r->parts.node);
	free(r->scratch);
	free(r);
}

// Frames as a sender sees them; the newest inv_rtt, and the newest loss or an older inv_rtt.
static void frames_region(struct rng *g, struct region *r, int nin, int dims)
{
	static const double ends[][2] = {
		{0.75, 1}, {0.99, 1}, {0, 0.25}, {0.7, 0.9}, {0.79999, 0.80001}};
	const double *e = ends[(int)(rng_uniform(g) * 5)];
	double x[STATE_SIZE];

	for (int k = 0; k < STATE_SIZE; k++)
		x[k] = rng_uniform(g) * (k % FRAME_FEATURES == FRAME_DT ? 0.05 : 1);
	region_point(r, x, STATE_SIZE);
	region_vary(r, 68, e[0], e[1]);
	if (dims > 1 && rng_uniform(g) < 0.5)
		region_vary(r, 65, 0.25, 1);
	else if (dims > 1)
		region_vary(r, 61, 0.7, 0.9);
}

static void test_orca(void **unused)
{
	struct mlp *m;
	struct actor *a;

	need_file(ORCA ".index");
	m = orca_net();
	assert_int_equal(actor_new(&a, m), 0);
	run_trials(a, 30, 1, frames_region);
	free_actor(a);
}

static void test_random_nets(void **unused)
{
	for (int i = 0; i < SHAPES; i++) {
		struct actor *a = random_actor(shapes[i][0], shapes[i] + 1, 1.2, i);

		run_trials(a, 12, i, random_region);
		free_actor(a);
	}
}

// Large weights and biases that cancel: where rounding is largest.
static void test_cancelling_nets(void **unused)
{
	for (int i = 0; i < 6; i++) {
		const int dims[] = {5, 40, 40, 30, 1};
		struct mlp *m = random_net(4, dims, 2, i);
		struct actor *a;

		for (int l = 0; l < 3; l++)
			for (int j = 0; j + 1 < dims[l + 1]; j += 2)
				for (int k = 0; k < dims[l];
					k++) { // pairs of neurons that nearly cancel
					double *w = &m->layer[l].w[k * dims[l + 1] + j];

					w[1] = w[0] * (1 + 1e-5 * k);
				}
		for (int j = 0; j + 1 < dims[3]; j += 2)
			m->layer[3].w[j + 1] = -m->layer[3].w[j];
		mlp_pack(m);
		assert_int_equal(actor_new(&a, m), 0);
		run_trials(a, 8, i, random_region);
		free_actor(a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_orca),
		cmocka_unit_test(test_random_nets),
		cmocka_unit_test(test_cancelling_nets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
