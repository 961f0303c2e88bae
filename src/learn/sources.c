/* Traces and shields by name. */
#include "learn/sources.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "trace/generate.h"

int sources_init(struct sources *s, size_t traces, size_t shields)
{
	s->traces = calloc(traces, sizeof(*s->traces));
	s->shields = calloc(shields, sizeof(*s->shields));
	return s->traces && s->shields ? 0 : -ENOMEM;
}

void sources_free(struct sources *s)
{
	for (size_t i = 0; i < s->ntraces; i++) {
		free(s->traces[i].name);
		trace_free(s->traces[i].trace);
	}
	for (size_t i = 0; i < s->nshields; i++) {
		free(s->shields[i].name);
		shield_free(s->shields[i].shield);
		property_free(s->shields[i].properties);
	}
	free(s->traces);
	free(s->shields);
}

int sources_trace(struct sources *s, const char *name, bool generated, const struct trace **out)
{
	struct trace *t;
	char *copy;
	int err;

	for (size_t i = 0; i < s->ntraces; i++)
		if (!strcmp(s->traces[i].name, name)) {
			*out = s->traces[i].trace;
			return 0;
		}
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	err = generated ? trace_generate(&t, name) : trace_open(&t, name);
	if (err) {
		free(copy);
		return err;
	}
	s->traces[s->ntraces].name = copy;
	*out = s->traces[s->ntraces++].trace = t;
	return 0;
}

int sources_shield(struct sources *s, const char *name, const struct shield **out)
{
	struct property_file *f = NULL;
	struct shield *new = NULL;
	char *copy;
	int err;

	for (size_t i = 0; i < s->nshields; i++)
		if (!strcmp(s->shields[i].name, name)) {
			*out = s->shields[i].shield;
			return 0;
		}
	copy = strdup(name);
	err = copy ? property_load(&f, name, NULL, 0) : -ENOMEM;
	err = err ? err : shield_new(&new, f);
	if (err) {
		property_free(f);
		free(copy);
		return err;
	}
	s->shields[s->nshields].name = copy;
	s->shields[s->nshields].properties = f;
	*out = s->shields[s->nshields++].shield = new;
	return 0;
}
