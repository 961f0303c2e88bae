/* canopy model: shows model files and checkpoints, imports TensorFlow checkpoints, exports ONNX. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "cli/cmd.h"
#include "model/model.h"
#include "model/onnx.h"
#include "model/tf_import.h"

static const struct opt show_opts[] = {
	CMD_COMMON_OPTS,
	{OPT_FLAG, 'j', "json", NULL, NULL, 0, 0, NULL, "print JSON"},
	{.kind = OPT_END},
};

static const struct opt import_opts[] = {
	CMD_COMMON_OPTS,
	{OPT_FILE, 'o', "output", "FILE", NULL, 0, 0, NULL, "the model file to write (needed)"},
	{OPT_TEXT, 0, "name", "TEXT", NULL, 0, 0, NULL, "the model's name"},
	{OPT_REAL, 0, "buffer-bdp", "X", NULL, 0, 1000, NULL,
		"the queue it was trained for, as a multiple of the bandwidth-delay product"},
	{OPT_REAL, 0, "theta", "X", NULL, 0, 1, NULL, "theta of the properties it was trained for"},
	{OPT_REAL, 0, "x-pkts", "N", NULL, 0, 1e6, NULL, "X of those properties, in packets"},
	{.kind = OPT_END},
};

static const struct opt export_opts[] = {
	CMD_COMMON_OPTS,
	{OPT_FILE, 'o', "output", "FILE", NULL, 0, 0, NULL, "the ONNX file to write (needed)"},
	{OPT_FLAG, 0, "pre-activation", NULL, NULL, 0, 0, NULL,
		"leave out the tanh at the end: the output of which VNN-LIB files speak"},
	{OPT_INT, 0, "batch", "N", "0", 0, 65536, NULL, "states at once, 0 for any number"},
	{.kind = OPT_END},
};

static json_t *sizes(const int64_t *shape, int n)
{
	json_t *a = json_array();

	for (int i = 0; i < n; i++)
		json_array_append_new(a, json_integer(shape[i]));
	return a;
}

static json_t *describe_info(const struct model_info *info)
{
	const struct {
		const char *key, *text;
	} texts[] = {{"name", info->name}, {"source", info->source}, {"canopy", info->canopy},
		{"step", info->step}, {"seed", info->seed}, {"training", info->training},
		{"properties", info->properties}, {"shield", info->shield}, {"certificate", info->certificate}};
	const struct {
		const char *key;
		double v;
	} numbers[] = {
		{"buffer_bdp", info->buffer_bdp}, {"theta", info->theta}, {"x_pkts", info->x_pkts}};
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].text)
			json_object_set_new(o, texts[i].key, json_string(texts[i].text));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (!isnan(numbers[i].v))
			json_object_set_new(o, numbers[i].key, json_real(numbers[i].v));
	return o;
}

static json_t *describe_model(const struct model *m)
{
	json_t *o = json_pack("{s:s, s:s, s:o}", "format", "canopy-model", "sha256", m->sha256,
		"info", describe_info(&m->info));
	json_t *nets = json_object(), *tensors = json_array();
	struct model_tensor t;
	long params = 0;

	for (int i = 0; i < MODEL_NETS; i++) {
		char *shape = model_net_shape(&m->net[i]);

		if (m->net[i].n)
			json_object_set_new(nets, model_net_names[i],
				json_pack("{s:s, s:I}", "shape", shape, "parameters",
					(json_int_t)model_net_params(&m->net[i])));
		params += model_net_params(&m->net[i]);
		free(shape);
	}
	for (int i = 0; model_tensor(m, i, &t); i++)
		json_array_append_new(tensors,
			json_pack("{s:s, s:s, s:o}", "name", t.name, "dtype", "float32", "shape",
				sizes((int64_t[]){t.shape[0], t.shape[1]}, t.ndim)));
	json_object_set_new(o, "parameters", json_integer(params));
	json_object_set_new(o, "networks", nets);
	json_object_set_new(o, "tensors", tensors);
	return o;
}

static json_t *describe_bundle(const struct tf_bundle *b)
{
	json_t *tensors = json_array();

	for (int i = 0; i < b->n; i++) {
		const struct tf_tensor *t = &b->tensors[i];

		json_array_append_new(tensors,
			json_pack("{s:s, s:s, s:o}", "name", t->name, "dtype",
				tf_dtype_name(t->dtype), "shape", sizes(t->shape, t->ndim)));
	}
	return json_pack("{s:s, s:i, s:o}", "format", "tensorflow-bundle", "shards", b->shards,
		"tensors", tensors);
}

static void print_plain(const char *key, const json_t *v)
{
	if (json_is_string(v))
		printf("%-11s %s\n", key, json_string_value(v));
	else
		printf("%-11s %.12g\n", key, json_number_value(v));
}

// The same as the JSON, for people.
static void print_text(const json_t *o)
{
	const char *key;
	size_t i;
	json_t *v;

	json_object_foreach((json_t *)o, key, v) if (!json_is_object(v) && !json_is_array(v))
		print_plain(key, v);
	json_object_foreach(json_object_get(o, "info"), key, v) print_plain(key, v);
	json_object_foreach(json_object_get(o, "networks"), key, v) printf(
		"%-15s %s, %lld parameters\n", key, json_string_value(json_object_get(v, "shape")),
		(long long)json_integer_value(json_object_get(v, "parameters")));
	json_array_foreach(json_object_get(o, "tensors"), i, v)
	{
		char *shape = json_dumps(json_object_get(v, "shape"), JSON_COMPACT);

		printf("  %-56s %-7s %s\n", json_string_value(json_object_get(v, "name")),
			json_string_value(json_object_get(v, "dtype")), shape);
		free(shape);
	}
}

// A checkpoint is named by its .index file or by the prefix before it.
static bool is_checkpoint(const char *path)
{
	size_t n = strlen(path);
	char *index = file_path("%s.index", path);
	bool yes = (n > 6 && !strcmp(path + n - 6, ".index")) ||
		   (access(path, F_OK) && !access(index, F_OK));

	free(index);
	return yes;
}

static int run_show(struct opts *o)
{
	const char *path = o->args[0];
	struct tf_bundle *b = NULL;
	struct model *m = NULL;
	json_t *out;

	if (is_checkpoint(path) ? tf_open(&b, path) : model_load(&m, path))
		return EXIT_FAILED;
	out = b ? describe_bundle(b) : describe_model(m);
	if (opts_flag(o, "json")) {
		json_dumpf(out, stdout, JSON_INDENT(1));
		putchar('\n');
	} else {
		print_text(out);
	}
	json_decref(out);
	tf_free(b);
	model_free(m);
	return EXIT_OK;
}

static int run_import(struct opts *o)
{
	const char *to = opts_text(o, "output"), *name = opts_text(o, "name");
	struct model *m;
	int err;

	if (!to) {
		pr_err("--output is needed\n");
		return EXIT_USAGE;
	}
	if (tf_import_file(&m, o->args[0]))
		return EXIT_FAILED;
	m->info.name = name ? file_path("%s", name) : NULL;
	if (opts_given(o, "buffer-bdp"))
		m->info.buffer_bdp = opts_real(o, "buffer-bdp");
	if (opts_given(o, "theta"))
		m->info.theta = opts_real(o, "theta");
	if (opts_given(o, "x-pkts"))
		m->info.x_pkts = opts_real(o, "x-pkts");
	err = model_save(m, to);
	if (!err)
		pr_info("%s: tensors %s\n", to, m->sha256);
	model_free(m);
	return err ? EXIT_FAILED : EXIT_OK;
}

static int run_export(struct opts *o)
{
	const char *to = opts_text(o, "output");
	struct onnx_conf conf = {!opts_flag(o, "pre-activation"), (int)opts_int(o, "batch"), NULL};
	struct model *m = NULL;
	struct mlp *folded;
	int err;

	if (!to) {
		pr_err("--output is needed\n");
		return EXIT_USAGE;
	}
	if (model_load(&m, o->args[0]))
		return EXIT_FAILED;
	folded = model_fold(m);
	conf.sha256 = m->sha256;
	err = folded ? onnx_write(folded, &conf, to) : -ENOMEM;
	if (!folded)
		pr_err("%s: %s\n", o->args[0], strerror(ENOMEM));
	mlp_free(folded);
	model_free(m);
	return err ? EXIT_FAILED : EXIT_OK;
}

const struct cmd cmd_model[] = {
	{"model", "show", "MODEL", 1, 1, "Show what a model file or a TensorFlow checkpoint holds",
		"MODEL is a model file, or a TensorFlow 1 checkpoint by its prefix or its .index "
		"file. Every\n"
		"checksum is verified. sha256 is the digest of the tensors alone.",
		show_opts, run_show},
	{"model", "import", "CHECKPOINT", 1, 1,
		"Make a model file from a TensorFlow 1 checkpoint of Orca or Canopy",
		"CHECKPOINT is the prefix before .index, or the .index file. The actor, its "
		"batch-norm\n"
		"statistics, and target and critic networks where present are kept; optimiser "
		"state is not.",
		import_opts, run_import},
	{"model", "export", "MODEL", 1, 1, "Write a model's actor as ONNX",
		"Batch norm is folded in, weights are float32: the network that senders run. The "
		"input is\n"
		"'state' (N, 70), ten frames of seven features, oldest first; the output 'action' "
		"(N, 1), or\n"
		"'pre_activation' with --pre-activation.",
		export_opts, run_export},
	{.name = NULL},
};
