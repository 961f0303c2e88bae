/* The shipped properties: the texts of properties/, put in when the program is built. */
#include <string.h>

#include "cert/property.h"

static const struct {
	const char *name, *text;
} shipped[] = {
#include "properties.inc"
};
#define N ((int)(sizeof(shipped) / sizeof(shipped[0])))

const char *property_shipped_name(int i)
{
	return i < N ? shipped[i].name : NULL;
}

const char *property_shipped_text(const char *name)
{
	for (int i = 0; i < N; i++)
		if (!strcmp(shipped[i].name, name))
			return shipped[i].text;
	return NULL;
}
