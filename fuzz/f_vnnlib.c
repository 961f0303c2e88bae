/* VNN-LIB: what is accepted must make sense, and must read back as itself once written. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cert/vnnlib.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct vnnlib_claim *c, enum vnnlib_mode mode)
{
	struct vnnlib *again;
	struct band band;
	size_t len;
	char *text;

	vnnlib_band(&band, c);
	if (vnnlib_format(&text, &len, &c->region, &band, mode, "fuzz") ||
		vnnlib_parse(&again, text, len, "again") || again->n != 1)
		abort();
	if (mode == VNNLIB_EXACT &&
		(again->claims->region.ndims != c->region.ndims ||
			memcmp(again->claims->region.dim, c->region.dim,
				c->region.ndims * sizeof(c->region.dim[0]))))
		abort();
	vnnlib_free(again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct vnnlib *v;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	log_set_level(-1);
	if (!vnnlib_parse(&v, text, size, "fuzz")) {
		for (int i = 0; i < v->n; i++) {
			if (!region_valid(&v->claims[i].region))
				abort();
			check(&v->claims[i], VNNLIB_BOX);
			check(&v->claims[i], VNNLIB_EXACT);
		}
		vnnlib_free(v);
	}
	free(text);
	return 0;
}
