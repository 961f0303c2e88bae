/* Fuzzes mahimahi's command lines: NUL or newline separates words. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "emu/mahimahi.h"

#define WORDS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct mahimahi *m, int argc)
{
	char buf[QUEUE_TEXT];
	int words = 0;

	for (int i = 0; i < MAHIMAHI_DIRS; i++) {
		const struct queue_conf *q = &m->link[i].queue;

		if (m->before[i].n + m->after[i].n > PATH_STAGES)
			abort();
		if (strlen(queue_text(q, buf)) >= sizeof(buf))
			abort();
		if ((m->link[0].trace != NULL) != (m->link[i].trace != NULL))
			abort();
		for (int k = 0; k < m->before[i].n; k++)
			if (m->before[i].stage[k].loss < 0 || m->before[i].stage[k].loss > 1)
				abort();
	}
	while (m->command[words])
		words++;
	if (words >= argc || strlen(m->prefix) >= MAHIMAHI_PREFIX)
		abort();
	if (m->again && !mahimahi_knows(m->command[0]))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *words[WORDS + 1];
	static struct mahimahi m;
	int n = 0;

	log_set_level(-1);
	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	for (size_t at = 0; at <= size && n < WORDS; at += strlen(text + at) + 1) {
		text[at + strcspn(text + at, "\n")] = 0;
		words[n++] = text + at;
	}
	words[n] = NULL;
	if (!mahimahi_parse(&m, n, words)) {
		check(&m, n);
		mahimahi_free(&m);
	}
	free(text);
	return 0;
}
