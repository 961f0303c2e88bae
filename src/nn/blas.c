/* OpenBLAS through dlopen. */
#include "nn/blas.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define LIBRARY "libopenblas.so.0"
#define THREADS "OPENBLAS_NUM_THREADS"
#define KERNELS "OPENBLAS_CORETYPE"

// The CBLAS interface, as cblas.h has it.
enum { ROW_MAJOR = 101, AS_IS = 111, TRANSPOSED = 112 };
typedef void sgemm_fn(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
	const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);

static sgemm_fn *sgemm;
static char *(*corename)(void);

// The kernels for what this processor can do. OpenBLAS goes by model numbers, and takes a processor
// that is younger than itself for one without AVX: less than half the speed, and other bits than its
// neighbours.
static const char *kernels(void)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
		return "SkylakeX";
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		return "Haswell";
#endif
	return NULL;
}

static void *open_library(void)
{
	const char *threads = getenv(THREADS), *asked = getenv(KERNELS), *ours = kernels();
	void *lib;

	setenv(THREADS, "1", 1); // both are read while it loads: no threads of its own
	if (!asked && ours)
		setenv(KERNELS, ours, 1);
	else if (ours && strcmp(asked, ours))
		pr_info(KERNELS " asks for %s kernels; this processor's are %s, of another speed and other bits\n", asked,
			ours);
	lib = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (threads)
		setenv(THREADS, threads, 1);
	else
		unsetenv(THREADS);
	if (!asked)
		unsetenv(KERNELS);
	return lib;
}

int blas_load(void)
{
	void *lib;

	if (sgemm)
		return 0;
	lib = open_library();
	if (lib) {
		corename = (char *(*)(void))dlsym(lib, "openblas_get_corename");
		sgemm = (sgemm_fn *)dlsym(lib, "cblas_sgemm");
	}
	if (sgemm && corename)
		return 0;
	sgemm = NULL;
	pr_err("training needs OpenBLAS (%s): apt-get install libopenblas0\n", LIBRARY);
	return -ENOSYS;
}

const char *blas_kernel(void)
{
	return corename();
}

void blas_product(int m, int n, int k, struct blas_matrix a, struct blas_matrix b, bool add,
	float *c, int c_stride)
{
	sgemm(ROW_MAJOR, a.transposed ? TRANSPOSED : AS_IS, b.transposed ? TRANSPOSED : AS_IS, m, n,
		k, 1, a.data, a.stride, b.data, b.stride, add ? 1 : 0, c, c_stride);
}
