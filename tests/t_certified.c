/* The verifier in training: interval passes and their derivatives, the certified loss against slow
 * versions and by what it teaches, certificates of many flows against those of recorded decisions.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "cert_nets.h"
#include "cert/box.h"
#include "learn/certified.h"
#include "learn/certifier.h"
#include "nn/blas.h"
#include "nn/interval.h"

#define FLOWS 6
#define STEPS 60
#define DECISIONS 40

/* --- Interval passes --- */

static const int dims[] = {7, 9, 5, 1};
#define ROWS 11

// Naive bounds on y in double: lo in out[0], hi in out[1].
static void slow_interval(const struct mlp *m, const float *c, const float *r, double out[2])
{
	double lo[16], hi[16];

	for (int k = 0; k < m->layer[0].in; k++) {
		lo[k] = (double)c[k] - r[k];
		hi[k] = (double)c[k] + r[k];
	}
	for (int l = 0; l < m->n; l++) {
		const struct mlp_layer *y = &m->layer[l];
		double nlo[16], nhi[16];

		for (int o = 0; o < y->out; o++) {
			nlo[o] = nhi[o] = y->b[o];
			for (int k = 0; k < y->in; k++) {
				double w = y->w[k * y->out + o];

				nlo[o] += w * (w > 0 ? lo[k] : hi[k]);
				nhi[o] += w * (w > 0 ? hi[k] : lo[k]);
			}
		}
		for (int o = 0; o < y->out; o++) {
			bool last = l == m->n - 1;

			lo[o] = last || nlo[o] > 0 ? nlo[o] : m->slope * nlo[o];
			hi[o] = last || nhi[o] > 0 ? nhi[o] : m->slope * nhi[o];
		}
	}
	out[0] = lo[0];
	out[1] = hi[0];
}

static double slow_sum(const struct mlp *m, const struct interval *v)
{
	double sum = 0, y[2];

	for (int i = 0; i < ROWS; i++) {
		slow_interval(m, v->layer[0].c + i * dims[0], v->layer[0].r + i * dims[0], y);
		sum += (i + 1) * y[0] - 0.5 * (i - 4) * y[1];
	}
	return sum;
}

static void fill_boxes(struct interval *v, struct rng *rng)
{
	for (int i = 0; i < ROWS * dims[0]; i++) {
		v->layer[0].c[i] = (float)rng_normal(rng);
		v->layer[0].r[i] = rng_uniform(rng) < 0.5 ? 0 : (float)rng_uniform(rng);
	}
}

static void test_interval(void **state)
{
	struct mlp *m = random_net(3, dims, 1, 3);
	struct interval v;
	struct rng rng;
	double y[2], *w, keep, slope, h = 1e-6;

	rng_init(&rng, 4, 0);
	assert_int_equal(interval_init(&v, m, ROWS), 0);
	interval_load(&v, m);
	fill_boxes(&v, &rng);
	interval_forward(&v, 0, 5); // in two parts, as threads would
	interval_forward(&v, 5, ROWS);
	for (int i = 0; i < ROWS; i++) {
		slow_interval(m, v.layer[0].c + i * dims[0], v.layer[0].r + i * dims[0], y);
		assert_float_equal(v.lo[i], y[0], 1e-5);
		assert_float_equal(v.hi[i], y[1], 1e-5);
		v.dlo[i] = (float)(i + 1);
		v.dhi[i] = (float)(-0.5 * (i - 4));
	}
	interval_backward(&v, 0, 5);
	interval_backward(&v, 5, ROWS);
	for (int l = 0; l < 3; l++) {
		interval_gradient(&v, l, 0, 2, ROWS);
		interval_gradient(&v, l, 2, dims[l] - 2, ROWS);
		for (int i = 0; i < dims[l] * dims[l + 1] + dims[l + 1]; i++) {
			bool bias = i >= dims[l] * dims[l + 1];

			w = bias ? &m->layer[l].b[i - dims[l] * dims[l + 1]] : &m->layer[l].w[i];
			keep = *w;
			*w = keep + h;
			slope = slow_sum(m, &v);
			*w = keep - h;
			slope = (slope - slow_sum(m, &v)) / (2 * h);
			*w = keep;
			assert_float_equal(
				bias ? v.layer[l].db[i - dims[l] * dims[l + 1]] : v.layer[l].dw[i],
				slope, 2e-4 * (1 + fabs(slope)));
		}
	}
	interval_free(&v);
	mlp_free(m);
}

