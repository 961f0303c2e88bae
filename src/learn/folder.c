/* A run's folder, its lock, and what its checkpoints must agree with. */
#include "learn/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "learn/metrics.h"
#include "trace/trace.h"

// The model is written hours later: could it be, and over what?
static int check_output(const char *path)
{
	struct model *m;
	struct stat st;
	char *beside;
	int err = 0, fd;

	if (!stat(path, &st) && !S_ISREG(st.st_mode)) {
		pr_err("--output: %s: %s\n", path, S_ISDIR(st.st_mode) ? strerror(EISDIR) : "not a regular file");
		return -EINVAL;
	}
	if (!access(path, F_OK) && st.st_size) {
		err = model_load(&m, path);
		if (err) {
			pr_err("--output: %s is no model, and not overwritten\n", path);
			return err;
		}
		model_free(m);
	}
	beside = file_path("%s.XXXXXX", path);
	fd = mkstemp(beside);
	if (fd < 0) {
		err = -errno;
		pr_err("--output: %s: %s\n", path, strerror(-err));
	} else {
		close(fd);
		unlink(beside);
	}
	free(beside);
	return err;
}

static bool same(const char *a, const char *b)
{
	return !strcmp(a, b) || file_same(a, b);
}

// What the run will write must be neither what it starts from nor each other.
static int check_names(const struct folder *f, const char *init)
{
	const char *const ours[] = {f->best, f->last, f->checkpoint, f->output};

	for (int i = 0; i < 4; i++) {
		if (init && same(init, ours[i])) {
			pr_err("--init: this run would write over %s: start from a copy, or name another --output and --dir\n",
				init);
			return -EINVAL;
		}
		if (i < 3 && same(f->output, ours[i])) {
			pr_err("--output: %s is a file of the run's own\n", f->output);
			return -EINVAL;
		}
	}
	return 0;
}

static bool is_ours(const struct folder *f, const char *name)
{
	const char *const ours[] = {f->best, f->last, f->run_spec};

	for (int i = 0; i < 3; i++)
		if (!strcmp(name, strrchr(ours[i], '/') + 1))
			return true;
	return !strcmp(name, METRICS_FILE) || !strncmp(name, METRICS_EVENTS, strlen(METRICS_EVENTS));
}

// Whether run.spec, if there is one, is a run's and not a user's own.
static bool is_run_spec(const char *path)
{
	char head[sizeof(TRAIN_SPEC_HEAD)] = "";
	FILE *f = fopen(path, "r");

	if (!f)
		return false;
	if (!fgets(head, sizeof(head), f))
		*head = 0;
	fclose(f);
	return !strcmp(head, TRAIN_SPEC_HEAD);
}

// Files named as a run's, in a folder that no run has begun in, are somebody else's.
static int check_folder(const struct folder *f)
{
	struct dirent *e;
	int err = 0;
	DIR *d;

	if (is_run_spec(f->run_spec) || (access(f->run_spec, F_OK) && !access(f->checkpoint, F_OK)))
		return 0;
	d = opendir(f->dir);
	while (d && !err && (e = readdir(d)))
		if (is_ours(f, e->d_name)) {
			pr_err("%s: has %s, but not of a run of canopy train: another folder is named with --dir\n", f->dir,
				e->d_name);
			err = -EEXIST;
		}
	if (d)
		closedir(d);
	return err;
}

static void add_digest(FILE *spec, const char *what, const char *hex)
{
	fprintf(spec, "# %s, sha256 = %s\n", what, hex);
}

static int add_trace(FILE *spec, const char *what)
{
	char hex[HASH_HEX];
	struct trace *t;
	int err;

	err = trace_open(&t, what);
	if (err)
		return err;
	if (trace_is_file(what)) {
		trace_digest(t, hex);
		add_digest(spec, what, hex);
	}
	trace_free(t);
	return 0;
}

static int add_traces(FILE *spec, const struct setups *s)
{
	int err = 0;

	for (int i = 0; !err && i < s->ntraces; i++)
		err = add_trace(spec, s->traces[i]);
	return err;
}

