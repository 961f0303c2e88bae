/* Inference: ns per decision by batch size and kernel, against the floor that the peak multiply-add
 * rate sets. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/rng.h"
#include "nn/mlp.h"

#define MAX_BATCH 256

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

// Peak: independent chains of fused multiply-adds in registers, as wide as the kernel in use.
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

static double best_peak(double (*peak)(long))
{
	double best = 0;

	for (int i = 0; i < 10; i++) {
		double g = peak(2000000);

		best = g > best ? g : best;
	}
	return best;
}

static double best_ns(const struct mlp *m, const float *x, float *y, int batch, float *scratch)
{
	double best = 1e30;

	for (int rep = 0; rep < 20; rep++) {
		int n = 8192 / batch;
		double start = now_s(), ns;

		for (int i = 0; i < n; i++)
			mlp_forward(m, x, y, batch, scratch);
		ns = (now_s() - start) * 1e9 / n / batch;
		best = ns < best ? ns : best;
	}
	return best;
}

static void bench_kernel(
	const struct mlp *m, const char *kernel, double peak, double flop, const float *x)
{
	static const int batches[] = {1, 16, 256};
	float *scratch = malloc(mlp_scratch(m) * sizeof(*scratch)), y[MAX_BATCH];

	if (!scratch || mlp_select(kernel))
		goto out;
	printf("%s: peak %.0f GFLOP/s, floor %.0f ns a decision\n", kernel, peak, flop / peak);
	for (int i = 0; i < 3; i++) {
		double ns = best_ns(m, x, y, batches[i], scratch);

		printf("  batch %3d: %6.0f ns a decision, %5.1f GFLOP/s, %3.0f%% of peak\n",
			batches[i], ns, flop / ns, 100 * flop / ns / peak);
	}
out:
	free(scratch);
}

int main(void)
{
	static const int dims[] = {70, 256, 256, 1};
	struct mlp *m = mlp_new(3, dims, 0.2);
	static float x[MAX_BATCH * 70];
	double flop = 0;
	struct rng r;

	if (!m)
		return 1;
	rng_init(&r, 1, 0);
	for (int i = 0; i < 3; i++) {
		for (int k = 0; k < m->layer[i].in * m->layer[i].out; k++)
			m->layer[i].w[k] = 0.1 * rng_normal(&r);
		flop += 2.0 * m->layer[i].in * m->layer[i].out;
	}
	mlp_pack(m);
	for (int i = 0; i < MAX_BATCH * 70; i++)
		x[i] = (float)rng_uniform(&r);
	printf("70-256-256-1, %.0f FLOP, %.0f KB of weights\n", flop, flop * 2 / 1024);
	if (__builtin_cpu_supports("avx512f"))
		bench_kernel(m, "avx512", best_peak(peak_avx512), flop, x);
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		bench_kernel(m, "avx2", best_peak(peak_avx2), flop, x);
	mlp_free(m);
	return 0;
}
