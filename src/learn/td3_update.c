/* One update, as phases whose jobs the crew shares: shards of rows, then pieces of weights. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/log.h"
#include "learn/td3_state.h"
#include "nn/adam.h"
#include "nn/rows.h"

struct pass_rows td3_shard(const struct td3 *t, int shard, int rows)
{
	int from = shard * TD3_SHARD;

	return (struct pass_rows){
		.from = from, .to = from + TD3_SHARD < rows ? from + TD3_SHARD : rows};
}

static double clip(double v, double limit)
{
	return fmax(-limit, fmin(limit, v));
}

/* --- Critics --- */

// The target of every row of the shard, into th->y.
static void find_targets(struct td3 *t, struct td3_thread *th, const struct pass_rows *r)
{
	struct pass_rows own = {.to = r->to - r->from,
		.in = t->batch.s1 + (size_t)r->from * t->conf.states,
		.action = th->a};

	pass_forward(&th->actor, t->learned[TD3_ACTOR].target, &t->target_norm, &own);
	for (int i = 0; i < own.to; i++)
		th->a[i] = (float)clip(
			mlp_action(th->actor.out[i]) + (double)t->noise[r->from + i], 1);
	for (int c = 0; c < TD3_CRITICS; c++) {
		pass_forward(&th->critic, t->learned[TD3_CRITIC1 + c].target, NULL, &own);
		for (int i = 0; i < own.to; i++)
			th->q[i] = c ? fminf(th->q[i], th->critic.out[i]) : th->critic.out[i];
	}
	for (int i = 0; i < own.to; i++)
		th->y[i] = t->batch.r[r->from + i] + (float)t->conf.gamma * th->q[i];
}

static void critic_shard(void *arg, int shard, int thread)
{
	struct td3 *t = arg;
	struct td3_thread *th = &t->threads[thread];
	struct td3_sums *sums = &t->sums[shard];
	struct pass_rows r = td3_shard(t, shard, t->conf.batch);

	r.in = t->batch.s0;
	r.action = t->batch.a;
	*sums = (struct td3_sums){.q = 0};
	t->from->fill(t->from->arg, &t->batch, r.from, r.to);
	find_targets(t, th, &r);
	for (int c = 0; c < TD3_CRITICS; c++) {
		struct td3_learned *k = &t->learned[TD3_CRITIC1 + c];

		pass_forward(&k->pass, k->net, NULL, &r);
		for (int i = r.from; i < r.to; i++) {
			float off = k->pass.out[i] - th->y[i - r.from];

			k->pass.dout[i] = 2 * off / t->conf.batch;
			sums->loss[c] += (double)off * off;
			sums->q += c ? 0 : k->pass.out[i];
			sums->q_abs += c ? 0 : fabsf(k->pass.out[i]);
			sums->target += c ? 0 : th->y[i - r.from];
		}
		pass_backward(&k->pass, k->net, NULL, &r);
	}
}

/* --- Weights --- */

static void apply(struct td3 *t, struct td3_learned *k, size_t at, size_t n)
{
	if (k->extra_grad)
		adam_step(k->net + at, k->extra_m + at, k->extra_v + at, k->extra_grad + at, n,
			k->extra_rate);
	adam_step(k->net + at, k->m + at, k->v + at, k->grad + at, n, k->rate);
	adam_follow(k->target + at, k->net + at, n, (float)t->conf.tau);
}

// Beta's gradient of the batch is there already; the extra states' is the sum of d / inv.
static void add_extra_beta(struct td3 *t, int l, float *beta, float *sum)
{
	int n = t->actor.layer[l].out;

	rows_sum(sum, t->extra.d[l], NULL, t->extra_rows, n, 0);
	for (int i = 0; i < n; i++)
		beta[i] += sum[i] / t->running_norm.inv[l][i];
}

