/* Matrix products of the checker, for AVX-512, AVX2 and plain machines. */
#include "check/product.h"

#include <stddef.h>
#include <stdint.h>

#define LANES 8
#define SOLO 8 // vectors of a block of one row
#define BACK 3 // rows that go back together

typedef double v8 __attribute__((vector_size(64), aligned(8), may_alias));
typedef int64_t i8 __attribute__((vector_size(64), aligned(8), may_alias));
#define LOAD(p, magnitudes)                                                                        \
	((v8)(*(const i8 *)(p) & ((magnitudes) ? INT64_MAX : -1))) // clears the signs
#define SELECT(mask, a, b) ((v8)(((i8)(a) & (mask)) | ((i8)(b) & ~(mask))))

#define FN(name) name##_c
#define TARGET
#define ROWS 2
#define FEW 1
#define COLS 1
#include "check/product_body.h"

#ifdef __x86_64__
#define FN(name) name##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define ROWS 6
#define FEW 3
#define COLS 1
#include "check/product_body.h"

#define FN(name) name##_avx512
#define TARGET __attribute__((target("avx512f,avx512dq,fma")))
#define ROWS 12
#define FEW 4
#define COLS 2
#include "check/product_body.h"
#endif

struct loops {
	void (*rows)(const struct product *p, int rows, const double *x, int xs, double *y, int ys);
	void (*back)(const struct product *p, int rows, const double *x, int xs, double *y, int ys);
	void (*add)(const double *w, int n, double a, double *to, bool magnitudes);
	void (*spread)(int n, int rows, const double *x, int xs, double *lo, double *hi);
	bool (*bend)(int n, int rows, const int *row, const double *x, int xs, double rest,
		const struct product_bend *b);
	void (*residual)(int n, int parts, const double *const *of, const double *factor,
		const double *x, const double *least, double *r);
	void (*leaky)(int n, int rows, double slope, const double *x, int xs, double *y, int ys);
};

static struct loops loops = {rows_c, back_c, add_c, spread_c, bend_c, residual_c, leaky_c};

#ifdef __x86_64__
__attribute__((constructor)) static void select_best(void)
{
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
		__builtin_cpu_supports("fma"))
		loops = (struct loops){rows_avx512, back_avx512, add_avx512, spread_avx512,
			bend_avx512, residual_avx512, leaky_avx512};
	else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		loops = (struct loops){rows_avx2, back_avx2, add_avx2, spread_avx2, bend_avx2,
			residual_avx2, leaky_avx2};
}
#endif

void product_rows(const struct product *p, int rows, const double *x, int xs, double *y, int ys)
{
	loops.rows(p, rows, x, xs, y, ys);
}

void product_back(const struct product *p, int rows, const double *x, int xs, double *y, int ys)
{
	loops.back(p, rows, x, xs, y, ys);
}

void product_add(const double *w, int n, double a, double *to)
{
	loops.add(w, n, a, to, false);
}

void product_add_magnitudes(const double *w, int n, double a, double *to)
{
	loops.add(w, n, a, to, true);
}

void product_spread(int n, int rows, const double *x, int xs, double *lo, double *hi)
{
	loops.spread(n, rows, x, xs, lo, hi);
}

bool product_bend(int n, int rows, const int *row, const double *x, int xs, double rest,
	const struct product_bend *b)
{
	return loops.bend(n, rows, row, x, xs, rest, b);
}

void product_residual(int n, int parts, const double *const *of, const double *factor,
	const double *x, const double *least, double *r)
{
	loops.residual(n, parts, of, factor, x, least, r);
}

void product_leaky(int n, int rows, double slope, const double *x, int xs, double *y, int ys)
{
	loops.leaky(n, rows, slope, x, xs, y, ys);
}
