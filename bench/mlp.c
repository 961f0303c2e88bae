/* Inference: ns per decision by batch size and kernel, against the floor that the peak multiply-add
 * rate sets. */
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "nn/mlp.h"
#include "peak.h"

#define MAX_BATCH 256

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

static void bench_kernel(const struct mlp *m, const char *kernel, double flop, const float *x)
{
	static const int batches[] = {1, 16, 256};
	float *scratch = malloc(mlp_scratch(m) * sizeof(*scratch)), y[MAX_BATCH];
	double peak;

	if (!scratch || mlp_select(kernel))
		goto out;
	peak = peak_of(kernel);
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
	bench_kernel(m, "avx512", flop, x);
	bench_kernel(m, "avx2", flop, x);
	mlp_free(m);
	return 0;
}
