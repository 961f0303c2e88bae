/* The learner's set-up, its models in and out, and its state. */
#include "learn/td3.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "learn/td3_state.h"
#include "nn/blas.h"

#define INIT_STREAM 0x696e6974ull      /* of the seed: first weights */
#define NOISE_STREAM 0x746e6f697365ull /* target noise */
#define HOLD_REST 0.1		       /* of a random actor's answer, beside holding the window */

const struct td3_conf td3_published = {
	.nhidden = 2,
	.hidden = {256, 256},
	.batch_norm = true,
	.batch = 512,
	.gamma = 0.995,
	.tau = 0.001,
	.momentum = 0.99,
	.actor_rate = 1e-4,
	.critic_rate = 1e-3,
	.noise = 0.1,
	.noise_clip = 0.2,
};

// Networks in the block's order, and which learned network each is or follows.
static const struct {
	int net, learned;
	bool target;
} nets[] = {
	{MODEL_ACTOR, TD3_ACTOR, false},
	{MODEL_TARGET_ACTOR, TD3_ACTOR, true},
	{MODEL_CRITIC, TD3_CRITIC1, false},
	{MODEL_CRITIC2, TD3_CRITIC2, false},
	{MODEL_TARGET_CRITIC, TD3_CRITIC1, true},
	{MODEL_TARGET_CRITIC2, TD3_CRITIC2, true},
};
#define NNETS ((int)(sizeof(nets) / sizeof(nets[0])))

/* --- Set-up --- */

static void make_shapes(struct td3 *t)
{
	const struct td3_conf *c = &t->conf;
	int dims[MLP_MAX_LAYERS + 1] = {c->states};

	memcpy(dims + 1, c->hidden, c->nhidden * sizeof(*dims));
	dims[c->nhidden + 1] = 1;
	net_shape_init(&t->actor, c->nhidden + 1, dims, c->batch_norm, false);
	net_shape_init(&t->critic, c->nhidden + 1, dims, false, true);
	tensors_init(&t->tensors);
	for (int i = 0; i < NNETS; i++)
		tensors_add(&t->tensors, model_net_names[nets[i].net],
			nets[i].learned == TD3_ACTOR ? &t->actor : &t->critic);
	t->learned[TD3_ACTOR].shape = &t->actor;
	t->learned[TD3_CRITIC1].shape = t->learned[TD3_CRITIC2].shape = &t->critic;
}

static float *new_floats(size_t n)
{
	float *block = aligned_alloc(64, (n * sizeof(float) + 63) / 64 * 64);

	if (block)
		memset(block, 0, n * sizeof(float));
	return block;
}

static int make_blocks(struct td3 *t)
{
	size_t trained = t->actor.trained + TD3_CRITICS * t->critic.trained,
	       extra = t->conf.extra_rate > 0 ? t->actor.trained : 0;
	float *at;

	t->block = new_floats(t->tensors.size);
	at = t->moments = new_floats(3 * (trained + extra));
	if (!t->block || !at)
		return -ENOMEM;
	for (int i = 0; i < NNETS; i++) {
		struct td3_learned *k = &t->learned[nets[i].learned];

		*(nets[i].target ? &k->target : &k->net) = t->block + t->tensors.base[i];
	}
	for (int i = 0; i < TD3_LEARNED; i++) {
		struct td3_learned *k = &t->learned[i];
		float **const parts[] = {&k->grad, &k->m, &k->v};

		for (int j = 0; j < 3; j++) {
			*parts[j] = at;
			at += k->shape->trained;
		}
	}
	if (extra) {
		t->learned[TD3_ACTOR].extra_grad = at;
		t->learned[TD3_ACTOR].extra_m = at + extra;
		t->learned[TD3_ACTOR].extra_v = at + 2 * extra;
	}
	return 0;
}

// Room that *at hands out: counts first, with base NULL.
static float *take(float *base, size_t *at, size_t n)
{
	float *here = base ? base + *at : NULL;

	*at += (n + 15) / 16 * 16;
	return here;
}

