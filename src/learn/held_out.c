/* Rollouts over the same environments: CUBIC's once, the policy's as often as asked. */
#include "learn/held_out.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

struct held_out {
	struct rollout *rollout;
	struct reference *reference; // NULL without certificates
	struct experience e;
	int decisions, properties;
	struct held_out_score cubic;
};

// Of each property, as shares of so many decisions.
static void add_properties(struct held_out *h, double decisions, struct held_out_score *out)
{
	struct certifier_sum sums[PROPERTY_MAX];

	certifier_tell(rollout_certifier(h->rollout), sums);
	for (int i = 0; i < h->properties; i++) {
		out->property[i].qc = sums[i].qc / sums[i].triggered;
		out->property[i].triggered = sums[i].triggered / decisions;
	}
}

static void summarise(const struct rollout_stats *s, struct held_out_score *out)
{
	*out = (struct held_out_score){
		.raw = s->raw / s->decisions,
		.qc = s->qc / s->certified,
		.reference = NAN,
		.triggered = s->certified / s->decisions,
		.floor = s->floor / s->decisions,
		.moved = s->moved / s->decisions,
		.mbps = s->bytes * 8e-6 / s->time_s,
		.qdelay_ms = s->qdelay_s * 1e3 / s->time_s,
	};
	out->score = out->raw;
}

static int play(struct held_out *h, struct rollout *r, struct held_out_score *out)
{
	struct rollout_stats s;
	int err = rollout_begin(r, 0, &h->e);

	for (int i = 0; i < h->decisions && !err; i++)
		err = rollout_step(r, &h->e);
	rollout_end(r);
	if (err)
		return err;
	s = rollout_tell(r);
	summarise(&s, out);
	if (rollout_certifier(r))
		add_properties(h, s.decisions, out);
	return 0;
}

// Plain CUBIC through a rollout of its own, on a policy of one weightless layer.
static int measure_cubic(struct held_out *h, const struct rollout_conf *conf)
{
	struct rollout_conf zero = *conf;
	const int dims[] = {conf->table->size, 1};
	struct mlp *nothing = mlp_new(1, dims, 0);
	struct rollout *r;
	int err = -ENOMEM;

	if (!nothing)
		return err;
	zero.zero = true;
	zero.certify = NULL;
	zero.shield = NULL;
	err = rollout_new(&r, &zero, nothing);
	if (err) {
		mlp_free(nothing);
		return err;
	}
	err = play(h, r, &h->cubic);
	h->cubic.mbps_share = h->cubic.qdelay_share = 1;
	rollout_free(r);
	return err;
}

int held_out_new(
	struct held_out **out, const struct rollout_conf *conf, struct mlp *policy, int decisions)
{
	struct rollout_conf quiet = *conf;
	struct held_out *h = calloc(1, sizeof(*h));
	int err = h ? experience_init(&h->e, conf->setups->n) : -ENOMEM;

	quiet.exploration = 0;
	if (!err) {
		h->decisions = decisions;
		h->properties = conf->certify ? conf->certify->properties->n : 0;
		err = measure_cubic(h, &quiet);
	}
	if (!err && conf->certify)
		err = reference_new(&h->reference, conf, policy, decisions);
	if (!err)
		err = rollout_new(&h->rollout, &quiet, policy);
	if (err)
		held_out_free(h);
	else
		*out = h;
	return err;
}

void held_out_free(struct held_out *h)
{
	if (!h)
		return;
	rollout_free(h->rollout);
	reference_free(h->reference);
	experience_free(&h->e);
	free(h);
}

struct mlp *held_out_policy(struct held_out *h)
{
	return rollout_policy(h->rollout);
}

int held_out_run(struct held_out *h, double weight, struct held_out_score *out)
{
	int err = play(h, h->rollout, out);

	if (!err && h->reference)
		err = reference_run(h->reference, &out->reference, out->reference_property);
	if (!isnan(out->reference))
		out->score = (1 - weight) * out->raw + weight * out->reference;
	out->mbps_share = out->mbps / h->cubic.mbps;
	out->qdelay_share = out->qdelay_ms / h->cubic.qdelay_ms;
	return err;
}

const struct held_out_score *held_out_cubic(const struct held_out *h)
{
	return &h->cubic;
}
