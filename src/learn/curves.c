/* Sums to means, and the names under which they are written. */
#include "learn/curves.h"

#include <math.h>
#include <stdio.h>

#include "base/progress.h"
#include "learn/tfevents.h"

#define MAX_SCALARS (64 + 3 * PROPERTY_MAX)

// The scalars of a line: fixed names, then one of every property the main set uses.
struct scalars {
	int n;
	const char *name[MAX_SCALARS];
	double value[MAX_SCALARS];
	char text[3 * PROPERTY_MAX][TFEVENTS_TAG_MAX + 1];
	int texts;
};

static void add(struct scalars *s, const char *name, double value)
{
	s->name[s->n] = name;
	s->value[s->n++] = value;
}

static void add_property(
	struct scalars *s, const char *prefix, const struct property *p, double value)
{
	char *text = s->text[s->texts++];

	snprintf(text, sizeof(s->text[0]), "%s/%s", prefix, p->name);
	add(s, text, value);
}

int curves_open(
	struct curves *c, const char *dir, int64_t step, const struct property_file *properties)
{
	*c = (struct curves){.start_s = progress_clock(), .properties = properties};
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
	const struct certifier_sum *sums, double lambda)
{
	const struct td3_stats *t = &c->sum;
	struct scalars s = {0};
	double now = progress_clock(), wall = now - c->start_s, u = c->updates, d = r->decisions;
	const struct {
		const char *name;
		double value;
	} rows[] = {
		{"reward/raw", r->raw / d},
		{"reward/trained", (r->raw + lambda * (r->qc - r->raw * r->certified / d)) / d},
		{"reward/qc", r->qc / r->certified},
		{"reward/triggered", sums ? r->certified / d : NAN},
		{"action/mean", r->action / d},
		{"action/abs", r->action_abs / d},
		{"action/floor", r->floor / d},
		{"action/moved", r->moved / d},
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
		{"time/held_out", c->held_out_s / wall},
		{"time/checkpoints", c->checkpoint_s / wall},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		add(&s, rows[i].name, rows[i].value);
	for (int i = 0; sums && i < c->properties->n; i++) {
		const struct property *p = &c->properties->property[i];

		if (!p->used)
			continue;
		add_property(&s, "qc", p, sums[i].qc / sums[i].triggered);
		add_property(&s, "triggered", p, sums[i].triggered / d);
	}
	*c = (struct curves){.metrics = c->metrics, .properties = c->properties, .start_s = now};
	return metrics_add(c->metrics, step, s.n, s.name, s.value);
}

int curves_held_out(struct curves *c, int64_t step, const struct held_out_score *s, double best)
{
	static const char *const names[] = {"held_out/score", "held_out/best", "held_out/raw",
		"held_out/qc", "held_out/reference_qc", "held_out/triggered", "held_out/floor",
		"held_out/moved", "held_out/mbps", "held_out/qdelay_ms", "held_out/mbps_of_cubic",
		"held_out/qdelay_of_cubic"};
	const double values[] = {s->score, best, s->raw, s->qc, s->reference, s->triggered,
		s->floor, s->moved, s->mbps, s->qdelay_ms, s->mbps_share, s->qdelay_share};

	struct scalars all = {0};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		add(&all, names[i], values[i]);
	for (int i = 0; c->properties && !isnan(s->reference) && i < c->properties->n; i++) {
		const struct property *p = &c->properties->property[i];

		if (!p->used)
			continue;
		add_property(&all, "reference", p, s->reference_property[i]);
		add_property(&all, "held_out_qc", p, s->property[i].qc);
		add_property(&all, "held_out_triggered", p, s->property[i].triggered);
	}
	return metrics_add(c->metrics, step, all.n, all.name, all.value);
}
