/* Sets of properties: their text, and whether they make sense together. */
#ifndef CERT_SETS_H
#define CERT_SETS_H

#include "cert/property.h"

#define SETS_SPAN 4096 /* most property values that the main set may be made of */

/* Reads the rule of set i of f, all of whose names are known. Prints; 0, -EINVAL or -ENOMEM. */
int sets_parse(struct property_file *f, int i, struct lex *l);

/* The index of a name as in members; false if there is none. */
bool sets_find(int *member, const struct property_file *f, const char *name);

/* No set contains itself, every property is in one. Prints; 0 or -EINVAL. */
int sets_check(const struct property_file *f);

/* Makes member the main one: marks the properties it uses and how far it looks back. Prints; 0 or
 * -EINVAL when that is further than PROPERTY_LAST or there is more in it than SETS_SPAN. */
int sets_pick(struct property_file *f, int member);

#endif