/* --- Decisions --- */

struct flows {
	float states[FLOWS * STATE_SIZE_MAX];
	bool waits[FLOWS];
	uint32_t w[FLOWS], p[FLOWS];
	int32_t nchanges[FLOWS];
	int64_t changes[FLOWS * POLICY_CHANGES];
	struct rng rng;
};

// Every flow's next decision: windows that creep, states of any kind, a restart now and then.
static void go_on(struct flows *f, const struct state_table *table)
{
	for (int i = 0; i < FLOWS; i++) {
		float *x = f->states + i * table->size;
		int64_t *changes = f->changes + i * POLICY_CHANGES;
		uint32_t installed = f->w[i] + (uint32_t)rng_below(&f->rng, 7);

		if (!f->w[i] || rng_uniform(&f->rng) < 0.05) {
			memset(changes, 0, POLICY_CHANGES * sizeof(*changes));
			f->p[i] = 0;
			f->nchanges[i] = 0;
			f->w[i] = 20 + (uint32_t)rng_below(&f->rng, 300);
		} else {
			installed = installed > 3 + 4 ? installed - 3 : 4;
			if (f->p[i]) {
				memmove(changes, changes + 1,
					(POLICY_CHANGES - 1) * sizeof(*changes));
				changes[POLICY_CHANGES - 1] = (int64_t)installed - f->p[i];
				f->nchanges[i] += f->nchanges[i] < POLICY_CHANGES;
			}
			f->p[i] = installed;
			f->w[i] = installed + (uint32_t)rng_below(&f->rng, 3);
		}
		for (int k = 0; k < STATE_SIZE; k++)
			x[k] = (float)rng_uniform(&f->rng);
		state_tail(table, x + STATE_SIZE, f->w[i], f->p[i], f->nchanges[i],
			changes + POLICY_CHANGES);
		f->waits[i] = rng_uniform(&f->rng) < 0.9 || !f->p[i];
	}
}

static struct certifier_decisions view(const struct flows *f, const struct state_table *table)
{
	return (struct certifier_decisions){
		table, f->states, f->waits, f->w, f->p, f->nchanges, f->changes};
}

static struct property_file *load(const char *what)
{
	struct property_file *f;

	assert_int_equal(property_load(&f, what, NULL, 0), 0);
	return f;
}

static struct mlp *state_net(const struct state_table *table, uint64_t seed)
{
	const int sizes[] = {table->size, 24, 16, 1};

	return random_net(3, sizes, 0.8, seed);
}

/* --- Certificates of flows --- */

// The same through one qc per flow, as evaluation does it.
static void slow_qc(struct qc *q, const struct flows *f, int i, int size, float *out)
{
	double x[STATE_SIZE_MAX];
	int64_t changes[POLICY_CHANGES];
	struct cert_decision d = {.x = x,
		.nin = size,
		.w = f->w[i],
		.p = f->p[i],
		.nchanges = f->nchanges[i],
		.changes = changes};
	struct qc_share share;

	for (int k = 0; k < size; k++)
		x[k] = f->states[i * size + k];
	for (int k = 0; k < d.nchanges; k++)
		changes[k] = f->changes[(i + 1) * POLICY_CHANGES - 1 - k];
	if (!d.p)
		qc_restart(q);
	assert_int_equal(qc_decide(q, &d, &share), 0);
	*out = share.triggered ? (float)share.qc : NAN;
}