static int add_init(FILE *spec, const char *path)
{
	struct model *m;
	int err;

	if (!path)
		return 0;
	err = model_load(&m, path);
	if (err)
		return err;
	add_digest(spec, path, m->sha256);
	model_free(m);
	return 0;
}

// The spec has only names of files, and what is in them can change.
static int tell_made_by(char **out, const struct train_conf *c)
{
	char hex[HASH_HEX];
	size_t len;
	FILE *spec = open_memstream(out, &len);
	int err;

	if (!spec)
		return -ENOMEM;
	fputs(c->spec, spec);
	if (c->properties) {
		hash_sha256(hex, &(struct hash_part){c->properties->text, strlen(c->properties->text)}, 1);
		add_digest(spec, "properties", hex);
	}
	err = add_init(spec, c->init);
	if (!err)
		err = add_trace(spec, c->setups.uplink);
	if (!err)
		err = add_traces(spec, &c->setups);
	if (!err)
		err = add_traces(spec, &c->held_out);
	return fclose(spec) ? -ENOMEM : err;
}

static int lock(struct folder *f)
{
	int err = 0;

	f->lock = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->lock < 0 || flock(f->lock, LOCK_EX | LOCK_NB))
		err = -errno;
	if (err && f->lock >= 0) {
		close(f->lock);
		f->lock = -1;
	}
	if (err == -EWOULDBLOCK)
		pr_err("%s: another run is at work in this folder; another one is named with --dir\n", f->dir);
	else if (err)
		pr_err("%s: %s\n", f->dir, strerror(-err));
	return err;
}

int folder_open(struct folder *f, const struct train_conf *c, const struct train_io *io)
{
	int err;

	*f = (struct folder){.dir = io->dir,
		.output = io->output,
		.checkpoint = file_path("%s/checkpoint.safetensors", io->dir),
		.best = file_path("%s/best.safetensors", io->dir),
		.last = file_path("%s/last.safetensors", io->dir),
		.run_spec = file_path("%s/run.spec", io->dir),
		.spec = c->spec,
		.lock = -1,
		.made = access(io->dir, F_OK)};
	err = check_names(f, c->init);
	if (!err)
		err = check_output(io->output);
	if (!err)
		err = tell_made_by(&f->made_by, c);
	if (!err)
		err = file_mkdirs(io->dir);
	if (!err)
		err = lock(f);
	return err ? err : check_folder(f);
}

void folder_close(struct folder *f)
{
	if (f->lock >= 0) {
		if (f->made)
			rmdir(f->dir);
		close(f->lock);
	}
	free(f->checkpoint);
	free(f->best);
	free(f->last);
	free(f->run_spec);
	free(f->made_by);
}

int folder_resume(const struct folder *f, const struct checkpoint *parts)
{
	int err = checkpoint_load(parts, f->checkpoint, f->made_by);

	if (err == -EBADMSG)
		pr_err("%s: no checkpoint is whole; --restart begins anew\n", f->dir);
	return err;
}

int folder_begin(const struct folder *f)
{
	checkpoint_remove(f->checkpoint);
	unlink(f->best);
	unlink(f->last);
	return file_write(f->run_spec, f->made_by, strlen(f->made_by));
}

int folder_check_best(const struct folder *f)
{
	struct model *m;
	int err = model_load(&m, f->best);

	if (err)
		return err;
	if (!m->info.training || strcmp(m->info.training, f->spec)) {
		pr_err("%s: is of another run\n", f->best);
		err = -EINVAL;
	}
	model_free(m);
	return err;
}

int folder_publish(const struct folder *f)
{
	char *data;
	size_t len;
	int err = folder_check_best(f);

	if (!err)
		err = file_read(f->best, ST_MAX_FILE, &data, &len);
	if (err) {
		pr_err("%s is not written; the last policy is %s\n", f->output, f->last);
		return err;
	}
	err = file_write(f->output, data, len);
	free(data);
	return err;
}
