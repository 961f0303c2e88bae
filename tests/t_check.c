/* The checker's arithmetic against slower and longer arithmetic: exponentials, percents, folding,
 * rounding, bounds, cells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "cert/band.h"
#include "check/cell.h"
#include "check/corners.h"
#include "check/lines.h"
#include "check/rounding.h"
#include "check/upward.h"
#include "check/window.h"
#include "check_model.h"
#include "policy/action.h"

static void test_upward(void **state)
{
	volatile double third = 1;

	assert_true(upward_works());
	third /= 3;
	assert_true(fegetround() == FE_TONEAREST);
	for (int i = 0; i < 2; i++) {
		int was = upward_begin();
		volatile double one = 1, three = 3, above = one / three,
				below = down_div(one, three);
		double sum = down_add(one, 0x1p-80), product = down_mul(1 + 0x1p-30, 1 + 0x1p-30);

		upward_end(was);
		assert_true(below < above && (third == below || third == above));
		assert_true(sum == 1 && product == 1 + 0x1p-29);
	}
}

// Contains e^v as long double has it, and is no wider than a few units in the last place.
static void test_exp(void **state)
{
	struct rng g;

	rng_init(&g, 1, 0);
	for (int i = 0; i < 200000; i++) {
		double v = i < 100 ? (i - 50) * 0x1.62e42fefa39efp-1
				   : (2 * rng_uniform(&g) - 1) * pow(10, 2 - i % 18);
		long double e = expl(v);
		double lo, hi;
		int was = upward_begin();

		window_exp(v, v, &lo, &hi);
		upward_end(was);
		assert_true(lo <= e * (1 + 0x1p-62L) && e * (1 - 0x1p-62L) <= hi);
		assert_true(hi - lo <= lo * 0x1p-49 * (1 + fabs(v)));
	}
}

static struct window_target aim(int64_t lo, int64_t hi, uint32_t w)
{
	struct window_target t;
	int was = upward_begin();

	window_aim(&t, lo, hi, w);
	upward_end(was);
	return t;
}

static bool holds(struct window_target *t, double lo, double hi)
{
	int was = upward_begin();
	bool yes = window_holds(t, lo, hi);

	upward_end(was);
	return yes;
}

static bool fails(struct window_target *t, double lo, double hi)
{
	int was = upward_begin();
	bool yes = window_fails(t, lo, hi);

	upward_end(was);
	return yes;
}

// The sender's table, proved: the least float that reaches a percent is the same with and without
// it.
static void test_percents(void **state)
{
	for (int m = ACTION_MIN_PERCENT + 1; m <= ACTION_MAX_PERCENT; m++) {
		struct window_target t = aim(m, INT64_MAX, 100);
		double a = action_threshold(m);
		float f = (float)a < a ? nextafterf((float)a, 2) : (float)a;

		assert_int_equal(t.first, m);
		assert_int_equal(t.last, ACTION_MAX_PERCENT);
		assert_true(t.from_first.middle == ((double)f + (double)nextafterf(f, -2)) / 2);
		assert_true(t.under_first.middle == -t.from_first.middle);
		assert_int_equal(action_percent(f), m);
		assert_int_equal(action_percent(nextafterf(f, -2)), m - 1);
	}
}

// Verdicts are those of the executed sender on every side of every threshold, and no later than the
// engines'.
static void test_verdicts(void **state)
{
	for (int m = ACTION_MIN_PERCENT; m <= ACTION_MAX_PERCENT; m++) {
		struct window_target t = aim(m, m, 100);
		struct band b;
		double y, lo, hi;

		band_make(&b, m, m, 100);
		lo = m > ACTION_MIN_PERCENT ? atanh(action_threshold(m)) : -9;
		hi = m < ACTION_MAX_PERCENT ? atanh(action_threshold(m + 1)) : 18;
		for (int i = -200; i <= 200; i++)
			for (int end = 0; end < 2; end++) {
				int executed;

				y = (float)(end ? hi : lo);
				for (int k = 0; k < abs(i); k++)
					y = nextafterf((float)y, i < 0 ? -20 : 20);
				executed = action_percent(mlp_action((float)y));
				assert_true(!holds(&t, y, y) || executed == m);
				assert_true(!fails(&t, y, y) || executed != m);
				assert_true(abs(i) < 8 || fabs(y) < 1e-15 ||
					    (executed == m ? holds(&t, y, y) : fails(&t, y, y)));
			}
		assert_true(b.sure_lo == INFINITY ||
			    holds(&t, fmax(b.sure_lo, -9), fmin(b.sure_hi, 30)));
		if (isfinite(b.miss_lo))
			assert_true(fails(&t, -9, nextafter(b.miss_lo, -9)));
		if (isfinite(b.miss_hi))
			assert_true(fails(&t, nextafter(b.miss_hi, 30), 30));
	}
}

static void test_targets(void **state)
{
	struct window_target t = aim(5, 4, 100);

	assert_true(fails(&t, -INFINITY, INFINITY) && !holds(&t, 0, 0));
	t = aim(INT64_MIN, INT64_MAX, 100);
	assert_true(holds(&t, -INFINITY, INFINITY) && !fails(&t, 0, 0));
	assert_false(holds(&t, NAN, NAN) || holds(&t, 0, NAN) || holds(&t, 1, 0));
	t = aim(4, 4, 1); // the floor: all percents are below it
	assert_true(holds(&t, -40, 0.5));
	t = aim(0, 3, 1);
	assert_true(fails(&t, -40, 40));
	t = aim(UINT32_MAX, UINT32_MAX, UINT32_MAX); // clipped above 100 percent
	assert_true(t.first == 100 && t.last == 400);
	assert_true(holds(&t, 1e-3, 1e9) && fails(&t, -1e9, -1e-3));
	t = aim(100, 200, 100);
	assert_false(holds(&t, 0.1, 3) || fails(&t, 0.1, 3) || holds(&t, -1, 0.1));
	assert_false(fails(&t, NAN, 5) || fails(&t, 5, NAN));
}

// The folded numbers are within what the checker says of its own.
static void test_folding(void **state)
{
	for (int s = 0; s < CHECK_SHAPES; s++) {
		struct model *m = check_model(s, 1, s);
		struct net *net;
		struct mlp *mlp;

		assert_int_equal(net_new(&net, m), 0);
		mlp = net->mlp;
		assert_int_equal(net->n, mlp->n);
		for (int l = 0; l < mlp->n; l++) {
			const struct net_layer *a = &net->layer[l];
			const struct mlp_layer *b = &mlp->layer[l];

			assert_true(a->in == b->in && a->out == b->out);
			assert_true(a->error < 1e-12 &&
				    a->executed <= mlp_rounding(mlp, l) * (1 + 1e-4));
			for (int i = 0; i < a->in * a->out; i++) {
				double mine = a->w[(size_t)(i / a->out) * a->stride + i % a->out];

				assert_true(fabs(mine - b->w[i]) <= a->error * fabs(mine));
			}
			for (int o = 0; o < a->out; o++)
				assert_true(fabs(a->b[o] - b->b[o]) <=
					    a->b_error[o] + a->error * fabs(a->b[o]));
		}
		net_free(net);
		model_free(m);
	}
}

// y in long double, from the folded doubles.
static long double slow_y(const struct mlp *m, const double *x)
{
	long double h[MLP_MAX_WIDTH], z[MLP_MAX_WIDTH];

	for (int k = 0; k < m->layer[0].in; k++)
		h[k] = x[k];
	for (int l = 0; l < m->n; l++) {
		const struct mlp_layer *layer = &m->layer[l];

		for (int o = 0; o < layer->out; o++) {
			z[o] = layer->b[o];
			for (int k = 0; k < layer->in; k++)
				z[o] += h[k] * layer->w[(size_t)k * layer->out + o];
		}
		for (int o = 0; o < layer->out; o++)
			h[o] = l + 1 < m->n && z[o] < 0 ? m->slope * z[o] : z[o];
	}
	return h[0];
}

// A region of states of one to `most` varied inputs; the first is an inv_rtt, often across its
// kink.
static void random_region(struct rng *g, struct region *r, int most)
{
	double x[STATE_SIZE];
	int n = 1 + (int)(most * rng_uniform(g));

	for (int i = 0; i < STATE_SIZE; i++)
		x[i] = rng_uniform(g);
	region_point(r, x, STATE_SIZE);
	for (int d = 0; d < n; d++) {
		int input = d ? (int)(STATE_SIZE * rng_uniform(g)) : STATE_SIZE - 2;
		double width = pow(10, -5 * rng_uniform(g)), lo = 0.8 - width * rng_uniform(g);

		region_vary(r, input, lo, lo + width); // refused when it varies already
	}
}

static void random_state(
	struct rng *g, const struct region *r, const double *lo, const double *hi, double *x)
{
	double t[REGION_INPUTS];

	for (int d = 0; d < r->ndims; d++) {
		double u = rng_uniform(g);

		t[d] = u < 0.1	 ? lo[d]
		       : u > 0.9 ? hi[d]
				 : fmin(lo[d] + (u - 0.1) / 0.8 * (hi[d] - lo[d]), hi[d]);
	}
	region_state(r, t, x);
}

struct bounds {
	double lo, hi, off;
};

// Bounds on y over a region's whole box by lines, and on the real y alone without `off`.
static struct bounds by_lines(const struct net *net, const struct region *r, bool lines)
{
	double lo[REGION_INPUTS], hi[REGION_INPUTS],
		*room = malloc(rounding_room(net) * sizeof(*room));
	struct lines x = {0};
	struct bounds b;
	int was;

	for (int d = 0; d < r->ndims; d++) {
		lo[d] = r->dim[d].lo;
		hi[d] = r->dim[d].hi;
	}
	assert_int_equal(lines_open(&x, net), 0);
	was = upward_begin();
	lines_box(&x, net, r, lo, hi, lines);
	b = (struct bounds){x.y_lo, x.y_hi, rounding_bound(net, &x.set, room)};
	upward_end(was);
	lines_close(&x);
	free(room);
	return b;
}

// The same of a region of at most two dimensions without kink inside, by its corners.
static struct bounds by_corners(const struct net *net, const struct region *r)
{
	double *room = malloc(rounding_room(net) * sizeof(*room));
	struct corners *c = calloc(1, sizeof(*c));
	double t[4][2] = {{0}};
	struct bounds b;
	int was;

	assert_int_equal(corners_open(c, net), 0);
	for (int v = 0; v < 1 << r->ndims; v++)
		for (int d = 0; d < r->ndims; d++)
			t[v][d] = v >> d & 1 ? r->dim[d].hi : r->dim[d].lo;
	corners_begin(c);
	corners_add(c, r, t, 1 << r->ndims, 0);
	was = upward_begin();
	corners_bound(c, net, r);
	b = (struct bounds){c->set[0].y_lo, c->set[0].y_hi, rounding_bound(net, &c->all, room)};
	upward_end(was);
	corners_close(c);
	free(c);
	free(room);
	return b;
}

static void check_bounds(
	const struct net *net, const struct region *r, struct bounds b, struct rng *g)
{
	double x[REGION_INPUTS], lo[REGION_INPUTS], hi[REGION_INPUTS];

	for (int d = 0; d < r->ndims; d++) {
		lo[d] = r->dim[d].lo;
		hi[d] = r->dim[d].hi;
	}
	for (int i = 0; i < 30; i++) {
		long double y;
		float executed;

		random_state(g, r, lo, hi, x);
		y = slow_y(net->mlp, x);
		executed = net_run(net, x);
		assert_true(b.lo <= y && y <= b.hi);
		assert_true(b.lo - b.off <= executed && executed <= b.hi + b.off);
		assert_true(fabsl(executed - y) <= b.off);
	}
}

static void test_bounds(void **state)
{
	struct rng g;

	rng_init(&g, 2, 0);
	for (int i = 0; i < 12 * CHECK_SHAPES; i++) {
		struct model *m = check_model(i % CHECK_SHAPES, 0.5 + i % 3, i);
		struct region r;
		struct bounds box, lines;
		struct net *net;

		assert_int_equal(net_new(&net, m), 0);
		random_region(&g, &r, i % 2 ? 2 : 12);
		box = by_lines(net, &r, false);
		lines = by_lines(net, &r, true);
		check_bounds(net, &r, box, &g);
		check_bounds(net, &r, lines, &g);
		assert_true(lines.lo >= box.lo && lines.hi <= box.hi);
		if (r.ndims <= 2) {
			for (int d = 0; d < r.ndims; d++) // to one side of the kink
				if (r.dim[d].tied >= 0)
					r.dim[d].hi = fmax(r.dim[d].lo + 1e-9, REGION_KINK);
			check_bounds(net, &r, by_corners(net, &r), &g);
		}
		net_free(net);
		model_free(m);
	}
}

// Where the network is linear, corners know y to rounding; over a point all methods do.
static void test_tight(void **state)
{
	struct model *m = check_model(1, 1, 9);
	struct region r;
	struct bounds a, b;
	struct net *net;
	struct rng g;

	rng_init(&g, 3, 0);
	assert_int_equal(net_new(&net, m), 0);
	random_region(&g, &r, 1);
	r.dim[0].hi = r.dim[0].lo + 1e-9;
	a = by_corners(net, &r);
	assert_true(a.hi - a.lo < 1e-7 && a.off < 1e-3);
	b = by_lines(net, &r, true);
	assert_true(b.lo >= a.lo - 1e-11 && b.hi <= a.hi + 1e-11);
	r.ndims = 0;
	a = by_corners(net, &r);
	assert_true(a.hi - a.lo < 1e-11);
	net_free(net);
	model_free(m);
}

// Cells of random cuts hold the points that they should, and their shares make up the region at
// least.
static void test_cells(void **state)
{
	struct cell *c = calloc(64, sizeof(*c));
	struct rng g;

	rng_init(&g, 4, 0);
	for (int i = 0; i < 400; i++) {
		double normal[8][3], offset[8], share = 0, t[3], sum;
		int n = 1 + i % 6, ndims = 1 + i % 3, was = upward_begin();
		struct region r = {.nin = 4, .ndims = ndims};

		for (int d = 0; d < ndims; d++)
			r.dim[d] = (struct region_dim){d, -1, -rng_uniform(&g), rng_uniform(&g)};
		for (int k = 0; k < n; k++) {
			bool axis = ndims == 3 || rng_uniform(&g) < 0.3;
			int along = (int)(ndims * rng_uniform(&g));

			for (int d = 0; d < ndims; d++)
				normal[k][d] = axis ? d == along : rng_normal(&g);
			offset[k] = rng_normal(&g) * 0.3;
			if (k && i % 5 == 0) { // nearly the same cut again
				memcpy(normal[k], normal[k - 1], sizeof(normal[k]));
				offset[k] = offset[k - 1] + 1e-16;
			}
		}
		for (int leaf = 0; leaf < 1 << n; leaf++) {
			cell_whole(&c[leaf], &r);
			for (int k = 0; k < n; k++) {
				int axis = -1;

				for (int d = 0; d < ndims; d++)
					axis = normal[k][d] == 1 ? d : axis;
				assert_true(axis >= 0 ? cell_cut_axis(&c[leaf], &r, axis, offset[k],
								leaf >> k & 1)
						      : cell_cut(&c[leaf], &r, normal[k], offset[k],
								leaf >> k & 1));
			}
			share += cell_share(&c[leaf], &r);
		}
		upward_end(was);
		assert_true(share >= 1 && share < 1 + 1e-9);
		for (int p = 0; p < 50; p++) {
			int leaf = 0;

			for (int d = 0; d < ndims; d++)
				t[d] = r.dim[d].lo + (r.dim[d].hi - r.dim[d].lo) * rng_uniform(&g);
			for (int k = 0; k < n; k++) {
				sum = 0;
				for (int d = 0; d < ndims; d++)
					sum += normal[k][d] * t[d];
				leaf |= (sum > offset[k]) << k;
			}
			assert_false(c[leaf].empty);
			for (int d = 0; d < ndims; d++)
				assert_true(t[d] >= c[leaf].lo[d] - 1e-12 &&
					    t[d] <= c[leaf].hi[d] + 1e-12);
			for (int k = 0; ndims == 2 && k < c[leaf].corners;
				k++) { // to the left of every edge
				const double *a = c[leaf].t[k],
					     *b = c[leaf].t[(k + 1) % c[leaf].corners];
				double ux = b[0] - a[0], uy = b[1] - a[1];

				assert_true(ux * (t[1] - a[1]) - uy * (t[0] - a[0]) >= -1e-12);
			}
		}
	}
	free(c);
}

static void test_stack(void **state)
{
	struct region r = {.nin = 2, .ndims = 2, .dim = {{0, -1, 0, 1}, {1, -1, 0, 1}}};
	struct cell_stack s = {0};
	struct cell a, b;
	int was = upward_begin(), err = 0;
	long n = 0;

	cell_whole(&a, &r);
	assert_true(cell_cut(&a, &r, (double[]){1, 1}, 1.5, false));
	upward_end(was);
	assert_int_equal(a.corners, 5);
	for (; !err; n++)
		err = cell_push(&s, &a, &r);
	assert_int_equal(err, -E2BIG);
	assert_true(n > 1 << 20);
	for (n--; n > 0; n--)
		cell_pop(&s, &b, &r);
	assert_int_equal(s.n, 0);
	assert_true(b.corners == 5 && b.steps == a.steps && !b.empty);
	assert_memory_equal(a.t, b.t, 5 * sizeof(a.t[0]));
	free(s.at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_upward),
		cmocka_unit_test(test_exp),
		cmocka_unit_test(test_percents),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_folding),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_tight),
		cmocka_unit_test(test_cells),
		cmocka_unit_test(test_stack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
