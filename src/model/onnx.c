/* ONNX export: the few messages of onnx.proto that a multilayer perceptron needs, encoded by hand. */
#include "model/onnx.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"

#define IR_VERSION 7
#define OPSET 13
#define NAME_SIZE 32

// Field numbers of onnx.proto (github.com/onnx/onnx), by message.
enum {
	MODEL_IR = 1,
	MODEL_PRODUCER = 2,
	MODEL_PRODUCER_VERSION = 3,
	MODEL_GRAPH = 7,
	MODEL_OPSETS = 8,
	MODEL_META = 14
};
enum { OPSET_VERSION = 2 };
enum { META_KEY = 1, META_VALUE = 2 };
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_OP = 4, NODE_ATTRIBUTE = 5 };
enum {
	ATTRIBUTE_NAME = 1,
	ATTRIBUTE_F = 2,
	ATTRIBUTE_I = 3,
	ATTRIBUTE_TYPE = 20,
	ATTRIBUTE_IS_FLOAT = 1,
	ATTRIBUTE_IS_INT = 2
};
enum { TENSOR_DIM = 1, TENSOR_TYPE = 2, TENSOR_NAME = 8, TENSOR_RAW = 9, TENSOR_IS_FLOAT = 1 };
enum { VALUE_NAME = 1, VALUE_TYPE = 2, TYPE_TENSOR = 1, TYPE_ELEMENT = 1, TYPE_SHAPE = 2 };
enum { SHAPE_DIM = 1, DIM_VALUE = 1, DIM_PARAM = 2 };

enum wire { WIRE_VARINT = 0, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct pb {
	char *data;
	size_t len, room;
	bool failed; // out of memory: what follows is dropped
};

// Room for n bytes at offset at <= len, what was there moved up. NULL after a failure.
static char *make_room(struct pb *b, size_t at, size_t n)
{
	size_t room = 2 * (b->len + n);
	char *data;

	if (b->failed)
		return NULL;
	if (b->len + n > b->room) {
		data = realloc(b->data, room);
		b->failed = !data;
		if (!data)
			return NULL;
		b->data = data;
		b->room = room;
	}
	memmove(b->data + at + n, b->data + at, b->len - at);
	b->len += n;
	return b->data + at;
}

static void insert_varint(struct pb *b, size_t at, uint64_t v)
{
	unsigned char bytes[10];
	int n = 0;
	char *to;

	for (; v > 127; v >>= 7)
		bytes[n++] = (unsigned char)(v | 128);
	bytes[n++] = (unsigned char)v;
	to = make_room(b, at, n);
	if (to)
		memcpy(to, bytes, n);
}

static void put_key(struct pb *b, int field, enum wire wire)
{
	insert_varint(b, b->len, (uint64_t)field << 3 | wire);
}

static void put_int(struct pb *b, int field, uint64_t v)
{
	put_key(b, field, WIRE_VARINT);
	insert_varint(b, b->len, v);
}

static void put_float(struct pb *b, int field, float v)
{
	char *to;

	put_key(b, field, WIRE_FIXED32);
	to = make_room(b, b->len, sizeof(v));
	if (to)
		memcpy(to, &v, sizeof(v));
}

// A nested message is begun, filled, and ended with what begin gave.
static size_t begin(struct pb *b, int field)
{
	put_key(b, field, WIRE_BYTES);
	return b->len;
}

static void end(struct pb *b, size_t begun)
{
	insert_varint(b, begun, b->len - begun);
}

static void put_text(struct pb *b, int field, const char *text)
{
	size_t at = begin(b, field), n = strlen(text);
	char *to = make_room(b, at, n);

	if (to)
		memcpy(to, text, n);
	end(b, at);
}

// data, (in, out), rounded to float and written as (out, in); in = 0: a vector of out numbers.
static void put_tensor(struct pb *b, const char *name, const double *data, int in, int out)
{
	size_t tensor = begin(b, GRAPH_INITIALIZER), rows = in ? in : 1, raw;
	char *to;

	put_int(b, TENSOR_DIM, out);
	if (in)
		put_int(b, TENSOR_DIM, in);
	put_int(b, TENSOR_TYPE, TENSOR_IS_FLOAT);
	put_text(b, TENSOR_NAME, name);
	raw = begin(b, TENSOR_RAW);
	to = make_room(b, raw, rows * out * sizeof(float));
	for (size_t i = 0; to && i < rows * out; i++, to += sizeof(float))
		memcpy(to, &(float){(float)data[i % rows * out + i / rows]}, sizeof(float));
	end(b, raw);
	end(b, tensor);
}

static void put_dim(struct pb *b, int size)
{
	size_t dim = begin(b, SHAPE_DIM);

	if (size)
		put_int(b, DIM_VALUE, size);
	else
		put_text(b, DIM_PARAM, "N");
	end(b, dim);
}

// An input or output (batch, width).
static void put_value(struct pb *b, int field, const char *name, int batch, int width)
{
	size_t value = begin(b, field), type, tensor, shape;

	put_text(b, VALUE_NAME, name);
	type = begin(b, VALUE_TYPE);
	tensor = begin(b, TYPE_TENSOR);
	put_int(b, TYPE_ELEMENT, TENSOR_IS_FLOAT);
	shape = begin(b, TYPE_SHAPE);
	put_dim(b, batch);
	put_dim(b, width);
	end(b, shape);
	end(b, tensor);
	end(b, type);
	end(b, value);
}

static size_t begin_attribute(struct pb *b, const char *name, int type)
{
	size_t attribute = begin(b, NODE_ATTRIBUTE);

	put_text(b, ATTRIBUTE_NAME, name);
	put_int(b, ATTRIBUTE_TYPE, type);
	return attribute;
}

// A node, its attributes left to the caller; inputs ends with NULL.
static size_t begin_node(
	struct pb *b, const char *op, const char *const *inputs, const char *output)
{
	size_t node = begin(b, GRAPH_NODE);

