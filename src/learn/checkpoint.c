/* Named arrays in a safetensors file, and its predecessor. */
#include "learn/checkpoint.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

#define FORMAT "canopy-checkpoint"
#define PREVIOUS ".previous"
#define WAYS_ON "--restart begins anew, another --dir leaves it as it is"

void checkpoint_add(struct checkpoint *c, const char *prefix, const char *name, enum st_dtype dtype,
	uint64_t items, void *data)
{
	struct checkpoint_part *p = &c->part[c->n++];

	assert(c->n <= CHECKPOINT_MAX_PARTS);
	*p = (struct checkpoint_part){.dtype = dtype, .items = items, .data = data};
	snprintf(p->name, sizeof(p->name), "%s%s", prefix, name);
}

// FILE.previous.EXT of FILE.EXT
static char *previous_path(const char *path)
{
	const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
	int stem = dot && (!slash || dot > slash) ? (int)(dot - path) : (int)strlen(path);

	return file_path("%.*s" PREVIOUS "%s", stem, path, path + stem);
}

int checkpoint_save(const struct checkpoint *c, const char *path, const char *spec)
{
	const struct st_meta meta[] = {{"format", FORMAT}, {"version", CHECKPOINT_VERSION},
		{"canopy", CANOPY_VERSION}, {"spec", spec}};
	struct st_tensor *t = calloc(c->n, sizeof(*t));
	char *previous = previous_path(path);
	int err = t ? 0 : -ENOMEM;

	for (int i = 0; t && i < c->n; i++)
		t[i] = (struct st_tensor){
			c->part[i].name, c->part[i].dtype, 1, {c->part[i].items}, c->part[i].data};
	// A second name for the present file, which is then replaced: one is whole at any moment.
	if (!err && !access(path, F_OK)) {
		unlink(previous);
		if (link(path, previous))
			pr_warn("%s: %s\n", previous, strerror(errno));
	}
	if (!err)
		err = st_write(path, t, c->n, meta, sizeof(meta) / sizeof(meta[0]));
	free(previous);
	free(t);
	return err;
}

// Of "key = value", or of "# simulator 11".
static size_t key_length(const char *line, size_t n)
{
	const char *end = memmem(line, n, " = ", 3);

	if (!end)
		end = memrchr(line, ' ', n);
	return end ? (size_t)(end - line) : n;
}

// Whether some line of the spec, at which it stands, has the key of this one.
static bool has_key(const char *spec, const char *line, size_t n)
{
	size_t k = key_length(line, n);

	for (size_t m; *spec; spec += m + (spec[m] != 0)) {
		m = strcspn(spec, "\n");
		if (key_length(spec, m) == k && !memcmp(spec, line, k))
			return true;
	}
	return false;
}

// Says which line of two specs, whose keys come in the same order, is the first to differ.
static void tell_difference(const char *path, const char *theirs, const char *ours)
{
	size_t a = 0, b = 0;

	while (a == b && (*theirs || *ours)) {
		a = strcspn(theirs, "\n");
		b = strcspn(ours, "\n");
		if (a != b || memcmp(theirs, ours, a))
			break;
		theirs += a + (theirs[a] != 0);
		ours += b + (ours[b] != 0);
	}
	if (a && !has_key(ours, theirs, a))
		pr_err("%s belongs to another spec: there '%.*s', here no such line (" WAYS_ON ")\n", path, (int)a,
			theirs);
	else if (b && !has_key(theirs, ours, b))
		pr_err("%s belongs to another spec: here '%.*s', there no such line (" WAYS_ON ")\n", path, (int)b,
			ours);
	else
		pr_err("%s belongs to another spec: there '%.*s', here '%.*s' (" WAYS_ON ")\n", path, (int)a, theirs,
			(int)b, ours);
}

static int check_head(const struct st_file *f, const char *path, const char *spec)
{
	const char *format = st_get(f, "format"), *version = st_get(f, "version"),
		   *theirs = st_get(f, "spec");

	if (!format || strcmp(format, FORMAT) || !version || !theirs) {
		pr_err("%s: not a checkpoint\n", path);
		return -EBADMSG;
	}
	if (strcmp(version, CHECKPOINT_VERSION)) {
		pr_err("%s: version %s, this canopy reads %s (" WAYS_ON ")\n", path, version,
			CHECKPOINT_VERSION);
		return -EINVAL;
	}
	if (!strcmp(theirs, spec))
		return 0;
	tell_difference(path, theirs, spec);
	return -EINVAL;
}

static int fill(const struct checkpoint *c, const struct st_file *f, const char *path)
{
	bool fits = f->n == c->n;
	int i = 0;

	for (; fits && i < c->n; i++) {
		const struct st_tensor *t = st_find(f, c->part[i].name);

		fits = t && t->dtype == c->part[i].dtype && st_items(t) == c->part[i].items;
	}
	if (!fits) {
		pr_err("%s: %s is not as this run has it\n", path,
			i ? c->part[i - 1].name : "the number of arrays");
		return -EBADMSG;
	}
	for (i = 0; i < c->n; i++)
		if (c->part[i].items)
			memcpy(c->part[i].data, st_find(f, c->part[i].name)->data,
				c->part[i].items * st_dtype_size(c->part[i].dtype));
	return 0;
}

static int load_one(const struct checkpoint *c, const char *path, const char *spec)
{
	struct st_file *f;
	int err;

	if (access(path, F_OK))
		return -ENOENT;
	err = st_read(&f, path);
	if (err)
		return err;
	err = check_head(f, path, spec);
	if (!err)
		err = fill(c, f, path);
	st_free(f);
	return err;
}

// The previous checkpoint becomes the present one, so that the next does not replace it by a
// damaged one.
static int promote(const char *path, const char *previous)
{
	int err = rename(previous, path) ? -errno : 0;

	if (err)
		pr_err("%s: %s\n", path, strerror(-err));
	else
		pr_warn("%s: going on from the checkpoint before\n", path);
	return err;
}

int checkpoint_load(const struct checkpoint *c, const char *path, const char *spec)
{
	char *previous = previous_path(path);
	int err = load_one(c, path, spec), older;

	if (err == -EBADMSG || err == -ENOENT) {
		older = load_one(c, previous, spec);
		if (!older)
			older = promote(path, previous);
		if (older != -ENOENT)
			err = older;
	}
	free(previous);
	return err;
}

void checkpoint_remove(const char *path)
{
	char *previous = previous_path(path);

	unlink(path);
	unlink(previous);
	free(previous);
}
