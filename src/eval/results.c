/* Result folders: opening, appending, the table at the end, loading. */
#include "eval/results.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/work.h"

#define MAX_BYTES ((size_t)4 << 30)

struct results {
	char *dir, *path;
	int fd;
	off_t end; // of the last whole record
	int err;   // first error of writing
	struct result_set set;
	size_t *slots; // hash table of ids: 1 + index into set.runs, 0 free
	size_t nslots;
};

// --- Records in memory ---

static uint64_t id_hash(const char *id)
{
	uint64_t h = 14695981039346656037u; // FNV-1a

	for (; *id; id++)
		h = (h ^ (unsigned char)*id) * 1099511628211u;
	return h ^ h >> 32;
}

// The slot that holds id, or the free one where it would go.
static size_t *find_slot(size_t *slots, size_t nslots, const struct result_set *s, const char *id)
{
	for (size_t i = id_hash(id) % nslots;; i = (i + 1) % nslots)
		if (!slots[i] || !strcmp(s->runs[slots[i] - 1].id, id))
			return &slots[i];
}

// Keeps the table at most half full.
static int grow_slots(size_t **slots, size_t *nslots, const struct result_set *s)
{
	size_t n = *nslots ? *nslots * 2 : 1024, *more;

	if (*nslots > 2 * (s->n + 1))
		return 0;
	while (n <= 2 * (s->n + 1))
		n *= 2;
	more = calloc(n, sizeof(*more));
	if (!more)
		return -ENOMEM;
	for (size_t i = 0; i < s->n; i++)
		*find_slot(more, n, s, s->runs[i].id) = i + 1;
	free(*slots);
	*slots = more;
	*nslots = n;
	return 0;
}

static int set_push(struct result_set *s, const struct run_result *run)
{
	if (s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 64;
		struct run_result *more = realloc(s->runs, cap * sizeof(*more));

		if (!more)
			return -ENOMEM;
		s->runs = more;
		s->cap = cap;
	}
	s->runs[s->n++] = *run;
	return 0;
}

void result_set_free(struct result_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->runs[i].flows);
	for (int i = 0; i < s->ndirs; i++)
		free(s->dirs[i]);
	free(s->runs);
	free(s->dirs);
	json_decref(s->headers);
	memset(s, 0, sizeof(*s));
}

// --- Loading ---

struct loader {
	const char *path;
	struct result_set *set;
	size_t *slots, nslots;
	size_t first_header; // headers of other folders come before
	size_t again;	     // runs left out as known
	int version;	     // of the last header
};

static int load_header(struct loader *l, size_t line, json_t *rec)
{
	const char *format = json_string_value(json_object_get(rec, "format"));
	const json_t *version = json_object_get(rec, "version");

	if (!format || strcmp(format, RESULTS_FORMAT)) {
		pr_err("%s:%zu: not a %s file\n", l->path, line, RESULTS_FORMAT);
		return -EINVAL;
	}
	if (!json_is_integer(version) || json_integer_value(version) < 1 ||
		json_integer_value(version) > RESULTS_VERSION) {
		pr_err("%s:%zu: version %lld of the format; this canopy reads versions 1 to %d\n",
			l->path, line, (long long)json_integer_value(version), RESULTS_VERSION);
		return -EINVAL;
	}
	if (!json_is_object(json_object_get(rec, "spec")) ||
		!json_is_object(json_object_get(rec, "machine"))) {
		pr_err("%s:%zu: a header without spec or machine\n", l->path, line);
		return -EINVAL;
	}
	l->version = json_integer_value(version);
	return json_array_append(l->set->headers, rec) ? -ENOMEM : 0;
}

static int load_run(struct loader *l, size_t line, const json_t *rec)
{
	struct run_result run;
	char why[160] = "out of memory";
	size_t *slot;
	int err = results_parse(&run, rec, l->version, why);

	if (err) {
		pr_err("%s:%zu: %s\n", l->path, line, why);
		return err;
	}
	run.header = json_array_size(l->set->headers) - 1;
	run.dir = l->set->ndirs;
	err = grow_slots(&l->slots, &l->nslots, l->set);
	if (err)
		goto fail;
	slot = find_slot(l->slots, l->nslots, l->set, run.id);
	if (*slot) {
		l->again++;
		free(run.flows);
		return 0;
	}
	err = set_push(l->set, &run);
	if (err)
		goto fail;
	*slot = l->set->n;
	return 0;
fail:
	free(run.flows);
	return err;
}