// Adds the folded weights' derivatives: w of a normalised layer was folded to w * inv, beta to the
// bias.
static void add_folded(struct td3 *t, int l, size_t from, size_t rows, float *grad)
{
	const struct net_layer *y = &t->actor.layer[l];

	for (size_t k = from; k < from + rows; k++)
		for (int o = 0; o < y->out; o++) {
			size_t at = k * y->out + o;

			grad[y->w + at] +=
				t->folded.w[l][at] * (y->norm ? t->running_norm.inv[l][o] : 1);
		}
}

static void add_folded_rest(struct td3 *t, int l, float *grad)
{
	const struct net_layer *y = &t->actor.layer[l];
	float *b = grad + (y->norm ? y->beta : y->b);

	for (int o = 0; o < y->out; o++)
		b[o] += t->folded.b[l][o];
	if (l == t->actor.n - 1)
		add_folded(t, l, 0, y->in, grad);
}

static void step_rest(struct td3 *t, struct td3_learned *k, int l, bool actor, float *scratch)
{
	const struct net_layer *y = &k->shape->layer[l];
	size_t last_row = (size_t)(y->in - 1) * y->out, vector = y->norm ? y->beta : y->b;
	bool extra = actor && t->extra_rows, last = l == k->shape->n - 1;
	float *grad = k->extra_grad ? k->extra_grad : k->grad;

	pass_gradient_rest(&k->pass, l, t->batch.a, t->conf.batch, false, k->grad);
	if (extra)
		pass_gradient_rest(&t->extra, l, NULL, t->extra_rows, true, grad);
	if (y->norm && extra)
		add_extra_beta(t, l, grad + y->beta, scratch);
	if (actor && t->has_folded)
		add_folded_rest(t, l, grad);
	apply(t, k, vector, y->out);
	if (y->action)
		apply(t, k, y->w + last_row, y->out);
	if (last)
		apply(t, k, y->w, y->in);
}

static void step_piece(void *arg, int i, int thread)
{
	struct td3 *t = arg;
	const struct td3_piece *p = &t->pieces[t->first_piece + i];
	struct td3_learned *k = &t->learned[p->learned];
	const struct net_layer *y = &k->shape->layer[p->layer];
	bool actor = p->learned == TD3_ACTOR;
	size_t at = y->w + (size_t)p->row * y->out, n = (size_t)p->rows * y->out;
	float *grad = k->extra_grad ? k->extra_grad : k->grad;

	if (!p->rows) {
		step_rest(t, k, p->layer, actor, t->scratch + (size_t)thread * MLP_MAX_WIDTH);
		return;
	}
	pass_gradient(
		&k->pass, p->layer, p->row, p->rows, t->batch.s0, t->conf.batch, false, k->grad);
	if (actor && t->extra_rows)
		pass_gradient(&t->extra, p->layer, p->row, p->rows, t->extra_x, t->extra_rows, true,
			grad);
	if (actor && t->has_folded)
		add_folded(t, p->layer, p->row, p->rows, grad);
	apply(t, k, at, n);
}

static void step_weights(struct td3 *t, bool actor)
{
	t->first_piece = actor ? 0 : t->actor_pieces;
	crew_run(t->crew, actor ? t->actor_pieces : t->npieces - t->actor_pieces, step_piece, t);
}

/* --- The actor --- */

// Shards' sums of z and of squares about their own means to the batch's mean and variance (Chan et
// al., 1983), in the shards' order; the running statistics move.
static void combine_moments(struct td3 *t, int l)
{
	const struct net_layer *y = &t->actor.layer[l];
	float *net = t->learned[TD3_ACTOR].net;
	double b = t->conf.batch, keep = t->conf.momentum;

	for (int o = 0; o < y->out; o++) {
		double n = 0, mean = 0, m2 = 0, var;

		for (int s = 0; s < t->shards; s++) {
			struct pass_rows r = td3_shard(t, s, t->conf.batch);
			double rows = r.to - r.from, all = n + rows,
			       off = t->sum[l][s * y->out + o] / rows - mean;

			m2 += t->square[l][s * y->out + o] + off * off * n * rows / all;
			mean += off * rows / all;
			n = all;
		}
		var = m2 / b;
		t->batch_norm.mean[l][o] = (float)mean;
		t->batch_norm.inv[l][o] = (float)(1 / sqrt(var + MODEL_BN_EPSILON));
		net[y->mean + o] = (float)(keep * net[y->mean + o] + (1 - keep) * mean);
		net[y->var + o] = (float)(keep * net[y->var + o] + (1 - keep) * var);
	}
}

