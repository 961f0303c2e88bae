/* Which engine answers: by name, or by the region's dimension. */
#include "cert/engine.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct engine_ops *const all[] = {&engine_box, &engine_exact1, &engine_exact2, &engine_linear};
enum { BOX, EXACT1, EXACT2, LINEAR, ENGINES };

struct engine {
	const struct actor *actor;
	float *scratch;	      // mlp_scratch
	void *state[ENGINES]; // opened when first needed
};

struct engine *engine_new(const struct actor *a)
{
	struct engine *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->actor = a;
	e->scratch = malloc(mlp_scratch(a->mlp) * sizeof(*e->scratch));
	if (!e->scratch) {
		free(e);
		return NULL;
	}
	return e;
}

void engine_renew(struct engine *e)
{
	for (int i = 0; i < ENGINES; i++) {
		if (e->state[i])
			all[i]->close(e->state[i]);
		e->state[i] = NULL;
	}
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	engine_renew(e);
	free(e->scratch);
	free(e);
}

int engine_find(const char *name)
{
	static const char *const names[] = {"auto", "box", "exact", "linear"};

	for (int i = 0; name && i < (int)(sizeof(names) / sizeof(names[0])); i++)
		if (!strcmp(name, names[i]))
			return i;
	return name ? -EINVAL : ENGINE_AUTO;
}

// A point is its own partition: run the network there.
static int answer_point(struct engine *e, const struct engine_ask *ask, struct engine_answer *out)
{
	const struct region *r = &ask->region;
	struct engine_answer a = {.engine = "run", .pieces = 1, .complete = true};
	double x[REGION_INPUTS], real, executed;
	bool hit, missed;

	region_state(r, NULL, x);
	executed = actor_run(e->actor, x, e->scratch);
	mlp_forward_ref(e->actor->mlp, x, &real, 1);
	if (!isfinite(executed) || !isfinite(real))
		return -EINVAL;
	a.y_lo = fmin(executed, real);
	a.y_hi = fmax(executed, real);
	hit = band_holds(&ask->band, a.y_lo, a.y_hi);
	missed = band_fails(&ask->band, a.y_lo, a.y_hi);
	a.proven = hit;
	a.refuted = missed;
	a.exact = real >= ask->band.lo && real < ask->band.hi;
	a.real_lo = a.real_hi = real;
	a.slack = a.y_hi - a.y_lo;
	a.missed = missed && ask->witness;
	if (ask->sink)
		ask->sink->leaf(ask->sink->arg, a.y_lo, a.y_hi,
			hit ? ENGINE_HOLDS : missed ? ENGINE_FAILS : ENGINE_UNKNOWN);
	*out = a;
	return 0;
}

static int run_one(struct engine *e, int i, const struct engine_ask *ask, struct engine_answer *out)
{
	struct engine_answer a;
	int err;

	if (ask->region.ndims > all[i]->max_dims)
		return -EINVAL;
	if (!e->state[i])
		e->state[i] = all[i]->open(e->actor);
	if (!e->state[i])
		return -ENOMEM;
	err = all[i]->run(e->state[i], ask, &a);
	if (err)
		return err;
	if (!isfinite(a.y_lo) || !isfinite(a.y_hi)) { // execution may overflow: nothing is known of it
		a.exact = NAN;
		a.missed = false;
	}
	*out = a;
	return 0;
}

int engine_run(struct engine *e, enum engine_kind kind, const struct engine_ask *ask,
	struct engine_answer *out)
{
	const struct region *r = &ask->region;
	int exact = r->ndims == 1 ? EXACT1 : EXACT2, err;

	if (!region_valid(r) || r->nin != e->actor->layer[0].in || ask->slices < 1 || ask->budget < 0)
		return -EINVAL;
	if (r->ndims == 0)
		return answer_point(e, ask, out);
	switch (kind) {
	case ENGINE_BOX:
		return run_one(e, BOX, ask, out);
	case ENGINE_EXACT:
		return run_one(e, exact, ask, out);
	case ENGINE_LINEAR:
		return run_one(e, LINEAR, ask, out);
	case ENGINE_AUTO:
		break;
	}
	err = r->ndims <= 2 ? run_one(e, exact, ask, out) : -E2BIG;
	return err == -E2BIG ? run_one(e, LINEAR, ask, out) : err;
}
