/* What ships: every preset is a run that could begin, and every model is one that a preset made. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "learn/train.h"
#include "model/model.h"

static const struct opt table[] = {TRAIN_OPTS, {.kind = OPT_END}};
static const char *const skip_none[] = {NULL};

// A spec's options, after the comment that names the simulator.
static const char *options(const char *spec)
{
	assert_int_equal(strncmp(spec, "# simulator ", 12), 0);
	return strchr(spec, '\n');
}

// The run's spec as a model carries it, or NULL if there is no such file.
static char *spec_of(const char *path)
{
	struct train_conf c;
	struct opts o;
	char *spec;

	if (access(path, R_OK))
		return NULL;
	opts_init(&o, table);
	assert_int_equal(opts_load(&o, path), 0);
	assert_int_equal(train_conf_init(&c, &o, skip_none), 0);
	spec = file_path("%s", c.spec);
	train_conf_free(&c);
	opts_free(&o);
	return spec;
}

static bool made_by(const struct model *m, const char *name, const char *size)
{
	char *path = file_path("specs/train/%s%s.spec", name, size), *spec = spec_of(path);
	bool same = spec && m->info.training && !strcmp(options(spec), options(m->info.training));

	free(path);
	free(spec);
	return same;
}

static void test_presets_could_begin(void **state)
{
	glob_t g;

	assert_int_equal(glob("specs/train/*.spec", 0, NULL, &g), 0);
	for (size_t i = 0; i < g.gl_pathc; i++)
		if (!strstr(g.gl_pathv[i], "/generated."))
			free(spec_of(g.gl_pathv[i]));
	assert_true(g.gl_pathc > 10);
	globfree(&g);
}

// The models in a folder were made by the presets of one size, one for each.
static void check_models(const char *pattern, const char *size)
{
	glob_t g;

	assert_int_equal(glob(pattern, 0, NULL, &g), 0);
	assert_int_equal(g.gl_pathc, 5);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		const char *file = strrchr(g.gl_pathv[i], '/') + 1;
		char *name = file_path("%.*s", (int)strcspn(file, "."), file);
		struct model *m;

		assert_int_equal(model_load(&m, g.gl_pathv[i]), 0);
		assert_string_equal(m->info.name, name);
		if (!made_by(m, name, size))
			fail_msg("%s: no preset of its name and size has its spec", g.gl_pathv[i]);
		model_free(m);
		free(name);
	}
	globfree(&g);
}

static void test_models_are_of_presets(void **state)
{
	check_models("models/*.safetensors", "");
	check_models("models/quick/*.safetensors", "-quick");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_presets_could_begin),
		cmocka_unit_test(test_models_are_of_presets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
