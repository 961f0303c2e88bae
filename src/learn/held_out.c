/* Rollouts over the same environments: CUBIC's once, the policy's as often as asked. */
#include "learn/held_out.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/work.h"
#include "model/model.h"

struct held_out {
	struct rollout *rollout;
	struct reference *reference; // NULL without certificates
	struct experience e;
	int decisions, properties;
	double weight; // of certificates in the score
	struct held_out_score cubic;
};

// Of each property, as shares of so many decisions.
static void add_properties(
	struct held_out *h, struct rollout *r, double decisions, struct held_out_score *out)
{
	struct certifier_sum sums[PROPERTY_MAX];

	certifier_tell(rollout_certifier(r), sums);
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
		.triggered = NAN,
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
		err = work_stopped() ? -EINTR : rollout_step(r, &h->e);
	rollout_end(r);
	if (err)
		return err;
	s = rollout_tell(r);
	summarise(&s, out);
	if (rollout_certifier(r)) {
		out->triggered = s.certified / s.decisions;
		add_properties(h, r, s.decisions, out);
	}
	return 0;
}

static int add_reference(struct held_out *h, struct reference *r, struct held_out_score *s)
{
	int err = reference_run(r, &s->reference, s->reference_property);

	if (!err && !isnan(s->reference))
		s->score = (1 - h->weight) * s->raw + h->weight * s->reference;
	return err;
}

// Plain CUBIC, as a policy of weightless layers has it: its answer is 0.
static int measure_cubic(struct held_out *h, const struct rollout_conf *conf)
{
	struct rollout_conf zero = *conf;
	const int dims[] = {conf->table->size, 1, 1};
	struct mlp *nothing = mlp_new(2, dims, MODEL_SLOPE);
	struct reference *reference = NULL;
	struct rollout *r;
	int err = -ENOMEM;

	if (!nothing)
		return err;
	zero.zero = true;
	zero.shield = NULL;
	err = rollout_new(&r, &zero, nothing);
	if (err) {
		mlp_free(nothing);
		return err;
	}
	err = play(h, r, &h->cubic);
	if (!err && conf->certify)
		err = reference_new(&reference, conf, nothing, h->decisions);
	if (!err && reference)
		err = add_reference(h, reference, &h->cubic);
	h->cubic.mbps_share = h->cubic.qdelay_share = 1;
	reference_free(reference);
	rollout_free(r);
	return err;
}

int held_out_new(struct held_out **out, const struct rollout_conf *conf, struct mlp *policy,
	int decisions, double weight)
{
	struct rollout_conf quiet = *conf;
	struct held_out *h = calloc(1, sizeof(*h));
	int err = h ? experience_init(&h->e, conf->setups->n) : -ENOMEM;

	quiet.exploration = 0;
	if (!err) {
		h->decisions = decisions;
		h->weight = weight;
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

int held_out_run(struct held_out *h, struct held_out_score *out)
{
	int err = play(h, h->rollout, out);

	if (!err && h->reference)
		err = add_reference(h, h->reference, out);
	out->mbps_share = out->mbps / h->cubic.mbps;
	out->qdelay_share = out->qdelay_ms / h->cubic.qdelay_ms;
	return err;
}

const struct held_out_score *held_out_cubic(const struct held_out *h)
{
	return &h->cubic;
}