static int load_line(struct loader *l, size_t line, const char *text, size_t len)
{
	json_error_t e;
	json_t *rec = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
	const char *type = json_string_value(json_object_get(rec, "type"));
	int err = -EINVAL;

	if (!rec)
		pr_err("%s:%zu: not JSON: %s\n", l->path, line, e.text);
	else if (type && !strcmp(type, "header"))
		err = load_header(l, line, rec);
	else if (json_array_size(l->set->headers) == l->first_header)
		pr_err("%s:%zu: not a %s file: it does not start with a header\n", l->path, line,
			RESULTS_FORMAT);
	else if (type && !strcmp(type, "run"))
		err = load_run(l, line, rec);
	else
		pr_err("%s:%zu: neither a header nor a run\n", l->path, line);
	json_decref(rec);
	return err;
}

static int add_dir(struct result_set *s, const char *dir)
{
	char **more = realloc(s->dirs, (s->ndirs + 1) * sizeof(*more)), *copy = strdup(dir);

	if (more)
		s->dirs = more;
	if (!more || !copy) {
		free(copy);
		return -ENOMEM;
	}
	s->dirs[s->ndirs++] = copy;
	return 0;
}

int results_load_text(
	const char *text, size_t len, const char *path, const char *dir, struct result_set *out)
{
	struct loader l = {.path = path, .set = out};
	size_t n0 = out->n, line = 0;
	int err = 0;

	if (!out->headers)
		out->headers = json_array();
	if (!out->headers)
		return -ENOMEM;
	l.first_header = json_array_size(out->headers);
	for (const char *p = text, *nl; !err && (nl = memchr(p, '\n', text + len - p)); p = nl + 1)
		err = load_line(&l, ++line, p, nl - p);
	if (!err && len && text[len - 1] != '\n')
		pr_warn("%s:%zu: the last line is torn (a crash?), ignored\n", path, line + 1);
	if (!err)
		err = add_dir(out, dir);
	if (err) {
		while (out->n > n0)
			free(out->runs[--out->n].flows);
		while (json_array_size(out->headers) > l.first_header)
			json_array_remove(out->headers, json_array_size(out->headers) - 1);
	} else if (l.again) {
		pr_warn("%s: %zu runs left out: their ids occurred before\n", path, l.again);
	}
	free(l.slots);
	return err;
}

int results_load(const char *dir, struct result_set *out)
{
	char *path = file_path("%s/runs.jsonl", dir), *text = NULL;
	size_t len;
	int err = file_read(path, MAX_BYTES, &text, &len);

	if (!err)
		err = results_load_text(text, len, path, dir, out);
	free(text);
	free(path);
	return err;
}

// --- Writing ---

static json_t *cpu_model(void)
{
	json_t *name = NULL;
	char line[512];
	FILE *f = fopen("/proc/cpuinfo", "r");

	while (f && !name && fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');

		if (strncmp(line, "model name", 10) || !colon)
			continue;
		line[strcspn(line, "\n")] = 0;
		name = json_string(colon + 1 + strspn(colon + 1, " \t"));
	}
	if (f)
		fclose(f);
	return name ? name : json_string("unknown");
}

json_t *results_machine(void)
{
	struct utsname u;

	if (uname(&u))
		snprintf(u.release, sizeof(u.release), "unknown");
	return json_pack("{s:s, s:{s:o, s:i, s:s}}", "canopy", CANOPY_VERSION, "machine", "cpu",
		cpu_model(), "cores", work_cpus(), "kernel", u.release);
}

// One write, taken back when it did not fit.
static int append(struct results *r, const char *line, size_t len)
{
	ssize_t n;

	do
		n = write(r->fd, line, len);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)len) {
		r->end += len;
		return 0;
	}
	r->err = n < 0 ? -errno : -ENOSPC;
	pr_err("%s: %s; the %zu runs recorded so far stay\n", r->path, strerror(-r->err), r->set.n);
	if (n > 0 && ftruncate(r->fd, r->end))
		pr_warn("%s: the torn last line could not be cut off: %s\n", r->path,
			strerror(errno));
	return r->err;
}

static int add_header(struct results *r, json_t *spec)
{
	size_t n = json_array_size(r->set.headers);
	json_t *h = json_pack("{s:s, s:s, s:i}", "type", "header", "format", RESULTS_FORMAT,
		"version", RESULTS_VERSION);
	json_t *machine = results_machine();
	char *text = NULL, *line;
	int err = -ENOMEM;

	if (!h || !machine || json_object_update(h, machine) ||
		json_object_set_new(h, "spec", json_deep_copy(spec)))
		goto out;
	err = 0;
	if (n && json_equal(json_array_get(r->set.headers, n - 1), h))
		goto out;
	text = json_dumps(h, JSON_COMPACT);
	if (!text || json_array_append(r->set.headers, h)) {
		err = -ENOMEM;
		goto out;
	}
	line = file_path("%s\n", text);
	err = append(r, line, strlen(line));
	free(line);
out:
	free(text);
	json_decref(machine);
	json_decref(h);
	return err;
}

