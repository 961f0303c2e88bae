/* Fuzzes the reader of iperf3's reports: any bytes give samples or an error, and bytes only grow.
 */
#include <stdint.h>
#include <stdlib.h>

#include "emu/iperf3.h"

#define N 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint64_t t[N], bytes[N];
	struct flow_sample s[N];
	char why[IPERF3_WHY];

	for (int i = 0; i < N; i++)
		t[i] = (i + 1) * 100000000ull;
	if (iperf3_read(s, bytes, t, N, 50000000, (const char *)data, len, why))
		return 0;
	for (int i = 1; i < N; i++)
		if (bytes[i] < bytes[i - 1] || s[i].retrans < s[i - 1].retrans)
			abort();
	return 0;
}
