/* Matrix times vector in double and float, for three instruction sets. */
#include "cert/kernel.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
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

static inline f4 abs_f4(f4 v)
{
	typedef int32_t i4 __attribute__((vector_size(16)));

	return (f4)((i4)v & (i4){INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX});
}

// Lane i gets lane i + half added to it, for halves that halve.
#define SWAP(v, ...) ((v) += __builtin_shufflevector(v, v, __VA_ARGS__))
#define FOLD2(v) SWAP(v, 1, 0)
#define FOLD4(v) (SWAP(v, 2, 3, 0, 1), SWAP(v, 1, 0, 3, 2))
#define FOLD8(v)                                                                                   \
	(SWAP(v, 4, 5, 6, 7, 0, 1, 2, 3), SWAP(v, 2, 3, 0, 1, 6, 7, 4, 5),                         \
		SWAP(v, 1, 0, 3, 2, 5, 4, 7, 6))
#define FOLD16(v)                                                                                  \
	(SWAP(v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7),                            \
		SWAP(v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11),                     \
		SWAP(v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13),                     \
		SWAP(v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14))

#define FN(name) name##_d_c
#define TARGET
#define DOUBLE
#define T double
#define WEIGHT(l, at) LOAD((l)->w + (at))
#define V d2
#define LANES 2
#define LOAD(p) (*(const d2 *)(p))
#define STORE(p, v) (*(d2 *)(p) = (v))
#define SET1(s) ((d2){s, s})
#define FMA fma_d2
#define FOLD FOLD2
#define WIDE 4
#define WIDE3 2
#define ROWS 1
#include "cert/kernel_body.h"

#define FN(name) name##_f_c
#define TARGET
#define T float
#define WEIGHT(l, at) ABS(LOAD((l)->away + (at)))
#define V f4
#define LANES 4
#define LOAD(p) (*(const f4 *)(p))
#define STORE(p, v) (*(f4 *)(p) = (v))
#define SET1(s) ((f4){s, s, s, s})
#define FMA fma_f4
#define FOLD FOLD4
#define ABS abs_f4
#define WIDE 4
#define WIDE3 2
#define ROWS 1
#include "cert/kernel_body.h"

#ifdef __x86_64__
#define FN(name) name##_d_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define DOUBLE
#define T double
#define WEIGHT(l, at) LOAD((l)->w + (at))
#define V __m256d
#define LANES 4
#define LOAD _mm256_load_pd
#define STORE _mm256_store_pd
#define SET1 _mm256_set1_pd
#define FMA _mm256_fmadd_pd
#define FOLD FOLD4
#define WIDE 4
#define WIDE3 4
#define ROWS 1
#include "cert/kernel_body.h"

#define FN(name) name##_f_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define T float
#define WEIGHT(l, at) ABS(LOAD((l)->away + (at)))
#define V __m256
#define LANES 8
#define LOAD _mm256_load_ps
#define STORE _mm256_store_ps
#define SET1 _mm256_set1_ps
#define FMA _mm256_fmadd_ps
#define FOLD FOLD8
#define ABS(v) _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v)
#define WIDE 4
#define WIDE3 4
#define ROWS 1
#include "cert/kernel_body.h"

#define FN(name) name##_d_avx512
#define TARGET __attribute__((target("avx512f,fma")))
#define DOUBLE
#define T double
#define WEIGHT(l, at) LOAD((l)->w + (at))
#define V __m512d
#define LANES 8
#define LOAD _mm512_load_pd
#define STORE _mm512_store_pd
#define SET1 _mm512_set1_pd
#define FMA _mm512_fmadd_pd
#define FOLD FOLD8
#define WIDE 8
#define WIDE3 8
#define ROWS 4
#include "cert/kernel_body.h"

#define FN(name) name##_f_avx512
#define TARGET __attribute__((target("avx512f,fma")))
#define T float
#define WEIGHT(l, at) ABS(LOAD((l)->away + (at)))
#define V __m512
#define LANES 16
#define LOAD _mm512_load_ps
#define STORE _mm512_store_ps
#define SET1 _mm512_set1_ps
#define FMA _mm512_fmadd_ps
#define FOLD FOLD16
#define ABS _mm512_abs_ps
#define WIDE 8
#define WIDE3 8
#define ROWS 4
#include "cert/kernel_body.h"
#endif

struct kernel {
	void (*forward)(
		const struct actor_layer *l, int nv, const double *const *x, double *const *y);
	void (*forward_mag)(
		const struct actor_layer *l, int nv, const float *const *x, float *const *y);
	void (*backward)(const struct actor_layer *l, const double *g, double *y);
	void (*backward_range)(const struct actor_layer *l, const struct kernel_range *g,
		const struct kernel_range *y);
	void (*axpy)(int n, double a, const double *x, double *y);
};

static const struct kernel kernels[] = {
#ifdef __x86_64__
	[MLP_AVX2] = {forward_d_avx2, forward_f_avx2, backward_d_avx2, backward_range_f_avx2,
		axpy_d_avx2},
	[MLP_AVX512] = {forward_d_avx512, forward_f_avx512, backward_d_avx512,
		backward_range_f_avx512, axpy_d_avx512},
#endif
	[MLP_C] = {forward_d_c, forward_f_c, backward_d_c, backward_range_f_c, axpy_d_c},
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

void kernel_backward_range(
	const struct actor_layer *l, const struct kernel_range *g, const struct kernel_range *y)
{
	kernels[mlp_isa()].backward_range(l, g, y);
}

void kernel_axpy(int n, double a, const double *x, double *y)
{
	kernels[mlp_isa()].axpy(n, a, x, y);
}
