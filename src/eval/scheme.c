/* Resolves the names of controllers and model files. */
#include "eval/scheme.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/opts.h"
#include "emu/flows.h"

#define MODEL_END ".safetensors"
const char *const sender_variants[SENDER_VARIANTS] = {"", "@zero", "@drift", "@fallback", "@shield"};

#define OPTION "--controllers"

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && !strcmp(s + n - m, end);
}

static char *model_name(const char *path)
{
	const char *base = strrchr(path, '/');
	char *name;

	base = base ? base + 1 : path;
	name = file_path("%s", base);
	if (ends_with(name, MODEL_END))
		name[strlen(name) - strlen(MODEL_END)] = 0;
	return name;
}

static void free_model(struct scheme_model *m)
{
	if (!m)
		return;
	free(m->path);
	free(m->name);
	model_free(m->model);
	actor_free(m->actor);
	mlp_free(m->mlp);
	free(m);
}

// A checkpoint is named by its .index file or by what comes before .index.
static bool is_checkpoint(const char *path)
{
	char *index = file_path("%s.index", path);
	bool is = ends_with(path, ".index") || !access(index, F_OK);

	free(index);
	return is;
}

// The set's model of that file, loaded if it is new.
static int find_model(struct scheme_set *set, const char *path, const struct scheme_model **out)
{
	struct scheme_model *m;
	int err;

	for (int i = 0; i < set->nmodels; i++)
		if (!strcmp(set->models[i]->path, path)) {
			*out = set->models[i];
			return 0;
		}
	if (set->nmodels == SCHEME_MODELS) {
		pr_err(OPTION ": more than %d models\n", SCHEME_MODELS);
		return -EINVAL;
	}
	if (is_checkpoint(path)) {
		pr_err(OPTION ": %s is a TensorFlow checkpoint: canopy model import makes a model "
			      "file of it\n",
			path);
		return -EINVAL;
	}
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->path = file_path("%s", path);
	m->name = model_name(path);
	err = model_load(&m->model, path);
	if (!err) {
		m->mlp = model_fold(m->model);
		err = m->mlp ? 0 : -ENOMEM;
	}
	for (int i = 0; i < set->nmodels && !err; i++)
		if (!strcmp(set->models[i]->name, m->name)) {
			pr_err(OPTION ": %s and %s would both be called '%s' in the results: "
				      "rename one\n",
				set->models[i]->path, path, m->name);
			err = -EINVAL;
		}
	if (err) {
		free_model(m);
		return err;
	}
	*out = set->models[set->nmodels++] = m;
	return 0;
}

static int unknown(const char *what)
{
	char *names = file_path("%s", cc_names()), *rest = names, *item;
	const char *list[64], *near;
	int n = 0;

	while (n < 64 && (item = strsep(&rest, ", ")))
		if (*item)
			list[n++] = item;
	near = opts_nearest(what, list, n);
	if (near)
		pr_err(OPTION ": there is no '%s', did you mean '%s'?\n", what, near);
	else
		pr_err(OPTION ": '%s' is neither a controller (%s) nor a model file%s\n", what,
			cc_names(), strchr(what, '@') ? "; only a model file takes @zero, @drift, @fallback or @shield" : "");
	free(names);
	return -EINVAL;
}

// Of the kernel: what it has, whatever the simulator has.
static int add_kernel_sender(struct scheme *s, const char *what)
{
	int err;

	if (strchr(what, '/') || strchr(what, '@') || ends_with(what, MODEL_END) ||
		is_checkpoint(what)) {
		pr_err(OPTION ": '%s': a policy cannot run in the kernel's flows yet; --on sim "
			      "runs it\n",
			what);
		return -EINVAL;
	}
	err = flows_controller(what, OPTION);
	if (!err)
		s->senders[s->n++].name = file_path("%s", what);
	return err;
}

