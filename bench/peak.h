/* What benchmarks of arithmetic measure against: a clock, and the peak rate of multiply-adds,
 * GFLOP/s of float. */
#ifndef BENCH_PEAK_H
#define BENCH_PEAK_H

#include <time.h>

static inline double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Peak: independent chains of fused multiply-adds in registers, as wide as the kernel in use. In
 * double it is half. */
typedef float v16 __attribute__((vector_size(64)));
typedef float v8 __attribute__((vector_size(32)));
#define PEAK(name, isa, v, suffix, floats)                                                         \
	static __attribute__((target(isa))) double name(long n)                                    \
	{                                                                                          \
		v a[12] = {{0}}, x = {1}, y = {1e-3f};                                             \
		double start = now_s();                                                            \
                                                                                                   \
		for (long i = 0; i < n; i++)                                                       \
			_Pragma("GCC unroll 12") for (int j = 0; j < 12; j++) __asm__ volatile(    \
				"vfmadd231ps %2, %1, %0" : "+" suffix(a[j]) : suffix(x),           \
				suffix(y));                                                        \
		return 2.0 * floats * 12 * n / (now_s() - start) / 1e9;                            \
	}
PEAK(peak_avx2, "avx2,fma", v8, "x", 8)
PEAK(peak_avx512, "avx512f", v16, "v", 16)

static inline double best_peak(double (*peak)(long))
{
	double best = 0;

	for (int i = 0; i < 400; i++) {
		double g = peak(20000);

		best = g > best ? g : best;
	}
	return best;
}

/* Of the kernel in use, "avx512" or "avx2"; 0 of plain C. */
static inline double peak_of(const char *kernel)
{
	if (kernel[0] == 'c')
		return 0;
	return best_peak(kernel[3] == '5' ? peak_avx512 : peak_avx2);
}

#endif
