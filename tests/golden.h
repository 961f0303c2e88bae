/* Reference data for tests: skipped, with a printed line, where the folder is absent. */
#ifndef TESTS_GOLDEN_H
#define TESTS_GOLDEN_H

#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#define SHARED "../shared/data/"
#define GOLDEN SHARED "golden/"

#define need_file(path)                                                                            \
	do {                                                                                       \
		if (access(path, R_OK)) {                                                          \
			printf("skip: %s is not here\n", path);                                    \
			skip();                                                                    \
		}                                                                                  \
	} while (0)

static inline json_t *golden_json(const char *path)
{
	json_error_t e;
	json_t *j = json_load_file(path, 0, &e);

	if (!j)
		printf("%s:%d: %s\n", path, e.line, e.text);
	return j;
}

static inline double golden_number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

#endif