static void certify_flows(const char *set, int threads)
{
	const struct state_table *table = &state_extended;
	struct certifier_conf conf = {
		load(set), {.engine = ENGINE_AUTO, .wide = ENGINE_BOX, .slices = 5, .budget = 20}};
	struct mlp *m = state_net(table, 5);
	struct flows f = {.waits = {false}};
	struct actor *a;
	struct qc *q[FLOWS];
	struct certifier *c;
	struct crew *crew;
	struct certifier_decisions d;
	float qc[FLOWS], slow;
	int triggered = 0;

	rng_init(&f.rng, 6, 0);
	assert_int_equal(crew_new(&crew, threads), 0);
	assert_int_equal(certifier_new(&c, &conf, m, FLOWS, crew), 0);
	for (int s = 0; s < STEPS; s++) {
		for (int k = 0; k < m->layer[1].out; k++) // the policy moves on
			m->layer[1].b[k] += 0.01 * rng_normal(&f.rng);
		mlp_pack(m);
		assert_int_equal(actor_new(&a, m), 0);
		go_on(&f, table);
		d = view(&f, table);
		assert_int_equal(certifier_run(c, &d, qc), 0);
		for (int i = 0; i < FLOWS; i++) {
			q[i] = qc_new(conf.properties, a, &conf.qc);
			if (f.waits[i] && conf.properties->history == 1) {
				slow_qc(q[i], &f, i, table->size, &slow);
				assert_true(isnan(slow) ? isnan(qc[i]) : slow == qc[i]);
			}
			triggered += !isnan(qc[i]);
			assert_true(f.waits[i] || isnan(qc[i]));
			qc_free(q[i]);
		}
		actor_free(a);
	}
	assert_true(triggered > STEPS);
	certifier_free(c);
	crew_free(crew);
	mlp_free(m);
	property_free(conf.properties);
}

static void test_certifier(void **state)
{
	certify_flows("deep-buffer", 1);
	certify_flows("deep-buffer", 3);
	certify_flows("shallow-buffer", 2);
	certify_flows("robustness", 2);
}

// Sets that look back, under a policy that stays: one qc a flow sees the same.
static void test_certifier_looks_back(void **state)
{
	const struct state_table *table = &state_published;
	struct certifier_conf conf = {load("loss-liveness"), {.engine = ENGINE_BOX, .slices = 5}};
	struct mlp *m = state_net(table, 7);
	struct flows f = {.waits = {false}};
	struct certifier_sum sums[PROPERTY_MAX];
	struct actor *a;
	struct qc *q[FLOWS];
	struct certifier *c;
	struct crew *crew;
	struct certifier_decisions d;
	float qc[FLOWS], slow;
	double triggered = 0;

	rng_init(&f.rng, 8, 0);
	assert_int_equal(crew_new(&crew, 2), 0);
	assert_int_equal(actor_new(&a, m), 0);
	assert_int_equal(certifier_new(&c, &conf, m, FLOWS, crew), 0);
	for (int i = 0; i < FLOWS; i++)
		q[i] = qc_new(conf.properties, a, &conf.qc);
	for (int s = 0; s < STEPS; s++) {
		go_on(&f, table);
		d = view(&f, table);
		assert_int_equal(certifier_run(c, &d, qc), 0);
		for (int i = 0; i < FLOWS; i++) {
			if (!f.waits[i])
				continue;
			slow_qc(q[i], &f, i, table->size, &slow);
			assert_true(isnan(slow) ? isnan(qc[i]) : slow == qc[i]);
			certifier_add(c, i);
		}
	}
	certifier_tell(c, sums);
	for (int i = 0; i < conf.properties->n; i++)
		triggered += sums[i].triggered;
	assert_true(triggered > STEPS);
	certifier_tell(c, sums);
	assert_true(sums[0].triggered == 0 && sums[0].qc == 0);
	for (int i = 0; i < FLOWS; i++)
		qc_free(q[i]);
	certifier_free(c);
	actor_free(a);
	crew_free(crew);
	mlp_free(m);
	property_free(conf.properties);
}

/* --- The loss --- */

struct fixture {
	struct replay *replay;
	struct crew *crew;
	struct certified_conf conf;
	uint64_t at[DECISIONS];
	const struct state_table *table;
};

static void make_fixture(
	struct fixture *x, const char *set, const struct state_table *table, bool box)
{
	struct flows f = {.waits = {false}};
	float action[FLOWS] = {0}, raw[FLOWS] = {0}, qc[FLOWS];
	bool follows[FLOWS], ready[FLOWS] = {false};
	struct rng rng;

