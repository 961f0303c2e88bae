/* Whole certificates: those that a slow engine made here are believed, altered ones are not,
 * whatever the digest says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "cert/cert_file.h"
#include "cert/part.h"
#include "check/check.h"
#include "cert_alterations.h"
#include "check_model.h"
#include "policy/action.h"

#define DECISIONS 4
#define SLICES 8

// What cert_alterations.h alters: regions of one, two and three dimensions, and a point; the first
// does not trigger on the third decision.
static const char text[] =
	"set all = mean(line, plane, space, point)\n"
	"property line\n  over inv_rtt in [0.5, 1]\n  given dcwnd[-1] <= 0\n  then dcwnd in [-40, "
	"25]\n"
	"property plane\n  over inv_rtt in [0.7, 1], loss in [0, 0.5]\n  then dcwnd in [0, 100]\n"
	"property space\n  over thr in [0, 1], dt in [0, 0.01], inv_rtt[-1] in [0.79, 0.81]\n"
	"  then cwnd / cwnd(clean) in [0.9, 1.1]\n"
	"property point\n  over loss in [0, 0]\n  then cwnd >= 4\n";

static char *dir, *cert, *model_path;
static struct model *model;
static struct mlp *mlp;
static float *scratch;
static struct property_file *properties;

static float run(const double *x)
{
	float xf[STATE_SIZE], y;

	for (int i = 0; i < STATE_SIZE; i++)
		xf[i] = (float)x[i];
	mlp_forward(mlp, xf, &y, 1, scratch);
	return y;
}

// Interval arithmetic in double, and far outward of all rounding.
static void slow_bounds(const double *lo, const double *hi, double *y_lo, double *y_hi)
{
	double l[MLP_MAX_WIDTH], h[MLP_MAX_WIDTH], zl[MLP_MAX_WIDTH], zh[MLP_MAX_WIDTH];

	memcpy(l, lo, STATE_SIZE * sizeof(*l));
	memcpy(h, hi, STATE_SIZE * sizeof(*h));
	for (int i = 0; i < mlp->n; i++) {
		const struct mlp_layer *layer = &mlp->layer[i];

		for (int o = 0; o < layer->out; o++) {
			zl[o] = zh[o] = layer->b[o];
			for (int k = 0; k < layer->in; k++) {
				double w = layer->w[(size_t)k * layer->out + o];

				zl[o] += w * (w > 0 ? l[k] : h[k]);
				zh[o] += w * (w > 0 ? h[k] : l[k]);
			}
		}
		for (int o = 0; o < layer->out; o++) {
			l[o] = i + 1 < mlp->n && zl[o] < 0 ? mlp->slope * zl[o] : zl[o];
			h[o] = i + 1 < mlp->n && zh[o] < 0 ? mlp->slope * zh[o] : zh[o];
		}
	}
	*y_lo = l[0] - 1e-3;
	*y_hi = h[0] + 1e-3;
}

static bool wanted(const struct part *p, uint32_t w, double y)
{
	uint32_t window = action_window(action_percent(tanh(y)), w);

	return window >= p->lo && window <= p->hi;
}

// What the slow engine knows of a box; the wanted windows are an interval and y's are monotone.
static enum engine_verdict judge(const struct part *p, uint32_t w, double y_lo, double y_hi)
{
	double step = (y_hi - y_lo) / 2000;
	bool any = false;

	if (wanted(p, w, y_lo - 1e-6) && wanted(p, w, y_hi + 1e-6))
		return ENGINE_HOLDS;
	for (double y = y_lo - 1e-6; y <= y_hi + 1e-6 + step && !any; y += step)
		any = wanted(p, w, y);
	return any ? ENGINE_UNKNOWN : ENGINE_FAILS;
}

struct grown {
	const struct part *part;
	uint32_t w;
	const struct engine_sink *sink;
	double share[3], y_lo, y_hi;
	int counter;
	bool missed;
	double t[REGION_INPUTS];
};

static void close_leaf(struct grown *g, const double *lo, const double *hi, double share)
{
	const struct region *r = &g->part->region;
	double x_lo[REGION_INPUTS], x_hi[REGION_INPUTS], y_lo, y_hi, t[REGION_INPUTS],
		x[REGION_INPUTS];
	enum engine_verdict v;

	region_state(r, lo, x_lo);
	region_state(r, hi, x_hi);
	slow_bounds(x_lo, x_hi, &y_lo, &y_hi);
	v = judge(g->part, g->w, y_lo, y_hi);
	g->share[v] += share;
	g->y_lo = fmin(g->y_lo, y_lo);
	g->y_hi = fmax(g->y_hi, y_hi);
	g->sink->leaf(g->sink->arg, y_lo, y_hi, v);
	for (int d = 0; d < r->ndims; d++)
		t[d] = lo[d] + (hi[d] - lo[d]) / 3;
	region_state(r, t, x);
	if (!g->missed && !wanted(g->part, g->w, run(x))) {
		g->missed = true;
		memcpy(g->t, t, r->ndims * sizeof(*t));
	}
}

// Halves the box along its dimensions in turn, by cuts of every kind.
static void halve(struct grown *g, double *lo, double *hi, int depth, double share)
{
	const struct region *r = &g->part->region;
	double normal[REGION_INPUTS] = {0}, mid, keep;
	int d = r->ndims ? depth % r->ndims : 0;

	if (!depth || !r->ndims) {
		close_leaf(g, lo, hi, share);
		return;
	}
	mid = (lo[d] + hi[d]) / 2;
	normal[d] = r->ndims < 3 && g->counter++ % 2 ? 2 : 1; // 2: not along an axis, to the file
	g->sink->cut(g->sink->arg, normal, normal[d] * mid);
	keep = hi[d];
	hi[d] = mid;
	halve(g, lo, hi, depth - 1, share / 2);
	hi[d] = keep;
	keep = lo[d];
	lo[d] = mid;
	halve(g, lo, hi, depth - 1, share / 2);
	lo[d] = keep;
}

static void slow_part(struct cert_part *out, const struct part *p, uint32_t w)
{
	struct engine_sink sink = cert_tree_sink(&out->tree, p->region.ndims);
	struct grown g = {.part = p, .w = w, .sink = &sink, .y_lo = INFINITY, .y_hi = -INFINITY};
	struct engine_answer a = {.engine = "slow", .exact = NAN};
	double lo[REGION_INPUTS], hi[REGION_INPUTS];

	for (int d = 0; d < p->region.ndims; d++) {
		lo[d] = p->region.dim[d].lo;
		hi[d] = p->region.dim[d].hi;
	}
	halve(&g, lo, hi, 6, 1);
	a.proven = g.share[ENGINE_HOLDS];
	a.refuted = g.share[ENGINE_FAILS];
	a.y_lo = g.y_lo;
	a.y_hi = g.y_hi;
	a.missed = g.missed;
	memcpy(a.t, g.t, sizeof(a.t));
	out->property = strdup(p->property->name);
	out->region = p->region;
	out->lo = p->lo;
	out->hi = p->hi;
	assert_int_equal(cert_part_claim(out, &a), 0);
}

static struct cert_entry slow_entry(int i)
{
	struct cert_entry e = {.source = strdup("slow"),
		.nstate = STATE_SIZE,
		.w = 50 + 37 * i,
		.p = 52 + 37 * i,
		.nchanges = 3,
		.changes = {i == 2 ? 5 : -2, 1, 0}};
	struct cert_decision d = {.x = e.state,
		.nin = STATE_SIZE,
		.w = e.w,
		.p = e.p,
		.nchanges = 3,
		.changes = e.changes};
	struct rng g;
	struct part part;

	rng_init(&g, 7, i);
	for (int k = 0; k < STATE_SIZE; k++)
		e.state[k] = (float)rng_uniform(&g);
	d.clean = e.clean = part_window(run(e.state), e.w);
	e.parts = calloc(properties->n, sizeof(*e.parts));
	for (int k = 0; k < properties->n; k++) {
		assert_int_equal(part_make(&part, &properties->property[k], &d), 0);
		if (part.status == PART_TRIGGERED)
			slow_part(&e.parts[e.nparts++], &part, e.w);
	}
	return e;
}

static int check(struct check_report *report)
{
	struct check_report own;

	return check_file(cert, model_path, report ? report : &own);
}

// Writes a file whose entry `which` went through alter, and checks it.
static int check_altered(void (*alter)(struct cert_head *h, struct cert_entry *e), int which)
{
	struct cert_head head = {.model_name = strdup("m"),
		.property = {strdup("f"), strdup(text), strdup("all"), ""}};
	struct cert_writer *w;
	int err;

	memcpy(head.model_sha256, model->sha256, HASH_HEX);
	if (alter && which < 0)
		alter(&head, NULL);
	assert_int_equal(cert_file_create(&w, cert, &head), 0);
	for (int i = 0; i < DECISIONS; i++) {
		struct cert_entry e = slow_entry(i);
		char *line;

		if (alter && which == i)
			alter(NULL, &e);
		line = cert_entry_format(&e);
		assert_non_null(line);
		cert_file_add(w, line);
		free(line);
		cert_entry_free(&e);
	}
	assert_int_equal(cert_file_finish(w, true), 0);
	cert_head_free(&head);
	err = check(NULL);
	return err;
}

static void test_believed(void **state)
{
	struct check_report r;

	assert_int_equal(check_altered(NULL, 0), 0);
	assert_int_equal(check(&r), 0);
	assert_int_equal(r.decisions, DECISIONS);
	assert_int_equal(r.triggered, DECISIONS);
	assert_int_equal(r.parts, 4 * DECISIONS - 1);
	assert_int_equal(r.leaves, 64 * (3 * DECISIONS - 1) + DECISIONS);
	assert_true(r.proven > 1 && r.refuted > 1 && r.proven + r.refuted < r.parts);
}

static void test_altered(void **state)
{
	log_set_level(-1);
	for (int i = 0; i < ALTERATIONS; i++) {
		int err = check_altered(alterations[i].alter, alterations[i].which);

		if (err != -EKEYREJECTED && err != -EBADMSG)
			fail_msg("%s: %d", alterations[i].name, err);
	}
	log_set_level(LOG_INFO);
}

// Bounds moved at random: whatever is believed is true at points.
static void test_random_bounds(void **state)
{
	struct check_report report = {0};
	struct check *c;
	int believed = 0, doubted = 0;
	struct rng g;

	rng_init(&g, 11, 0);
	assert_int_equal(check_new(&c, model), 0);
	log_set_level(-1);
	for (int i = 0; i < 400; i++) {
		struct cert_entry e = slow_entry(i % DECISIONS);
		struct cert_part *p = &e.parts[i / DECISIONS % 2]; // of one to three dimensions
		double *b = p->tree.bounds, width = b[1] - b[0],
		       shrink = 0.55 * pow(rng_uniform(&g), 2);
		double t[3], x[STATE_SIZE], lo = INFINITY, hi = -INFINITY;

		b[0] += width * shrink;
		b[1] -= width * shrink;
		for (int k = 0; k < 300; k++) { // the first leaf is the lowest corner
			for (int d = 0; d < p->region.ndims; d++) {
				double cell = (p->region.dim[d].hi - p->region.dim[d].lo) /
					      pow(64, 1. / p->region.ndims);

				t[d] = p->region.dim[d].lo + cell * rng_uniform(&g);
			}
			region_state(&p->region, t, x);
			lo = fmin(lo, run(x));
			hi = fmax(hi, run(x));
		}
		if (b[0] <= b[1] && !check_entry(c, properties, &e, "test", &report)) {
			assert_true(b[0] <= lo && hi <= b[1]);
			believed++;
		} else {
			doubted++;
		}
		cert_entry_free(&e);
	}
	log_set_level(LOG_INFO);
	assert_true(believed > 20 && doubted > 20);
	check_free(c);
}

// Trees of a million cuts on one side: no recursion, and what cannot be held is refused.
static void test_deep(void **state)
{
	struct check_report report = {0};
	struct check *c;

	assert_int_equal(check_new(&c, model), 0);
	log_set_level(-1);
	for (int left = 0; left < 2; left++)
		for (int which = 0; which < 3; which++) {
			struct cert_entry e = slow_entry(0);
			struct cert_part *p = &e.parts[which];
			struct engine_sink sink = cert_tree_sink(&p->tree, p->region.ndims);
			double normal[3] = {1}, lo = p->region.dim[0].lo,
			       width = p->region.dim[0].hi - lo;
			int n = which ? 100000 : 1000000, err;

			p->tree.nodes = p->tree.ncuts = p->tree.nbounds = 0;
			for (int i = 0; i < n; i++) {
				double at = (i + 1.) / (n + 1);

				sink.cut(sink.arg, normal, lo + width * (left ? 1 - at : at));
				if (!left)
					sink.leaf(sink.arg, -INFINITY, INFINITY, ENGINE_UNKNOWN);
			}
			for (int i = 0; i < (left ? n + 1 : 1); i++)
				sink.leaf(sink.arg, -INFINITY, INFINITY, ENGINE_UNKNOWN);
			p->proven = p->refuted = 0;
			p->y_lo = -INFINITY;
			p->y_hi = INFINITY;
			err = check_entry(c, properties, &e, "test", &report);
			assert_true(err == 0 || (left && err == -EKEYREJECTED));
			cert_entry_free(&e);
		}
	log_set_level(LOG_INFO);
	check_free(c);
}

// A file about another model, one that is none, and none.
static void test_files(void **state)
{
	struct model *other = check_model(1, 1, 99);
	char *path = file_path("%s/other.safetensors", dir);
	struct check_report r;

	assert_int_equal(check_altered(NULL, 0), 0);
	assert_int_equal(model_save(other, path), 0);
	log_set_level(-1);
	assert_int_equal(check_file(cert, path, &r), -EKEYREJECTED);
	assert_int_equal(check_file(path, model_path, &r), -EBADMSG);
	assert_int_equal(check_file("/nowhere", model_path, &r), -ENOENT);
	assert_int_equal(check_file(cert, "/nowhere", &r), -ENOENT);
	log_set_level(LOG_INFO);
	unlink(path);
	free(path);
	model_free(other);
}

static int set_up(void **state)
{
	static char name[] = "/tmp/canopy-check-XXXXXX";

	dir = mkdtemp(name);
	cert = file_path("%s/cert.json", dir);
	model_path = file_path("%s/m.safetensors", dir);
	model = check_model(2, 1.5, 5);
	mlp = model_fold(model);
	scratch = malloc(mlp_scratch(mlp) * sizeof(*scratch));
	return model_save(model, model_path) || property_parse(&properties, text, "test", NULL, 0);
}

static int tear_down(void **state)
{
	unlink(cert);
	unlink(model_path);
	rmdir(dir);
	free(cert);
	free(model_path);
	free(scratch);
	mlp_free(mlp);
	model_free(model);
	property_free(properties);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_believed),
		cmocka_unit_test(test_altered),
		cmocka_unit_test(test_random_bounds),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
