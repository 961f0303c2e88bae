/* Recorded decisions, gathered from files. */
#include "cert/recorded.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "policy/decision_file.h"

#define SUFFIX ".safetensors"

struct row { // of block
	double x[DECISION_STATE];
	int64_t changes[POLICY_CHANGES];
};

static bool is_folder(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static char *copy_meta(const struct decision_file *f, const char *key)
{
	const char *value = st_get(f->st, key);

	return file_path("%s", value ? value : "");
}

static int grow(struct recorded *r, long more)
{
	void *d = realloc(r->decisions, (r->n + more + 1) * sizeof(*r->decisions));
	void *b;

	if (!d)
		return -ENOMEM;
	r->decisions = d;
	b = realloc(r->block, (r->n + more + 1) * sizeof(struct row));
	if (!b)
		return -ENOMEM;
	r->block = b;
	return 0;
}

static void add_row(struct recorded *r, const struct decision_row *from, int nth)
{
	struct row *to = (struct row *)r->block + r->n;

	for (int i = 0; i < r->nin; i++)
		to->x[i] = from->state[i];
	memcpy(to->changes, from->deltas, sizeof(to->changes));
	r->decisions[r->n++] = (struct cert_decision){
		.nin = r->nin, .w = from->w, .p = from->p, .nchanges = from->ndeltas, .nth = nth};
}

static int add_rows(struct recorded *r, const struct decision_file *f, const char *path)
{
	struct recorded_file *file = &r->files[r->nfiles];
	int err;

	if (r->nfiles && f->nstate != r->nin) {
		pr_err("%s: its states have %d numbers, those of %s %d\n", path, f->nstate,
			r->files[0].path, r->nin);
		return -EINVAL;
	}
	r->nin = f->nstate;
	err = grow(r, f->n);
	if (err)
		return err;
	*file = (struct recorded_file){file_path("%s", path), r->n, 0, copy_meta(f, "run"),
		copy_meta(f, "controller"), copy_meta(f, "model"), copy_meta(f, "trace")};
	r->nfiles++;
	for (size_t i = 0; i < f->n; i++)
		if (f->rows[i].open)
			add_row(r, &f->rows[i], file->n++);
	return 0;
}

static int add_file(struct recorded *r, const char *path)
{
	struct decision_file *f;
	int err = decision_file_read(&f, path);

	if (err)
		return err;
	err = add_rows(r, f, path);
	decision_file_free(f);
	return err;
}

// Points decisions into the block, which has stopped moving.
static void link_rows(struct recorded *r)
{
	for (long i = 0; i < r->n; i++) {
		struct row *row = (struct row *)r->block + i;

		r->decisions[i].x = row->x;
		r->decisions[i].changes = row->changes;
	}
}

static int is_named(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > strlen(SUFFIX) && !strcmp(e->d_name + n - strlen(SUFFIX), SUFFIX);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_folder(struct recorded *r, const char *folder)
{
	struct dirent **names = NULL;
	int n = scandir(folder, &names, is_named, by_name), err = 0;

	if (n < 0) {
		err = -errno;
		pr_err("%s: %s\n", folder, strerror(-err));
		return err;
	}
	r->files = calloc(n + 1, sizeof(*r->files));
	err = r->files ? 0 : -ENOMEM;
	for (int i = 0; i < n && !err; i++) {
		char *path = file_path("%s/%s", folder, names[i]->d_name);

		err = add_file(r, path);
		free(path);
	}
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	return err;
}

static int load(struct recorded *r, const char *path)
{
	char *inner;
	int err;

	if (!is_folder(path)) {
		r->files = calloc(1, sizeof(*r->files));
		return r->files ? add_file(r, path) : -ENOMEM;
	}
	inner = file_path("%s/decisions", path);
	err = add_folder(r, is_folder(inner) ? inner : path);
	free(inner);
	return err;
}

int recorded_load(struct recorded **out, const char *path)
{
	struct recorded *r = calloc(1, sizeof(*r));
	int err = r ? load(r, path) : -ENOMEM;

	if (!err && !r->n) {
		pr_err("%s: there is no decision in %d files\n", path, r->nfiles);
		err = -ENODATA;
	}
	if (!err) {
		link_rows(r);
		*out = r;
		r = NULL;
	}
	recorded_free(r);
	return err;
}

void recorded_free(struct recorded *r)
{
	if (!r)
		return;
	for (int i = 0; i < r->nfiles; i++) {
		free(r->files[i].path);
		free(r->files[i].run);
		free(r->files[i].controller);
		free(r->files[i].model);
		free(r->files[i].trace);
	}
	free(r->files);
	free(r->decisions);
	free(r->block);
	free(r);
}