// Reads what is there and cuts a torn last line off.
static int take_over(struct results *r)
{
	struct stat st;
	char *text = NULL;
	const char *nl;
	size_t len;
	int err;

	if (fstat(r->fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode)) // a device: nothing to read back
		return (r->set.headers = json_array()) ? 0 : -ENOMEM;
	err = file_read(r->path, MAX_BYTES, &text, &len);
	if (err)
		return err;
	nl = memrchr(text, '\n', len);
	r->end = nl ? nl + 1 - text : 0;
	err = results_load_text(text, r->end, r->path, r->dir, &r->set);
	if (!err && r->end < (off_t)len) {
		pr_warn("%s: cutting off a last line of %zu bytes torn by a crash\n", r->path,
			len - (size_t)r->end);
		if (ftruncate(r->fd, r->end)) {
			err = -errno;
			pr_err("%s: %s\n", r->path, strerror(-err));
		}
	}
	free(text);
	return err ? err : grow_slots(&r->slots, &r->nslots, &r->set);
}

static void results_free(struct results *r)
{
	if (!r)
		return;
	if (r->fd >= 0)
		close(r->fd);
	result_set_free(&r->set);
	free(r->slots);
	free(r->path);
	free(r->dir);
	free(r);
}

int results_open(struct results **out, const char *dir, json_t *spec)
{
	struct results *r;
	int err = file_mkdirs(dir);

	if (err)
		return err;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->dir = file_path("%s", dir);
	r->path = file_path("%s/runs.jsonl", dir);
	r->fd = open(r->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (r->fd < 0) {
		err = -errno;
		pr_err("%s: %s\n", r->path, strerror(-err));
	} else if (flock(r->fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {
		err = -EBUSY;
		pr_err("%s: another canopy is adding runs to this folder\n", dir);
	}
	if (!err)
		err = take_over(r);
	if (!err)
		err = grow_slots(&r->slots, &r->nslots, &r->set);
	if (!err)
		err = add_header(r, spec);
	if (err)
		results_free(r);
	else
		*out = r;
	return err;
}

bool results_has(const struct results *r, const char *id)
{
	return *find_slot(r->slots, r->nslots, &r->set, id) != 0;
}

// A copy of the run that the set owns.
static int keep(struct results *r, const struct run_result *run)
{
	struct run_result own = *run;
	int err;

	own.flows = calloc(run->nflows + !run->nflows, sizeof(*own.flows));
	if (!own.flows)
		return -ENOMEM;
	if (run->nflows)
		memcpy(own.flows, run->flows, run->nflows * sizeof(*own.flows));
	own.header = json_array_size(r->set.headers) - 1;
	own.dir = 0;
	err = grow_slots(&r->slots, &r->nslots, &r->set);
	if (!err)
		err = set_push(&r->set, &own);
	if (err)
		free(own.flows);
	else
		*find_slot(r->slots, r->nslots, &r->set, own.id) = r->set.n;
	return err;
}

int results_add(struct results *r, const struct run_result *run)
{
	const char *bad;
	char *line;
	int err;

	if (r->err)
		return r->err;
	line = results_format(run, &bad);
	if (!line) {
		r->err = bad ? -EINVAL : -ENOMEM;
		pr_err("%s: run %.16s of %.*s on %.*s: %s%s\n", r->path, run->id, RESULTS_NAME,
			run->controller, RESULTS_NAME, run->trace,
			bad ? "cannot record column " : "out of memory", bad ? bad : "");
		return r->err;
	}
	if (results_has(r, run->id)) {
		pr_err("%s: run %s is recorded already\n", r->path, run->id);
		err = -EEXIST;
	} else {
		err = append(r, line, strlen(line));
		if (!err)
			err = r->err = keep(r, run);
	}
	free(line);
	return err;
}

int results_close(struct results *r)
{
	char *path, *text = NULL;
	size_t len;
	FILE *f;
	int err;

	if (!r)
		return 0;
	err = r->err;
	if (err == -ENOSPC) { // said already; the next invocation writes the table
		results_free(r);
		return err;
	}
	path = file_path("%s/runs.csv", r->dir);
	f = open_memstream(&text, &len);
	if (f)
		results_csv(&r->set, f);
	if (!f || fclose(f))
		err = err ? err : -ENOMEM;
	else if (file_write(path, text, len) && !err)
		err = -EIO;
	free(text);
	free(path);
	results_free(r);
	return err;
}
