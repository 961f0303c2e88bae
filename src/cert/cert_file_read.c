/* Reading certificate files: the form of every member is checked, the truth of none. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/file.h"
#include "base/log.h"
#include "base/members.h"
#include "cert/cert_file.h"
#include "cert/cert_part_read.h"

#define OF_SHIELDED 2 /* members of the head that only a shielded policy's file has */

struct cert_reader {
	FILE *f;
	bool owned; // f is ours to close
	struct members_place at;
	char *text; // the line being read
	size_t room;
	struct hash *hash; // of all lines so far
	bool more;	   // another decision has to follow
	bool any;	   // a decision was read
	struct cert_head head;
};

// The next line without its newline, counted into the digest. *len is its length.
static int next_line(struct cert_reader *r, size_t *len)
{
	size_t n = 0;
	int c;

	r->at.line++;
	while ((c = getc_unlocked(r->f)) != EOF) {
		if (n + 4 > r->room) { // of which two for what parse() puts behind
			size_t room = r->room ? 2 * r->room : 1 << 12;
			char *more = room <= 2 * (size_t)CERT_LINE ? realloc(r->text, room) : NULL;

			if (!more)
				return members_fail(&r->at,
					"the line is longer than memory or %u bytes", CERT_LINE);
			r->text = more;
			r->room = room;
		}
		r->text[n++] = (char)c;
		if (c == '\n')
			break;
	}
	if (ferror(r->f))
		return members_fail(&r->at, "cannot read: %s", strerror(errno));
	if (!n || r->text[n - 1] != '\n')
		return members_fail(&r->at,
			n ? "the file ends within a line" : "the file ends before its digest");
	hash_add(r->hash, r->text, n);
	r->text[--n] = 0;
	*len = n;
	return 0;
}

static int parse(const struct cert_reader *r, size_t len, json_t **out)
{
	json_error_t e;
	json_t *o = json_loadb(r->text, len, JSON_REJECT_DUPLICATES, &e);

	if (!o)
		return members_fail(&r->at, "column %d: %s", e.column, e.text);
	if (!json_is_object(o)) {
		json_decref(o);
		return members_fail(&r->at, "not an object");
	}
	*out = o;
	return 0;
}

static int read_hex(const struct cert_reader *r, char hex[HASH_HEX], const char *text)
{
	if (strlen(text) != HASH_HEX - 1 || strspn(text, "0123456789abcdef") != HASH_HEX - 1)
		return members_fail(&r->at, "'sha256' is not a digest of 64 hexadecimal digits");
	memcpy(hex, text, HASH_HEX);
	return 0;
}

static int copy(char **to, const char *text)
{
	*to = strdup(text);
	return *to ? 0 : -ENOMEM;
}

static int read_params(const struct cert_reader *r, struct cert_head *h, json_t *params)
{
	const char *key;
	json_t *v;

	h->params = calloc(json_object_size(params) + 1, sizeof(*h->params));
	if (!h->params)
		return -ENOMEM;
	json_object_foreach(params, key, v)
	{
		if (!json_is_number(v))
			return members_fail(&r->at, "'parameters': '%.40s' is not a number", key);
		h->params[h->nparams].value = json_number_value(v);
		if (copy(&h->params[h->nparams].name, key))
			return -ENOMEM;
		h->nparams++;
	}
	return 0;
}

static int read_text(struct cert_reader *r, struct cert_text *t, json_t *property)
{
	const char *file, *text, *hex, *set;
	char computed[HASH_HEX];
	const struct members_one members[] = {{"file", MEMBERS_TEXT, &file, MEMBERS_ANY},
		{"set", MEMBERS_TEXT, &set, MEMBERS_ANY},
		{"sha256", MEMBERS_TEXT, &hex, MEMBERS_ANY},
		{"text", MEMBERS_TEXT, &text, MEMBERS_ANY}};
	int err = members_read(&r->at, property, members, MEMBERS_COUNT(members));

	if (!err)
		err = read_hex(r, t->sha256, hex);
	if (err)
		return err;
	hash_sha256(computed, &(struct hash_part){text, strlen(text)}, 1);
	if (strcmp(computed, t->sha256)) {
		members_fail(&r->at, "the property text has another digest than its 'sha256' says");
		return -EKEYREJECTED;
	}
	err = copy(&t->file, file);
	if (!err)
		err = copy(&t->set, set);
	return err ? err : copy(&t->text, text);
}

