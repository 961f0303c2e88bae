/* The folded network: packing, the fast float kernels and the naive double reference. */
#include "nn/mlp.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#define CHUNK 48 // rows whose hidden layers are held at once

struct kernel {
	const char *name;
	enum mlp_isa isa;
	void (*layer)(const struct mlp_layer *l, const float *x, int xs, float *y, int ys, int rows,
		float slope);
	float (*dot)(const struct mlp_layer *l, const float *x);
};

// Plain C: fmaf rounds once everywhere, slowly where the machine has no such instruction.
typedef float v4 __attribute__((vector_size(16), aligned(4)));

static inline v4 fma4(v4 a, v4 b, v4 c)
{
	for (int i = 0; i < 4; i++)
		c[i] = fmaf(a[i], b[i], c[i]);
	return c;
}

static inline v4 leaky4(v4 v, float s)
{
	for (int i = 0; i < 4; i++)
		v[i] = fmaxf(s * v[i], v[i]);
	return v;
}

#define FN(name) name##_c
#define TARGET
#define V v4
#define LANES 4
#define LOAD(p) (*(const v4 *)(p))
#define STORE(p, v) (*(v4 *)(p) = (v))
#define SET1(s) ((v4){s, s, s, s})
#define FMA fma4
#define LEAKY leaky4
#define BIG_ROWS 2
#define MID_ROWS 1
#define MID_PANELS 1
#define ONE_PANELS 1
#include "nn/mlp_kernel.h"

#ifdef __x86_64__
#define FN(name) name##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define V __m256
#define LANES 8
#define LOAD _mm256_loadu_ps
#define STORE _mm256_storeu_ps
#define SET1 _mm256_set1_ps
#define FMA _mm256_fmadd_ps
#define LEAKY(v, s) _mm256_max_ps(v, _mm256_mul_ps(v, _mm256_set1_ps(s)))
#define BIG_ROWS 3
#define MID_ROWS 3
#define MID_PANELS 1
#define ONE_PANELS 3
#include "nn/mlp_kernel.h"

#define FN(name) name##_avx512
#define TARGET __attribute__((target("avx512f,fma")))
#define V __m512
#define LANES 16
#define LOAD _mm512_loadu_ps
#define STORE _mm512_storeu_ps
#define SET1 _mm512_set1_ps
#define FMA _mm512_fmadd_ps
#define LEAKY(v, s) _mm512_max_ps(v, _mm512_mul_ps(v, _mm512_set1_ps(s)))
#define BIG_ROWS 12
#define MID_ROWS 4
#define MID_PANELS 2
#define ONE_PANELS 8
#include "nn/mlp_kernel.h"
#endif

static const struct kernel kernels[] = {
#ifdef __x86_64__
	{"avx512", MLP_AVX512, layer_avx512, dot_avx512},
	{"avx2", MLP_AVX2, layer_avx2, dot_avx2},
#endif
	{"c", MLP_C, layer_c, dot_c},
};
#define NKERNELS ((int)(sizeof(kernels) / sizeof(kernels[0])))

static bool have(const struct kernel *k)
{
#ifdef __x86_64__
	if (!strcmp(k->name, "avx512"))
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("fma");
	if (!strcmp(k->name, "avx2"))
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
	return true;
}

static const struct kernel *current;

__attribute__((constructor)) static void select_best(void)
{
	for (current = kernels; !have(current);)
		current++;
}

enum mlp_isa mlp_isa(void)
{
	return current->isa;
}

const char *mlp_kernel(void)
{
	return current->name;
}

int mlp_select(const char *kernel)
{
	for (int i = 0; i < NKERNELS; i++)
		if (!strcmp(kernels[i].name, kernel) && have(&kernels[i])) {
			current = &kernels[i];
			return 0;
		}
	return -EINVAL;
}

static int padded(int n)
{
	return (n + MLP_PANEL - 1) / MLP_PANEL * MLP_PANEL;
}

static int init_layer(struct mlp_layer *l, int in, int out, bool last)
{
	size_t floats = last ? (size_t)in : (size_t)in * padded(out);

	l->in = in;
	l->out = out;
	l->w = calloc((size_t)in * out, sizeof(*l->w));
	l->b = calloc(out, sizeof(*l->b));
	l->bias = calloc(padded(out), sizeof(*l->bias));
	// whole cache lines, so that no vector load straddles two
	l->panels = aligned_alloc(64, (floats * sizeof(*l->panels) + 63) / 64 * 64);
	return l->w && l->b && l->bias && l->panels ? 0 : -ENOMEM;
}

