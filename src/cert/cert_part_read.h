/* A part of a certificate file, read. For cert_file_read.c alone. */
#ifndef CERT_CERT_PART_READ_H
#define CERT_CERT_PART_READ_H

#include "base/members.h"
#include "cert/cert_file.h"

/* Fills zeroed p, a part of d, whose state is known, from the JSON. 0; -ENOMEM; printed, -EBADMSG.
 * What p owns is to be freed in any case. */
int cert_part_read(
	const struct members_place *at, struct cert_part *p, const struct cert_entry *d, json_t *o);

#endif
