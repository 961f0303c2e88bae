/* Fuzzes spec files: every kind of option, then typed reads of what was taken. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/opts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct opt table[] = {
	{OPT_FLAG, 'f', "flag", NULL, NULL, 0, 0, NULL, ""},
	{OPT_TEXT, 't', "text", "TEXT", NULL, 0, 0, NULL, ""},
	{OPT_WORD, 'w', "word", "WORD", "one", 0, 0, "one|two", ""},
	{OPT_INT, 'i', "int", "N", "3", -5, 10, NULL, ""},
	{OPT_REAL, 0, "real", "X", "0.5", 0, 1, NULL, ""},
	{OPT_TEXTS, 0, "texts", "A,B", NULL, 0, 0, NULL, ""},
	{OPT_REALS, 0, "reals", "X,Y", "1,2", 0, 100, NULL, ""},
	{OPT_SPEC, 's', "spec", "FILE", NULL, 0, 0, NULL, ""},
	{.kind = OPT_END},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), **texts;
	struct opts o;
	double *reals;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	log_set_level(-1);
	opts_init(&o, table);
	opts_load_text(&o, text, size, "fuzz");
	if (opts_int(&o, "int") < -5 || opts_int(&o, "int") > 10 || !(opts_real(&o, "real") <= 1))
		abort();
	for (int n = opts_reals(&o, "reals", &reals); n--;)
		if (!(reals[n] >= 0 && reals[n] <= 100))
			abort();
	opts_texts(&o, "texts", &texts);
	free(reals);
	free(texts);
	opts_free(&o);
	free(text);
	return 0;
}
