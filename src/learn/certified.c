/* Parts of decisions; the points or boxes on which the loss looks; the loss and its derivative
 * there. */
#include "learn/certified.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cert/part.h"
#include "learn/probe.h"
#include "nn/interval.h"

#define STREAM 0x63657274ull /* of the seed, + update */
#define MARGIN_SHARE 0.15
#define MARGIN_MOST 0.02
#define FORCED_CHANGES 3
#define SHARD 128 /* boxes of a job, and rows of weights */

// A triggered part of a decision. Its rows: the concrete state, if the target depends on it; then,
// exact, two for each line: where y is least and where it is largest; or, by boxes, one for each
// slice.
struct slot {
	bool on, clean;
	double lo, hi, margin;
	int lines, first; // lines or slices; first row of all that are in use
};

struct thread {
	struct segment *segment;
	float *scratch;
};

struct certified {
	struct certified_conf conf;
	struct crew *crew;
	struct actor *actor; // its network is ...
	struct mlp *network; // ... this copy
	const struct mlp *policy;
	struct thread *threads;
	const struct replay *replay;
	const uint64_t *at;
	uint64_t update;
	int each, rows_each; // parts of a decision; rows of a part
	struct slot *slots;  // (decisions, each)
	float *centre;	     // (decisions, each, rows_each, table's size) states
	float *radius;	     // the same, of boxes
	int nrows;	     // in use
	struct interval interval;
	struct job {
		int layer, from, rows;
	} * jobs; // of gradients
	int njobs;
};

/* --- Set-up --- */

static int used(const struct property_file *f)
{
	int n = 0;

	for (int i = 0; i < f->n; i++)
		n += f->property[i].used;
	return n;
}

// Rows that a part may ask for: of points, two a line, or of boxes, and the concrete state.
static int rows_of_part(const struct certified_conf *c)
{
	return 1 + (c->box ? c->slices : 2 * PROBE_LINES);
}

int certified_states(const struct certified_conf *c)
{
	return c->box ? 0 : c->decisions * used(c->properties) * rows_of_part(c);
}

static struct mlp *copy_shape(const struct mlp *m)
{
	int dims[MLP_MAX_LAYERS + 1] = {m->layer[0].in};

	for (int l = 0; l < m->n; l++)
		dims[l + 1] = m->layer[l].out;
	return mlp_new(m->n, dims, m->slope);
}

static int cut_jobs(struct certified *c)
{
	int most = 0;

	for (int l = 0; l < c->network->n; l++)
		most += (c->network->layer[l].in + SHARD - 1) / SHARD;
	c->jobs = calloc(most, sizeof(*c->jobs));
	if (!c->jobs)
		return -ENOMEM;
	for (int l = 0; l < c->network->n; l++)
		for (int k = 0, in = c->network->layer[l].in; k < in; k += SHARD)
			c->jobs[c->njobs++] = (struct job){l, k, in - k < SHARD ? in - k : SHARD};
	return 0;
}

static int make_threads(struct certified *c)
{
	int n = crew_threads(c->crew);

	c->threads = calloc(n, sizeof(*c->threads));
	for (int i = 0; c->threads && i < n; i++) {
		c->threads[i].segment = segment_new(c->actor);
		c->threads[i].scratch = malloc(mlp_scratch(c->network) * sizeof(float));
		if (!c->threads[i].segment || !c->threads[i].scratch)
			return -ENOMEM;
	}
	return c->threads ? 0 : -ENOMEM;
}

int certified_new(struct certified **out, const struct certified_conf *conf, const struct mlp *m,
	struct crew *crew)
{
	struct certified *c = calloc(1, sizeof(*c));
	int err = -ENOMEM, parts;
	size_t rows;

	if (!c)
		return err;
	c->conf = *conf;
	c->crew = crew;
	c->each = used(conf->properties);
	c->rows_each = rows_of_part(conf);
	parts = conf->decisions * c->each;
	c->slots = calloc(parts, sizeof(*c->slots));
	rows = (size_t)parts * c->rows_each * conf->table->size;
	c->centre = calloc(rows, sizeof(*c->centre));
	c->radius = conf->box ? calloc(rows, sizeof(*c->radius)) : NULL;
	c->network = copy_shape(m);
	if (c->slots && c->centre && (c->radius || !conf->box) && c->network)
		err = actor_new(&c->actor, c->network);
	if (!err)
		err = make_threads(c);
	if (!err)
		err = cut_jobs(c);
	if (!err && conf->box)
		err = interval_init(&c->interval, m, parts * c->rows_each);
	if (err)
		certified_free(c);
	else
		*out = c;
	return err;
}

void certified_free(struct certified *c)
{
	if (!c)
		return;
	for (int i = 0; c->threads && i < crew_threads(c->crew); i++) {
		segment_free(c->threads[i].segment);
		free(c->threads[i].scratch);
	}
	interval_free(&c->interval);
	actor_free(c->actor);
	mlp_free(c->network);
	free(c->threads);
	free(c->slots);
	free(c->centre);
	free(c->radius);
	free(c->jobs);
	free(c);
}

