/* Variable names to layers. */
#include "model/tf_import.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"

#define LAYERS 3

// How a network's variables are called after its prefix; norm is NULL for a plain layer.
struct style {
	struct {
		const char *w, *b, *norm;
	} layer[LAYERS];
};

static const struct style orca = {{
	{"fc1/kernel", "fc1/bias", "batch_normalization"},
	{"fc2/kernel", "fc2/bias", "batch_normalization_1"},
	{"dense/kernel", "dense/bias", NULL},
}};
static const struct style canopy = {{
	{"fc1/w", "fc1/b", "bn1"}, {"fc2/w", "fc2/b", "bn2"},
	{"fc1_1/w", "fc1_1/b", NULL}, // fc1 is used twice; TensorFlow made the second unique
}};
static const struct style critic = {{
	{"fc1/kernel", "fc1/bias", NULL},
	{"fc2/kernel", "fc2/bias", NULL},
	{"dense/kernel", "dense/bias", NULL},
}};

// Where a network may be, by falling preference.
static const struct source {
	int net;
	const char *prefix;
	const struct style *style;
} sources[] = {
	{MODEL_ACTOR, "abstract_actor/abstract_actor", &canopy},
	{MODEL_ACTOR, "actor", &orca},
	{MODEL_TARGET_ACTOR, "target_actor", &canopy},
	{MODEL_TARGET_ACTOR, "target_actor", &orca},
	{MODEL_CRITIC, "critic", &critic},
	{MODEL_CRITIC2, "critic2", &critic},
	{MODEL_TARGET_CRITIC, "target_critic", &critic},
	{MODEL_TARGET_CRITIC2, "target_critic2", &critic},
};

struct import {
	const struct tf_bundle *b;
	const char *path;
};

static const struct tf_tensor *find(
	const struct import *im, const char *prefix, const char *name, const char *part)
{
	char *full = file_path("%s/%s%s%s", prefix, name, part ? "/" : "", part ? part : "");
	const struct tf_tensor *t = tf_find(im->b, full);

	free(full);
	return t;
}

// Copies a float32 vector [n] or [1, n].
static int take_vector(float *to, const struct import *im, const char *prefix, const char *name,
	const char *part, int n)
{
	const struct tf_tensor *t = find(im, prefix, name, part);

	if (t && t->dtype == TF_FLOAT && t->data && t->size == n * sizeof(float) && t->ndim >= 1 &&
		t->ndim <= 2 && t->shape[t->ndim - 1] == n) {
		memcpy(to, t->data, t->size);
		return 0;
	}
	pr_err("%s: %s/%s%s%s is %s\n", im->path, prefix, name, part ? "/" : "", part ? part : "",
		t ? "not a float32 vector of the layer's width" : "missing");
	return -EBADMSG;
}

static int take_layer(struct model_net *net, const struct import *im, const struct source *s, int l)
{
	const char *w_name = s->style->layer[l].w, *norm = s->style->layer[l].norm;
	const struct tf_tensor *w = find(im, s->prefix, w_name, NULL);
	struct model_layer *layer;
	int err;

	if (!w || w->dtype != TF_FLOAT || !w->data || w->ndim != 2 || w->shape[0] < 1 ||
		w->shape[1] < 1 || w->shape[0] > MLP_MAX_WIDTH + 1 || w->shape[1] > MLP_MAX_WIDTH) {
		pr_err("%s: %s/%s is %s\n", im->path, s->prefix, w_name,
			w ? "not a float32 matrix of a usable size" : "missing");
		return -EBADMSG;
	}
	if (model_add_layer(net, (int)w->shape[0], (int)w->shape[1], norm != NULL))
		return -ENOMEM;
	layer = &net->layer[l];
	memcpy(layer->w, w->data, w->size);
	err = take_vector(layer->b, im, s->prefix, s->style->layer[l].b, NULL, layer->out);
	if (!norm || err)
		return err;
	err = take_vector(layer->beta, im, s->prefix, norm, "beta", layer->out);
	if (!err)
		err = take_vector(layer->mean, im, s->prefix, norm, "moving_mean", layer->out);
	if (!err)
		err = take_vector(layer->var, im, s->prefix, norm, "moving_variance", layer->out);
	return err;
}

// A network is there when its output layer is: the unused actor of a Canopy checkpoint may be a
// part.
static int take_net(struct model *m, const struct import *im, const struct source *s)
{
	struct model_net *net = &m->net[s->net];
	int err = 0;

	if (net->n || !find(im, s->prefix, s->style->layer[LAYERS - 1].w, NULL))
		return 0;
	for (int l = 0; l < LAYERS && !err; l++)
		err = take_layer(net, im, s, l);
	return err;
}

static void take_step(struct model *m, const struct tf_bundle *b)
{
	const struct tf_tensor *t = tf_find(b, "global_step");
	int64_t step;

	if (!t || t->dtype != TF_INT64 || t->size != sizeof(step) || !t->data)
		return;
	memcpy(&step, t->data, sizeof(step));
	m->info.step = file_path("%" PRId64, step);
}

int tf_import(struct model **out, const struct tf_bundle *b, const char *path)
{
	struct import im = {b, path};
	struct model *m = model_new();
	int err = m ? 0 : -ENOMEM;

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]) && !err; i++)
		err = take_net(m, &im, &sources[i]);
	if (!err && !m->net[MODEL_ACTOR].n) {
		pr_err("%s: neither abstract_actor/abstract_actor/fc1_1/w nor actor/dense/kernel "
		       "is there\n",
			path);
		err = -EBADMSG;
	}
	if (!err)
		err = model_check(m, path);
	if (err)
		goto out;
	take_step(m, b);
	model_digest(m);
	*out = m;
	m = NULL;
out:
	model_free(m);
	return err;
}

int tf_import_file(struct model **out, const char *prefix)
{
	const char *slash = strrchr(prefix, '/'), *base = slash ? slash + 1 : prefix;
	size_t n = strlen(base);
	struct tf_bundle *b;
	int err = tf_open(&b, prefix);

	if (err)
		return err;
	err = tf_import(out, b, prefix);
	if (!err) {
		n -= n > 6 && !strcmp(base + n - 6, ".index") ? 6 : 0;
		(*out)->info.source = file_path("TensorFlow checkpoint %.*s", (int)n, base);
		(*out)->info.canopy = file_path("%s", CANOPY_VERSION);
	}
	tf_free(b);
	return err;
}
