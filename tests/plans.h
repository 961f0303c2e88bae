/* What tests of plans and evaluations share: a folder, a small random policy, plans from option
 * texts. */
#ifndef TESTS_PLANS_H
#define TESTS_PLANS_H

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/rng.h"
#include "eval/plan.h"
#include "model/model.h"

static char dir[] = "/tmp/canopy-plans-XXXXXX";
static char *model; /* path of a small random policy */

static const struct opt table[] = {PLAN_OPTS, {.kind = OPT_END}};

static char *make_model(void)
{
	static const int dims[] = {STATE_SIZE, 8, 1};
	char *path = file_path("%s/small.safetensors", dir);
	struct model *m = model_new();
	struct rng rng;

	rng_init(&rng, 1, 0);
	for (int l = 0; l < 2; l++) {
		struct model_layer *at = &m->net[MODEL_ACTOR].layer[l];

		assert_int_equal(
			model_add_layer(&m->net[MODEL_ACTOR], dims[l], dims[l + 1], false), 0);
		for (int i = 0; i < dims[l] * dims[l + 1]; i++)
			at->w[i] = 0.05 * rng_normal(&rng);
	}
	model_digest(m);
	assert_int_equal(model_save(m, path), 0);
	model_free(m);
	return path;
}

static int set_up(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	model = make_model();
	return 0;
}

static int tear_down(void **state)
{
	char *cmd = file_path("rm -r '%s'", dir);
	int err = system(cmd);

	free(cmd);
	free(model);
	return err;
}

// Expands the options given as "key=value" up to NULL.
static inline int make_plan(struct plan *g, const char *const *settings)
{
	struct opts o;
	int err = 0;

	opts_init(&o, table);
	for (; *settings && !err; settings++) {
		char *key = file_path("%s", *settings), *eq = strchr(key, '=');

		*eq = 0;
		err = opts_set(&o, key, eq + 1, 2, key);
		free(key);
	}
	if (!err)
		err = plan_init(g, &o);
	opts_free(&o);
	return err;
}
#define PLAN(g, ...) make_plan(g, (const char *const[]){__VA_ARGS__, NULL})

#endif