void certified_batch(
	struct certified *c, const struct replay *r, const uint64_t *at, uint64_t update)
{
	c->replay = r;
	c->at = at;
	c->update = update;
}

/* --- Parts --- */

// The signs of the last changes are drawn anew.
static void force(struct replay_decision *d, struct rng *rng)
{
	if (!d->p)
		return;
	d->nchanges = d->nchanges < FORCED_CHANGES ? FORCED_CHANGES : d->nchanges;
	for (int k = POLICY_CHANGES - FORCED_CHANGES; k < POLICY_CHANGES; k++) {
		int64_t size = llabs(d->changes[k]);

		d->changes[k] = ((int64_t)rng_below(rng, 3) - 1) * (size ? size : 1);
	}
}

static bool depends_on_clean(const struct property *p)
{
	for (int i = 0; i < p->nthen; i++) {
		const struct property_then *t = &p->then[i];

		if (expr_uses(&t->divisor, EXPR_CLEAN) || expr_uses(&t->lo, EXPR_CLEAN) ||
			expr_uses(&t->hi, EXPR_CLEAN))
			return true;
	}
	return false;
}

static void fill_slot(struct certified *c, struct thread *t, const struct part *part,
	const double *x, struct rng *rng, int slot)
{
	struct slot *s = &c->slots[slot];
	const struct band *b = &part->band;
	size_t at = (size_t)slot * c->rows_each * c->conf.table->size;
	struct probe rows = {.centre = c->centre + at,
		.radius = c->conf.box ? c->radius + at : NULL,
		.size = c->conf.table->size};

	s->lo = b->lo;
	s->hi = b->hi;
	s->margin = fmin(MARGIN_SHARE * (b->hi - b->lo), MARGIN_MOST);
	s->clean = depends_on_clean(part->property);
	if (s->clean)
		probe_point(&rows, x);
	s->lines = c->conf.box ? probe_slices(&rows, &part->region, c->conf.slices)
			       : probe_lines(&rows, t->segment, &part->region, rng);
	s->on = s->lines;
}

// Is there a target to push to? No finite y reaches one that only the action 1 hits.
static bool find_part(const struct property *p, const struct cert_decision *d, struct part *out)
{
	return !part_make(out, p, d) && out->status == PART_TRIGGERED && !band_empty(&out->band) &&
	       out->band.lo < INFINITY;
}

// Reads decision i of the batch: x and the changes, newest first, are the caller's room.
static void read_decision(const struct certified *c, int i, struct rng *rng,
	struct cert_decision *out, double *x, int64_t *changes)
{
	const struct state_table *table = c->conf.table;
	struct replay_decision d;
	float tail[STATE_TAIL_MAX];

	replay_decision(c->replay, c->at[i], &d);
	if (rng_uniform(rng) < c->conf.forced)
		force(&d, rng);
	state_tail(table, tail, d.w, d.p, d.nchanges, d.changes + POLICY_CHANGES);
	for (int k = 0; k < table->size; k++)
		x[k] = k < STATE_SIZE ? d.state[k] : tail[k - STATE_SIZE];
	for (int k = 0; k < d.nchanges; k++)
		changes[k] = d.changes[POLICY_CHANGES - 1 - k];
	*out = (struct cert_decision){.x = x,
		.nin = table->size,
		.w = d.w,
		.p = d.p,
		.nchanges = d.nchanges,
		.changes = changes};
}

static void fill_decision(void *arg, int i, int thread)
{
	struct certified *c = arg;
	struct thread *t = &c->threads[thread];
	const struct property_file *f = c->conf.properties;
	double x[REGION_INPUTS];
	int64_t changes[POLICY_CHANGES];
	struct cert_decision d;
	struct part part;
	struct rng rng;
	int slot = i * c->each;

	rng_init(&rng, c->conf.seed, STREAM + c->update * c->conf.decisions + i);
	read_decision(c, i, &rng, &d, x, changes);
	d.clean = part_window(actor_run(c->actor, x, t->scratch), d.w);
	for (int k = 0; k < f->n; k++) {
		if (!f->property[k].used)
			continue;
		c->slots[slot].on = false;
		if (find_part(&f->property[k], &d, &part))
			fill_slot(c, t, &part, x, &rng, slot);
		slot++;
	}
}

// Takes over the policy and finds every decision's parts.
static void find_parts(struct certified *c, const struct mlp *policy)
{
	for (int l = 0; l < policy->n; l++) {
		const struct mlp_layer *from = &policy->layer[l];
		struct mlp_layer *to = &c->network->layer[l];

		memcpy(to->w, from->w, (size_t)to->in * to->out * sizeof(*to->w));
		memcpy(to->b, from->b, to->out * sizeof(*to->b));
	}
	mlp_pack(c->network);
	actor_fill_weights(c->actor);
	crew_run(c->crew, c->conf.decisions, fill_decision, c);
}

