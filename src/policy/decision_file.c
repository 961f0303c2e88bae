/* Decision files: one table of columns writes, checks and reads them. */
#include "policy/decision_file.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"

#define FORMAT "canopy-decisions"
#define VERSION "1"
#define META 32 /* most strings beside format and version */

enum { ONE = 0, STATE = -1 };

// The columns of the file, and where they lie in a row.
static const struct column {
	const char *name;
	enum st_dtype dtype;
	size_t offset;
	int width; // ONE: a number a row; STATE: a state
	bool late; // older files lack it: NAN or 0
} columns[] = {
#define COLUMN(name, dtype, width, late)                                                           \
	{                                                                                          \
#name, dtype, offsetof(struct decision_row, name), width, late                     \
	}
	COLUMN(t_ns, ST_I64, ONE, false),
	COLUMN(state, ST_F32, STATE, false),
	COLUMN(w, ST_I64, ONE, false),
	COLUMN(p, ST_I64, ONE, false),
	COLUMN(installed, ST_I64, ONE, false),
	COLUMN(percent, ST_I64, ONE, false),
	COLUMN(action, ST_F64, ONE, false),
	COLUMN(deltas, ST_I64, POLICY_CHANGES, false),
	COLUMN(ndeltas, ST_I64, ONE, false),
	COLUMN(reward, ST_F64, ONE, false),
	COLUMN(report, ST_F64, DECISION_REPORT, false),
	COLUMN(open, ST_U8, ONE, false),
	COLUMN(qc, ST_F64, ONE, true),
	COLUMN(proven, ST_F64, ONE, true),
	COLUMN(refuted, ST_F64, ONE, true),
	COLUMN(fallback, ST_U8, ONE, true),
	COLUMN(shield, ST_U8, ONE, true),
};
#define NCOLUMNS ((int)(sizeof(columns) / sizeof(columns[0])))

static int width_of(const struct column *c, int nstate)
{
	return c->width == STATE ? nstate : c->width;
}

static size_t bytes_of(const struct column *c, int nstate)
{
	return st_dtype_size(c->dtype) * (c->width == ONE ? 1 : width_of(c, nstate));
}

static int gather(struct st_tensor *t, const struct column *c, const struct decision_row *rows, size_t n,
	int nstate)
{
	size_t size = bytes_of(c, nstate);
	char *data = malloc(n * size + 1);

	if (!data)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		memcpy(data + i * size, (const char *)&rows[i] + c->offset, size);
	*t = (struct st_tensor){
		c->name, c->dtype, c->width == ONE ? 1 : 2, {n, width_of(c, nstate)}, data};
	return 0;
}

int decision_file_write(const char *path, const struct decision_row *rows, size_t n, int nstate,
	const struct st_meta *meta, int nmeta)
{
	struct st_tensor t[NCOLUMNS] = {{.data = NULL}};
	struct st_meta all[META + 2] = {{"format", FORMAT}, {"version", VERSION}};
	int err = nmeta <= META ? 0 : -EINVAL;

	if (err)
		return err;
	memcpy(all + 2, meta, nmeta * sizeof(*meta));
	for (int i = 0; i < NCOLUMNS && !err; i++)
		err = gather(&t[i], &columns[i], rows, n, nstate);
	if (!err)
		err = st_write(path, t, NCOLUMNS, all, nmeta + 2);
	for (int i = 0; i < NCOLUMNS; i++)
		free((void *)t[i].data);
	return err;
}

static bool is(const struct st_file *st, const char *key, const char *value)
{
	const char *found = st_get(st, key);

	return found && !strcmp(found, value);
}

// The tensor of a column, of the shape that it must have; the first, t_ns, says how many rows there are.
static int find_column(const struct st_tensor **out, const struct decision_file *f, const struct column *c,
	const char *path)
{
	const struct st_tensor *t = st_find(f->st, c->name);

	*out = t;
	if (!t && c->late)
		return 0;
	if (!t) {
		pr_err("%s: there is no column %s\n", path, c->name);
		return -EBADMSG;
	}
	if (t->dtype != c->dtype || t->ndim != (c->width == ONE ? 1 : 2) || t->shape[0] != f->n ||
		(c->width != ONE && t->shape[1] != (uint64_t)width_of(c, f->nstate))) {
		pr_err("%s: column %s has the wrong type or shape\n", path, c->name);
		return -EBADMSG;
	}
	return 0;
}

