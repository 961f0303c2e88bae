/* The one table from action to percent, and the window that follows. */
#include "policy/action.h"

#include <assert.h>
#include <math.h>

// thresholds[i] belongs to percent 26 + i
static const double thresholds[] = {
#include "policy/action_table.h"
};
#define N ((int)(sizeof(thresholds) / sizeof(thresholds[0])))
_Static_assert(N == ACTION_MAX_PERCENT - ACTION_MIN_PERCENT,
	"one threshold for each percent above the least");

int action_percent(double a)
{
	int lo = 0, hi = N; // thresholds below lo are <= a, those from hi on are > a

	if (isnan(a))
		return 100;
	while (lo < hi) {
		int mid = (lo + hi) / 2;

		if (thresholds[mid] <= a)
			lo = mid + 1;
		else
			hi = mid;
	}
	return ACTION_MIN_PERCENT + lo;
}

double action_threshold(int m)
{
	assert(m >= ACTION_MIN_PERCENT && m <= ACTION_MAX_PERCENT);
	return m == ACTION_MIN_PERCENT ? -1 : thresholds[m - ACTION_MIN_PERCENT - 1];
}

uint32_t action_window(int percent, uint32_t w)
{
	uint64_t installed = (uint64_t)percent * w / 100;

	if (installed > ACTION_MAX_WINDOW)
		return ACTION_MAX_WINDOW;
	return installed < ACTION_MIN_WINDOW ? ACTION_MIN_WINDOW : (uint32_t)installed;
}