static size_t lay_rows(struct td3 *t, float *base)
{
	size_t at = 0, b = t->conf.batch;

	t->batch.s0 = take(base, &at, b * t->conf.states);
	t->batch.s1 = take(base, &at, b * t->conf.states);
	t->batch.a = take(base, &at, b);
	t->batch.r = take(base, &at, b);
	t->noise = take(base, &at, b);
	t->extra_x = take(base, &at, (size_t)t->conf.extra_max * t->conf.states);
	t->scratch = take(base, &at, (size_t)crew_threads(t->crew) * MLP_MAX_WIDTH);
	for (int l = 0; l < t->actor.n - 1; l++) {
		size_t n = t->actor.layer[l].out;

		t->sum[l] = take(base, &at, t->shards * n);
		t->square[l] = take(base, &at, t->shards * n);
		t->mean_d[l] = take(base, &at, n);
		t->mean_dx[l] = take(base, &at, n);
	}
	return at;
}

static int make_rows(struct td3 *t)
{
	const struct td3_conf *c = &t->conf;
	int threads = crew_threads(t->crew), err = 0;

	t->shards = (c->batch + TD3_SHARD - 1) / TD3_SHARD;
	t->sums = calloc(t->shards, sizeof(*t->sums));
	t->threads = calloc(threads, sizeof(*t->threads));
	t->rows = new_floats(lay_rows(t, NULL));
	if (!t->sums || !t->threads || !t->rows)
		return -ENOMEM;
	lay_rows(t, t->rows);
	for (int i = 0; i < TD3_LEARNED && !err; i++)
		err = pass_init(&t->learned[i].pass, t->learned[i].shape, c->batch, MODEL_SLOPE);
	for (int i = 0; i < threads && !err; i++) {
		err = pass_init(&t->threads[i].actor, &t->actor, TD3_SHARD, MODEL_SLOPE);
		if (!err)
			err = pass_init(&t->threads[i].critic, &t->critic, TD3_SHARD, MODEL_SLOPE);
	}
	if (!err)
		err = pass_init(&t->extra, &t->actor, c->extra_max, MODEL_SLOPE);
	if (!err)
		err = pass_norm_init(&t->batch_norm, &t->actor);
	if (!err)
		err = pass_norm_init(&t->running_norm, &t->actor);
	return err ? err : pass_norm_init(&t->target_norm, &t->actor);
}

// Weights in pieces of at most TD3_SHARD rows, large ones first.
static void cut_pieces(struct td3 *t, int learned)
{
	const struct net_shape *s = t->learned[learned].shape;

	for (int l = s->n - 2; l >= 0; l--) {
		int rows = s->layer[l].in - s->layer[l].action,
		    parts = (rows + TD3_SHARD - 1) / TD3_SHARD;

		for (int i = 0; i < parts; i++) {
			int from = rows * i / parts, to = rows * (i + 1) / parts;

			t->pieces[t->npieces++] = (struct td3_piece){learned, l, from, to - from};
		}
	}
	for (int l = 0; l < s->n; l++)
		t->pieces[t->npieces++] = (struct td3_piece){learned, l, 0, 0};
}

static int pieces_of(const struct net_shape *s)
{
	int n = s->n;

	for (int l = 0; l < s->n - 1; l++)
		n += (s->layer[l].in + TD3_SHARD - 1) / TD3_SHARD;
	return n;
}

static int make_pieces(struct td3 *t)
{
	if (pieces_of(&t->actor) + TD3_CRITICS * pieces_of(&t->critic) > TD3_MAX_PIECES) {
		pr_err("hidden layers: too many or too wide\n");
		return -EINVAL;
	}
	cut_pieces(t, TD3_ACTOR);
	t->actor_pieces = t->npieces;
	cut_pieces(t, TD3_CRITIC1);
	cut_pieces(t, TD3_CRITIC2);
	return 0;
}

static void draw_weights(struct td3 *t)
{
	struct rng rng;

	rng_init(&rng, t->conf.seed, INIT_STREAM);
	for (int i = 0; i < TD3_LEARNED; i++) {
		struct td3_learned *k = &t->learned[i];

		net_glorot(k->shape, k->net, &rng);
		if (i == TD3_ACTOR && t->conf.hold)
			net_negate_input(
				k->shape, k->net, STATE_LOG_WINDOW, MODEL_SLOPE, HOLD_REST);
		memcpy(k->target, k->net, k->shape->size * sizeof(float));
	}
	rng_init(&t->rng, t->conf.seed, NOISE_STREAM);
}

