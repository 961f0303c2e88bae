/* Models in safetensors files. */
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/opts.h"
#include "model/model.h"
#include "model/safetensors.h"

#define MAX_TENSORS (MODEL_NETS * MLP_MAX_LAYERS * 5)
#define FORMAT "canopy-model"
#define FEATURES "features"

// What every model file must say, as this version understands it.
static const struct st_meta fixed[] = {
	{"format", FORMAT},
	{"version", "1"},
	{FEATURES, NULL}, // the table's name
	{"activation", "leaky_relu 0.2"},
	{"bn_epsilon", "0.001"},
};
#define NFIXED ((int)(sizeof(fixed) / sizeof(fixed[0])))

static const struct {
	const char *key;
	size_t at; // of a char * or a double in struct model_info
	bool number;
} fields[] = {
	{"name", offsetof(struct model_info, name), false},
	{"source", offsetof(struct model_info, source), false},
	{"canopy", offsetof(struct model_info, canopy), false},
	{"training", offsetof(struct model_info, training), false},
	{"seed", offsetof(struct model_info, seed), false},
	{"properties", offsetof(struct model_info, properties), false},
	{"shield", offsetof(struct model_info, shield), false},
	{"certificate", offsetof(struct model_info, certificate), false},
	{"step", offsetof(struct model_info, step), false},
	{"buffer_bdp", offsetof(struct model_info, buffer_bdp), true},
	{"theta", offsetof(struct model_info, theta), true},
	{"x_pkts", offsetof(struct model_info, x_pkts), true},
};
#define NFIELDS ((int)(sizeof(fields) / sizeof(fields[0])))

int model_save(const struct model *m, const char *path)
{
	struct model_tensor t[MAX_TENSORS];
	struct st_tensor st[MAX_TENSORS];
	struct st_meta meta[NFIXED + 1 + NFIELDS];
	char numbers[NFIELDS][32], *shape;
	int n = 0, nmeta = NFIXED, err = model_check(m, path);

	if (err)
		return err;
	for (; model_tensor(m, n, &t[n]); n++)
		st[n] = (struct st_tensor){
			t[n].name, ST_F32, t[n].ndim, {t[n].shape[0], t[n].shape[1]}, t[n].data};
	for (int i = 0; i < NFIXED; i++)
		meta[i] = (struct st_meta){
			fixed[i].key, fixed[i].value ? fixed[i].value : m->states->name};
	shape = model_net_shape(&m->net[MODEL_ACTOR]);
	meta[nmeta++] = (struct st_meta){"architecture", shape};
	for (int i = 0; i < NFIELDS; i++) {
		const void *field = (const char *)&m->info + fields[i].at;
		const char *text = fields[i].number ? numbers[i] : *(char *const *)field;

		if (fields[i].number && isnan(*(const double *)field))
			continue;
		if (fields[i].number)
			snprintf(numbers[i], sizeof(numbers[i]), "%.17g", *(const double *)field);
		if (text)
			meta[nmeta++] = (struct st_meta){fields[i].key, text};
	}
	err = st_write(path, st, n, meta, nmeta);
	free(shape);
	return err;
}

static int read_states(struct model *m, const struct st_file *f, const char *path)
{
	const char *name = st_get(f, FEATURES);
	const struct state_table *t = name ? state_find(name) : NULL;

	if (!t) {
		pr_err("%s: " FEATURES " is '%s', this canopy knows %s\n", path, name ? name : "missing",
			state_names());
		return -EBADMSG;
	}
	m->states = t;
	return 0;
}

static int read_info(struct model_info *info, const struct st_file *f, const char *path)
{
	for (int i = 0; i < NFIXED; i++) {
		const char *text = st_get(f, fixed[i].key);

		if (!fixed[i].value || (text && !strcmp(text, fixed[i].value)))
			continue;
		pr_err("%s: %s is '%s', this canopy reads '%s'\n", path, fixed[i].key,
			text ? text : "missing", fixed[i].value);
		return -EBADMSG;
	}
	for (int i = 0; i < NFIELDS; i++) {
		void *field = (char *)info + fields[i].at;
		const char *text = st_get(f, fields[i].key);

		if (text && !fields[i].number)
			*(char **)field = file_path("%s", text);
		else if (text && !opts_number(text, -HUGE_VAL, HUGE_VAL, field)) {
			pr_err("%s: %s '%s' is not a number\n", path, fields[i].key, text);
			return -EBADMSG;
		}
	}
	return 0;
}

// Tensor NET.L.PART as an array of F32 with this shape (0: any), or NULL.
static const struct st_tensor *find(
	const struct st_file *f, int net, int l, const char *part, int ndim)
{
	char name[64];
	const struct st_tensor *t;

	snprintf(name, sizeof(name), "%s.%d.%s", model_net_names[net], l + 1, part);
	t = st_find(f, name);
	return t && t->dtype == ST_F32 && t->ndim == ndim ? t : NULL;
}

// Adds the file's layer l of a network: 1 if there was one, 0 if not, or -errno.
static int read_layer(struct model_net *to, const struct st_file *f, int net, int l)
{
	static const char *const parts[] = {"b", "beta", "mean", "var"};
	const struct st_tensor *w = find(f, net, l, "w", 2), *v;
	bool norm = find(f, net, l, "beta", 1);
	struct model_layer *layer;

	if (!w)
		return 0;
	if (!w->shape[0] || !w->shape[1] || w->shape[0] > MLP_MAX_WIDTH + 1 ||
		w->shape[1] > MLP_MAX_WIDTH)
		return -EBADMSG;
	if (model_add_layer(to, (int)w->shape[0], (int)w->shape[1], norm))
		return -ENOMEM;
	layer = &to->layer[l];
	memcpy(layer->w, w->data, (size_t)layer->in * layer->out * sizeof(float));
	for (int i = 0; i < (norm ? 4 : 1); i++) {
		float *const arrays[] = {layer->b, layer->beta, layer->mean, layer->var};

		v = find(f, net, l, parts[i], 1);
		if (!v || v->shape[0] != w->shape[1])
			return -EBADMSG;
		memcpy(arrays[i], v->data, layer->out * sizeof(float));
	}
	return 1;
}

static int read_nets(struct model *m, const struct st_file *f, const char *path)
{
	struct model_tensor t;
	int known = 0;

	for (int net = 0; net < MODEL_NETS; net++)
		for (int l = 0, more = 1; more && l < MLP_MAX_LAYERS; l++) {
			more = read_layer(&m->net[net], f, net, l);
			if (more < 0) {
				pr_err("%s: %s layer %d: its arrays do not fit together\n", path,
					model_net_names[net], l + 1);
				return more;
			}
		}
	while (model_tensor(m, known, &t))
		known++;
	if (known == f->n)
		return 0;
	pr_err("%s: holds %d arrays, of which %d make up networks\n", path, f->n, known);
	return -EBADMSG;
}

int model_load(struct model **out, const char *path)
{
	struct st_file *f = NULL;
	struct model *m = NULL;
	int err = st_read(&f, path);

	if (err)
		return err;
	m = model_new();
	err = m ? read_info(&m->info, f, path) : -ENOMEM;
	if (!err)
		err = read_states(m, f, path);
	if (!err)
		err = read_nets(m, f, path);
	if (!err)
		err = model_check(m, path);
	if (err)
		goto out;
	model_digest(m);
	*out = m;
	m = NULL;
out:
	model_free(m);
	st_free(f);
	return err;
}
