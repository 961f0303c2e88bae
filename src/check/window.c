/* tanh, 4^a, percents and windows, each decided only when certain. */
#include "check/window.h"

#include "check/upward.h"

#define LEAST_PERCENT 25
#define MOST_PERCENT 400
#define LEAST_WINDOW 4
#define LN2_BELOW 0x1.62e42fefa39efp-1 // ln 2 = 0x1.62e42fefa39ef35793c7...p-1
#define LN2_ABOVE 0x1.62e42fefa39f0p-1
#define TERMS 20	   // of e^r, 0 <= r < 1: the rest is under 2^-60
#define TANH_ERROR 0x1p-51 // relative: 2 units in the last place
#define FAR 40.		   // tanh of it is 1 but for 2^-114

static int64_t window(int percent, uint32_t w)
{
	uint64_t installed = (uint64_t)percent * w / 100;

	installed = installed < UINT32_MAX ? installed : UINT32_MAX;
	return installed < LEAST_WINDOW ? LEAST_WINDOW : (int64_t)installed;
}

// 2^k e^r = e^v with r in [0, 1): all terms of 1 + r (1 + r/2 (1 + r/3 (...))) are positive.
void window_exp(double v_lo, double v_hi, double *lo, double *hi)
{
	double k = floor(v_lo / LN2_ABOVE), low = 1, high = 2, r_lo, r_hi;

	k -= v_lo < (k > 0 ? k * LN2_ABOVE : k * LN2_BELOW);
	r_lo = down_add(v_lo, -(k > 0 ? k * LN2_ABOVE : k * LN2_BELOW));
	r_hi = v_hi - (k > 0 ? down_mul(k, LN2_BELOW) : down_mul(k, LN2_ABOVE));
	if (!(r_lo >= 0 && r_hi < 1)) { // a wide interval, or a number out of range
		*lo = 0;
		*hi = INFINITY;
		return;
	}
	for (int n = TERMS; n >= 1; n--) {
		low = down_add(1, down_div(down_mul(r_lo, low), n));
		high = 1 + r_hi * high / n;
	}
	*lo = ldexp(low, (int)k);
	*hi = ldexp(high, (int)k);
}

// 100 * 4^a >= m, or < m, for certain. It rises with a and is 100 * 2^n at n / 2.
static bool reaches(float a, int m, bool or_not)
{
	double e = 2. * (double)a, lo, hi;

	for (int whole = -2; whole <= 2; whole++)
		if (ldexp(100, whole) == m)
			return or_not ? e < whole : e >= whole;
	if (e > 0)
		window_exp(down_mul(e, LN2_BELOW), e * LN2_ABOVE, &lo, &hi);
	else
		window_exp(down_mul(e, LN2_ABOVE), e * LN2_BELOW, &lo, &hi);
	return or_not ? 100 * hi < m : down_mul(100, lo) >= m;
}

// The least float that reaches percent m for certain, or the greatest that does not.
static float edge(int m, bool or_not)
{
	int was = fegetround();
	float a;

	fesetround(FE_TONEAREST);
	a = (float)(log2(m / 100.) / 2);
	fesetround(was);
	while (!reaches(a, m, or_not))
		a = nextafterf(a, or_not ? -2 : 2);
	while (reaches(nextafterf(a, or_not ? 2 : -2), m, or_not))
		a = nextafterf(a, or_not ? 2 : -2);
	return a;
}

// The library's tanh(y) is above c for certain: with c moved outward, e^2y (1 - c) > 1 + c.
static bool tanh_above(double y, double c)
{
	double far = c + TANH_ERROR * fabs(c), lo, hi;

	if (fabs(c) >= 1 || !(y > -FAR))
		return c <= -1 && !isnan(y);
	y = y < FAR ? y : FAR;
	window_exp(2 * y, 2 * y, &lo, &hi);
	return down_mul(lo, down_add(1, -far)) > 1 + far;
}

// An executed action, a float, is `a` or more when tanh is above the middle between `a` and the
// float below.
static struct window_side from_percent(int m)
{
	struct window_side s = {m <= LEAST_PERCENT ? -2 : 2, NAN};
	float a;

	if (m > LEAST_PERCENT && m <= MOST_PERCENT) {
		a = edge(m, false);
		s.middle = ((double)a + (double)nextafterf(a, -2)) / 2;
	}
	return s;
}

static struct window_side under_percent(int m)
{
	struct window_side s = {m <= LEAST_PERCENT ? 2 : -2, NAN};
	float a;

	if (m > LEAST_PERCENT && m <= MOST_PERCENT) {
		a = edge(m, true);
		s.middle = -(((double)a + (double)nextafterf(a, 2)) / 2);
	}
	return s;
}

void window_aim(struct window_target *t, int64_t lo, int64_t hi, uint32_t w)
{
	t->first = MOST_PERCENT + 1;
	t->last = LEAST_PERCENT - 1;
	for (int m = LEAST_PERCENT; m <= MOST_PERCENT; m++)
		if (window(m, w) >= lo && window(m, w) <= hi) {
			t->first = m < t->first ? m : t->first;
			t->last = m;
		}
	t->from_first = from_percent(t->first);
	t->past_last = from_percent(t->last + 1);
	t->under_first = under_percent(t->first);
	t->to_last = under_percent(t->last + 1);
}

static bool surely(struct window_side *s, double y)
{
	if (y >= s->shown)
		return true;
	if (!tanh_above(y, s->middle))
		return false;
	s->shown = y;
	return true;
}

bool window_holds(struct window_target *t, double y_lo, double y_hi)
{
	return t->first <= t->last && y_lo <= y_hi && surely(&t->from_first, y_lo) &&
	       surely(&t->to_last, -y_hi);
}

bool window_fails(struct window_target *t, double y_lo, double y_hi)
{
	if (!(y_lo <= y_hi))
		return false;
	return t->first > t->last || surely(&t->under_first, -y_hi) || surely(&t->past_last, y_lo);
}
