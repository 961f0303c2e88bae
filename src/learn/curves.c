/* Sums to means, and the names under which they are written. */
#include "learn/curves.h"

#include <math.h>

#include "base/progress.h"

int curves_open(struct curves *c, const char *dir, int64_t step)
{
	*c = (struct curves){.start_s = progress_clock()};
	return metrics_open(&c->metrics, dir, step);
}

int curves_close(struct curves *c)
{
	int err = metrics_close(c->metrics);

	c->metrics = NULL;
	return err;
}

void curves_update(struct curves *c, const struct td3_stats *s, double seconds)
{
	struct td3_stats *sum = &c->sum;

	sum->critic_loss[0] += s->critic_loss[0];
	sum->critic_loss[1] += s->critic_loss[1];
	sum->q += s->q;
	sum->q_abs += s->q_abs;
	sum->target += s->target;
	sum->q_policy += s->q_policy;
	sum->y_abs += s->y_abs;
	sum->action += s->action;
	sum->action_abs += s->action_abs;
	sum->extra += s->extra;
	sum->extra_states += s->extra_states;
	c->updates++;
	c->update_s += seconds;
}

int curves_line(struct curves *c, int64_t step, uint64_t transitions, const struct rollout_stats *r,
	double lambda)
{
	const struct td3_stats *t = &c->sum;
	double now = progress_clock(), wall = now - c->start_s, u = c->updates, d = r->decisions;
	const struct {
		const char *name;
		double value;
	} rows[] = {
		{"reward/raw", r->raw / d},
		{"reward/trained", (r->raw + lambda * (r->qc - r->raw * r->certified / d)) / d},
		{"reward/qc", r->qc / r->certified},
		{"reward/triggered", r->certified / d},
		{"action/mean", r->action / d},
		{"action/abs", r->action_abs / d},
		{"action/floor", r->floor / d},
		{"network/mbps", r->bytes * 8e-6 / r->time_s},
		{"network/qdelay_ms", r->qdelay_s * 1e3 / r->time_s},
		{"critic/loss1", t->critic_loss[0] / u},
		{"critic/loss2", t->critic_loss[1] / u},
		{"critic/q", t->q / u},
		{"critic/target", t->target / u},
		{"actor/q", t->q_policy / u},
		{"actor/pre_abs", t->y_abs / u},
		{"actor/action", t->action / u},
		{"actor/action_abs", t->action_abs / u},
		{"actor/extra_loss", t->extra_states ? t->extra / u : NAN},
		{"actor/extra_states", t->extra_states / u},
		{"speed/transitions", transitions / wall},
		{"speed/updates", u / wall},
		{"time/environments", r->env_s / wall},
		{"time/inference", r->infer_s / wall},
		{"time/certificates", r->certify_s / wall},
		{"time/updates", c->update_s / wall},
	};
	enum { N = sizeof(rows) / sizeof(rows[0]) };
	const char *names[N];
	double values[N];

	for (int i = 0; i < N; i++) {
		names[i] = rows[i].name;
		values[i] = rows[i].value;
	}
	*c = (struct curves){.metrics = c->metrics, .start_s = now};
	return metrics_add(c->metrics, step, N, names, values);
}

int curves_held_out(struct curves *c, int64_t step, const struct held_out_score *s, double best)
{
	static const char *const names[] = {"held_out/score", "held_out/best", "held_out/raw",
		"held_out/qc", "held_out/triggered", "held_out/floor", "held_out/mbps",
		"held_out/qdelay_ms", "held_out/mbps_of_cubic", "held_out/qdelay_of_cubic"};
	const double values[] = {s->score, best, s->raw, s->qc, s->triggered, s->floor, s->mbps,
		s->qdelay_ms, s->mbps_share, s->qdelay_share};

	return metrics_add(c->metrics, step, sizeof(names) / sizeof(names[0]), names, values);
}
