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
#include "onnx_reader.h"

#define CASES 200

static char dir[] = "/tmp/canopy-onnx-XXXXXX";

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
