/* Growing a list of opportunities: what the loader, the generators and the converter have in
 * common. */
#ifndef TRACE_BUILD_H
#define TRACE_BUILD_H

#include <stddef.h>
#include <stdint.h>

#include "trace/trace.h"

#define TRACE_OPPORTUNITY_BITS 12000 /* what generated traces count an opportunity as: 1500 bytes  \
				      */
#define TRACE_MADE_MAX (1u << 25)    /* most opportunities of a made (not loaded) trace */

struct build {
	uint32_t *t_ms;
	size_t n, cap;
};

/* Appends one opportunity. 0 or -ENOMEM. */
int build_add(struct build *b, uint32_t t_ms);

/* Appends opportunities at t_ms until there are count in all; none when there are as many. 0 or
 * -ENOMEM. */
int build_reach(struct build *b, uint32_t t_ms, size_t count);

/* The trace named name (copied) over b's list, which it takes over. 0 or -ENOMEM. */
int build_finish(struct trace **out, struct build *b, const char *name);

void build_free(struct build *b);

#endif
