/*
 * Which addresses an emulated path has: blocks within blocks, so that packets of an emulator that
 * runs inside another find their way by routes alone, without NAT.
 *
 *	level 0: /24 number 0 to 16383 of 100.64.0.0/10		fdca:6e6f:7079:N::/64
 *	level 1: /27 number 1 to 7 of that of level 0		fdca:6e6f:7079:N:I::/80
 *	level 2: /30 number 1 to 7 of that of level 1		fdca:6e6f:7079:N:I:J::/96
 *
 * The first /30 of a block (/126 of IPv6) is the path's own: outside .1, inside .2. The rest is for
 * emulators that run inside.
 */
#ifndef EMU_BLOCK_H
#define EMU_BLOCK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define BLOCK_LEVELS 3
#define BLOCK_OWN4 30 /* prefixes of the path's own addresses */
#define BLOCK_OWN6 126

struct block {
	int level;
	unsigned number[BLOCK_LEVELS]; /* of each level up to its own */
};

/* How many blocks there are beside each other on a level. */
unsigned block_count(int level);

/* Block i, from 0, on the level below parent; NULL: on level 0. False when i or the level is past
 * the last. */
bool block_pick(struct block *b, const struct block *parent, unsigned i);

/* The block whose inside has IPv4 address addr (host order). False for any other address. */
bool block_of_inside(struct block *b, uint32_t addr);

enum block_side { BLOCK_NET, BLOCK_OUTSIDE, BLOCK_INSIDE };

/* Addresses of the block; BLOCK_NET is its first. */
struct in_addr block_addr4(const struct block *b, enum block_side side);
struct in6_addr block_addr6(const struct block *b, enum block_side side);

/* Prefix lengths of the whole block. */
int block_prefix4(const struct block *b);
int block_prefix6(const struct block *b);

#endif
