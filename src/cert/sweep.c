/* Rows of neurons along lines and over polygons, for three instruction sets. */
#include "cert/sweep.h"

#include <math.h>
#include <string.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

typedef double d2 __attribute__((vector_size(16)));
typedef int64_t i2 __attribute__((vector_size(16)));

static inline d2 fma_d2(d2 a, d2 b, d2 c)
{
	return (d2){fma(a[0], b[0], c[0]), fma(a[1], b[1], c[1])};
}

static inline d2 choose_d2(i2 where, d2 a, d2 b)
{
	return (d2)((where & (i2)a) | (~where & (i2)b));
}

// The second operand where one is NaN, as the machine's minimum and maximum have it.
#define FN(name) name##_c
#define TARGET
#define V d2
#define LANES 2
#define LOAD(p) (*(const d2 *)(p))
#define STORE(p, v) (*(d2 *)(p) = (v))
#define SET1(s) ((d2){s, s})
#define FMA fma_d2
#define MIN(a, b) choose_d2((a) < (b), a, b)
#define MAX(a, b) choose_d2((a) > (b), a, b)
#define ABS(v) ((d2)((i2)(v) & (i2){INT64_MAX, INT64_MAX}))
#define NEGATIVE(v) (unsigned)(((v)[0] < 0) | ((v)[1] < 0) << 1)
#define CHOOSE(z, a, b) choose_d2((z) < (d2){0}, a, b)
#include "cert/sweep_body.h"

#ifdef __x86_64__
#define FN(name) name##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define V __m256d
#define LANES 4
#define LOAD _mm256_load_pd
#define STORE _mm256_store_pd
#define SET1 _mm256_set1_pd
#define FMA _mm256_fmadd_pd
#define MIN _mm256_min_pd
#define MAX _mm256_max_pd
#define ABS(v) _mm256_andnot_pd(_mm256_set1_pd(-0.0), v)
#define NEGATIVE(v)                                                                                \
	(unsigned)_mm256_movemask_pd(_mm256_cmp_pd(v, _mm256_setzero_pd(), _CMP_LT_OQ))
#define CHOOSE(z, a, b) _mm256_blendv_pd(b, a, _mm256_cmp_pd(z, _mm256_setzero_pd(), _CMP_LT_OQ))
#include "cert/sweep_body.h"

#define FN(name) name##_avx512
#define TARGET __attribute__((target("avx512f,fma")))
#define V __m512d
#define LANES 8
#define LOAD _mm512_load_pd
#define STORE _mm512_store_pd
#define SET1 _mm512_set1_pd
#define FMA _mm512_fmadd_pd
#define MIN _mm512_min_pd
#define MAX _mm512_max_pd
#define ABS _mm512_abs_pd
#define NEGATIVE(v) (unsigned)_mm512_cmp_pd_mask(v, _mm512_setzero_pd(), _CMP_LT_OQ)
#define CHOOSE(z, a, b)                                                                            \
	_mm512_mask_mov_pd(b, _mm512_cmp_pd_mask(z, _mm512_setzero_pd(), _CMP_LT_OQ), a)
#include "cert/sweep_body.h"
#endif

struct sweep {
	void (*leaky)(int n, double slope, const double *z, double *h);
	void (*derive)(int n, double slope, const double *z, const double *d, double *g);
	double (*dot)(int n, double slope, const double *z, const double *w);
	void (*advance)(int n, double a, const double *w, double dt, double *s, const double *za, double *zb);
	void (*cross)(int n, const double *za, const double *zb, double *lo, double *hi, uint64_t *crossed);
	void (*tilt)(int n, const double f[3], const double *w, const struct sweep_plane *from,
		const struct sweep_plane *to);
	void (*rebase)(int n, const struct sweep_plane *z, const double p[3][2], const struct sweep_plane *to);
	void (*polygon)(int n, const struct sweep_plane *z, int m, const double *u, const double *v,
		double *lo, double *hi, uint64_t *crossed, double *middle);
};

#define SWEEP(isa)                                                                                 \
	{                                                                                          \
		leaky_##isa, derive_##isa, dot_##isa, advance_##isa, cross_##isa, tilt_##isa,      \
			rebase_##isa, polygon_##isa                                              \
	}

static const struct sweep sweeps[] = {
#ifdef __x86_64__
	[MLP_AVX2] = SWEEP(avx2),
	[MLP_AVX512] = SWEEP(avx512),
#endif
	[MLP_C] = SWEEP(c),
};

void sweep_leaky(int n, double slope, const double *z, double *h)
{
	sweeps[mlp_isa()].leaky(n, slope, z, h);
}

void sweep_derive(int n, double slope, const double *z, const double *d, double *g)
{
	sweeps[mlp_isa()].derive(n, slope, z, d, g);
}

double sweep_dot(int n, double slope, const double *z, const double *w)
{
	return sweeps[mlp_isa()].dot(n, slope, z, w);
}

void sweep_advance(int n, double a, const double *w, double dt, double *s, const double *za, double *zb)
{
	sweeps[mlp_isa()].advance(n, a, w, dt, s, za, zb);
}

void sweep_cross(int n, const double *za, const double *zb, double *lo, double *hi, uint64_t *crossed)
{
	sweeps[mlp_isa()].cross(n, za, zb, lo, hi, crossed);
}

void sweep_tilt(int n, const double f[3], const double *w, const struct sweep_plane *from,
	const struct sweep_plane *to)
{
	sweeps[mlp_isa()].tilt(n, f, w, from, to);
}

void sweep_rebase(int n, const struct sweep_plane *z, const double p[3][2], const struct sweep_plane *to)
{
	sweeps[mlp_isa()].rebase(n, z, p, to);
}

void sweep_polygon(int n, const struct sweep_plane *z, int m, const double *u, const double *v, double *lo,
	double *hi, uint64_t *crossed, double *middle)
{
	sweeps[mlp_isa()].polygon(n, z, m, u, v, lo, hi, crossed, middle);
}
