/* TensorFlow checkpoint importer: a raw index, or table entries behind valid checksums, then a zero
 * shard. */
#include "base/log.h"
#include "model/tf_import.h"
#include "../tests/craft.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct tf_bundle *b = NULL;
	struct model *m = NULL;
	size_t n = len;
	char *index;

	log_set_level(-1);
	if (len && data[0] & 1) {
		index = craft_index(data + 1, len - 1, 0, &n);
	} else {
		index = malloc(len + 1);
		memcpy(index, data, len);
	}
	if (!tf_parse_index(&b, index, n, "fuzz")) {
		tf_attach(b, 0, calloc(1, 1 << 16), 1 << 16, "fuzz");
		if (!tf_import(&m, b, "fuzz"))
			model_free(m);
	}
	free(index);
	tf_free(b);
	return 0;
}
