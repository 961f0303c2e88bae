/*
 * A queue as users write it:
 *
 *	100					droptail of 100 packets
 *	droptail:packets=100,bytes=150000	both hold; drophead the same
 *	codel:target=5,interval=100,packets=1000	ms; pie:target=15,update=15,burst=150
 *	infinite
 */
#ifndef EMU_QUEUE_H
#define EMU_QUEUE_H

#include "sim/link.h"

#define QUEUE_TEXT 128

struct queue_conf {
	enum queue_kind kind;
	uint32_t limit_pkts, limit_bytes; /* inclusive, 0 none */
	struct aqm_conf aqm;		  /* zero but for CoDel and PIE */
};

/* where names the source in messages. Prints. 0 or -EINVAL. */
int queue_parse(struct queue_conf *out, const char *text, const char *where);

/* As mahimahi's logs show it: "droptail [packets=100]". Returns buf. */
const char *queue_text(const struct queue_conf *q, char buf[QUEUE_TEXT]);

#endif
