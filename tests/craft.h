/* Builds files with sound checksums around any contents, for tests and fuzzers to get past them. */
#ifndef TESTS_CRAFT_H
#define TESTS_CRAFT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define CRAFT_HEAD "{\"__metadata__\":{\"digest\":\""

/* A safetensors file: HEAD, the digest's digits, rest, padding, body zeros. malloc'ed. */
static inline char *craft_safetensors(const char *rest, size_t nrest, size_t nbody, size_t *len)
{
	size_t at = 8 + strlen(CRAFT_HEAD), head = strlen(CRAFT_HEAD) + 64 + 1 + nrest;
	uint64_t padded = (head + 7) / 8 * 8;
	char *buf = calloc(1, 8 + padded + nbody + 1), hex[HASH_HEX];
	struct hash_part part = {buf, 8 + padded + nbody};

	memcpy(buf, &padded, 8);
	memcpy(buf + 8, CRAFT_HEAD, strlen(CRAFT_HEAD));
	memset(buf + at, '0', 64);
	buf[at + 64] = '"';
	memcpy(buf + at + 65, rest, nrest);
	memset(buf + 8 + head, ' ', padded - head);
	hash_sha256(hex, &part, 1);
	memcpy(buf + at, hex, 64);
	*len = part.len;
	return buf;
}

struct craft {
	unsigned char *p;
	size_t n;
};

static inline void craft_varint(struct craft *c, uint64_t v)
{
	for (; v > 127; v >>= 7)
		c->p[c->n++] = (unsigned char)(v | 128);
	c->p[c->n++] = (unsigned char)v;
}

static inline void craft_block(
	struct craft *c, const void *data, size_t len, unsigned char compression)
{
	size_t at = c->n;
	uint32_t crc;

	memcpy(c->p + c->n, data, len);
	c->n += len;
	c->p[c->n++] = compression;
	crc = hash_crc32c_masked(c->p + at, len + 1);
	memcpy(c->p + c->n, &crc, 4);
	c->n += 4;
}

/* One table entry without prefix compression. */
static inline void craft_entry(struct craft *c, const char *key, const void *value, size_t len)
{
	craft_varint(c, 0);
	craft_varint(c, strlen(key));
	craft_varint(c, len);
	memcpy(c->p + c->n, key, strlen(key));
	c->n += strlen(key);
	memcpy(c->p + c->n, value, len);
	c->n += len;
}

/* A checkpoint index whose only data block has these entries. malloc'ed. */
static inline char *craft_index(
	const void *entries, size_t nentries, unsigned char compression, size_t *len)
{
	static const unsigned char restarts[8] = {0, 0, 0, 0, 1, 0, 0, 0};
	static const unsigned char magic[8] = {0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb};
	unsigned char value[32], index[64], *block = malloc(nentries + 8);
	struct craft f = {calloc(1, nentries + 512), 0}, v = {value, 0}, ix = {index, 0};
	size_t meta, at, footer;

	memcpy(block, entries, nentries);
	memcpy(block + nentries, restarts, 8);
	craft_block(&f, block, nentries + 8, compression);
	free(block);
	meta = f.n;
	craft_block(&f, restarts, 8, 0);
	craft_varint(&v, 0);
	craft_varint(&v, nentries + 8);
	craft_entry(&ix, "\xff\xff", value, v.n);
	memcpy(index + ix.n, restarts, 8);
	at = f.n;
	craft_block(&f, index, ix.n + 8, 0);
	footer = f.n;
	craft_varint(&f, meta);
	craft_varint(&f, 8);
	craft_varint(&f, at);
	craft_varint(&f, ix.n + 8);
	f.n = footer + 40; // zeros up to here
	memcpy(f.p + f.n, magic, 8);
	*len = f.n + 8;
	return (char *)f.p;
}

#endif