int td3_new(struct td3 **out, const struct td3_conf *conf, struct crew *crew)
{
	struct td3 *t;
	int err = blas_load();

	if (err)
		return err;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->conf = *conf;
	t->crew = crew;
	make_shapes(t);
	err = make_pieces(t);
	if (!err)
		err = make_blocks(t);
	if (!err)
		err = make_rows(t);
	if (!err) {
		t->policy = td3_policy_new(t);
		err = t->policy ? 0 : -ENOMEM;
	}
	if (err) {
		td3_free(t);
		return err;
	}
	draw_weights(t);
	*out = t;
	return 0;
}

void td3_free(struct td3 *t)
{
	if (!t)
		return;
	for (int i = 0; i < TD3_LEARNED; i++)
		pass_free(&t->learned[i].pass);
	for (int i = 0; t->threads && i < crew_threads(t->crew); i++) {
		pass_free(&t->threads[i].actor);
		pass_free(&t->threads[i].critic);
	}
	pass_free(&t->extra);
	pass_norm_free(&t->batch_norm);
	pass_norm_free(&t->running_norm);
	pass_norm_free(&t->target_norm);
	mlp_free(t->policy);
	free(t->block);
	free(t->moments);
	free(t->rows);
	free(t->sums);
	free(t->threads);
	free(t);
}

/* --- Models in and out --- */

struct mlp *td3_policy_new(const struct td3 *t)
{
	int dims[MLP_MAX_LAYERS + 1] = {t->conf.states};

	for (int l = 0; l < t->actor.n; l++)
		dims[l + 1] = t->actor.layer[l].out;
	return mlp_new(t->actor.n, dims, MODEL_SLOPE);
}

void td3_policy(const struct td3 *t, struct mlp *m)
{
	net_fold(m, &t->actor, t->learned[TD3_ACTOR].net, MODEL_BN_EPSILON);
}

static void copy_layer(float *net, const struct net_layer *y, const struct model_layer *from)
{
	const struct {
		float *to;
		const float *from;
	} vectors[] = {{net + y->b, from->b}, {net + y->beta, from->beta},
		{net + y->mean, from->mean}, {net + y->var, from->var}};

	memset(net + y->w, 0, (size_t)y->in * y->out * sizeof(float));
	memcpy(net + y->w, from->w, (size_t)from->in * from->out * sizeof(float));
	for (int i = 0; i < (y->norm ? 4 : 1); i++)
		memcpy(vectors[i].to, vectors[i].from, y->out * sizeof(float));
}

// Whether a layer of the model can become ours: the first may have fewer inputs.
static bool fits(const struct net_layer *y, const struct model_layer *from, int l)
{
	bool in = l ? from->in == y->in : from->in <= y->in;

	return in && from->out == y->out && (from->beta != NULL) == y->norm;
}

// "70-256-256-1"
static char *describe(const struct net_shape *s)
{
	char *text = file_path("%d", s->layer[0].in);

	for (int l = 0; l < s->n; l++) {
		char *more = file_path("%s-%d", text, s->layer[l].out);

		free(text);
		text = more;
	}
	return text;
}

static int check_net(const struct td3 *t, const struct model *m, int i, const char *path)
{
	const struct model_net *from = &m->net[nets[i].net];
	const struct net_shape *s = t->tensors.shape[i];
	bool good = !from->n || from->n == s->n;
	char *theirs, *ours;

	for (int l = 0; good && l < from->n; l++)
		good = fits(&s->layer[l], &from->layer[l], l);
	if (good)
		return 0;
	theirs = model_net_shape(from);
	ours = describe(s);
	pr_err("%s: its %s is %s %s batch norm, the run's %s %s: see --hidden and --batch-norm\n",
		path, model_net_names[nets[i].net], theirs,
		from->layer[0].mean ? "with" : "without", ours,
		s->layer[0].norm ? "with" : "without");
	free(theirs);
	free(ours);
	return -EINVAL;
}

int td3_import(struct td3 *t, const struct model *m, const char *path)
{
	for (int i = 0; i < NNETS; i++) {
		int err = check_net(t, m, i, path);

		if (err)
			return err;
	}
	for (int i = 0; i < NNETS; i++) {
		const struct model_net *from = &m->net[nets[i].net];
		struct td3_learned *k = &t->learned[nets[i].learned];
		float *net = nets[i].target ? k->target : k->net;

		for (int l = 0; l < from->n; l++)
			copy_layer(net, &k->shape->layer[l], &from->layer[l]);
	}
	for (int i = 0; i < NNETS; i++) {
		struct td3_learned *k = &t->learned[nets[i].learned];

		if (nets[i].target && !m->net[nets[i].net].n)
			memcpy(k->target, k->net, k->shape->size * sizeof(float));
	}
	return 0;
}