static int read_head_members(struct cert_reader *r, json_t *o)
{
	struct cert_head *h = &r->head;
	const char *format, *canopy, *name, *hex, *policy;
	json_t *model, *property, *params, *decisions, *shield;
	int64_t version;
	const struct members_one top[] = {
		{"format", MEMBERS_TEXT, &format, MEMBERS_ANY},
		{"version", MEMBERS_WHOLE, &version, MEMBERS_ANY},
		{"canopy", MEMBERS_TEXT, &canopy, MEMBERS_ANY},
		{"model", MEMBERS_OBJECT, &model, MEMBERS_ANY},
		{"property", MEMBERS_OBJECT, &property, MEMBERS_ANY},
		{"parameters", MEMBERS_OBJECT, &params, MEMBERS_ANY},
		{"decisions", MEMBERS_LIST, &decisions, MEMBERS_ANY},
		{"policy", MEMBERS_TEXT, &policy, MEMBERS_ANY}, // of a shielded one's
		{"shield", MEMBERS_OBJECT, &shield, MEMBERS_ANY},
	};
	const struct members_one of_model[] = {{"name", MEMBERS_TEXT, &name, MEMBERS_ANY},
		{"sha256", MEMBERS_TEXT, &hex, MEMBERS_ANY}};
	int err = 0;

	for (int i = 0; i < 2 && !err; i++) // what it is comes before what it holds
		err = members_get(&r->at, o, &top[i]);
	if (!err && strcmp(format, CERT_FORMAT))
		err = members_fail(&r->at, "'format' is '%.40s', not '" CERT_FORMAT "'", format);
	if (!err && version != CERT_VERSION && version != CERT_VERSION_SHIELDED)
		err = members_fail(&r->at, "'version' is %" PRId64 ", this canopy reads %d and %d",
			version, CERT_VERSION, CERT_VERSION_SHIELDED);
	if (!err)
		err = members_read(&r->at, o, top,
			MEMBERS_COUNT(top) - (version == CERT_VERSION ? OF_SHIELDED : 0));
	if (!err && version == CERT_VERSION_SHIELDED && strcmp(policy, CERT_SHIELDED))
		err = members_fail(
			&r->at, "'policy' is '%.40s', not '" CERT_SHIELDED "'", policy);
	if (!err)
		err = members_read(&r->at, model, of_model, MEMBERS_COUNT(of_model));
	if (!err)
		err = read_hex(r, h->model_sha256, hex);
	if (!err)
		err = copy(&h->canopy, canopy);
	if (!err)
		err = copy(&h->model_name, name);
	if (!err)
		err = read_text(r, &h->property, property);
	if (!err && version == CERT_VERSION_SHIELDED)
		err = read_text(r, &h->shield, shield);
	return err ? err : read_params(r, h, params);
}

static int read_head(struct cert_reader *r)
{
	size_t len;
	json_t *o = NULL;
	int err = next_line(r, &len);

	if (err)
		return err;
	if (!len || r->text[len - 1] != '[')
		return members_fail(&r->at,
			"not the head of a certificate file, which ends in \"decisions\":[");
	memcpy(r->text + len, "]}", 2);
	err = parse(r, len + 2, &o);
	if (!err)
		err = read_head_members(r, o);
	json_decref(o);
	return err;
}

static int read_parts(struct cert_reader *r, struct cert_entry *d, json_t *parts)
{
	size_t i;
	json_t *v;
	int err = 0;

	if (json_array_size(parts) > CERT_PARTS)
		return members_fail(&r->at, "'parts' has %zu items, at most %d can be",
			json_array_size(parts), CERT_PARTS);
	d->parts = calloc(json_array_size(parts) + 1, sizeof(*d->parts));
	if (!d->parts)
		return -ENOMEM;
	json_array_foreach(parts, i, v)
	{
		snprintf(r->at.where, sizeof(r->at.where), "part %zu: ", i + 1);
		d->nparts = (int)i + 1; // what there is to free
		err = cert_part_read(&r->at, &d->parts[i], d, v);
		if (err)
			break;
	}
	*r->at.where = 0;
	return err;
}

