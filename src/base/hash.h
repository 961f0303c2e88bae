/* Digests: SHA-256 (OpenSSL) for what people compare, CRC-32C (Castagnoli) for TensorFlow's files.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_HEX 65 /* 64 hexadecimal digits and the NUL */

/* SHA-256 of n parts in order, as lower-case hexadecimal. */
struct hash_part {
	const void *data;
	size_t len;
};
void hash_sha256(char hex[HASH_HEX], const struct hash_part *parts, int n);

/* The same of what comes bit by bit. hash_state tells the digest so far and leaves h going on. */
struct hash *hash_new(void);
void hash_add(struct hash *h, const void *data, size_t len);
void hash_state(const struct hash *h, char hex[HASH_HEX]);
void hash_free(struct hash *h);

/* CRC-32C, reflected polynomial 0x82f63b78, init and final xor 0xffffffff (RFC 3720, B.4). */
uint32_t hash_crc32c(const void *data, size_t len);

/* TensorFlow's masking of a stored CRC: rotr32(c, 15) + 0xa282ead8. */
uint32_t hash_crc32c_masked(const void *data, size_t len);

#endif
