/* Properties times engine on one decision. */
#include "cert/judge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cert/shielded.h"

int judge_open(struct judge *j, const struct property_file *f, const struct actor *a,
	const struct qc_conf *conf)
{
	*j = (struct judge){.file = f, .actor = a, .conf = *conf, .engine = engine_new(a)};
	j->scratch = malloc(mlp_scratch(a->mlp) * sizeof(*j->scratch));
	return j->engine && j->scratch ? 0 : -ENOMEM;
}

void judge_close(struct judge *j)
{
	engine_free(j->engine);
	free(j->scratch);
}

int judged_init(struct judged *out, int n)
{
	out->part = calloc(n, sizeof(*out->part));
	out->answer = calloc(n, sizeof(*out->answer));
	out->share = calloc(n, sizeof(*out->share));
	return out->part && out->answer && out->share ? 0 : -ENOMEM;
}

void judged_free(struct judged *out)
{
	free(out->part);
	free(out->answer);
	free(out->share);
}

static int fail(int err, long index, const struct property *p, const char *why)
{
	char where[40] = "";

	if (index >= 0)
		snprintf(where, sizeof(where), "decision %ld: ", index);
	pr_err("%sproperty '%s': %s\n", where, p ? p->name : "any", why);
	return err;
}

static const char *engine_error(int err)
{
	return err == -EINVAL  ? "the engine cannot take this region"
	       : err == -E2BIG ? "the region has more pieces than the engine can hold"
			       : strerror(-err);
}

static int judge_one(struct judge *j, long index, struct judged *out, int i)
{
	const struct property *p = &j->file->property[i];
	const struct engine_ask ask = qc_ask(&j->conf);
	enum engine_kind kind = j->conf.engine;
	int err = part_make(&out->part[i], p, &out->d);

	if (err)
		return fail(err, index, p, part_error(err));
	out->share[i].triggered = out->part[i].status == PART_TRIGGERED;
	if (!out->share[i].triggered)
		return 0;
	if (out->part[i].region.ndims > 1 && j->conf.wide != ENGINE_AUTO)
		kind = j->conf.wide;
	err = shielded_run(j->engine, kind, j->conf.shield, &out->d, &out->part[i], &ask,
		&out->answer[i]);
	if (err)
		return fail(err, index, p, engine_error(err));
	out->share[i] = qc_share_of(&out->answer[i]);
	return 0;
}

int judge_run(struct judge *j, const struct cert_decision *d, long index, struct judged *out)
{
	const int nin = j->actor->layer[0].in;
	char why[96];

	if (d->nin != nin) {
		snprintf(why, sizeof(why), "its state has %d numbers, the model takes %d", d->nin,
			nin);
		return fail(-EINVAL, index, NULL, why);
	}
	out->d = *d;
	out->d.clean = part_window(actor_run(j->actor, d->x, j->scratch), d->w);
	if (j->conf.shield)
		out->d.clean = shield_window(j->conf.shield, d, out->d.clean);
	for (int i = 0; i < j->file->n; i++) {
		int err = j->file->property[i].used ? judge_one(j, index, out, i) : 0;

		if (err)
			return err;
	}
	return 0;
}
