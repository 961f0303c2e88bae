/* Fuzzes the parser of mahimahi logs: any bytes give metrics or an error, and metrics are sane. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "eval/log_metrics.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct log_metrics m;
	double cut = len ? data[0] % 3 : 0; // also the second pass
	FILE *f = len ? fmemopen((void *)data, len, "rb") : NULL;

	log_set_level(LOG_ERR - 1);
	if (!f)
		return 0;
	if (!log_metrics_stream(&m, f, "fuzz", cut) &&
		(!isfinite(m.capacity_mbps) || !isfinite(m.qdelay_mean_ms) ||
			m.qdelay_p95_ms > m.qdelay_max_ms))
		abort();
	fclose(f);
	return 0;
}
