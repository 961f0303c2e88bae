/*
 * The descriptor of trained networks: which tensors there are, their shapes, and where each lies in
 * the one block of floats that holds them all. Optimiser, checkpoint, model files and tests go by
 * this table.
 *
 * A network's trained tensors come first and in one piece, then the running statistics of its batch
 * norm, so that a gradient is a block of net->trained floats with the same offsets. Every tensor
 * begins at a multiple of TENSORS_ALIGN floats; what lies between is 0 and stays 0.
 *
 * A layer computes z = x w + b; a normalised one then (z - mean) / sqrt(var + epsilon) + beta; all
 * but the last end in a leaky ReLU. A critic's second layer takes the action as its last input.
 */
#ifndef NN_TENSORS_H
#define NN_TENSORS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/rng.h"
#include "nn/mlp.h"

#define TENSORS_ALIGN 16
#define TENSORS_MAX 256
#define TENSORS_NETS 8

/* Offsets in floats from the start of the network. */
struct net_layer {
	int in, out; /* in counts the action */
	bool norm, action;
	size_t w, b;		/* (in, out); (out) */
	size_t beta, mean, var; /* (out), if norm */
};

struct net_shape {
	int n;
	struct net_layer layer[MLP_MAX_LAYERS];
	size_t trained, size; /* floats: of the trained part; of all */
};

/* dims[0] -> ... -> dims[n]; every layer but the last normalised if norm; the second with an action
 * if critic. */
void net_shape_init(struct net_shape *s, int n, const int *dims, bool norm, bool critic);

struct tensor {
	char name[48]; /* "actor.1.w": NET.L.PART, L from 1, as in model files */
	int ndim, shape[2];
	size_t at;    /* in the block */
	bool trained; /* by gradient; else a running statistic */
};

struct tensors {
	int nets, n;
	const struct net_shape *shape[TENSORS_NETS];
	size_t base[TENSORS_NETS]; /* of each network in the block */
	struct tensor tensor[TENSORS_MAX];
	size_t size; /* floats of the block */
};

/* Begins an empty table. */
void tensors_init(struct tensors *t);

/* Appends a network, whose shape must outlive t; returns its index. */
int tensors_add(struct tensors *t, const char *net, const struct net_shape *shape);

static inline size_t tensor_items(const struct tensor *t)
{
	return (size_t)t->shape[0] * (t->ndim > 1 ? t->shape[1] : 1);
}

/* The first tensor of the block that holds a number that is not finite, or NULL. */
const struct tensor *tensors_broken(const struct tensors *t, const float *block);

/* Glorot's uniform weights (as TensorFlow's dense layers), biases 0, variances 1. */
void net_glorot(const struct net_shape *s, float *net, struct rng *rng);

/*
 * Makes a network without batch norm answer x with -x[input] + rest times what its other units make
 * of it: the first two units of every hidden layer pass x[input] and -x[input] on, since with leaky
 * ReLU f of this slope f(v) - f(-v) = (1 + slope) v. What these two give to other units stays.
 */
void net_negate_input(const struct net_shape *s, float *net, int input, double slope, double rest);

/* m, of the same shape, becomes the network with batch norm folded in (in double), packed. */
void net_fold(struct mlp *m, const struct net_shape *s, const float *net, double epsilon);

#endif
