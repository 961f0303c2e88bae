/* Blocks of addresses. */
#include "emu/block.h"

#include <arpa/inet.h>
#include <string.h>

#define NET4 0x64400000u /* 100.64.0.0 */
#define NET6 "\xfd\xca\x6e\x6f\x70\x79"

static const struct {
	int prefix4, prefix6;
	unsigned first, n; /* numbers; number 0 of a block inside another is that one's own path */
} levels[BLOCK_LEVELS] = {{24, 64, 0, 16384}, {27, 80, 1, 7}, {30, 96, 1, 7}};

unsigned block_count(int level)
{
	return level < BLOCK_LEVELS ? levels[level].n : 0;
}

bool block_pick(struct block *b, const struct block *parent, unsigned i)
{
	struct block out = {.level = 0};

	if (parent) {
		out = *parent;
		out.level++;
	}
	if (i >= block_count(out.level))
		return false;
	out.number[out.level] = levels[out.level].first + i;
	*b = out;
	return true;
}

static uint32_t net4(const struct block *b)
{
	uint32_t net = NET4;

	for (int i = 0; i <= b->level; i++)
		net += b->number[i] << (32 - levels[i].prefix4);
	return net;
}

bool block_of_inside(struct block *b, uint32_t addr)
{
	uint32_t rest = addr - BLOCK_INSIDE - NET4;
	struct block out = {.level = -1};

	do {
		int shift = 32 - levels[++out.level].prefix4;

		out.number[out.level] = rest >> shift;
		rest &= (1u << shift) - 1;
	} while (rest && out.level + 1 < BLOCK_LEVELS);
	if (rest || out.number[0] >= block_count(0))
		return false;
	for (int i = 1; i <= out.level; i++)
		if (!out.number[i])
			return false;
	*b = out;
	return true;
}

struct in_addr block_addr4(const struct block *b, enum block_side side)
{
	return (struct in_addr){htonl(net4(b) + side)};
}

struct in6_addr block_addr6(const struct block *b, enum block_side side)
{
	struct in6_addr a = {.s6_addr = {0}};
	size_t at = sizeof(NET6) - 1;

	memcpy(a.s6_addr, NET6, at);
	for (int i = 0; i <= b->level; i++, at += 2) {
		a.s6_addr[at] = b->number[i] >> 8;
		a.s6_addr[at + 1] = b->number[i];
	}
	a.s6_addr[sizeof(a) - 1] = side;
	return a;
}

int block_prefix4(const struct block *b)
{
	return levels[b->level].prefix4;
}

int block_prefix6(const struct block *b)
{
	return levels[b->level].prefix6;
}