static int export_net(const struct td3 *t, int i, struct model_net *to)
{
	const struct net_shape *s = t->tensors.shape[i];
	const float *net = t->block + t->tensors.base[i];

	for (int l = 0; l < s->n; l++) {
		const struct net_layer *y = &s->layer[l];
		struct model_layer *layer = &to->layer[l];

		if (model_add_layer(to, y->in, y->out, y->norm))
			return -ENOMEM;
		memcpy(layer->w, net + y->w, (size_t)y->in * y->out * sizeof(float));
		memcpy(layer->b, net + y->b, y->out * sizeof(float));
		if (!y->norm)
			continue;
		memcpy(layer->beta, net + y->beta, y->out * sizeof(float));
		memcpy(layer->mean, net + y->mean, y->out * sizeof(float));
		memcpy(layer->var, net + y->var, y->out * sizeof(float));
	}
	return 0;
}

int td3_export(const struct td3 *t, struct model *m, bool all)
{
	int err = 0;

	for (int i = 0; i < (all ? NNETS : 1) && !err; i++)
		err = export_net(t, i, &m->net[nets[i].net]);
	return err;
}

/* --- State --- */

uint64_t td3_updates(const struct td3 *t)
{
	return t->updates;
}

const struct tensors *td3_tensors(const struct td3 *t)
{
	return &t->tensors;
}

float *td3_block(struct td3 *t)
{
	return t->block;
}

const float *td3_gradient(const struct td3 *t, int net)
{
	for (int i = 0; i < NNETS; i++)
		if (nets[i].net == net && !nets[i].target)
			return t->learned[nets[i].learned].grad;
	return NULL;
}

// The network whose Adam state holds a number that is not finite: a gradient too large for a float.
static const char *broken_moments(const struct td3 *t)
{
	static const char *const names[] = {"actor", "critic", "critic2"};

	for (int i = 0; i < TD3_LEARNED; i++) {
		const struct td3_learned *k = &t->learned[i];

		for (size_t n = 0; n < k->shape->trained; n++)
			if (!isfinite(k->m[n]) || !isfinite(k->v[n]) ||
				(k->extra_m &&
					(!isfinite(k->extra_m[n]) || !isfinite(k->extra_v[n]))))
				return names[i];
	}
	return NULL;
}

int td3_check(const struct td3 *t)
{
	const struct tensor *bad = tensors_broken(&t->tensors, t->block);
	const char *net = bad ? NULL : broken_moments(t);

	if (bad)
		pr_err("update %llu: %s holds a number that is not finite\n",
			(unsigned long long)t->updates, bad->name);
	else if (net)
		pr_err("update %llu: Adam's state of the %s holds a number that is not finite\n",
			(unsigned long long)t->updates, net);
	return bad || net ? -EDOM : 0;
}

void td3_parts(struct td3 *t, struct checkpoint *c)
{
	const struct td3_learned *actor = &t->learned[TD3_ACTOR];

	for (int i = 0; i < t->tensors.n; i++) {
		const struct tensor *x = &t->tensors.tensor[i];

		checkpoint_add(c, "", x->name, ST_F32, tensor_items(x), t->block + x->at);
	}
	for (int i = 0; i < TD3_LEARNED; i++) {
		struct td3_learned *k = &t->learned[i];
		static const char *const names[] = {"actor", "critic", "critic2"};

		checkpoint_add(c, "adam.m.", names[i], ST_F32, k->shape->trained, k->m);
		checkpoint_add(c, "adam.v.", names[i], ST_F32, k->shape->trained, k->v);
	}
	if (actor->extra_m) {
		checkpoint_add(c, "adam.m.", "extra", ST_F32, t->actor.trained, actor->extra_m);
		checkpoint_add(c, "adam.v.", "extra", ST_F32, t->actor.trained, actor->extra_v);
	}
	checkpoint_add(c, "td3.", "updates", ST_I64, 1, &t->updates);
	checkpoint_add(c, "td3.", "rng", ST_I64, 4, t->rng.s);
}
