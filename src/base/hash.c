/* SHA-256 through OpenSSL and a table-driven CRC-32C. */
#include "base/hash.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

// Out of memory or a broken libcrypto: no digest may be made up.
static void need(bool ok)
{
	if (!ok)
		abort();
}

struct hash {
	EVP_MD_CTX *ctx;
};

struct hash *hash_new(void)
{
	struct hash *h = malloc(sizeof(*h));

	need(h);
	h->ctx = EVP_MD_CTX_new();
	need(h->ctx && EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL));
	return h;
}

void hash_add(struct hash *h, const void *data, size_t len)
{
	need(EVP_DigestUpdate(h->ctx, data, len));
}

void hash_state(const struct hash *h, char hex[HASH_HEX])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *copy = EVP_MD_CTX_new();

	need(copy && EVP_MD_CTX_copy_ex(copy, h->ctx) && EVP_DigestFinal_ex(copy, md, NULL));
	EVP_MD_CTX_free(copy);
	for (int i = 0; i < 32; i++)
		sprintf(hex + 2 * i, "%02x", md[i]);
}

void hash_free(struct hash *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

void hash_sha256(char hex[HASH_HEX], const struct hash_part *parts, int n)
{
	struct hash *h = hash_new();

	for (int i = 0; i < n; i++)
		hash_add(h, parts[i].data, parts[i].len);
	hash_state(h, hex);
	hash_free(h);
}

uint32_t hash_crc32c(const void *data, size_t len)
{
	const unsigned char *p = data;
	uint32_t table[16], c = 0xffffffff;

	for (uint32_t i = 0; i < 16; i++) {
		table[i] = i;
		for (int k = 0; k < 4; k++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0x82f63b78 : 0);
	}
	while (len--) {
		c ^= *p++;
		c = c >> 4 ^ table[c & 15];
		c = c >> 4 ^ table[c & 15];
	}
	return ~c;
}

uint32_t hash_crc32c_masked(const void *data, size_t len)
{
	uint32_t c = hash_crc32c(data, len);

	return (c >> 15 | c << 17) + 0xa282ead8;
}
