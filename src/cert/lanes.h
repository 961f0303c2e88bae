/*
 * Vectors of doubles for loops that are written once and compiled per instruction set: set LANES to
 * 2 (plain C), 4 (AVX2) or 8 (AVX-512), include this, then the loops, then lanes_end.h; once for
 * each.
 *
 * FN(name) names a function of the set, TARGET compiles it for it. V is the vector; LOAD, STORE
 * (aligned), LOADF, STOREF (the same from and to floats, rounded to nearest), SET1, FMA (a * b + c,
 * rounded once), MIN and MAX (b where either is NaN), ABS, NEGATIVE (the lanes below zero as bits),
 * CHOOSE(z, a, b) (z < 0 ? a : b). Every operation is rounded as IEEE says, so results differ by
 * nothing but the number of lanes.
 */
#include <math.h>
#include <stdint.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#ifndef CERT_LANES_H
#define CERT_LANES_H

typedef double lanes_d2 __attribute__((vector_size(16)));
typedef int64_t lanes_i2 __attribute__((vector_size(16)));

static inline lanes_d2 lanes_fma(lanes_d2 a, lanes_d2 b, lanes_d2 c)
{
	return (lanes_d2){fma(a[0], b[0], c[0]), fma(a[1], b[1], c[1])};
}

static inline lanes_d2 lanes_choose(lanes_i2 where, lanes_d2 a, lanes_d2 b)
{
	return (lanes_d2)((where & (lanes_i2)a) | (~where & (lanes_i2)b));
}

static inline void lanes_storef(float *p, lanes_d2 v)
{
	p[0] = (float)v[0];
	p[1] = (float)v[1];
}

#endif

#if LANES == 2
#define FN(name) name##_c
#define TARGET
#define V lanes_d2
#define LOAD(p) (*(const V *)(p))
#define STORE(p, v) (*(V *)(p) = (v))
#define LOADF(p) ((V){(p)[0], (p)[1]})
#define STOREF lanes_storef
#define SET1(s) ((V){s, s})
#define FMA lanes_fma
#define MIN(a, b) lanes_choose((a) < (b), a, b)
#define MAX(a, b) lanes_choose((a) > (b), a, b)
#define ABS(v) ((V)((lanes_i2)(v) & (lanes_i2){INT64_MAX, INT64_MAX}))
#define NEGATIVE(v) (unsigned)(((v)[0] < 0) | ((v)[1] < 0) << 1)
#define CHOOSE(z, a, b) lanes_choose((z) < (V){0}, a, b)
#elif LANES == 4
#define FN(name) name##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define V __m256d
#define LOAD _mm256_load_pd
#define STORE _mm256_store_pd
#define LOADF(p) _mm256_cvtps_pd(_mm_load_ps(p))
#define STOREF(p, v) _mm_store_ps(p, _mm256_cvtpd_ps(v))
#define SET1 _mm256_set1_pd
#define FMA _mm256_fmadd_pd
#define MIN _mm256_min_pd
#define MAX _mm256_max_pd
#define ABS(v) _mm256_andnot_pd(_mm256_set1_pd(-0.0), v)
#define NEGATIVE(v) (unsigned)_mm256_movemask_pd(_mm256_cmp_pd(v, _mm256_setzero_pd(), _CMP_LT_OQ))
#define CHOOSE(z, a, b) _mm256_blendv_pd(b, a, _mm256_cmp_pd(z, _mm256_setzero_pd(), _CMP_LT_OQ))
#elif LANES == 8
#define FN(name) name##_avx512
#define TARGET __attribute__((target("avx512f,fma")))
#define V __m512d
#define LOAD _mm512_load_pd
#define STORE _mm512_store_pd
#define LOADF(p) _mm512_cvtps_pd(_mm256_load_ps(p))
#define STOREF(p, v) _mm256_store_ps(p, _mm512_cvtpd_ps(v))
#define SET1 _mm512_set1_pd
#define FMA _mm512_fmadd_pd
#define MIN _mm512_min_pd
#define MAX _mm512_max_pd
#define ABS _mm512_abs_pd
#define NEGATIVE(v) (unsigned)_mm512_cmp_pd_mask(v, _mm512_setzero_pd(), _CMP_LT_OQ)
#define CHOOSE(z, a, b)                                                                            \
	_mm512_mask_mov_pd(b, _mm512_cmp_pd_mask(z, _mm512_setzero_pd(), _CMP_LT_OQ), a)
#endif
