/* Claims of a VNN-LIB file about the network, put to an engine. */
#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "base/log.h"
#include "cert/engine.h"
#include "cert/vnnlib.h"
#include "cli/certify.h"

static int show_claim(const struct certify *c, struct engine *e, const struct vnnlib_claim *claim, int i, bool *holds)
{
	struct engine_ask ask = {.region = claim->region, .slices = c->conf.slices, .budget = c->conf.budget,
		.witness = true};
	struct engine_answer a;
	int err;

	vnnlib_band(&ask.band, claim);
	err = engine_run(e, c->conf.engine, &ask, &a);
	if (err) {
		pr_err("claim %d: a region of %d varied inputs that engine %s cannot take\n", i + 1,
			claim->region.ndims, opts_text(c->opts, "engine"));
		return err;
	}
	*holds = a.proven == 1;
	printf("claim %d: %s (%d varied inputs, engine %s, %ld cells); proven %.6f, refuted %.6f; output in [%.9g, %.9g]\n",
		i + 1, a.proven == 1 ? "holds" : a.refuted > 0 || a.missed ? "fails" : "undecided",
		claim->region.ndims, a.engine, a.pieces, a.proven, a.refuted, a.y_lo, a.y_hi);
	if (a.missed) {
		printf("  counterexample:");
		for (int d = 0; d < claim->region.ndims; d++)
			printf(" X_%d = %.9g", claim->region.dim[d].input, a.t[d]);
		putchar('\n');
	}
	return 0;
}

int certify_claims(struct certify *c, const char *path)
{
	struct engine *e = engine_new(c->actor);
	struct vnnlib *v = NULL;
	int err = e ? vnnlib_read(&v, path) : -ENOMEM, proven = 0;

	for (int i = 0; !err && i < v->n; i++) {
		bool holds = false;

		if (v->claims[i].region.nin != c->actor->layer[0].in) {
			pr_err("%s: %d inputs, the model has %d\n", path, v->claims[i].region.nin,
				c->actor->layer[0].in);
			err = -EINVAL;
		} else {
			err = show_claim(c, e, &v->claims[i], i, &holds);
		}
		proven += holds;
	}
	if (!err && proven < v->n)
		err = -ERANGE;
	vnnlib_free(v);
	engine_free(e);
	return err;
}