struct mlp *mlp_new(int n, const int *dims, double slope)
{
	struct mlp *m = calloc(1, sizeof(*m));
	int err = 0;

	assert(n >= 1 && n <= MLP_MAX_LAYERS && dims[n] == 1 && slope >= 0 && slope <= 1);
	if (!m)
		return NULL;
	m->n = n;
	m->slope = slope;
	for (int i = 0; i < n && !err; i++)
		err = init_layer(&m->layer[i], dims[i], dims[i + 1], i == n - 1);
	if (err) {
		mlp_free(m);
		return NULL;
	}
	mlp_pack(m);
	return m;
}

void mlp_free(struct mlp *m)
{
	if (!m)
		return;
	for (int i = 0; i < m->n; i++) {
		free(m->layer[i].w);
		free(m->layer[i].b);
		free(m->layer[i].bias);
		free(m->layer[i].panels);
	}
	free(m);
}

static void pack_layer(struct mlp_layer *l, bool last)
{
	int panel = last ? 1 : MLP_PANEL, out = last ? 1 : padded(l->out);

	for (int o = 0; o < out; o++)
		for (int k = 0; k < l->in; k++)
			l->panels[((size_t)(o / panel) * l->in + k) * panel + o % panel] =
				o < l->out ? (float)l->w[(size_t)k * l->out + o] : 0;
	for (int o = 0; o < l->out; o++)
		l->bias[o] = (float)l->b[o];
}

void mlp_pack(struct mlp *m)
{
	for (int i = 0; i < m->n; i++)
		pack_layer(&m->layer[i], i == m->n - 1);
}

static int widest(const struct mlp *m)
{
	int width = MLP_PANEL;

	for (int i = 0; i + 1 < m->n; i++)
		width = padded(m->layer[i].out) > width ? padded(m->layer[i].out) : width;
	return width;
}

size_t mlp_scratch(const struct mlp *m)
{
	return (size_t)2 * CHUNK * widest(m) + 16;
}

void mlp_forward(const struct mlp *m, const float *x, float *y_pre, int batch, float *scratch)
{
	const struct kernel *k = current;
	int in = m->layer[0].in, width = widest(m);
	float *hidden = (float *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);

	for (int at = 0; at < batch; at += CHUNK) {
		int rows = batch - at < CHUNK ? batch - at : CHUNK, stride = in;
		const float *from = x + (size_t)at * in;

		for (int i = 0; i + 1 < m->n; i++) {
			float *to = hidden + (size_t)(i & 1) * CHUNK * width;

			k->layer(&m->layer[i], from, stride, to, width, rows, (float)m->slope);
			from = to;
			stride = width;
		}
		for (int r = 0; r < rows; r++)
			y_pre[at + r] = k->dot(&m->layer[m->n - 1], from + (size_t)r * stride);
	}
}

double mlp_rounding(const struct mlp *m, int l)
{
	int in = m->layer[l].in, chain = MLP_CHAIN, chains = (in + MLP_CHAIN - 1) / MLP_CHAIN;
	int tree = 0;

	if (l == m->n - 1) { // the dot product: PANEL chains, a tree, the bias
		chain = (in + MLP_PANEL - 1) / MLP_PANEL;
		chains = 1;
		for (int half = MLP_PANEL / 2; half; half /= 2)
			tree++;
	}
	// the weight's own, the chain's, the later additions
	return expm1((1 + chain + chains + tree) * log1p(0x1p-24)) * (1 + 1e-9);
}

void mlp_forward_ref(const struct mlp *m, const double *x, double *y_pre, int batch)
{
	double a[MLP_MAX_WIDTH], z[MLP_MAX_WIDTH];

	for (int r = 0; r < batch; r++) {
		memcpy(a, x + (size_t)r * m->layer[0].in, m->layer[0].in * sizeof(*a));
		for (int i = 0; i < m->n; i++) {
			const struct mlp_layer *l = &m->layer[i];

			for (int o = 0; o < l->out; o++) {
				z[o] = l->b[o];
				for (int k = 0; k < l->in; k++)
					z[o] += a[k] * l->w[(size_t)k * l->out + o];
				if (i + 1 < m->n && z[o] < 0)
					z[o] *= m->slope;
			}
			memcpy(a, z, l->out * sizeof(*a));
		}
		y_pre[r] = a[0];
	}
}

float mlp_action(float y_pre)
{
	return (float)tanh(y_pre);
}