	for (; *inputs; inputs++)
		put_text(b, NODE_INPUT, *inputs);
	put_text(b, NODE_OUTPUT, output);
	put_text(b, NODE_NAME, output);
	put_text(b, NODE_OP, op);
	return node;
}

static void put_gemm(struct pb *b, const char *const *inputs, const char *output)
{
	size_t node = begin_node(b, "Gemm", inputs, output);
	size_t attribute = begin_attribute(b, "transB", ATTRIBUTE_IS_INT);

	put_int(b, ATTRIBUTE_I, 1);
	end(b, attribute);
	end(b, node);
}

static void put_leaky(struct pb *b, const char *const *inputs, const char *output, double slope)
{
	size_t node = begin_node(b, "LeakyRelu", inputs, output);
	size_t attribute = begin_attribute(b, "alpha", ATTRIBUTE_IS_FLOAT);

	put_float(b, ATTRIBUTE_F, (float)slope);
	end(b, attribute);
	end(b, node);
}

static void put_layers(struct pb *b, const struct mlp *m, bool tanh)
{
	char from[NAME_SIZE] = "state", w[NAME_SIZE], bias[NAME_SIZE], z[NAME_SIZE], h[NAME_SIZE];

	for (int l = 0; l < m->n; l++) {
		bool last = l == m->n - 1;

		snprintf(w, sizeof(w), "w%d", l + 1);
		snprintf(bias, sizeof(bias), "b%d", l + 1);
		snprintf(z, sizeof(z), "z%d", l + 1);
		snprintf(h, sizeof(h), "h%d", l + 1);
		put_gemm(
			b, (const char *const[]){from, w, bias, NULL}, last ? "pre_activation" : z);
		if (!last)
			put_leaky(b, (const char *const[]){z, NULL}, h, m->slope);
		memcpy(from, h, sizeof(h));
		put_tensor(b, w, m->layer[l].w, m->layer[l].in, m->layer[l].out);
		put_tensor(b, bias, m->layer[l].b, 0, m->layer[l].out);
	}
	if (tanh)
		end(b, begin_node(
			       b, "Tanh", (const char *const[]){"pre_activation", NULL}, "action"));
}

int onnx_format(char **data, size_t *len, const struct mlp *m, const struct onnx_conf *conf)
{
	struct pb b = {0};
	size_t at;

	put_int(&b, MODEL_IR, IR_VERSION);
	put_text(&b, MODEL_PRODUCER, "canopy");
	put_text(&b, MODEL_PRODUCER_VERSION, CANOPY_VERSION);
	at = begin(&b, MODEL_GRAPH);
	put_text(&b, GRAPH_NAME, "actor");
	put_layers(&b, m, conf->tanh);
	put_value(&b, GRAPH_INPUT, "state", conf->batch, m->layer[0].in);
	put_value(&b, GRAPH_OUTPUT, conf->tanh ? "action" : "pre_activation", conf->batch, 1);
	end(&b, at);
	at = begin(&b, MODEL_OPSETS); // the default domain, ""
	put_int(&b, OPSET_VERSION, OPSET);
	end(&b, at);
	if (conf->sha256) {
		at = begin(&b, MODEL_META);
		put_text(&b, META_KEY, "sha256");
		put_text(&b, META_VALUE, conf->sha256);
		end(&b, at);
	}
	if (b.failed) {
		free(b.data);
		return -ENOMEM;
	}
	*data = b.data;
	*len = b.len;
	return 0;
}

int onnx_write(const struct mlp *m, const struct onnx_conf *conf, const char *path)
{
	size_t len;
	char *data;
	int err = onnx_format(&data, &len, m, conf);

	if (err) {
		pr_err("%s: %s\n", path, strerror(-err));
		return err;
	}
	err = file_write(path, data, len);
	free(data);
	return err;
}