static int read_changes(const struct cert_reader *r, struct cert_entry *d, json_t *changes)
{
	size_t i;
	json_t *v;

	if (json_array_size(changes) > CERT_CHANGES)
		return members_fail(&r->at, "'changes' has %zu numbers, at most %d can be",
			json_array_size(changes), CERT_CHANGES);
	json_array_foreach(changes, i, v)
	{
		if (!json_is_integer(v))
			return members_fail(
				&r->at, "'changes': item %zu is not a whole number", i + 1);
		d->changes[d->nchanges++] = json_integer_value(v);
	}
	return 0;
}

static int read_decision(struct cert_reader *r, struct cert_entry *d, json_t *o)
{
	const char *source;
	json_t *state, *changes, *parts;
	int64_t w, p, clean;
	const struct members_one members[] = {
		{"source", MEMBERS_TEXT, &source, MEMBERS_ANY},
		{"state", MEMBERS_LIST, &state, MEMBERS_ANY},
		{"w", MEMBERS_WHOLE, &w, 0, UINT32_MAX},
		{"p", MEMBERS_WHOLE, &p, 0, UINT32_MAX},
		{"clean", MEMBERS_WHOLE, &clean, 0, UINT32_MAX},
		{"changes", MEMBERS_LIST, &changes, MEMBERS_ANY},
		{"parts", MEMBERS_LIST, &parts, MEMBERS_ANY},
	};
	int err = members_read(&r->at, o, members, MEMBERS_COUNT(members));

	if (!err)
		err = members_few(&r->at, "state", state, d->state, 1, REGION_INPUTS);
	if (err)
		return err;
	d->nstate = (int)json_array_size(state);
	d->w = (uint32_t)w;
	d->p = (uint32_t)p;
	d->clean = (uint32_t)clean;
	err = copy(&d->source, source);
	if (!err)
		err = read_changes(r, d, changes);
	return err ? err : read_parts(r, d, parts);
}

// The last line; the digest of all before it, and nothing after it.
static int read_end(struct cert_reader *r)
{
	char hex[HASH_HEX], last[HASH_HEX + 16];
	size_t len;
	int err;

	if (r->more)
		return members_fail(&r->at, "a decision is missing after the comma");
	hash_state(r->hash, hex);
	snprintf(last, sizeof(last), "\"sha256\":\"%s\"}", hex);
	err = next_line(r, &len);
	if (err)
		return err;
	if (len != strlen(last) || memcmp(r->text, last, len)) {
		members_fail(
			&r->at, "the digest of the lines before is %s: the file was changed", hex);
		return -EKEYREJECTED;
	}
	return getc(r->f) == EOF ? 0 : members_fail(&r->at, "the file goes on after its digest");
}

int cert_file_next(struct cert_reader *r, struct cert_entry *out)
{
	struct cert_entry d = {0};
	json_t *o = NULL;
	size_t len;
	int err = next_line(r, &len);

	if (err)
		return err;
	if (!strcmp(r->text, "],") && len == 2)
		return read_end(r);
	if (r->any && !r->more)
		return members_fail(&r->at, "a comma is missing after the decision before");
	r->any = true;
	r->more = len && r->text[len - 1] == ',';
	err = parse(r, len - r->more, &o);
	if (!err)
		err = read_decision(r, &d, o);
	json_decref(o);
	if (err) {
		cert_entry_free(&d);
		return err;
	}
	*out = d;
	return 1;
}

int cert_file_read(struct cert_reader **out, FILE *f, const char *name)
{
	struct cert_reader *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->f = f;
	r->at.file = file_path("%s", name);
	r->hash = hash_new();
	err = read_head(r);
	if (err)
		cert_file_close(r);
	else
		*out = r;
	return err;
}

int cert_file_open(struct cert_reader **out, const char *path)
{
	FILE *f = fopen(path, "rb");
	int err;

	if (!f) {
		err = -errno;
		pr_err("%s: %s\n", path, strerror(-err));
		return err;
	}
	err = cert_file_read(out, f, path);
	if (err)
		fclose(f);
	else
		(*out)->owned = true;
	return err;
}

const struct cert_head *cert_file_head(const struct cert_reader *r)
{
	return &r->head;
}

long cert_file_line(const struct cert_reader *r)
{
	return r->at.line;
}

void cert_file_close(struct cert_reader *r)
{
	if (!r)
		return;
	if (r->owned)
		fclose(r->f);
	cert_head_free(&r->head);
	hash_free(r->hash);
	free(r->at.file);
	free(r->text);
	free(r);
}
