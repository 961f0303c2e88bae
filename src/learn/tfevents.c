/* Wire format by hand: five field numbers do not need a protocol-buffer compiler. */
#include "learn/tfevents.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/hash.h"

#define MAX_VALUE (2 + 2 + TFEVENTS_TAG_MAX + 5 + 2) /* a scalar's bytes, at most */
#define MAX_EVENT (64 + TFEVENTS_MAX_SCALARS * MAX_VALUE)

// Field numbers and wire types, as (number << 3 | type).
enum {
	EVENT_WALL_TIME = 1 << 3 | 1,	 // double
	EVENT_STEP = 2 << 3 | 0,	 // int64
	EVENT_FILE_VERSION = 3 << 3 | 2, // string
	EVENT_SUMMARY = 5 << 3 | 2,	 // message
	SUMMARY_VALUE = 1 << 3 | 2,	 // message
	VALUE_TAG = 1 << 3 | 2,		 // string
	VALUE_SIMPLE = 2 << 3 | 5,	 // float
};

struct buf {
	unsigned char data[MAX_EVENT];
	size_t n;
};

static void put(struct buf *b, const void *data, size_t n)
{
	memcpy(b->data + b->n, data, n);
	b->n += n;
}

static void put_varint(struct buf *b, uint64_t v)
{
	for (; v >= 128; v >>= 7)
		b->data[b->n++] = v | 128;
	b->data[b->n++] = v;
}

static void put_text(struct buf *b, int field, const char *s)
{
	put_varint(b, field);
	put_varint(b, strlen(s));
	put(b, s, strlen(s));
}

static void put_time(struct buf *b, double wall_s)
{
	put_varint(b, EVENT_WALL_TIME);
	put(b, &wall_s, sizeof(wall_s));
}

static int write_record(FILE *f, const struct buf *b)
{
	uint64_t len = b->n;
	uint32_t len_crc = hash_crc32c_masked(&len, sizeof(len)),
		 crc = hash_crc32c_masked(b->data, b->n);

	fwrite(&len, sizeof(len), 1, f);
	fwrite(&len_crc, sizeof(len_crc), 1, f);
	fwrite(b->data, 1, b->n, f);
	fwrite(&crc, sizeof(crc), 1, f);
	return ferror(f) ? -EIO : 0;
}

int tfevents_begin(FILE *f, double wall_s)
{
	struct buf b = {.n = 0};

	put_time(&b, wall_s);
	put_text(&b, EVENT_FILE_VERSION, "brain.Event:2");
	return write_record(f, &b);
}

static size_t varint_size(uint64_t v)
{
	size_t n = 1;

	for (; v >= 128; v >>= 7)
		n++;
	return n;
}

static void put_value(struct buf *b, const char *tag, float v)
{
	size_t tag_n = strlen(tag);

	put_varint(b, SUMMARY_VALUE);
	put_varint(b, 1 + varint_size(tag_n) + tag_n + 1 + sizeof(v));
	put_text(b, VALUE_TAG, tag);
	put_varint(b, VALUE_SIMPLE);
	put(b, &v, sizeof(v));
}

int tfevents_scalars(
	FILE *f, double wall_s, int64_t step, int n, const char *const *tags, const double *values)
{
	struct buf event = {.n = 0}, summary = {.n = 0};

	for (int i = 0; i < n && i < TFEVENTS_MAX_SCALARS; i++)
		if (!isnan(values[i]) && strlen(tags[i]) <= TFEVENTS_TAG_MAX)
			put_value(&summary, tags[i], (float)values[i]);
	put_time(&event, wall_s);
	put_varint(&event, EVENT_STEP);
	put_varint(&event, (uint64_t)step);
	put_varint(&event, EVENT_SUMMARY);
	put_varint(&event, summary.n);
	put(&event, summary.data, summary.n);
	return write_record(f, &event);
}