static int add_sender(struct scheme_set *set, struct scheme *s, const char *what)
{
	struct sender *one = &s->senders[s->n];
	char *path;
	int err = 0;

	if (set->kernel)
		return add_kernel_sender(s, what);
	path = file_path("%s", what);
	one->cc = cc_find(what);
	for (int v = SENDER_VARIANTS - 1; v > 0 && !one->cc && !one->variant; v--)
		if (ends_with(path, sender_variants[v])) {
			one->variant = v;
			path[strlen(path) - strlen(sender_variants[v])] = 0;
		}
	if (one->cc)
		;
	else if (strchr(path, '/') || ends_with(path, MODEL_END) || !access(path, F_OK) ||
		 is_checkpoint(path))
		err = find_model(set, path, &one->model);
	else
		err = unknown(what);
	free(path);
	if (err)
		return err;
	one->name = one->cc ? file_path("%s", what)
			    : file_path("%s%s", one->model->name, sender_variants[one->variant]);
	s->n++;
	return 0;
}

// Splits at + unless the whole is a file.
static int parse(struct scheme_set *set, struct scheme *s, const char *what)
{
	char *copy = file_path("%s", what), *rest = copy, *item;
	int err = 0;

	if (!access(what, F_OK) && !cc_find(what)) {
		err = add_sender(set, s, what);
		rest = NULL;
	}
	while (!err && rest && (item = strsep(&rest, "+"))) {
		if (s->n == SCHEME_SENDERS) {
			pr_err(OPTION ": '%s' mixes more than %d\n", what, SCHEME_SENDERS);
			err = -EINVAL;
		} else {
			err = add_sender(set, s, item);
		}
	}
	free(copy);
	return err;
}

static int set_name(const struct scheme_set *set, struct scheme *s)
{
	char *name = file_path("%s", s->senders[0].name), *more;
	int err = 0;

	for (int i = 1; i < s->n; i++) {
		more = file_path("%s+%s", name, s->senders[i].name);
		free(name);
		name = more;
	}
	if (strlen(name) >= RESULTS_NAME) {
		pr_err(OPTION ": the name '%s' is longer than %d bytes\n", name, RESULTS_NAME - 1);
		err = -EINVAL;
	}
	for (int i = 0; i < set->n && !err; i++)
		if (!strcmp(set->schemes[i].name, name)) {
			pr_err(OPTION ": '%s' is named twice\n", name);
			err = -EINVAL;
		}
	if (!err)
		strcpy(s->name, name);
	free(name);
	return err;
}

static void free_senders(struct scheme *s)
{
	for (int i = 0; i < s->n; i++)
		free(s->senders[i].name);
}

int scheme_add(struct scheme_set *set, const char *what)
{
	struct scheme *more = realloc(set->schemes, (set->n + 1) * sizeof(*more)), s = {.n = 0};
	int err;

	if (!more)
		return -ENOMEM;
	set->schemes = more;
	err = parse(set, &s, what);
	if (!err)
		err = set_name(set, &s);
	if (err)
		free_senders(&s);
	else
		set->schemes[set->n++] = s;
	return err;
}

void scheme_set_free(struct scheme_set *set)
{
	for (int i = 0; i < set->n; i++)
		free_senders(&set->schemes[i]);
	free(set->schemes);
	for (int i = 0; i < set->nmodels; i++)
		free_model(set->models[i]);
	memset(set, 0, sizeof(*set));
}

const struct scheme_model *scheme_model(const struct scheme *s)
{
	for (int i = 0; i < s->n; i++)
		if (s->senders[i].model)
			return s->senders[i].model;
	return NULL;
}

int scheme_set_actors(struct scheme_set *set)
{
	int err = 0;

	for (int i = 0; i < set->nmodels && !err; i++)
		if (!set->models[i]->actor)
			err = actor_new(&set->models[i]->actor, set->models[i]->mlp);
	return err;
}

bool scheme_has(const struct scheme *s, enum sender_variant v)
{
	for (int i = 0; i < s->n; i++)
		if (s->senders[i].model && s->senders[i].variant == v)
			return true;
	return false;
}
