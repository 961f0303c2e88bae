/* What the parts of the learner share: its networks, optimisers and the memory of an update. */
#ifndef LEARN_TD3_STATE_H
#define LEARN_TD3_STATE_H

#include "learn/td3.h"
#include "nn/pass.h"

#define TD3_CRITICS 2
#define TD3_MAX_PIECES 256

/* A network that is trained: offsets of m, v and grad are the network's own. */
struct td3_learned {
	const struct net_shape *shape;
	float *net, *target; /* in the block */
	float *grad, *m, *v; /* [shape->trained] */
	/* of the extra loss, where it has an optimiser of its own; else NULL */
	float *extra_grad, *extra_m, *extra_v;
	struct pass pass; /* over the batch */
	double rate, extra_rate;
};

/* A part of a learned network's weights that one job computes the gradient of and steps. */
struct td3_piece {
	int learned, layer;
	int row, rows; /* of w; rows 0: the rest of the layer */
};

/* One thread's memory, TD3_SHARD rows. */
struct td3_thread {
	struct pass actor, critic;
	float y[TD3_SHARD], a[TD3_SHARD], q[TD3_SHARD];
};

/* Sums over a shard's rows, added up in the shards' order. */
struct td3_sums {
	double loss[TD3_CRITICS], q, q_abs, target, q_policy, y_abs, action, action_abs;
};

enum { TD3_ACTOR, TD3_CRITIC1, TD3_CRITIC2, TD3_LEARNED };

struct td3 {
	struct td3_conf conf;
	struct crew *crew;
	struct net_shape actor, critic;
	struct tensors tensors;
	float *block, *moments, *rows; /* networks; gradients and Adam's; batch and sums */
	uint64_t updates;
	struct rng rng; /* of the target noise */
	struct td3_learned learned[TD3_LEARNED];
	struct td3_piece pieces[TD3_MAX_PIECES]; /* the actor's first */
	int npieces, actor_pieces;
	struct pass_norm batch_norm, running_norm, target_norm;
	/* (shards, out) of each hidden layer: sums of z or of d, and of squares or of d x */
	float *sum[MLP_MAX_LAYERS], *square[MLP_MAX_LAYERS];
	float *mean_d[MLP_MAX_LAYERS], *mean_dx[MLP_MAX_LAYERS]; /* (out) */
	float *scratch; /* (crew's threads, MLP_MAX_WIDTH) */
	struct td3_batch batch;
	float *noise; /* [batch] */
	struct pass extra;
	float *extra_x;
	struct mlp *policy; /* for the extra loss */
	struct td3_folded folded;
	bool has_folded; /* in the update under way */
	struct td3_thread *threads;
	struct td3_sums *sums; /* [shards] */
	int shards;
	/* the update under way */
	const struct td3_source *from;
	int layer, extra_rows, first_piece;
	double q_scale; /* the actor's loss is -q_scale * mean Q */
};

/* Rows of a shard, their number if there are rows in all. */
struct pass_rows td3_shard(const struct td3 *t, int shard, int rows);

#endif
