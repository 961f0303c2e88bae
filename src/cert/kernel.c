/* Matrix times vector in double and float, for three instruction sets. */
#include "cert/kernel.h"

#include <assert.h>
#include <math.h>
#include <string.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

typedef double d2 __attribute__((vector_size(16)));
typedef float f4 __attribute__((vector_size(16)));

static inline d2 fma_d2(d2 a, d2 b, d2 c)
{
	return (d2){fma(a[0], b[0], c[0]), fma(a[1], b[1], c[1])};
}

static inline f4 fma_f4(f4 a, f4 b, f4 c)
{
	for (int i = 0; i < 4; i++)
		c[i] = fmaf(a[i], b[i], c[i]);
	return c;
}

#define FN(name) name##_d_c
#define TARGET
#define T double
#define W w
#define V d2
#define LANES 2
#define LOAD(p) (*(const d2 *)(p))
#define STORE(p, v) (*(d2 *)(p) = (v))
#define SET1(s) ((d2){s, s})
#define FMA fma_d2
#define WIDE 4
#include "cert/kernel_body.h"

#define FN(name) name##_f_c
#define TARGET
#define T float
#define W mag
#define V f4
#define LANES 4
#define LOAD(p) (*(const f4 *)(p))
#define STORE(p, v) (*(f4 *)(p) = (v))
#define SET1(s) ((f4){s, s, s, s})
#define FMA fma_f4
#define WIDE 4
#include "cert/kernel_body.h"

#ifdef __x86_64__
#define FN(name) name##_d_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define T double
#define W w
#define V __m256d
#define LANES 4
#define LOAD _mm256_load_pd
#define STORE _mm256_store_pd
#define SET1 _mm256_set1_pd
#define FMA _mm256_fmadd_pd
#define WIDE 6
#include "cert/kernel_body.h"

#define FN(name) name##_f_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define T float
#define W mag
#define V __m256
#define LANES 8
#define LOAD _mm256_load_ps
#define STORE _mm256_store_ps
#define SET1 _mm256_set1_ps
#define FMA _mm256_fmadd_ps
#define WIDE 6
#include "cert/kernel_body.h"

#define FN(name) name##_d_avx512
#define TARGET __attribute__((target("avx512f,fma")))
#define T double
#define W w
#define V __m512d
#define LANES 8
#define LOAD _mm512_load_pd
#define STORE _mm512_store_pd
#define SET1 _mm512_set1_pd
#define FMA _mm512_fmadd_pd
#define WIDE 8
#include "cert/kernel_body.h"

#define FN(name) name##_f_avx512
#define TARGET __attribute__((target("avx512f,fma")))
#define T float
#define W mag
#define V __m512
#define LANES 16
#define LOAD _mm512_load_ps
#define STORE _mm512_store_ps
#define SET1 _mm512_set1_ps
#define FMA _mm512_fmadd_ps
#define WIDE 8
#include "cert/kernel_body.h"
#endif

struct kernel {
	void (*forward)(const struct actor_layer *l, int nv, const double *const *x, double *const *y);
	void (*forward_mag)(const struct actor_layer *l, int nv, const float *const *x, float *const *y);
	void (*backward)(const struct actor_layer *l, const double *g, double *y);
	void (*backward_mag)(const struct actor_layer *l, const float *g, float *y);
	void (*axpy)(int n, double a, const double *x, double *y);
};

static const struct kernel kernels[] = {
#ifdef __x86_64__
	[MLP_AVX2] = {forward_d_avx2, forward_f_avx2, backward_d_avx2, backward_f_avx2, axpy_d_avx2},
	[MLP_AVX512] = {forward_d_avx512, forward_f_avx512, backward_d_avx512, backward_f_avx512, axpy_d_avx512},
#endif
	[MLP_C] = {forward_d_c, forward_f_c, backward_d_c, backward_f_c, axpy_d_c},
};

void kernel_forward(const struct actor_layer *l, int nv, const double *const *x, double *const *y)
{
	assert(nv >= 1 && nv <= KERNEL_VECTORS);
	kernels[mlp_isa()].forward(l, nv, x, y);
}

void kernel_forward_mag(const struct actor_layer *l, int nv, const float *const *x, float *const *y)
{
	assert(nv >= 1 && nv <= KERNEL_VECTORS);
	kernels[mlp_isa()].forward_mag(l, nv, x, y);
}

void kernel_backward(const struct actor_layer *l, const double *g, double *y)
{
	kernels[mlp_isa()].backward(l, g, y);
}

void kernel_backward_mag(const struct actor_layer *l, const float *g, float *y)
{
	kernels[mlp_isa()].backward_mag(l, g, y);
}

void kernel_axpy(int n, double a, const double *x, double *y)
{
	kernels[mlp_isa()].axpy(n, a, x, y);
}