	for (int i = 0; i < FLOWS; i++)
		qc[i] = NAN;
	rng_init(&f.rng, 9, 0);
	assert_int_equal(replay_new(&x->replay, FLOWS, FLOWS * STEPS), 0);
	assert_int_equal(crew_new(&x->crew, 2), 0);
	for (int s = 0; s < STEPS; s++) {
		go_on(&f, &state_published);
		for (int i = 0; i < FLOWS; i++) {
			follows[i] = ready[i] && f.p[i];
			ready[i] = f.waits[i] = true;
		}
		replay_add(x->replay, &(struct replay_step){action, raw, qc, follows, f.waits,
					      f.states, f.w, f.p, f.nchanges});
	}
	rng_init(&rng, 10, 0);
	replay_draw(x->replay, &rng, DECISIONS, x->at);
	x->table = table;
	x->conf = (struct certified_conf){.properties = load(set),
		.table = table,
		.box = box,
		.slices = 5,
		.decisions = DECISIONS,
		.nweights = 1,
		.weights = {2},
		.updates = 10,
		.seed = 1};
}

static void free_fixture(struct fixture *x)
{
	property_free(x->conf.properties);
	replay_free(x->replay);
	crew_free(x->crew);
}

static int count_triggered(
	const struct fixture *x, const struct actor *a, double *sum, float *scratch)
{
	int parts = 0;

	*sum = 0;
	for (int i = 0; i < DECISIONS; i++) {
		struct replay_decision d;
		double s[REGION_INPUTS];
		float tail[STATE_TAIL_MAX];
		int64_t changes[POLICY_CHANGES];
		struct cert_decision c = {.x = s, .nin = x->table->size, .changes = changes};

		replay_decision(x->replay, x->at[i], &d);
		state_tail(x->table, tail, d.w, d.p, d.nchanges, d.changes + POLICY_CHANGES);
		for (int k = 0; k < x->table->size; k++)
			s[k] = k < STATE_SIZE ? d.state[k] : tail[k - STATE_SIZE];
		for (int k = 0; k < POLICY_CHANGES; k++)
			changes[k] = d.changes[POLICY_CHANGES - 1 - k];
		c.w = d.w;
		c.p = d.p;
		c.nchanges = d.nchanges;
		c.clean = part_window(actor_run(a, s, scratch), d.w);
		for (int k = 0; k < x->conf.properties->n; k++) {
			struct part part;
			double lo = INFINITY, hi = -INFINITY, margin;

			assert_int_equal(part_make(&part, &x->conf.properties->property[k], &c), 0);
			if (part.status != PART_TRIGGERED || band_empty(&part.band))
				continue;
			parts++;
			for (int g = 0; g <= 2000; g++) { // a slow look at the range
				const struct region_dim *dim = &part.region.dim[0];
				double t = dim->lo + (dim->hi - dim->lo) * g / 2000,
				       at[REGION_INPUTS], y;

				region_state(&part.region, &t, at);
				mlp_forward_ref(a->mlp, at, &y, 1);
				lo = fmin(lo, y);
				hi = fmax(hi, y);
			}
			margin = fmin(0.15 * (part.band.hi - part.band.lo), 0.02);
			*sum += fmax(0, part.band.lo + margin - lo) +
				fmax(0, hi - part.band.hi + margin);
		}
	}
	return parts;
}