// Rows in use, one slot's after the other's, into centre and (of boxes) radius.
static void pack(struct certified *c, float *centre, float *radius)
{
	size_t size = c->conf.table->size;

	c->nrows = 0;
	for (int i = 0; i < c->conf.decisions * c->each; i++) {
		struct slot *s = &c->slots[i];
		size_t n = s->clean + s->lines * (radius ? 1 : 2),
		       from = (size_t)i * c->rows_each * size;

		if (!s->on)
			continue;
		s->first = c->nrows;
		memcpy(centre + s->first * size, c->centre + from, n * size * sizeof(*centre));
		if (radius)
			memcpy(radius + s->first * size, c->radius + from,
				n * size * sizeof(*radius));
		c->nrows += n;
	}
}

/* --- The loss --- */

// Bounds on y by rows, and the loss's derivatives there: line i of a slot is at i * stride.
struct bounds {
	const float *lo, *hi;
	float *dlo, *dhi;
	int stride;
};

static double weight_now(const struct certified_conf *c, uint64_t update)
{
	double at = c->updates ? (double)update / c->updates * (c->nweights - 1) : 0;
	int i = (int)fmin(at, c->nweights - 1);

	if (i == c->nweights - 1)
		return c->weights[i];
	return c->weights[i] + (c->weights[i + 1] - c->weights[i]) * (at - i);
}

// A slot's loss, each of its lines counting for `share`.
static double slot_loss(const struct slot *s, const struct bounds *b, double share)
{
	double sum = 0, clean = 0;

	for (int i = 0; i < s->lines; i++) {
		int row = s->first + s->clean + i * b->stride;
		double below = s->lo + s->margin - b->lo[row],
		       above = b->hi[row] - s->hi + s->margin;

		if (below > 0) {
			sum += share * below;
			b->dlo[row] -= (float)share;
			clean += share;
		}
		if (above > 0) {
			sum += share * above;
			b->dhi[row] += (float)share;
			clean -= share;
		}
	}
	if (s->clean)
		b->dlo[s->first] += (float)clean;
	return sum;
}

// The mean over parts of the mean over their lines; derivatives are 0 to begin with.
static double sum_loss(const struct certified *c, const struct bounds *b)
{
	double weight = weight_now(&c->conf, c->update), sum = 0;
	int parts = 0;

	for (int i = 0; i < c->conf.decisions * c->each; i++)
		parts += c->slots[i].on;
	for (int i = 0; i < c->conf.decisions * c->each; i++)
		if (c->slots[i].on)
			sum += slot_loss(&c->slots[i], b, weight / parts / c->slots[i].lines);
	return sum;
}

static int exact_states(void *arg, const struct mlp *policy, float *x)
{
	struct certified *c = arg;

	find_parts(c, policy);
	pack(c, x, NULL);
	return c->nrows;
}

static double exact_loss(void *arg, int n, const float *y, float *dy)
{
	const struct bounds b = {y, y + 1, dy, dy + 1, 2};

	memset(dy, 0, n * sizeof(*dy));
	return sum_loss(arg, &b);
}

static void forward_shard(void *arg, int i, int thread)
{
	struct certified *c = arg;
	int to = (i + 1) * SHARD;

	(void)thread;
	interval_forward(&c->interval, i * SHARD, to < c->nrows ? to : c->nrows);
}

static void backward_shard(void *arg, int i, int thread)
{
	struct certified *c = arg;
	int to = (i + 1) * SHARD;

	(void)thread;
	interval_backward(&c->interval, i * SHARD, to < c->nrows ? to : c->nrows);
}

static void gradient_job(void *arg, int i, int thread)
{
	struct certified *c = arg;
	const struct job *j = &c->jobs[i];

	(void)thread;
	interval_gradient(&c->interval, j->layer, j->from, j->rows, c->nrows);
}

static double box_loss(void *arg, const struct mlp *policy, struct td3_folded *gradient, int *count)
{
	struct certified *c = arg;
	struct interval *v = &c->interval;
	const struct bounds b = {v->lo, v->hi, v->dlo, v->dhi, 1};
	int shards;
	double loss;

	find_parts(c, policy);
	pack(c, v->layer[0].c, v->layer[0].r);
	*count = c->nrows;
	if (!c->nrows)
		return 0;
	shards = (c->nrows + SHARD - 1) / SHARD;
	interval_load(v, policy);
	crew_run(c->crew, shards, forward_shard, c);
	memset(v->dlo, 0, c->nrows * sizeof(*v->dlo));
	memset(v->dhi, 0, c->nrows * sizeof(*v->dhi));
	loss = sum_loss(c, &b);
	crew_run(c->crew, shards, backward_shard, c);
	crew_run(c->crew, c->njobs, gradient_job, c);
	for (int l = 0; l < v->n; l++) {
		gradient->w[l] = v->layer[l].dw;
		gradient->b[l] = v->layer[l].db;
	}
	return loss;
}

struct td3_extra certified_extra(struct certified *c)
{
	if (c->conf.box)
		return (struct td3_extra){.folded = box_loss, .arg = c};
	return (struct td3_extra){.states = exact_states, .loss = exact_loss, .arg = c};
}
