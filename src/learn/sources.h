/* What environments share: traces and shields, loaded once by the name that was asked for. */
#ifndef LEARN_SOURCES_H
#define LEARN_SOURCES_H

#include <stdbool.h>
#include <stddef.h>

#include "cert/shield.h"
#include "trace/trace.h"

/* Zeroed to begin with. */
struct sources {
	struct {
		char *name;
		struct trace *trace;
	} *traces;
	struct {
		char *name;
		struct property_file *properties;
		struct shield *shield;
	} *shields;
	size_t ntraces, nshields;
};

/* Room for so many names of each. 0 or -ENOMEM; freed in either case. */
int sources_init(struct sources *s, size_t traces, size_t shields);
void sources_free(struct sources *s);

/* A trace file, or the name of a generated trace alone. Prints; 0 or -errno. */
int sources_trace(struct sources *s, const char *name, bool generated, const struct trace **out);

/* The shield of a property file or shipped name. Prints; 0 or -errno. */
int sources_shield(struct sources *s, const char *name, const struct shield **out);

#endif