static void actor_layer(void *arg, int shard, int thread)
{
	struct td3 *t = arg;
	struct td3_learned *k = &t->learned[TD3_ACTOR];
	struct pass_rows r = td3_shard(t, shard, t->conf.batch);
	int l = t->layer, n = t->actor.layer[l].out;

	r.in = t->batch.s0;
	if (l && t->actor.layer[l - 1].norm)
		pass_normalise(&k->pass, k->net, l - 1, &t->batch_norm, &r);
	pass_layer(&k->pass, k->net, l, &r);
	if (t->actor.layer[l].norm)
		rows_moments(t->sum[l] + (size_t)shard * n, t->square[l] + (size_t)shard * n,
			k->pass.x[l] + (size_t)r.from * n, r.to - r.from, n);
}

// dQ1/da of the shard's rows at the actor's own actions, into th->y; Q1 into th->critic.out.
static void action_slope(struct td3 *t, struct td3_thread *th, const struct pass_rows *r)
{
	const struct net_layer *y = &t->critic.layer[1];
	const float *net = t->learned[TD3_CRITIC1].net;
	struct pass_rows own = {.to = r->to - r->from,
		.in = t->batch.s0 + (size_t)r->from * t->conf.states,
		.action = th->a};

	pass_forward(&th->critic, net, NULL, &own);
	for (int i = 0; i < own.to; i++)
		th->critic.dout[i] = 1;
	pass_output_back(&th->critic, net, &own);
	for (int l = t->critic.n - 2; l > 1; l--)
		pass_back(&th->critic, net, l, &own);
	rows_dot(th->y, th->critic.d[1], own.to, y->out, net + y->w + (size_t)(y->in - 1) * y->out,
		0);
}

// Sums over rows that the derivative of layer l's normalisation needs.
static void sum_back(struct td3 *t, int l, int shard, const struct pass_rows *r)
{
	const struct pass *p = &t->learned[TD3_ACTOR].pass;
	int n = t->actor.layer[l].out;

	if (t->actor.layer[l].norm)
		rows_products(t->sum[l] + (size_t)shard * n, t->square[l] + (size_t)shard * n,
			p->d[l] + (size_t)r->from * n, p->x[l] + (size_t)r->from * n,
			r->to - r->from, n);
}

static void actor_output(void *arg, int shard, int thread)
{
	struct td3 *t = arg;
	struct td3_thread *th = &t->threads[thread];
	struct td3_learned *k = &t->learned[TD3_ACTOR];
	struct td3_sums *sums = &t->sums[shard];
	struct pass_rows r = td3_shard(t, shard, t->conf.batch);
	int last = t->actor.n - 2;

	if (t->actor.layer[last].norm)
		pass_normalise(&k->pass, k->net, last, &t->batch_norm, &r);
	pass_output(&k->pass, k->net, &r);
	for (int i = r.from; i < r.to; i++)
		th->a[i - r.from] = mlp_action(k->pass.out[i]);
	action_slope(t, th, &r);
	for (int i = r.from, j = 0; i < r.to; i++, j++) {
		double y = k->pass.out[i], a = th->a[j], over = fmax(0, fabs(y) - t->conf.reach);

		k->pass.dout[i] = (float)((-t->q_scale * th->y[j] * (1 - a * a) +
						  2 * t->conf.reach_weight * copysign(over, y)) /
					  t->conf.batch);
		sums->q_policy += th->critic.out[j];
		sums->y_abs += fabs(y);
		sums->action += a;
		sums->action_abs += fabs(a);
	}
	pass_output_back(&k->pass, k->net, &r);
	sum_back(t, last, shard, &r);
}

