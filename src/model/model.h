/*
 * Models: the raw layers of a policy network with their batch-norm statistics, the critics it was
 * trained with if known, and how it came to be.
 *
 * A layer computes z = x w + b; a normalised one then (z - mean) / sqrt(var + 1e-3) + beta (no
 * scale); all but the last end in a leaky ReLU. A critic takes the action beside the output of its
 * first layer: the last row of its second layer's w.
 *
 * File: safetensors (see safetensors.h) whose metadata has format = canopy-model, version = 1, and
 * tensors NET.L.w (in, out), NET.L.b (out) and for normalised layers NET.L.beta, NET.L.mean,
 * NET.L.var (out), with L from 1 and NET one of model_net_names; all F32.
 */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include <stdbool.h>

#include "base/hash.h"
#include "nn/mlp.h"
#include "obs/state.h"

#define MODEL_VERSION 1
#define MODEL_BN_EPSILON 1e-3
#define MODEL_SLOPE 0.2

enum model_net_id {
	MODEL_ACTOR,
	MODEL_TARGET_ACTOR,
	MODEL_CRITIC,
	MODEL_CRITIC2,
	MODEL_TARGET_CRITIC,
	MODEL_TARGET_CRITIC2,
	MODEL_NETS,
};

extern const char *const model_net_names[MODEL_NETS]; /* "actor", "target_actor", "critic", ... */

struct model_layer {
	int in, out;
	float *w;		  /* (in, out) */
	float *b;		  /* (out) */
	float *beta, *mean, *var; /* (out), or all NULL when not normalised */
};

struct model_net {
	int n; /* layers, 0: the model has no such network */
	struct model_layer layer[MLP_MAX_LAYERS];
};

/* Texts are owned, NULL when unknown; numbers are NAN when unknown. */
struct model_info {
	char *name;
	char *source;	/* what it was made from: "TensorFlow checkpoint model.ckpt-1" */
	char *canopy;	/* version of canopy that made it */
	char *training; /* the training spec, as text */
	char *seed;
	char *properties;  /* property text it was trained for */
	char *shield;	   /* property text that a shield enforced while it was trained; NULL: none did */
	char *certificate; /* summary, as JSON text */
	char *step;	   /* training step */
	double buffer_bdp; /* queue it was trained for, as a multiple of the bandwidth-delay product
			    */
	double theta;	   /* θ of its properties */
	double x_pkts;	   /* X of its properties, packets */
};

struct model {
	struct model_net net[MODEL_NETS]; /* net[MODEL_ACTOR].n > 0 always */
	const struct state_table *states; /* what its networks see; published unless set */
	struct model_info info;
	char sha256[HASH_HEX]; /* of the tensors alone: names, shapes and bytes; set by load and
				  digest */
};

/* An empty model, numbers NAN. NULL when memory is out. */
struct model *model_new(void);
void model_free(struct model *m);

/* Gives net's next layer zeroed arrays; 0 or -ENOMEM. */
int model_add_layer(struct model_net *net, int in, int out, bool normalised);

/*
 * Whether the model makes sense: with S numbers in its states (70 if published) the actor is
 * S -> ... -> 1, critics S -> h1, h1 + 1 -> ... -> 1, layers fit, every number is finite and variances are not negative. 0 or -EBADMSG; prints what is
 * wrong, after path.
 */
int model_check(const struct model *m, const char *path);

/* Recomputes m->sha256 after the tensors changed. */
void model_digest(struct model *m);

/* Reads and checks a model file. 0 or -errno; prints the error. */
int model_load(struct model **out, const char *path);

/* Writes (atomically) a model that passes model_check; the same model gives the same bytes. */
int model_save(const struct model *m, const char *path);

/* The actor with batch norm folded in, in double, then rounded: ready for mlp_forward. NULL: out of
 * memory. */
struct mlp *model_fold(const struct model *m);

/* Numbers in the arrays of a network, and "70-256-256-1" (malloc'ed) for its shape. */
long model_net_params(const struct model_net *net);
char *model_net_shape(const struct model_net *net);

struct model_tensor {
	char name[64];
	float *data;
	int ndim, shape[2];
};

/* Tensor i in file order: its name, its array (still the model's) and shape; false past the last.
 */
bool model_tensor(const struct model *m, int i, struct model_tensor *t);

#endif