// Exact, on regions of one dimension: the loss is what the range, looked at slowly, says; its
// derivatives are those of the points asked for.
static void test_exact_loss(void **state)
{
	const char *const sets[] = {"deep-buffer", "safety", "robustness"};

	for (int i = 0; i < 3; i++) {
		struct fixture x;
		struct mlp *m = state_net(&state_extended, 11);
		struct certified *c;
		struct td3_extra extra;
		struct actor *a;
		float *points, *y, *dy, *scratch = malloc(mlp_scratch(m) * sizeof(float));
		double slow, loss, slope, push = 1e-3;
		int n, parts;

		make_fixture(&x, sets[i], &state_extended, false);
		assert_int_equal(actor_new(&a, m), 0);
		assert_int_equal(certified_new(&c, &x.conf, m, x.crew), 0);
		extra = certified_extra(c);
		n = certified_states(&x.conf);
		points = calloc((size_t)n * x.table->size, sizeof(float));
		y = calloc(n, sizeof(float));
		dy = calloc(n, sizeof(float));
		certified_batch(c, x.replay, x.at, 0);
		n = extra.states(extra.arg, m, points);
		parts = count_triggered(&x, a, &slow, scratch);
		assert_true(parts > 10);
		assert_int_equal(n, parts * (i == 2 ? 3 : 2));
		for (int k = 0; k < n; k++)
			mlp_forward(m, points + (size_t)k * x.table->size, y + k, 1, scratch);
		loss = extra.loss(extra.arg, n, y, dy);
		assert_true(slow > 0);
		assert_float_equal(loss, 2 * slow / parts, 1e-4 * (1 + loss));
		for (int k = 0; k < n;
			k++) { // not the concrete states of robustness: the target is given
			float unused[3 * DECISIONS * 4];

			if (i == 2 && k % 3 == 0)
				continue;
			y[k] += (float)push;
			slope = (extra.loss(extra.arg, n, y, unused) - loss) / push;
			y[k] -= (float)push;
			assert_true(fabs(slope - dy[k]) <= 2.0 / parts + 1e-6); // a kink at most
		}
		certified_free(c);
		actor_free(a);
		mlp_free(m);
		free(points);
		free(y);
		free(dy);
		free(scratch);
		free_fixture(&x);
	}
}

// The box loss is its own derivative's integral: along the gradient it falls as fast as that says.
static void test_box_loss(void **state)
{
	const char *const sets[] = {"deep-buffer", "shallow-buffer", "robustness"};

	for (int i = 0; i < 3; i++) {
		struct fixture x;
		struct mlp *m = state_net(&state_extended, 12);
		struct certified *c;
		struct td3_extra extra;
		struct td3_folded g;
		double loss, moved, square = 0, step;
		int count;

		make_fixture(&x, sets[i], &state_extended, true);
		assert_int_equal(certified_new(&c, &x.conf, m, x.crew), 0);
		extra = certified_extra(c);
		certified_batch(c, x.replay, x.at, 0);
		loss = extra.folded(extra.arg, m, &g, &count);
		assert_true(loss > 0 && count > 50);
		for (int l = 0; l < m->n; l++)
			for (int k = 0; k < m->layer[l].in * m->layer[l].out; k++)
				square += (double)g.w[l][k] * g.w[l][k];
		step = 1e-3 * loss / square;
		for (int l = 0; l < m->n; l++)
			for (int k = 0; k < m->layer[l].in * m->layer[l].out; k++)
				m->layer[l].w[k] -= step * g.w[l][k];
		mlp_pack(m);
		moved = extra.folded(extra.arg, m, &g, &count);
		// robustness: targets are whole windows, they move with the policy by jumps
		if (i < 2)
			assert_float_equal((loss - moved) / (1e-3 * loss), 1, 0.05);
		certified_free(c);
		mlp_free(m);
		free_fixture(&x);
	}
}

// States that batch norm can live with, and nothing to learn from them.
static void nothing(void *arg, const struct td3_batch *b, int from, int to)
{
	struct rng rng;

	rng_init(&rng, 15, from);
	for (int i = from * STATE_SIZE_MAX; i < to * STATE_SIZE_MAX; i++)
		b->s0[i] = b->s1[i] = (float)rng_uniform(&rng);
	memset(b->a + from, 0, (to - from) * sizeof(float));
	memset(b->r + from, 0, (to - from) * sizeof(float));
}