// Sums of shards to means; the sum of d is beta's gradient.
static void combine_back(struct td3 *t, int l)
{
	const struct net_layer *y = &t->actor.layer[l];
	float *beta = t->learned[TD3_ACTOR].grad + y->beta;

	for (int o = 0; o < y->out; o++) {
		double d = 0, dx = 0;

		for (int s = 0; s < t->shards; s++) {
			d += t->sum[l][s * y->out + o];
			dx += t->square[l][s * y->out + o];
		}
		beta[o] = (float)d;
		t->mean_d[l][o] = (float)(d / t->conf.batch);
		t->mean_dx[l][o] = (float)(dx / t->conf.batch);
	}
}

static void actor_back(void *arg, int shard, int thread)
{
	struct td3 *t = arg;
	struct td3_learned *k = &t->learned[TD3_ACTOR];
	struct pass_rows r = td3_shard(t, shard, t->conf.batch);
	int l = t->layer, n = t->actor.layer[l].out;

	if (t->actor.layer[l].norm)
		rows_normalise_back(k->pass.d[l] + (size_t)r.from * n,
			k->pass.x[l] + (size_t)r.from * n, r.to - r.from, n, t->batch_norm.inv[l],
			t->mean_d[l], t->mean_dx[l]);
	if (!l)
		return;
	pass_back(&k->pass, k->net, l, &r);
	sum_back(t, l - 1, shard, &r);
}

static void run_actor(struct td3 *t)
{
	int last = t->actor.n - 2;

	for (t->layer = 0; t->layer <= last; t->layer++) {
		crew_run(t->crew, t->shards, actor_layer, t);
		if (t->actor.layer[t->layer].norm)
			combine_moments(t, t->layer);
	}
	crew_run(t->crew, t->shards, actor_output, t);
	for (t->layer = last; t->layer >= 0; t->layer--) {
		if (t->actor.layer[t->layer].norm)
			combine_back(t, t->layer);
		if (t->layer || t->actor.layer[0].norm)
			crew_run(t->crew, t->shards, actor_back, t);
	}
}

/* --- The extra loss --- */

static void extra_forward(void *arg, int shard, int thread)
{
	struct td3 *t = arg;
	struct pass_rows r = td3_shard(t, shard, t->extra_rows);

	r.in = t->extra_x;
	pass_forward(&t->extra, t->learned[TD3_ACTOR].net, &t->running_norm, &r);
}

static void extra_backward(void *arg, int shard, int thread)
{
	struct td3 *t = arg;
	struct pass_rows r = td3_shard(t, shard, t->extra_rows);

	pass_backward(&t->extra, t->learned[TD3_ACTOR].net, &t->running_norm, &r);
}

static void run_states(struct td3 *t, const struct td3_extra *extra, struct td3_stats *stats)
{
	int shards;

	t->extra_rows = extra->states(extra->arg, t->policy, t->extra_x);
	if (!t->extra_rows)
		return;
	shards = (t->extra_rows + TD3_SHARD - 1) / TD3_SHARD;
	crew_run(t->crew, shards, extra_forward, t);
	stats->extra = extra->loss(extra->arg, t->extra_rows, t->extra.out, t->extra.dout);
	stats->extra_states = t->extra_rows;
	crew_run(t->crew, shards, extra_backward, t);
}

static void run_extra(struct td3 *t, const struct td3_extra *extra, struct td3_stats *stats)
{
	t->extra_rows = 0;
	t->has_folded = false;
	if (!extra)
		return;
	td3_policy(t, t->policy);
	pass_norm_running(&t->running_norm, &t->actor, t->learned[TD3_ACTOR].net, MODEL_BN_EPSILON);
	if (extra->states) {
		run_states(t, extra, stats);
		return;
	}
	stats->extra = extra->folded(extra->arg, t->policy, &t->folded, &stats->extra_states);
	t->has_folded = stats->extra_states;
}

/* --- The update --- */

