/* The model in memory: layers, checks, digest, folding. */
#include "model/model.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"

const char *const model_net_names[MODEL_NETS] = {
	[MODEL_ACTOR] = "actor",
	[MODEL_TARGET_ACTOR] = "target_actor",
	[MODEL_CRITIC] = "critic",
	[MODEL_CRITIC2] = "critic2",
	[MODEL_TARGET_CRITIC] = "target_critic",
	[MODEL_TARGET_CRITIC2] = "target_critic2",
};

static bool is_actor(int net)
{
	return net == MODEL_ACTOR || net == MODEL_TARGET_ACTOR;
}

struct model *model_new(void)
{
	struct model *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->states = &state_published;
	m->info.buffer_bdp = m->info.theta = m->info.x_pkts = NAN;
	return m;
}

void model_free(struct model *m)
{
	struct model_tensor t;

	if (!m)
		return;
	for (int i = 0; model_tensor(m, i, &t); i++)
		free(t.data);
	free(m->info.name);
	free(m->info.source);
	free(m->info.canopy);
	free(m->info.training);
	free(m->info.shield);
	free(m->info.seed);
	free(m->info.properties);
	free(m->info.certificate);
	free(m->info.step);
	free(m);
}

int model_add_layer(struct model_net *net, int in, int out, bool normalised)
{
	struct model_layer *l = &net->layer[net->n];
	float **norm[] = {&l->beta, &l->mean, &l->var};

	*l = (struct model_layer){.in = in, .out = out};
	net->n++; // counted first, so that model_free finds what there is
	l->w = calloc((size_t)in * out, sizeof(*l->w));
	l->b = calloc(out, sizeof(*l->b));
	for (int i = 0; i < 3 && normalised; i++) {
		*norm[i] = calloc(out, sizeof(float));
		if (!*norm[i])
			return -ENOMEM;
	}
	return l->w && l->b ? 0 : -ENOMEM;
}

// Array i of a layer; false past the last.
static bool layer_tensor(const struct model_layer *l, int i, const char **part, float **data)
{
	static const char *const parts[] = {"w", "b", "beta", "mean", "var"};
	float *const arrays[] = {l->w, l->b, l->beta, l->mean, l->var};

	if (i >= (l->beta ? 5 : 2))
		return false;
	*part = parts[i];
	*data = arrays[i];
	return true;
}

bool model_tensor(const struct model *m, int i, struct model_tensor *t)
{
	for (int net = 0; net < MODEL_NETS; net++)
		for (int l = 0; l < m->net[net].n; l++) {
			const struct model_layer *layer = &m->net[net].layer[l];
			const char *part;
			float *data;

			for (int k = 0; layer_tensor(layer, k, &part, &data); k++) {
				if (i-- > 0)
					continue;
				snprintf(t->name, sizeof(t->name), "%s.%d.%s", model_net_names[net],
					l + 1, part);
				t->data = data;
				t->ndim = k ? 1 : 2;
				t->shape[0] = k ? layer->out : layer->in;
				t->shape[1] = k ? 1 : layer->out;
				return true;
			}
		}
	return false;
}

static int check_shape(const struct model_net *net, int id, int states, const char *path)
{
	for (int l = 0; l < net->n; l++) {
		int in = l ? net->layer[l - 1].out + (l == 1 && !is_actor(id)) : states;

		if (net->layer[l].in != in || net->layer[l].out > MLP_MAX_WIDTH) {
			pr_err("%s: %s layer %d is %d -> %d, should take %d inputs and have at "
			       "most %d outputs\n",
				path, model_net_names[id], l + 1, net->layer[l].in,
				net->layer[l].out, in, MLP_MAX_WIDTH);
			return -EBADMSG;
		}
	}
	if (!net->n || (net->layer[net->n - 1].out == 1 && !net->layer[net->n - 1].beta &&
			       (is_actor(id) || net->n > 1)))
		return 0;
	pr_err("%s: %s does not end in one plain output\n", path, model_net_names[id]);
	return -EBADMSG;
}

static int check_numbers(const struct model *m, const char *path)
{
	struct model_tensor t;

	for (int i = 0; model_tensor(m, i, &t); i++) {
		bool var = !strcmp(strrchr(t.name, '.'), ".var");

		for (long k = 0; k < (long)t.shape[0] * t.shape[1]; k++)
			if (!isfinite(t.data[k]) || (var && t.data[k] < 0)) {
				pr_err("%s: %s holds %g, not a %s\n", path, t.name, t.data[k],
					var ? "variance" : "finite number");
				return -EBADMSG;
			}
	}
	return 0;
}

int model_check(const struct model *m, const char *path)
{
	int err = 0;

	if (!m->net[MODEL_ACTOR].n) {
		pr_err("%s: there is no actor\n", path);
		return -EBADMSG;
	}
	for (int net = 0; net < MODEL_NETS && !err; net++)
		err = check_shape(&m->net[net], net, m->states->size, path);
	return err ? err : check_numbers(m, path);
}

void model_digest(struct model *m)
{
	enum { MAX = MODEL_NETS * MLP_MAX_LAYERS * 5 };
	struct hash_part parts[2 * MAX];
	char heads[MAX][128];
	struct model_tensor t;
	int n = 0;

	for (; model_tensor(m, n, &t); n++) {
		int len = snprintf(heads[n], sizeof(heads[n]), "%s F32 %d %d %d\n", t.name, t.ndim,
			t.shape[0], t.shape[1]);

		parts[2 * n] = (struct hash_part){heads[n], (size_t)len};
		parts[2 * n + 1] =
			(struct hash_part){t.data, (size_t)t.shape[0] * t.shape[1] * sizeof(float)};
	}
	hash_sha256(m->sha256, parts, 2 * n);
}

static void fold_layer(struct mlp_layer *to, const struct model_layer *from)
{
	for (int o = 0; o < from->out; o++) {
		double scale = from->beta ? 1 / sqrt(from->var[o] + MODEL_BN_EPSILON) : 1;

		for (int k = 0; k < from->in; k++)
			to->w[(size_t)k * from->out + o] =
				from->w[(size_t)k * from->out + o] * scale;
		to->b[o] = from->beta ? (from->b[o] - (double)from->mean[o]) * scale + from->beta[o]
				      : from->b[o];
	}
}

struct mlp *model_fold(const struct model *m)
{
	const struct model_net *actor = &m->net[MODEL_ACTOR];
	int dims[MLP_MAX_LAYERS + 1] = {m->states->size};
	struct mlp *folded;

	for (int l = 0; l < actor->n; l++)
		dims[l + 1] = actor->layer[l].out;
	folded = mlp_new(actor->n, dims, MODEL_SLOPE);
	if (!folded)
		return NULL;
	for (int l = 0; l < actor->n; l++)
		fold_layer(&folded->layer[l], &actor->layer[l]);
	mlp_pack(folded);
	return folded;
}

long model_net_params(const struct model_net *net)
{
	long n = 0;

	for (int l = 0; l < net->n; l++)
		n += (net->layer[l].in + (net->layer[l].beta ? 4 : 1)) * (long)net->layer[l].out;
	return n;
}

char *model_net_shape(const struct model_net *net)
{
	char text[16 * (MLP_MAX_LAYERS + 1)];
	int len = snprintf(text, sizeof(text), "%d", net->n ? net->layer[0].in : 0);

	for (int l = 0; l < net->n; l++)
		len += snprintf(text + len, sizeof(text) - len, "-%d", net->layer[l].out);
	return file_path("%s", text);
}
