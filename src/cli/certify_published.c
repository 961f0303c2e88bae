/* The published certificate's numbers over the same decisions, for comparison. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cert/published.h"
#include "cert/part.h"
#include "cli/certify.h"

// The published ids by the shipped files that state them soundly.
static const struct {
	const char *name;
	int id;
} ids[] = {{"safety", 6}, {"robustness", 7}, {"loss", 8}, {"loss-liveness", 9}, {"safety-robustness", 10},
	{"deep-buffer", 11}, {"shallow-buffer", 12}};
#define NIDS ((int)(sizeof(ids) / sizeof(ids[0])))

static int spec_of(struct published_spec *s, const struct certify *c)
{
	const char *name = c->properties->path;
	double theta = property_let(c->properties, "theta"), x = property_let(c->properties, "x");
	int i = 0;

	while (i < NIDS && strcmp(ids[i].name, name))
		i++;
	if (i == NIDS) {
		pr_err("--semantics published: '%s' is none of the published properties: safety, robustness, loss, "
		       "loss-liveness, safety-robustness, deep-buffer, shallow-buffer\n",
			name);
		return -EINVAL;
	}
	*s = (struct published_spec){.id = ids[i].id,
		.theta = isnan(theta) ? ids[i].id == 7 ? 0.05 : 0.25 : theta,
		.x = isnan(x) ? ids[i].id == 7 ? 1 : 25 : x,
		.slices = c->conf.slices,
		.k = 3};
	return 0;
}

// Another flow begins where the recorded file ends.
static bool first_of_flow(const struct certify *c, long i)
{
	return c->decisions[i].nth == 0;
}

static double action_at(const struct certify *c, long i, float *scratch)
{
	return mlp_action(actor_run(c->actor, c->decisions[i].x, scratch));
}

/* Defect 8: the published code pairs an action with the window of the report after it. */
static int judge(const struct certify *c, const struct published_spec *spec, float *scratch)
{
	struct published *p;
	struct published_history h;
	struct published_answer a;
	double sum[3] = {0, 0, 0};
	long n = 0;
	int err = published_new(&p, c->mlp, spec);

	if (err)
		return err;
	published_start(&h);
	for (long i = 1; i + 1 < c->n; i++) {
		if (first_of_flow(c, i)) {
			published_start(&h);
			continue;
		}
		if (first_of_flow(c, i + 1))
			continue;
		published_run(p, &h,
			&(struct published_decision){c->decisions[i].x, c->decisions[i + 1].w, c->decisions[i].w,
				action_at(c, i, scratch), action_at(c, i - 1, scratch)},
			&a);
		sum[0] += a.score.cert;
		sum[1] += a.score.mean;
		sum[2] += a.score.sat;
		n++;
	}
	published_free(p);
	printf("published id %d (theta %g, X %g, k %d, N %d) on %ld decisions of %s: not a sound statement, for "
	       "comparison only\n",
		spec->id, spec->theta, spec->x, spec->k, spec->slices, n, c->source);
	if (n)
		printf("r_cert %.6f  r_mean %.6f  r_sat %.6f\n", sum[0] / n, sum[1] / n, sum[2] / n);
	return 0;
}

int certify_published(struct certify *c)
{
	float *scratch = malloc(mlp_scratch(c->mlp) * sizeof(*scratch));
	struct published_spec spec;
	int err = scratch ? spec_of(&spec, c) : -ENOMEM;

	if (!err)
		err = judge(c, &spec, scratch);
	free(scratch);
	return err;
}
