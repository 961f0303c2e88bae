/* Rows of pairs times a layer's matrix, for three instruction sets. */
#include "cert/pair.h"

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

static inline d2 abs_d2(d2 a)
{
	return (d2){fabs(a[0]), fabs(a[1])};
}

static inline f4 fma_f4(f4 a, f4 b, f4 c)
{
	for (int i = 0; i < 4; i++)
		c[i] = fmaf(a[i], b[i], c[i]);
	return c;
}

static inline f4 abs_f4(f4 a)
{
	for (int i = 0; i < 4; i++)
		a[i] = fabsf(a[i]);
	return a;
}

static inline f4 max_f4(f4 a, f4 b)
{
	for (int i = 0; i < 4; i++)
		a[i] = fmaxf(a[i], b[i]);
	return a;
}

#define FN(name) name##_d_c
#define TARGET
#define T double
#define LAYER struct pair_d
#define PANEL PAIR_PANEL_D
#define V d2
#define LANES 2
#define LOAD(p) (*(const d2 *)(p))
#define STORE(p, v) (*(d2 *)(p) = (v))
#define SET1(s) ((d2){s, s})
#define FMA fma_d2
#define ABS abs_d2
#define ROWS 2
#include "cert/pair_body.h"

#define FN(name) name##_f_c
#define TARGET
#define T float
#define LAYER struct pair_f
#define ACTIVATES
#define PANEL PAIR_PANEL_F
#define V f4
#define LANES 4
#define LOAD(p) (*(const f4 *)(p))
#define STORE(p, v) (*(f4 *)(p) = (v))
#define SET1(s) ((f4){s, s, s, s})
#define FMA fma_f4
#define ABS abs_f4
#define MAX max_f4
#define FMA1 fmaf
#define ABS1 fabsf
#define ROWS 2
#include "cert/pair_body.h"

#ifdef __x86_64__
#define FN(name) name##_d_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define T double
#define LAYER struct pair_d
#define PANEL PAIR_PANEL_D
#define V __m256d
#define LANES 4
#define LOAD _mm256_load_pd
#define STORE _mm256_store_pd
#define SET1 _mm256_set1_pd
#define FMA _mm256_fmadd_pd
#define ABS(a) _mm256_andnot_pd(_mm256_set1_pd(-0.0), a)
#define ROWS 2
#include "cert/pair_body.h"

#define FN(name) name##_f_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define T float
#define LAYER struct pair_f
#define ACTIVATES
#define PANEL PAIR_PANEL_F
#define V __m256
#define LANES 8
#define LOAD _mm256_load_ps
#define STORE _mm256_store_ps
#define SET1 _mm256_set1_ps
#define FMA _mm256_fmadd_ps
#define ABS(a) _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a)
#define MAX _mm256_max_ps
#define FMA1 fmaf
#define ABS1 fabsf
#define ROWS 2
#include "cert/pair_body.h"

#define FN(name) name##_d_avx512
#define TARGET __attribute__((target("avx512f,fma")))
#define T double
#define LAYER struct pair_d
#define PANEL PAIR_PANEL_D
#define V __m512d
#define LANES 8
#define LOAD _mm512_load_pd
#define STORE _mm512_store_pd
#define SET1 _mm512_set1_pd
#define FMA _mm512_fmadd_pd
#define ABS _mm512_abs_pd
#define ROWS 6
#include "cert/pair_body.h"

#define FN(name) name##_f_avx512
#define TARGET __attribute__((target("avx512f,fma")))
#define T float
#define LAYER struct pair_f
#define ACTIVATES
#define PANEL PAIR_PANEL_F
#define V __m512
#define LANES 16
#define LOAD _mm512_load_ps
#define STORE _mm512_store_ps
#define SET1 _mm512_set1_ps
#define FMA _mm512_fmadd_ps
#define ABS _mm512_abs_ps
#define MAX _mm512_max_ps
#define FMA1 fmaf
#define ABS1 fabsf
#define ROWS 6
#include "cert/pair_body.h"
#endif

struct kernel {
	void (*rows_d)(const struct pair_d *l, const double *x, int xs, double *y, int ys, int rows,
		enum pair_kind kind);
	void (*rows_f)(const struct pair_f *l, const float *x, int xs, float *y, int ys, int rows,
		enum pair_kind kind);
	void (*shift)(const struct pair_f *l, int nv, const int *input, const float (*in)[2],
		const float *x, float *y, int stride);
	void (*dot)(const struct pair_f *l, const float *x, int xs, float y[2]);
};

static const struct kernel kernels[] = {
#ifdef __x86_64__
	[MLP_AVX2] = {rows_d_avx2, rows_f_avx2, shift_f_avx2, dot_f_avx2},
	[MLP_AVX512] = {rows_d_avx512, rows_f_avx512, shift_f_avx512, dot_f_avx512},
#endif
	[MLP_C] = {rows_d_c, rows_f_c, shift_f_c, dot_f_c},
};

void pair_rows_f(const struct pair_f *l, const float *x, int xs, float *y, int ys, int rows,
	enum pair_kind kind)
{
	kernels[mlp_isa()].rows_f(l, x, xs, y, ys, rows, kind);
}

void pair_rows_d(const struct pair_d *l, const double *x, int xs, double *y, int ys, int rows,
	enum pair_kind kind)
{
	kernels[mlp_isa()].rows_d(l, x, xs, y, ys, rows, kind);
}

void pair_shift_f(const struct pair_f *l, int nv, const int *input, const float (*in)[2],
	const float *x, float *y, int stride)
{
	kernels[mlp_isa()].shift(l, nv, input, in, x, y, stride);
}

void pair_dot_f(const struct pair_f *l, const float *x, int xs, float y[2])
{
	kernels[mlp_isa()].dot(l, x, xs, y);
}

// A term's own rounding, those of the chain it is in, and of the later additions of chains.
int pair_rounding(int in, int extra)
{
	return 1 + MLP_CHAIN + (in + MLP_CHAIN - 1) / MLP_CHAIN + extra;
}

// One chain from the bias on.
int pair_radius_rounding(int in, int extra)
{
	return 1 + in + 1 + extra;
}
