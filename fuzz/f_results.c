/* Fuzzes the readers of runs.jsonl (what they accept must be written back and accepted again) and
 * of series. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "eval/results.h"
#include "eval/series.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void fuzz_runs(const char *text, size_t len)
{
	struct result_set set = {0};

	if (!results_load_text(text, len, "fuzz", "fuzz", &set))
		for (size_t i = 0; i < set.n; i++) {
			const char *bad;
			char *line = results_format(&set.runs[i], &bad), why[160];
			json_t *rec = line ? json_loads(line, JSON_REJECT_DUPLICATES, NULL) : NULL;
			struct run_result again;

			assert(rec && !results_parse(&again, rec, RESULTS_VERSION, why));
			free(again.flows);
			free(line);
			json_decref(rec);
		}
	result_set_free(&set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1);
	struct series s;

	log_set_level(-1);
	if (!text)
		return 0;
	memcpy(text, data, len);
	text[len] = 0;
	if (len && text[0] == '#') {
		if (!series_parse(&s, text, len, "fuzz"))
			series_free(&s);
	} else {
		fuzz_runs(text, len);
	}
	free(text);
	return 0;
}
