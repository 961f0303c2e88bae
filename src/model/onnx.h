/*
 * Policies as ONNX (IR version 7, opset 13), for other runtimes and verifiers.
 *
 * The graph is the folded actor as it is executed, weights rounded to float32: input "state"
 * (N, 70), then Gemm and LeakyRelu for every layer but the last, Gemm, and Tanh if wanted; output
 * "action" (N, 1), or without Tanh "pre_activation", of which VNN-LIB files speak (cert/vnnlib.h).
 * Weights are initializers of raw little-endian floats, (out, in) with transB = 1 as most exporters
 * have them (OpenCV 4.6 reads the default of transB wrongly). The same network and settings give the
 * same bytes. Source: onnx.proto and Operators.md of github.com/onnx/onnx.
 */
#ifndef MODEL_ONNX_H
#define MODEL_ONNX_H

#include <stdbool.h>
#include <stddef.h>

#include "nn/mlp.h"

struct onnx_conf {
	bool tanh;	    /* end in Tanh */
	int batch;	    /* rows of the input, 0: any number */
	const char *sha256; /* digest of the model's tensors, kept as metadata, or NULL */
};

/* The file's bytes, malloc'ed. 0 or -ENOMEM. */
int onnx_format(char **data, size_t *len, const struct mlp *m, const struct onnx_conf *conf);

/* Writes it atomically. 0 or -errno; prints the error. */
int onnx_write(const struct mlp *m, const struct onnx_conf *conf, const char *path);

#endif