// What is left of the rates of learning at the present update.
static double decay(const struct td3 *t)
{
	const struct td3_conf *c = &t->conf;

	if (!c->decay_to || t->updates <= c->decay_from)
		return 1;
	return t->updates < c->decay_to
		       ? (double)(c->decay_to - t->updates) / (c->decay_to - c->decay_from)
		       : 0;
}

static void begin(struct td3 *t)
{
	const struct td3_conf *c = &t->conf;

	t->updates++;
	for (int k = 0; k < TD3_LEARNED; k++)
		t->learned[k].rate =
			decay(t) *
			(k == TD3_ACTOR ? adam_rate(c->actor_rate, t->updates - c->critics_first)
					: adam_rate(c->critic_rate, t->updates));
	t->learned[TD3_ACTOR].extra_rate =
		decay(t) * adam_rate(c->extra_rate, t->updates - c->critics_first);
	for (int i = 0; i < c->batch; i++)
		t->noise[i] = (float)clip(c->noise * rng_normal(&t->rng), c->noise_clip);
	pass_norm_running(
		&t->target_norm, &t->actor, t->learned[TD3_ACTOR].target, MODEL_BN_EPSILON);
}

// Adds up the shards: into stats what is known after the critics, and after the actor.
static void add_critics(const struct td3 *t, struct td3_stats *s)
{
	double n = t->conf.batch;

	for (int i = 0; i < t->shards; i++) {
		const struct td3_sums *from = &t->sums[i];

		for (int c = 0; c < TD3_CRITICS; c++)
			s->critic_loss[c] += from->loss[c] / n;
		s->q += from->q / n;
		s->q_abs += from->q_abs / n;
		s->target += from->target / n;
	}
}

static void add_actor(const struct td3 *t, struct td3_stats *s)
{
	double n = t->conf.batch;

	for (int i = 0; i < t->shards; i++) {
		const struct td3_sums *from = &t->sums[i];

		s->q_policy += from->q_policy / n;
		s->y_abs += from->y_abs / n;
		s->action += from->action / n;
		s->action_abs += from->action_abs / n;
	}
}

static void update_actor(struct td3 *t, const struct td3_extra *extra, struct td3_stats *stats)
{
	const struct td3_learned *k = &t->learned[TD3_ACTOR];

	if (k->extra_grad)
		memset(k->extra_grad, 0, k->shape->trained * sizeof(*k->extra_grad));
	run_extra(t, extra, stats);
	run_actor(t);
	add_actor(t, stats);
	step_weights(t, true);
	adam_follow(k->target + t->actor.trained, k->net + t->actor.trained,
		t->actor.size - t->actor.trained, (float)t->conf.tau);
}

// What the first number that is not finite belongs to: a tensor if one has it, else a loss.
static int check_losses(const struct td3 *t, const struct td3_stats *s)
{
	const struct {
		const char *name;
		double value;
	} rows[] = {{"critic 1's loss", s->critic_loss[0]}, {"critic 2's loss", s->critic_loss[1]},
		{"critic 1's value of the actor", s->q_policy}, {"the actor's output", s->y_abs},
		{"the extra loss", s->extra}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (isfinite(rows[i].value))
			continue;
		if (!td3_check(t))
			pr_err("update %llu: %s is not finite\n", (unsigned long long)t->updates,
				rows[i].name);
		return -EDOM;
	}
	return 0;
}

int td3_update(struct td3 *t, const struct td3_source *from, const struct td3_extra *extra,
	struct td3_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	t->from = from;
	begin(t);
	crew_run(t->crew, t->shards, critic_shard, t);
	add_critics(t, stats);
	step_weights(t, false);
	t->q_scale = t->conf.relative_q ? 1 / fmax(1, stats->q_abs) : 1;
	if (t->updates <= t->conf.critics_first + t->conf.extra_first)
		t->q_scale = 0;
	if (t->updates > t->conf.critics_first)
		update_actor(t, extra, stats);
	return check_losses(t, stats);
}