// What it is for: a policy that learns by the loss alone is certified on decisions where it was not
// before.
static double taught(const char *set, bool box, bool norm, int threads, double *before)
{
	struct fixture x;
	struct td3_conf conf = td3_published;
	const struct td3_source from = {nothing, NULL};
	struct td3_stats stats;
	struct td3_extra extra;
	struct certified *c;
	struct td3 *t;
	struct mlp *m;
	struct actor *a;
	double sum, now = 0;
	float *scratch;

	make_fixture(&x, set, &state_extended, box);
	conf.states = x.table->size;
	conf.hidden[0] = conf.hidden[1] = 32;
	conf.batch = 64;
	conf.batch_norm = norm;
	conf.extra_max = certified_states(&x.conf);
	conf.actor_rate = 3e-3;
	conf.extra_first = 1000;
	assert_int_equal(td3_new(&t, &conf, x.crew), 0);
	m = td3_policy_new(t);
	scratch = malloc(mlp_scratch(m) * sizeof(float));
	assert_int_equal(certified_new(&c, &x.conf, m, x.crew), 0);
	extra = certified_extra(c);
	for (int i = 0; i <= 300; i++) {
		certified_batch(c, x.replay, x.at, i);
		assert_int_equal(td3_update(t, &from, &extra, &stats), 0);
		if (!i)
			*before = stats.extra;
		now = stats.extra;
	}
	td3_policy(t, m);
	assert_int_equal(actor_new(&a, m), 0);
	if (!box) {
		count_triggered(&x, a, &sum, scratch);
		assert_true(sum < 0.2 * DECISIONS);
	}
	actor_free(a);
	certified_free(c);
	td3_free(t);
	mlp_free(m);
	free(scratch);
	free_fixture(&x);
	return now;
}

static void test_loss_teaches(void **state)
{
	double before, after;

	for (int norm = 0; norm < 2; norm++) {
		after = taught("deep-buffer", false, norm, 2, &before);
		assert_true(after < 0.25 * before);
		after = taught("deep-buffer", true, norm, 2, &before);
		assert_true(after < 0.25 * before);
	}
}

// Forced histories: other parts trigger than recorded, and again from update to update.
static void test_forced(void **state)
{
	struct fixture x;
	struct mlp *m = state_net(&state_extended, 13);
	struct certified *c;
	struct td3_extra extra;
	float *points, *tail;
	int n, zeros = 0;

	make_fixture(&x, "deep-buffer", &state_extended, false);
	x.conf.forced = 1;
	assert_int_equal(certified_new(&c, &x.conf, m, x.crew), 0);
	extra = certified_extra(c);
	points = calloc((size_t)certified_states(&x.conf) * x.table->size, sizeof(float));
	certified_batch(c, x.replay, x.at, 0);
	n = extra.states(extra.arg, m, points);
	assert_true(n > 0);
	for (int i = 0; i < n; i++) { // the state shows the signs that made it trigger
		tail = points + (size_t)i * x.table->size + STATE_SIZE + 1;
		assert_true((tail[0] <= 0 && tail[1] <= 0 && tail[2] <= 0) ||
			    (tail[0] >= 0 && tail[1] >= 0 && tail[2] >= 0));
		zeros += !tail[0] && !tail[1] && !tail[2];
	}
	assert_true(zeros < n);
	certified_free(c);
	free(points);
	mlp_free(m);
	free_fixture(&x);
}

static void test_schedule(void **state)
{
	struct fixture x;
	struct mlp *m = state_net(&state_extended, 14);
	struct certified *c;
	struct td3_extra extra;
	struct td3_folded g;
	double loss[3];
	int count;

	make_fixture(&x, "deep-buffer", &state_extended, true);
	x.conf.nweights = 3;
	x.conf.weights[0] = 0;
	x.conf.weights[1] = 4;
	x.conf.weights[2] = 2;
	assert_int_equal(certified_new(&c, &x.conf, m, x.crew), 0);
	extra = certified_extra(c);
	for (int i = 0; i < 3; i++) {
		certified_batch(c, x.replay, x.at, (uint64_t[]){0, 5, 10}[i]);
		loss[i] = extra.folded(extra.arg, m, &g, &count);
	}
	assert_true(loss[0] == 0 && loss[1] > 0);
	assert_float_equal(loss[2], loss[1] / 2, 1e-12);
	certified_free(c);
	mlp_free(m);
	free_fixture(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_interval),
		cmocka_unit_test(test_certifier),
		cmocka_unit_test(test_certifier_looks_back),
		cmocka_unit_test(test_exact_loss),
		cmocka_unit_test(test_box_loss),
		cmocka_unit_test(test_forced),
		cmocka_unit_test(test_schedule),
		cmocka_unit_test(test_loss_teaches),
	};

	if (blas_load())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
