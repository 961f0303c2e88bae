/*
 * Inference of a small multilayer perceptron: x -> Linear, leaky ReLU, ..., Linear -> one number
 * (before tanh).
 *
 * The fast path computes in float32 with fused multiply-adds. Every output is one sum in a fixed
 * order, so a row's result has the same bits whatever the batch it is in, and on every machine with
 * IEEE fmaf (AVX-512, AVX2 with FMA, or plain C, chosen at run time). The reference computes
 * naively in double from the weights before rounding.
 */
#ifndef NN_MLP_H
#define NN_MLP_H

#include <stddef.h>

#define MLP_MAX_LAYERS 8
#define MLP_MAX_WIDTH 4096
#define MLP_PANEL 32 /* outputs that the kernels compute together */
#define MLP_CHAIN 32 /* products added one after the other; chains are then added up, so that rounding
			errors do not grow with the width of a layer but with CHAIN + width / CHAIN */

struct mlp_layer {
	int in, out;
	double *w, *b; /* w is (in, out), b is (out): as the caller filled them */
	float *panels; /* w rounded: (ceil(out / PANEL), in, PANEL), zero padded; (in) in the last
			  layer */
	float *bias;   /* b rounded, zero padded */
};

struct mlp {
	int n;	      /* layers */
	double slope; /* of the leaky ReLU after every layer but the last */
	struct mlp_layer layer[MLP_MAX_LAYERS];
};

/* n layers of dims[0] -> ... -> dims[n] = 1, weights 0. NULL when memory is out. */
struct mlp *mlp_new(int n, const int *dims, double slope);
void mlp_free(struct mlp *m);

/* Rounds and packs w and b for mlp_forward: call once they are filled. */
void mlp_pack(struct mlp *m);

/* Floats of scratch that mlp_forward needs, whatever the batch. */
size_t mlp_scratch(const struct mlp *m);

/* y_pre[i] = net(x[i]); x is (batch, in). Allocates nothing; scratch needs no alignment. */
void mlp_forward(const struct mlp *m, const float *x, float *y_pre, int batch, float *scratch);

/*
 * Bound on the rounding of one sum in mlp_forward, layer l of m, its inputs x being floats:
 * |computed - (sum of w[k] x[k] + b)| <= mlp_rounding * (sum of |w[k]| |x[k]| + |b|) + MLP_TINY, w and b in
 * double, their rounding to float included. Every term passes through at most r roundings, hence
 * (1 + 2^-24)^r - 1 (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1); the activation
 * is not included.
 */
double mlp_rounding(const struct mlp *m, int l);
#define MLP_TINY 1e-38 /* of sums that underflow */

/* The same in double, from the unrounded weights. */
void mlp_forward_ref(const struct mlp *m, const double *x, double *y_pre, int batch);

/* The action of a pre-activation: tanh in double, rounded to float, so that libm's float tanh is
 * not asked. */
float mlp_action(float y_pre);

/* The kernel in use, and its name: "avx512", "avx2" or "c". */
enum mlp_isa { MLP_C, MLP_AVX2, MLP_AVX512 };
enum mlp_isa mlp_isa(void);
const char *mlp_kernel(void);

/* Selects a kernel by name, for tests and benchmarks; 0, or -EINVAL where the machine lacks it. */
int mlp_select(const char *kernel);

#endif
