/* What controllers share, and their registry. Source: Linux net/ipv4/tcp_cong.c, RFC 5681. */
#include "cc/cc.h"

#include <string.h>

static const struct cc_ops *const registry[] = {&cc_cubic, &cc_reno, &cc_vegas, &cc_bbr};

const struct cc_ops *cc_find(const char *name)
{
	for (size_t i = 0; i < sizeof(registry) / sizeof(registry[0]); i++)
		if (!strcmp(registry[i]->name, name))
			return registry[i];
	return NULL;
}

const char *cc_name(int i)
{
	return i >= 0 && (size_t)i < sizeof(registry) / sizeof(registry[0]) ? registry[i]->name
									    : NULL;
}

const char *cc_names(void)
{
	return "cubic, reno, vegas, bbr";
}

uint32_t cc_reno_undo_cwnd(struct cc *cc)
{
	return cc->cwnd > cc->prior_cwnd ? cc->cwnd : cc->prior_cwnd;
}
