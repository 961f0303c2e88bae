/* SHA-256 through OpenSSL and a table-driven CRC-32C. */
#include "base/hash.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

void hash_sha256(char hex[HASH_HEX], const struct hash_part *parts, int n)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);

	for (int i = 0; ok && i < n; i++)
		ok = EVP_DigestUpdate(ctx, parts[i].data, parts[i].len);
	ok = ok && EVP_DigestFinal_ex(ctx, md, NULL);
	EVP_MD_CTX_free(ctx);
	if (!ok)
		abort(); // out of memory or a broken libcrypto: no digest may be made up
	for (int i = 0; i < 32; i++)
		sprintf(hex + 2 * i, "%02x", md[i]);
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
