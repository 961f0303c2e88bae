/* Safetensors reader: raw bytes, or a header put behind a valid digest. */
#include "base/log.h"
#include "model/safetensors.h"
#include "../tests/craft.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct st_file *f = NULL;
	size_t n = len;
	char *file;

	log_set_level(-1);
	if (len && data[0] & 1) { // its other bits: the length of the body
		file = craft_safetensors((const char *)data + 1, len - 1, data[0] >> 1, &n);
	} else {
		file = malloc(len + 1);
		memcpy(file, data, len);
	}
	if (!st_parse(&f, file, n, "fuzz"))
		for (int i = 0; i < f->n; i++) { // touch all of what was accepted
			const unsigned char *p = f->tensors[i].data;
			volatile unsigned sum = 0;

			for (size_t k = 0;
				k < st_items(&f->tensors[i]) * st_dtype_size(f->tensors[i].dtype);
				k++)
				sum += p[k];
		}
	st_free(f);
	return 0;
}
