/* ONNX export: read back by a small reader of the wire format that runs what it finds, by protoc, and by
 * OpenCV. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <limits.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/rng.h"
#include "golden.h"
#include "model/onnx.h"
#include "model/tf_import.h"
#include "obs/frame.h"

#define CASES 200
#define MAX_VALUES 32

static char dir[] = "/tmp/canopy-onnx-XXXXXX";

// A span of the file, and a field of it: number, and an integer or a span.
struct span {
	const uint8_t *at, *end;
};

struct field {
	int number, wire;
	uint64_t v;
	struct span bytes;
};

static uint64_t varint(struct span *s)
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

static bool next(struct span *s, struct field *f)
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
static struct field get(struct span s, int number, int nth)
{
	struct field f;

	while (next(&s, &f))
		if (f.number == number && nth-- == 0)
			return f;
	fail_msg("field %d is missing", number);
	return f;
}

static int count(struct span s, int number)
{
	struct field f;
	int n = 0;

	while (next(&s, &f))
		n += f.number == number;
	return n;
}

static bool is(struct field f, const char *text)
{
	size_t n = strlen(text);

	return f.wire == 2 && f.v == n && !memcmp(f.bytes.at, text, n);
}

static float float_at(const uint8_t *at)
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

static struct value *lookup(struct run *r, struct field name)
{
	for (int i = 0; i < r->n; i++)
		if (r->value[i].name.v == name.v &&
			!memcmp(r->value[i].name.bytes.at, name.bytes.at, name.v))
			return &r->value[i];
	fail_msg("%.*s is used but not defined", (int)name.v, name.bytes.at);
	return NULL;
}

static struct value *add(struct run *r, struct field name, int rows, int cols)
{
	struct value *v = &r->value[r->n++];

	assert_true(r->n <= MAX_VALUES);
	*v = (struct value){
		name, rows, cols, calloc((size_t)rows * (cols ? cols : 1), sizeof(double))};
	return v;
}

static void load_initializers(struct run *r, struct span graph)
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
static void gemm(struct run *r, struct span node)
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

static void elementwise(struct run *r, struct span node, bool leaky)
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
static double run_graph(struct span model, const double *state, const char *output)
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

// Shape (batch, width) of the graph's input or output; batch 0: any number.
static void check_shape(struct span model, int number, int batch, int width)
{
	struct span type = get(get(get(model, 7, 0).bytes, number, 0).bytes, 2, 0).bytes,
		    tensor = get(type, 1, 0).bytes, shape = get(tensor, 2, 0).bytes;

	assert_int_equal(get(tensor, 1, 0).v, 1); // FLOAT
	assert_int_equal(count(shape, 1), 2);
	if (batch)
		assert_int_equal(get(get(shape, 1, 0).bytes, 1, 0).v, batch);
	else
		assert_true(is(get(get(shape, 1, 0).bytes, 2, 0), "N"));
	assert_int_equal(get(get(shape, 1, 1).bytes, 1, 0).v, width);
}

static struct span format(const struct mlp *m, struct onnx_conf conf, char **data)
{
	size_t len;

	assert_int_equal(onnx_format(data, &len, m, &conf), 0);
	return (struct span){(uint8_t *)*data, (uint8_t *)*data + len};
}

static struct mlp *random_net(int n, const int *dims)
{
	struct mlp *m = mlp_new(n, dims, 0.2);
	struct rng r;

	assert_non_null(m);
	rng_init(&r, 3, 0);
	for (int l = 0; l < n; l++) {
		for (int k = 0; k < dims[l] * dims[l + 1]; k++)
			m->layer[l].w[k] = rng_normal(&r) / sqrt(dims[l]);
		for (int k = 0; k < dims[l + 1]; k++)
			m->layer[l].b[k] = rng_normal(&r);
	}
	mlp_pack(m);
	return m;
}

static void the_file_computes_the_network(void **state)
{
	static const int dims[] = {STATE_SIZE, 5, 300, 1};
	struct mlp *m = random_net(3, dims);
	double x[STATE_SIZE], y;
	char *with, *without;
	struct span a = format(m, (struct onnx_conf){true, 0, NULL}, &with),
		    b = format(m, (struct onnx_conf){false, 4, "abc"}, &without);
	struct rng r;

	rng_init(&r, 4, 0);
	for (int i = 0; i < 20; i++) {
		for (int k = 0; k < STATE_SIZE; k++)
			x[k] = rng_normal(&r);
		mlp_forward_ref(m, x, &y, 1);
		assert_true(fabs(run_graph(a, x, "action") - tanh(y)) < 1e-5);
		assert_true(fabs(run_graph(b, x, "pre_activation") - y) < 1e-5);
	}
	assert_int_equal(get(a, 1, 0).v, 7);
	assert_int_equal(get(get(a, 8, 0).bytes, 2, 0).v, 13);
	assert_int_equal(count(a, 14), 0);
	assert_true(is(get(get(b, 14, 0).bytes, 1, 0), "sha256"));
	assert_true(is(get(get(b, 14, 0).bytes, 2, 0), "abc"));
	check_shape(a, 11, 0, STATE_SIZE);
	check_shape(a, 12, 0, 1);
	check_shape(b, 11, 4, STATE_SIZE);
	check_shape(b, 12, 4, 1);
	free(with);
	free(without);
	mlp_free(m);
}

static void one_layer_is_enough(void **state)
{
	struct mlp *m = random_net(1, (int[]){STATE_SIZE, 1});
	double x[STATE_SIZE] = {1, -2, 3}, y;
	char *data;
	struct span s = format(m, (struct onnx_conf){true, 1, NULL}, &data);

	mlp_forward_ref(m, x, &y, 1);
	assert_true(fabs(run_graph(s, x, "action") - tanh(y)) < 1e-6);
	free(data);
	mlp_free(m);
}

static void the_same_network_gives_the_same_bytes(void **state)
{
	struct mlp *m = random_net(2, (int[]){STATE_SIZE, 9, 1}),
		   *m2 = random_net(2, (int[]){STATE_SIZE, 9, 1});
	char *one, *two;
	struct span a = format(m, (struct onnx_conf){true, 0, "x"}, &one),
		    b = format(m2, (struct onnx_conf){true, 0, "x"}, &two);

	assert_int_equal(a.end - a.at, b.end - b.at);
	assert_memory_equal(one, two, a.end - a.at);
	free(one);
	free(two);
	mlp_free(m);
	mlp_free(m2);
}

static void protoc_decodes_it(void **state)
{
	struct mlp *m;
	char *path, *cmd;

	if (system("command -v protoc >/dev/null")) {
		print_message(
			"skip: apt-get install protobuf-compiler decodes the file independently\n");
		skip();
	}
	m = random_net(2, (int[]){STATE_SIZE, 9, 1});
	path = file_path("%s/small.onnx", dir);
	cmd = file_path("protoc --decode_raw <%s | grep -q '\"LeakyRelu\"'", path);
	assert_int_equal(onnx_write(m, &(struct onnx_conf){true, 0, NULL}, path), 0);
	assert_int_equal(system(cmd), 0);
	free(cmd);
	free(path);
	mlp_free(m);
}

// The published actor's file, and the reference's inputs and actions.
struct published {
	char *path, *data;
	struct span model;
	double x[CASES][STATE_SIZE], action[CASES];
};

static struct published *load_published(void)
{
	struct published *p = calloc(1, sizeof(*p));
	struct onnx_conf conf = {true, 0, NULL};
	json_t *j = golden_json(GOLDEN "actor_io.json"), *rows = json_object_get(j, "x"),
	       *actions = json_object_get(j, "action");
	struct model *model;
	struct mlp *m;

	assert_int_equal(json_array_size(rows), CASES);
	for (int i = 0; i < CASES; i++) {
		for (int k = 0; k < STATE_SIZE; k++)
			p->x[i][k] = json_number_value(json_array_get(json_array_get(rows, i), k));
		p->action[i] = json_number_value(json_array_get(actions, i));
	}
	json_decref(j);
	assert_int_equal(tf_import_file(&model, SHARED "orca/model.ckpt-1283529"), 0);
	m = model_fold(model);
	p->path = file_path("%s/orca.onnx", dir);
	p->model = format(m, conf, &p->data);
	assert_int_equal(onnx_write(m, &conf, p->path), 0);
	mlp_free(m);
	model_free(model);
	return p;
}

static void free_published(struct published *p)
{
	free(p->path);
	free(p->data);
	free(p);
}

static void the_published_actor_reads_back(void **state)
{
	struct published *p;

	need_file(GOLDEN "actor_io.json");
	need_file(SHARED "orca/model.ckpt-1283529.index");
	p = load_published();
	for (int i = 0; i < CASES; i++)
		assert_true(fabs(run_graph(p->model, p->x[i], "action") - p->action[i]) < 1e-5);
	free_published(p);
}

// The program of tests/onnx_opencv.cc, which lies beside this one where OpenCV was there to build it.
static void opencv_agrees_on_the_published_actor(void **state)
{
	char self[PATH_MAX] = "", program[PATH_MAX + 16], *in, *out, *cmd, *data;
	float x[CASES * STATE_SIZE];
	struct published *p;
	size_t len;

	need_file(GOLDEN "actor_io.json");
	need_file(SHARED "orca/model.ckpt-1283529.index");
	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	*strrchr(self, '/') = '\0';
	snprintf(program, sizeof(program), "%s/onnx_opencv", self);
	if (access(program, X_OK)) {
		print_message("skip: apt-get install libopencv-dnn-dev, then make tests, runs the "
			      "file in "
			      "OpenCV\n");
		skip();
	}
	p = load_published();
	for (int i = 0; i < CASES * STATE_SIZE; i++)
		x[i] = (float)p->x[i / STATE_SIZE][i % STATE_SIZE];
	in = file_path("%s/in", dir);
	out = file_path("%s/out", dir);
	assert_int_equal(file_write(in, x, sizeof(x)), 0);
	cmd = file_path(
		"'%s' '%s' %d %d <'%s' >'%s'", program, p->path, STATE_SIZE, CASES, in, out);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(file_read(out, 1 << 20, &data, &len), 0);
	assert_int_equal(len, CASES * sizeof(float));
	for (int i = 0; i < CASES; i++)
		assert_true(
			fabs(float_at((uint8_t *)data + i * sizeof(float)) - p->action[i]) < 1e-5);
	free(data);
	free(cmd);
	free(in);
	free(out);
	free_published(p);
}

// canopy model export, where the program is known.
static void the_command_writes_it(void **state)
{
	const char *canopy = getenv("CANOPY");
	char *model, *cmd, *one, *two;
	size_t n1, n2;
	struct model *m;
	struct mlp *folded;

	if (!canopy) {
		print_message("skip: CANOPY names no program\n");
		skip();
	}
	m = model_new();
	assert_int_equal(model_add_layer(&m->net[MODEL_ACTOR], STATE_SIZE, 3, true), 0);
	assert_int_equal(model_add_layer(&m->net[MODEL_ACTOR], 3, 1, false), 0);
	m->net[MODEL_ACTOR].layer[0].w[7] = 0.5f;
	m->net[MODEL_ACTOR].layer[1].w[1] = -0.25f;
	model_digest(m);
	model = file_path("%s/m.safetensors", dir);
	assert_int_equal(model_save(m, model), 0);
	cmd = file_path("'%s' model export '%s' --pre-activation --batch 1 -o '%s.onnx'", canopy,
		model, model);
	assert_int_equal(system(cmd), 0);
	free(cmd);
	cmd = file_path("%s.onnx", model);
	assert_int_equal(file_read(cmd, 1 << 20, &one, &n1), 0);
	folded = model_fold(m);
	assert_int_equal(
		onnx_format(&two, &n2, folded, &(struct onnx_conf){false, 1, m->sha256}), 0);
	assert_int_equal(n1, n2);
	assert_memory_equal(one, two, n1);
	free(cmd);
	cmd = file_path("'%s' model export '%s' 2>/dev/null", canopy, model);
	assert_int_equal(WEXITSTATUS(system(cmd)), 2);
	free(cmd);
	free(one);
	free(two);
	free(model);
	mlp_free(folded);
	model_free(m);
}

static int enter(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int leave(void **state)
{
	char *cmd = file_path("rm -r '%s'", dir);
	int err = system(cmd);

	free(cmd);
	return err;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_file_computes_the_network),
		cmocka_unit_test(one_layer_is_enough),
		cmocka_unit_test(the_same_network_gives_the_same_bytes),
		cmocka_unit_test(protoc_decodes_it),
		cmocka_unit_test(the_published_actor_reads_back),
		cmocka_unit_test(opencv_agrees_on_the_published_actor),
		cmocka_unit_test(the_command_writes_it),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
