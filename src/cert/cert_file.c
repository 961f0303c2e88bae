/* Certificate files: memory, the recording of partitions, and writing. */
#include "cert/cert_file.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"

#define SHARE_MARGIN 1e-9

static void part_free(struct cert_part *p)
{
	free(p->property);
	free(p->engine);
	free(p->tree.kind);
	free(p->tree.cuts);
	free(p->tree.bounds);
}

void cert_entry_free(struct cert_entry *d)
{
	for (int i = 0; i < d->nparts; i++)
		part_free(&d->parts[i]);
	free(d->parts);
	free(d->source);
	*d = (struct cert_entry){0};
}

static void text_free(struct cert_text *t)
{
	free(t->file);
	free(t->text);
	free(t->set);
}

void cert_head_free(struct cert_head *h)
{
	for (int i = 0; i < h->nparams; i++)
		free(h->params[i].name);
	free(h->params);
	free(h->canopy);
	free(h->model_name);
	text_free(&h->property);
	text_free(&h->shield);
	*h = (struct cert_head){0};
}

// Makes room for n more items of a size in an array of `used`; false when out of memory, which
// loses the tree.
static bool grow(
	struct cert_tree *t, void **array, size_t *room, size_t used, size_t n, size_t size)
{
	size_t want = used + n > 2 * *room ? used + n : 2 * *room;
	void *more;

	if (t->lost)
		return false;
	if (used + n <= *room)
		return true;
	more = realloc(*array, want * size);
	t->lost = !more;
	if (more) {
		*array = more;
		*room = want;
	}
	return more;
}

static void add_node(struct cert_tree *t, char kind)
{
	if (grow(t, (void **)&t->kind, &t->room[0], t->nodes, 1, sizeof(*t->kind)))
		t->kind[t->nodes++] = kind;
}

// The input that a cut is along, -1 for none.
static int cut_axis(const double *normal, int n)
{
	int axis = -1;

	for (int i = 0; i < n; i++) {
		if (normal[i] == 0)
			continue;
		if (normal[i] != 1 || axis >= 0)
			return -1;
		axis = i;
	}
	return axis;
}

static void record_cut(void *arg, const double *normal, double offset)
{
	struct cert_tree *t = arg;
	int axis = cut_axis(normal, t->ndims), n = axis < 0 ? t->ndims : 1;
	double along = axis;

	add_node(t, axis < 0 ? CERT_CUT : CERT_AXIS);
	if (!grow(t, (void **)&t->cuts, &t->room[1], t->ncuts, n + 1, sizeof(*t->cuts)))
		return;
	memcpy(t->cuts + t->ncuts, axis < 0 ? normal : &along, n * sizeof(*t->cuts));
	t->cuts[t->ncuts + n] = offset;
	t->ncuts += n + 1;
}

static void record_leaf(void *arg, double y_lo, double y_hi, enum engine_verdict verdict)
{
	struct cert_tree *t = arg;
	bool shield = verdict != ENGINE_UNKNOWN && y_lo == -INFINITY && y_hi == INFINITY;

	if (shield) {
		add_node(t, verdict == ENGINE_HOLDS ? CERT_SHIELD_HOLDS : CERT_SHIELD_FAILS);
		return;
	}
	add_node(t, verdict == ENGINE_HOLDS   ? CERT_HOLDS
		    : verdict == ENGINE_FAILS ? CERT_FAILS
					      : CERT_UNKNOWN);
	if (!grow(t, (void **)&t->bounds, &t->room[2], t->nbounds, 2, sizeof(*t->bounds)))
		return;
	t->bounds[t->nbounds++] = y_lo;
	t->bounds[t->nbounds++] = y_hi;
}

struct engine_sink cert_tree_sink(struct cert_tree *t, int ndims)
{
	t->ndims = ndims;
	return (struct engine_sink){record_cut, record_leaf, t};
}

static double lowered(double share)
{
	return share >= 1 ? 1 : share > SHARE_MARGIN ? share - SHARE_MARGIN : 0;
}

int cert_part_claim(struct cert_part *p, const struct engine_answer *a)
{
	p->engine = strdup(a->engine);
	if (!p->engine)
		return -ENOMEM;
	p->proven = lowered(a->proven);
	p->refuted = lowered(a->refuted);
	p->exact = a->exact;
	p->y_lo = a->y_lo;
	p->y_hi = a->y_hi;
	p->missed = a->missed;
	memcpy(p->t, a->t, p->region.ndims * sizeof(*p->t));
	return 0;
}

