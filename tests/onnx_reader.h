/* Reads ONNX files on its own: the wire format of protobuf, and the operators that policies need. */
#ifndef TESTS_ONNX_READER_H
#define TESTS_ONNX_READER_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "obs/frame.h"

#define MAX_VALUES 32

// A span of the file, and a field of it: number, and an integer or a span.
struct span {
	const uint8_t *at, *end;
};

struct field {
	int number, wire;
	uint64_t v;
	struct span bytes;
};

static inline uint64_t varint(struct span *s)
{
	uint64_t v = 0;

	for (int shift = 0; shift < 64; shift += 7) {
		assert_true(s->at < s->end);
		v |= (uint64_t)(*s->at & 127) << shift;
		if (!(*s->at++ & 128))
			return v;
	}
	fail_msg("a varint does not end");
	return 0;
}

static inline bool next(struct span *s, struct field *f)
{
	uint64_t key;

	if (s->at == s->end)
		return false;
	key = varint(s);
	f->number = (int)(key >> 3);
	f->wire = (int)(key & 7);
	assert_true(f->wire == 0 || f->wire == 2 || f->wire == 5);
	f->v = f->wire == 5 ? 4 : varint(s);
	if (!f->wire)
		return true;
	assert_true(f->v <= (uint64_t)(s->end - s->at));
	f->bytes = (struct span){s->at, s->at + f->v};
	s->at += f->v;
	return true;
}

// Field `number` of a message, which must be there (the nth of its kind, from 0).
static inline struct field get(struct span s, int number, int nth)
{
	struct field f;

	while (next(&s, &f))
		if (f.number == number && nth-- == 0)
			return f;
	fail_msg("field %d is missing", number);
	return f;
}

static inline int count(struct span s, int number)
{
	struct field f;
	int n = 0;

	while (next(&s, &f))
		n += f.number == number;
	return n;
}

static inline bool is(struct field f, const char *text)
{
	size_t n = strlen(text);

	return f.wire == 2 && f.v == n && !memcmp(f.bytes.at, text, n);
}

static inline float float_at(const uint8_t *at)
{
	float v;

	memcpy(&v, at, sizeof(v));
	return v;
}

// The named tensors of a run: initializers and what nodes have computed.
struct value {
	struct field name;
	int rows, cols; // cols 0: a vector
	double *v;
};

struct run {
	struct value value[MAX_VALUES];
	int n;
};

static inline struct value *lookup(struct run *r, struct field name)
{
	for (int i = 0; i < r->n; i++)
		if (r->value[i].name.v == name.v &&
			!memcmp(r->value[i].name.bytes.at, name.bytes.at, name.v))
			return &r->value[i];
	fail_msg("%.*s is used but not defined", (int)name.v, name.bytes.at);
	return NULL;
}

static inline struct value *add(struct run *r, struct field name, int rows, int cols)
{
	struct value *v = &r->value[r->n++];

	assert_true(r->n <= MAX_VALUES);
	*v = (struct value){
		name, rows, cols, calloc((size_t)rows * (cols ? cols : 1), sizeof(double))};
	return v;
}

static inline void load_initializers(struct run *r, struct span graph)
{
	struct field f;

	while (next(&graph, &f)) {
		struct field raw;
		struct value *v;
		int ndims;

		if (f.number != 5)
			continue;
		raw = get(f.bytes, 9, 0);
		ndims = count(f.bytes, 1);
		assert_true(ndims == 1 || ndims == 2);
		assert_int_equal(get(f.bytes, 2, 0).v, 1); // FLOAT
		v = add(r, get(f.bytes, 8, 0), (int)get(f.bytes, 1, 0).v,
			ndims == 2 ? (int)get(f.bytes, 1, 1).v : 0);
		assert_int_equal(raw.v, 4 * (uint64_t)v->rows * (v->cols ? v->cols : 1));
		for (size_t i = 0; i < raw.v / 4; i++)
			v->v[i] = float_at(raw.bytes.at + 4 * i);
	}
}

// Gemm as Operators.md defines it, A one row: Y = A B' + C for transB = 1.
static inline void gemm(struct run *r, struct span node)
{
	struct value *a = lookup(r, get(node, 1, 0)), *b = lookup(r, get(node, 1, 1)),
		     *c = lookup(r, get(node, 1, 2)), *y;
	struct span attribute = get(node, 5, 0).bytes;

	assert_int_equal(count(node, 5), 1);
	assert_true(is(get(attribute, 1, 0), "transB"));
	assert_int_equal(get(attribute, 3, 0).v, 1);
	assert_int_equal(get(attribute, 20, 0).v, 2); // INT
	assert_int_equal(a->cols, b->cols);
	assert_int_equal(b->rows, c->rows);
	y = add(r, get(node, 2, 0), 1, b->rows);
	for (int o = 0; o < b->rows; o++) {
		y->v[o] = c->v[o];
		for (int k = 0; k < b->cols; k++)
			y->v[o] += a->v[k] * b->v[(size_t)o * b->cols + k];
	}
}

static inline void elementwise(struct run *r, struct span node, bool leaky)
{
	struct value *x = lookup(r, get(node, 1, 0)), *y;
	double alpha = 0;

	if (leaky) {
		struct span attribute = get(node, 5, 0).bytes;

		assert_true(is(get(attribute, 1, 0), "alpha"));
		assert_int_equal(get(attribute, 20, 0).v, 1); // FLOAT
		assert_int_equal(get(attribute, 2, 0).wire, 5);
		alpha = float_at(get(attribute, 2, 0).bytes.at);
	}
	y = add(r, get(node, 2, 0), x->rows, x->cols);
	for (int i = 0; i < x->cols; i++)
		y->v[i] = !leaky ? tanh(x->v[i]) : x->v[i] >= 0 ? x->v[i] : alpha * x->v[i];
}

// The graph's output for one state, in double.
static inline double run_graph(struct span model, const double *state, const char *output)
{
	struct span graph = get(model, 7, 0).bytes, s = graph;
	struct field input = get(get(graph, 11, 0).bytes, 1, 0), f;
	struct run r = {.n = 0};
	double y;

	assert_true(is(input, "state"));
	memcpy(add(&r, input, 1, STATE_SIZE)->v, state, STATE_SIZE * sizeof(double));
	load_initializers(&r, graph);
	while (next(&s, &f)) {
		if (f.number != 1)
			continue;
		if (is(get(f.bytes, 4, 0), "Gemm"))
			gemm(&r, f.bytes);
		else if (is(get(f.bytes, 4, 0), "LeakyRelu"))
			elementwise(&r, f.bytes, true);
		else if (is(get(f.bytes, 4, 0), "Tanh"))
			elementwise(&r, f.bytes, false);
		else
			fail_msg("unknown operator");
	}
	f = get(get(graph, 12, 0).bytes, 1, 0);
	assert_true(is(f, output));
	assert_int_equal(lookup(&r, f)->cols, 1);
	y = lookup(&r, f)->v[0];
	for (int i = 0; i < r.n; i++)
		free(r.value[i].v);
	return y;
}

#endif
