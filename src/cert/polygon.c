/* Convex polygons: splitting, areas, lines and coordinates. */
#include "cert/polygon.h"

#include <math.h>

static void add(struct polygon *p, double x, double y, double u, double v)
{
	p->x[p->m] = x;
	p->y[p->m] = y;
	p->u[p->m] = u;
	p->v[p->m++] = v;
}

void polygon_split(
	const struct polygon *p, const double *f, struct polygon *below, struct polygon *above)
{
	below->m = above->m = 0;
	for (int i = 0; i < p->m; i++) {
		int j = i + 1 < p->m ? i + 1 : 0;

		if (f[i] <= 0)
			add(below, p->x[i], p->y[i], p->u[i], p->v[i]);
		if (f[i] >= 0)
			add(above, p->x[i], p->y[i], p->u[i], p->v[i]);
		if ((f[i] < 0 && f[j] > 0) || (f[i] > 0 && f[j] < 0)) {
			double part = f[i] / (f[i] - f[j]);
			double x = p->x[i] + part * (p->x[j] - p->x[i]);
			double y = p->y[i] + part * (p->y[j] - p->y[i]);
			double u = p->u[i] + part * (p->u[j] - p->u[i]);
			double v = p->v[i] + part * (p->v[j] - p->v[i]);

			add(below, x, y, u, v);
			add(above, x, y, u, v);
		}
	}
}

// Twice the area of the triangle of corner 0 and two points, from whose coordinates corner 0's are
// taken.
static double wedge(const double a[2], const double b[2])
{
	return a[0] * b[1] - a[1] * b[0];
}

double polygon_area(const struct polygon *p)
{
	double sum = 0;

	for (int i = 1; i + 1 < p->m; i++) {
		double a[2] = {p->x[i] - p->x[0], p->y[i] - p->y[0]};
		double b[2] = {p->x[i + 1] - p->x[0], p->y[i + 1] - p->y[0]};

		sum += wedge(a, b);
	}
	return fabs(sum) / 2;
}

double polygon_area_below(const struct polygon *p, const double *f, double c)
{
	double first[2] = {0}, last[2] = {0}, sum = 0;
	int n = 0;

	for (int i = 0; i < p->m; i++) {
		int j = i + 1 < p->m ? i + 1 : 0;
		double corner[2][2];
		int corners = 0;

		if (f[i] <= c) {
			corner[0][0] = p->x[i];
			corner[0][1] = p->y[i];
			corners = 1;
		}
		if ((f[i] <= c) != (f[j] <= c)) {
			double part = (c - f[i]) / (f[j] - f[i]);

			corner[corners][0] = p->x[i] + part * (p->x[j] - p->x[i]);
			corner[corners++][1] = p->y[i] + part * (p->y[j] - p->y[i]);
		}
		for (int k = 0; k < corners; k++, n++) {
			double at[2] = {corner[k][0] - first[0], corner[k][1] - first[1]};

			if (n == 0) {
				first[0] = corner[k][0];
				first[1] = corner[k][1];
				continue;
			}
			if (n > 1)
				sum += wedge(last, at);
			last[0] = at[0];
			last[1] = at[1];
		}
	}
	return fabs(sum) / 2;
}

bool polygon_line(
	const struct polygon *p, const double *f, double c, double normal[2], double *offset)
{
	double from[2] = {0}, to[2] = {0}, farthest = -1, along[2], lowest = 0;
	int points = 0, low = 0;

	for (int i = 0; i < p->m; i++) {
		int j = i + 1 < p->m ? i + 1 : 0;
		double part = (c - f[i]) / (f[j] - f[i]), at[2], d;

		if (f[i] - c < lowest) {
			lowest = f[i] - c;
			low = i;
		}
		if (f[i] != c && !((f[i] < c && f[j] > c) || (f[i] > c && f[j] < c)))
			continue;
		at[0] = f[i] == c ? p->x[i] : p->x[i] + part * (p->x[j] - p->x[i]);
		at[1] = f[i] == c ? p->y[i] : p->y[i] + part * (p->y[j] - p->y[i]);
		if (!points++) {
			from[0] = at[0];
			from[1] = at[1];
			continue;
		}
		d = hypot(at[0] - from[0], at[1] - from[1]);
		if (d > farthest) {
			farthest = d;
			to[0] = at[0];
			to[1] = at[1];
		}
	}
	if (!(farthest > 0) || lowest == 0)
		return false;
	along[0] = (to[0] - from[0]) / farthest;
	along[1] = (to[1] - from[1]) / farthest;
	normal[0] = along[1];
	normal[1] = -along[0];
	if (normal[0] * (p->x[low] - from[0]) + normal[1] * (p->y[low] - from[1]) > 0) {
		normal[0] = -normal[0];
		normal[1] = -normal[1];
	}
	*offset = normal[0] * from[0] + normal[1] * from[1];
	return true;
}

// The corner at which the value is largest.
static int best(const struct polygon *p, double (*value)(const double d[2], const double e[2]),
	const double e[2])
{
	double most = -1;
	int at = 0;

	for (int i = 0; i < p->m; i++) {
		double d[2] = {p->u[i] - p->u[0], p->v[i] - p->v[0]}, x = value(d, e);

		if (x > most) {
			most = x;
			at = i;
		}
	}
	return at;
}

static double distance(const double d[2], const double e[2])
{
	return d[0] * d[0] + d[1] * d[1];
}

static double off_line(const double d[2], const double e[2])
{
	return fabs(wedge(e, d));
}

void polygon_frame(const struct polygon *p, double base[3][2], double *u, double *v)
{
	const double none[2] = {0};
	int one = best(p, distance, none), two;
	double e[2] = {p->u[one] - p->u[0], p->v[one] - p->v[0]}, f[2], across, length;

	two = best(p, off_line, e);
	f[0] = p->u[two] - p->u[0];
	f[1] = p->v[two] - p->v[0];
	across = wedge(e, f);
	length = distance(e, none);
	for (int i = 0; i < p->m; i++) {
		double d[2] = {p->u[i] - p->u[0], p->v[i] - p->v[0]};
		double b = across != 0 ? wedge(e, d) / across : 0;
		double rest[2] = {d[0] - b * f[0],
			d[1] - b * f[1]}; // along e: small, however thin the polygon

		u[i] = length > 0 ? (rest[0] * e[0] + rest[1] * e[1]) / length : 0;
		v[i] = b;
	}
	base[0][0] = p->u[0];
	base[0][1] = p->v[0];
	base[1][0] = p->u[one];
	base[1][1] = p->v[one];
	base[2][0] = p->u[two];
	base[2][1] = p->v[two];
}