static json_t *number(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static json_t *numbers(const double *v, size_t n)
{
	json_t *a = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(a, number(v[i]));
	return a;
}

static json_t *changes(const struct cert_entry *d)
{
	json_t *a = json_array();

	for (int i = 0; i < d->nchanges; i++)
		json_array_append_new(a, json_integer(d->changes[i]));
	return a;
}

static json_t *varied(const struct region *r)
{
	json_t *a = json_array();

	for (int i = 0; i < r->ndims; i++) {
		const struct region_dim *d = &r->dim[i];

		json_array_append_new(
			a, json_pack("{s:i, s:o, s:f, s:f}", "input", d->input, "tied",
				   d->tied < 0 ? json_null() : json_integer(d->tied), "lo", d->lo,
				   "hi", d->hi));
	}
	return a;
}

static bool is_varied(const struct region *r, int input)
{
	for (int i = 0; i < r->ndims; i++)
		if (r->dim[i].input == input || r->dim[i].tied == input)
			return true;
	return false;
}

// What the property holds at another value than the state has.
static json_t *fixed(const struct region *r, const double *state)
{
	json_t *a = json_array();

	for (int i = 0; i < r->nin; i++)
		if (r->x[i] != state[i] && !is_varied(r, i))
			json_array_append_new(
				a, json_pack("{s:i, s:f}", "input", i, "value", r->x[i]));
	return a;
}

static json_t *part_json(const struct cert_part *p, const double *state)
{
	const struct cert_tree *t = &p->tree;

	return json_pack("{s:s, s:o, s:o, s:[I, I], s:s, s:f, s:f, s:o, s:o, s:s%, s:o, s:o, s:o}",
		"property", p->property, "vary", varied(&p->region), "fixed",
		fixed(&p->region, state), "target", (json_int_t)p->lo, (json_int_t)p->hi, "engine",
		p->engine, "proven", p->proven, "refuted", p->refuted, "exact", number(p->exact),
		"y", numbers((double[]){p->y_lo, p->y_hi}, 2), "tree", t->kind, t->nodes, "cuts",
		numbers(t->cuts, t->ncuts), "bounds", numbers(t->bounds, t->nbounds),
		"counterexample", p->missed ? numbers(p->t, p->region.ndims) : json_null());
}

char *cert_entry_format(const struct cert_entry *d)
{
	json_t *parts = json_array(), *o;
	char *line = NULL;
	int err = !parts;

	for (int i = 0; i < d->nparts && !err; i++)
		err = d->parts[i].tree.lost ||
		      json_array_append_new(parts, part_json(&d->parts[i], d->state));
	o = json_pack("{s:s, s:o, s:I, s:I, s:I, s:o, s:o}", "source", d->source ? d->source : "",
		"state", numbers(d->state, d->nstate), "w", (json_int_t)d->w, "p", (json_int_t)d->p,
		"clean", (json_int_t)d->clean, "changes", changes(d), "parts", parts);
	if (o && !err)
		line = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return line;
}

struct cert_writer {
	char *path, *part; // the name it shall have, and that it has meanwhile
	FILE *f;
	struct hash *hash; // of all bytes so far
	bool any;	   // a decision was written
	int err;
};

static void put(struct cert_writer *w, const char *text, size_t len)
{
	if (w->err)
		return;
	hash_add(w->hash, text, len);
	if (fwrite(text, 1, len, w->f) != len)
		w->err = -EIO;
}

static json_t *text_json(const struct cert_text *t)
{
	char hex[HASH_HEX];

	hash_sha256(hex, &(struct hash_part){t->text, strlen(t->text)}, 1);
	return json_pack("{s:s, s:s, s:s, s:s}", "file", t->file ? t->file : "", "set",
		t->set ? t->set : "", "sha256", hex, "text", t->text);
}

static json_t *head_json(const struct cert_head *h)
{
	json_t *params = json_object(), *o;
	const bool shielded = h->shield.text;

	for (int i = 0; i < h->nparams; i++)
		json_object_set_new(params, h->params[i].name, json_real(h->params[i].value));
	o = json_pack("{s:s, s:i, s:s, s:{s:s, s:s}, s:o, s:o}", "format", CERT_FORMAT, "version",
		shielded ? CERT_VERSION_SHIELDED : CERT_VERSION, "canopy", CANOPY_VERSION, "model",
		"name", h->model_name ? h->model_name : "", "sha256", h->model_sha256, "property",
		text_json(&h->property), "parameters", params);
	if (o && shielded) {
		json_object_set_new(o, "policy", json_string(CERT_SHIELDED));
		json_object_set_new(o, "shield", text_json(&h->shield));
	}
	if (o)
		json_object_set_new(o, "decisions", json_array());
	return o;
}

static int put_head(struct cert_writer *w, const struct cert_head *head)
{
	json_t *o = head_json(head);
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	json_decref(o);
	if (!text) {
		pr_err("%s: the property text or a name is not UTF-8, or memory is out\n", w->path);
		return -EINVAL;
	}
	put(w, text, strlen(text) - 2); // all but "]}"
	put(w, "\n", 1);
	free(text);
	return w->err;
}

int cert_file_create(struct cert_writer **out, const char *path, const struct cert_head *head)
{
	struct cert_writer *w;
	struct stat st;
	int err;

	if (!stat(path, &st) && !S_ISREG(st.st_mode)) { // a rename would put the file in its place
		pr_err("%s: not a regular file\n", path);
		return -EINVAL;
	}
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->path = file_path("%s", path);
	w->part = file_part(path);
	w->hash = hash_new();
	w->f = fopen(w->part, "wb");
	if (!w->f) {
		w->err = -errno;
		pr_err("%s: %s\n", path, strerror(errno));
	} else {
		w->err = put_head(w, head);
	}
	err = w->err;
	if (err)
		cert_file_finish(w, false);
	else
		*out = w;
	return err;
}

int cert_file_add(struct cert_writer *w, const char *line)
{
	if (w->any)
		put(w, ",\n", 2);
	w->any = true;
	put(w, line, strlen(line));
	return w->err;
}

int cert_file_finish(struct cert_writer *w, bool keep)
{
	char hex[HASH_HEX];
	int err;

	if (w->any)
		put(w, "\n", 1);
	put(w, "],\n", 3);
	hash_state(w->hash, hex);
	if (keep && !w->err && fprintf(w->f, "\"sha256\":\"%s\"}\n", hex) < 0)
		w->err = -EIO;
	err = file_close(w->f, w->path);
	if (keep && !err && w->err)
		pr_err("%s: cannot write\n", w->path);
	if (!err)
		err = w->err;
	if (keep)
		err = file_settle(w->path, err);
	else
		file_settle(w->path, -ECANCELED); // removes it
	hash_free(w->hash);
	free(w->part);
	free(w->path);
	free(w);
	return keep ? err : 0;
}