static int read_size(struct decision_file *f, const char *path)
{
	const struct st_tensor *t = st_find(f->st, "t_ns"), *state = st_find(f->st, "state");

	if (!is(f->st, "format", FORMAT) || !is(f->st, "version", VERSION)) {
		pr_err("%s: not recorded decisions of version " VERSION "\n", path);
		return -EBADMSG;
	}
	f->n = t && t->ndim == 1 ? t->shape[0] : 0;
	f->nstate = STATE_SIZE;
	if (!state || state->ndim != 2)
		return 0; // find_column says so
	if (state->shape[1] < STATE_SIZE || state->shape[1] > DECISION_STATE) {
		pr_err("%s: states have %" PRIu64 " numbers, not %d to %d\n", path, state->shape[1],
			STATE_SIZE, DECISION_STATE);
		return -EBADMSG;
	}
	f->nstate = state->shape[1];
	return 0;
}

static int read_columns(struct decision_file *f, const char *path)
{
	const struct st_tensor *t[NCOLUMNS];
	int err = read_size(f, path);

	for (int i = 0; i < NCOLUMNS && !err; i++)
		err = find_column(&t[i], f, &columns[i], path);
	if (err)
		return err;
	f->rows = calloc(f->n + 1, sizeof(*f->rows));
	if (!f->rows)
		return -ENOMEM;
	for (size_t k = 0; k < f->n; k++)
		f->rows[k].qc = f->rows[k].proven = f->rows[k].refuted = NAN;
	for (int i = 0; i < NCOLUMNS; i++) {
		size_t size = bytes_of(&columns[i], f->nstate);

		for (size_t k = 0; t[i] && k < f->n; k++)
			memcpy((char *)&f->rows[k] + columns[i].offset,
				(const char *)t[i]->data + k * size, size);
	}
	return 0;
}

static bool window(int64_t v, int64_t least)
{
	return v >= least && v <= UINT32_MAX;
}

// The column in which a row is absurd, NULL if it makes sense.
static const char *absurd(const struct decision_row *r, int nstate)
{
	if (r->open > 1)
		return "open";
	if (!r->open)
		return NULL;
	for (int i = 0; i < nstate; i++)
		if (!isfinite(r->state[i]))
			return "state";
	if (!window(r->w, 1))
		return "w";
	if (!window(r->p, 0))
		return "p";
	if (!window(r->installed, 1))
		return "installed";
	if (r->ndeltas < 0 || r->ndeltas > POLICY_CHANGES || (r->ndeltas && !r->p))
		return "ndeltas";
	for (int i = 0; i < r->ndeltas; i++)
		if (r->deltas[i] < -(int64_t)UINT32_MAX || r->deltas[i] > UINT32_MAX)
			return "deltas";
	return NULL;
}

static int check_rows(const struct decision_file *f, const char *path)
{
	for (size_t i = 0; i < f->n; i++) {
		const char *bad = absurd(&f->rows[i], f->nstate);

		if (bad) {
			pr_err("%s: row %zu: %s makes no sense\n", path, i, bad);
			return -EBADMSG;
		}
	}
	return 0;
}

int decision_file_parse(struct decision_file **out, char *data, size_t len, const char *path)
{
	struct decision_file *f = calloc(1, sizeof(*f));
	int err;

	if (!f) {
		free(data);
		return -ENOMEM;
	}
	err = st_parse(&f->st, data, len, path);
	err = err ? err : read_columns(f, path);
	err = err ? err : check_rows(f, path);
	if (!err) {
		*out = f;
		f = NULL;
	}
	decision_file_free(f);
	return err;
}

int decision_file_read(struct decision_file **out, const char *path)
{
	char *data;
	size_t len;
	int err = file_read(path, ST_MAX_FILE, &data, &len);

	return err ? err : decision_file_parse(out, data, len, path);
}

void decision_file_free(struct decision_file *f)
{
	if (!f)
		return;
	st_free(f->st);
	free(f->rows);
	free(f);
}
