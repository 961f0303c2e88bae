/* Queue descriptions, a table of kinds and one of keys. */
#include "emu/queue.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/opts.h"

#define WORD_MAX 32
#define MS_MAX 1e5

static const char *const kinds[] = {[QUEUE_INFINITE] = "infinite",
	[QUEUE_DROPTAIL] = "droptail",
	[QUEUE_DROPHEAD] = "drophead",
	[QUEUE_CODEL] = "codel",
	[QUEUE_PIE] = "pie"};
#define NKINDS ((int)(sizeof(kinds) / sizeof(kinds[0])))

enum key { PACKETS, BYTES, TARGET, INTERVAL, UPDATE, BURST, NKEYS };
static const char *const keys[NKEYS] = {
	"packets", "bytes", "target", "interval", "update", "burst"};

static bool allowed(enum queue_kind kind, enum key k)
{
	switch (k) {
	case PACKETS:
	case BYTES:
		return kind != QUEUE_INFINITE;
	case TARGET:
		return kind == QUEUE_CODEL || kind == QUEUE_PIE;
	case INTERVAL:
		return kind == QUEUE_CODEL;
	default:
		return kind == QUEUE_PIE;
	}
}

static int find(
	const char *const *words, int n, const char *word, const char *what, const char *where)
{
	const char *near;

	for (int i = 0; i < n; i++)
		if (!strcmp(words[i], word))
			return i;
	near = opts_nearest(word, words, n);
	pr_err("%s: unknown %s '%s'%s%s%s\n", where, what, word, near ? ", did you mean '" : "",
		near ? near : "", near ? "'?" : "");
	return -EINVAL;
}

static int set(struct queue_conf *q, enum key k, const char *value, const char *where)
{
	double v, lo = k == BURST ? 0 : k <= BYTES ? 1 : 1e-3, hi = k <= BYTES ? 1e9 : MS_MAX;

	if (!allowed(q->kind, k)) {
		pr_err("%s: %s has no '%s'\n", where, kinds[q->kind], keys[k]);
		return -EINVAL;
	}
	if (!opts_number(value, lo, hi, &v) || (k <= BYTES && v != (uint32_t)v)) {
		pr_err("%s: %s '%s' is not a %snumber from %g to %g%s\n", where, keys[k], value,
			k <= BYTES ? "whole " : "", lo, hi,
			k <= BYTES ? " (a queue of 0 would pass nothing)" : " ms");
		return -EINVAL;
	}
	if (k == PACKETS)
		q->limit_pkts = v;
	else if (k == BYTES)
		q->limit_bytes = v;
	else
		*(k == TARGET	     ? &q->aqm.target_ns
			: k == BURST ? &q->aqm.burst_ns
				     : &q->aqm.interval_ns) = v * 1e6;
	return 0;
}

// A word up to a separator or the end; false when it is too long.
static bool take(const char **p, const char *stops, char word[WORD_MAX])
{
	size_t n = strcspn(*p, stops);

	if (n >= WORD_MAX)
		return false;
	memcpy(word, *p, n);
	word[n] = 0;
	*p += n;
	return true;
}

static int parse_arguments(struct queue_conf *q, const char *p, const char *where)
{
	char key[WORD_MAX], value[WORD_MAX];
	int k, err;

	do {
		if (!take(&p, "=,", key) || *p != '=' || (p++, !take(&p, ",", value))) {
			pr_err("%s: after '%s:' comes key=value, separated by commas\n", where,
				kinds[q->kind]);
			return -EINVAL;
		}
		k = find(keys, NKEYS, key, "queue parameter", where);
		err = k < 0 ? k : set(q, k, value, where);
	} while (!err && *p++ == ',');
	return err;
}

int queue_parse(struct queue_conf *out, const char *text, const char *where)
{
	struct queue_conf q = {.kind = QUEUE_DROPTAIL};
	const char *p = text;
	char word[WORD_MAX];
	int err = 0, kind;

	if (*p >= '0' && *p <= '9') {
		err = set(&q, PACKETS, p, where);
	} else {
		if (!take(&p, ":", word))
			memcpy(word, "?", 2);
		kind = find(kinds, NKINDS, word, "queue", where);
		if (kind < 0)
			return kind;
		q.kind = kind;
		if (kind == QUEUE_CODEL)
			q.aqm = AQM_CODEL_CONF;
		else if (kind == QUEUE_PIE)
			q.aqm = AQM_PIE_CONF;
		if (*p)
			err = parse_arguments(&q, p + 1, where);
	}
	if (!err && (q.kind == QUEUE_DROPTAIL || q.kind == QUEUE_DROPHEAD) && !q.limit_pkts &&
		!q.limit_bytes) {
		pr_err("%s: %s needs a limit, packets=N or bytes=N\n", where, kinds[q.kind]);
		err = -EINVAL;
	}
	if (!err)
		*out = q;
	return err;
}

const char *queue_text(const struct queue_conf *q, char buf[QUEUE_TEXT])
{
	const struct aqm_conf *a = &q->aqm;
	int n = snprintf(buf, QUEUE_TEXT, "%s", kinds[q->kind]);
	const char *sep = " [";

#define ADD(...)                                                                                   \
	(n += snprintf(buf + n, QUEUE_TEXT - n, "%s", sep),                                        \
		n += snprintf(buf + n, QUEUE_TEXT - n, __VA_ARGS__), sep = ", ")
	if (q->limit_bytes)
		ADD("bytes=%u", q->limit_bytes);
	if (q->limit_pkts)
		ADD("packets=%u", q->limit_pkts);
	if (a->interval_ns) {
		ADD("target=%g", a->target_ns * 1e-6);
		ADD(q->kind == QUEUE_PIE ? "update=%g" : "interval=%g", a->interval_ns * 1e-6);
	}
	if (q->kind == QUEUE_PIE)
		ADD("burst=%g", a->burst_ns * 1e-6);
#undef ADD
	if (*sep == ',')
		snprintf(buf + n, QUEUE_TEXT - n, "]");
	return buf;
}
