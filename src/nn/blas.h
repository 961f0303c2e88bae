/*
 * Single-precision matrix products by OpenBLAS, one thread each, callable from any thread.
 *
 * The library is loaded when training asks for it: linked, it would start its own threads in every
 * command and in every program that links libcanopy, and the ones that enter namespaces must have
 * one thread only.
 */
#ifndef NN_BLAS_H
#define NN_BLAS_H

#include <stdbool.h>

/* Loads OpenBLAS, once, with the kernels of OPENBLAS_CORETYPE or, unset, those of the processor's
 * instructions. 0, or -ENOSYS after printing which package is missing. */
int blas_load(void);

/* The kernels OpenBLAS chose for this machine, "SkylakeX" say. After blas_load. */
const char *blas_kernel(void);

/* A row-major matrix, or its transpose: row r of what is stored begins at data + r * stride. */
struct blas_matrix {
	const float *data;
	int stride;
	bool transposed;
};

/* c (m, n) = a (m, k) . b (k, n), added to what c holds if add. After blas_load. */
void blas_product(int m, int n, int k, struct blas_matrix a, struct blas_matrix b, bool add,
	float *c, int c_stride);

#endif
