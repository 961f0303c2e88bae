/*
 * Convex polygons in the plane, cut by lines.
 *
 * A polygon's corners carry two places each: (x, y) in the region's square, from which areas and
 * cuts are taken, and (u, v) in the coordinates of the cell that is being worked on. A function
 * that is affine on the polygon is given by its values f at the corners; what lies on the line f =
 * 0 belongs to both sides.
 */
#ifndef CERT_POLYGON_H
#define CERT_POLYGON_H

#include <stdbool.h>

struct polygon {
	int m; /* corners, in order */
	double *x, *y, *u, *v;
};

/* The parts where f <= 0 and f >= 0; f has both signs. Each has room for 2 m corners. Their areas
 * add up to the polygon's but for the rounding of the two new corners. */
void polygon_split(
	const struct polygon *p, const double *f, struct polygon *below, struct polygon *above);

double polygon_area(const struct polygon *p);

/* Area of the part where f <= c. */
double polygon_area_below(const struct polygon *p, const double *f, double c);

/* The line f = c as the half-plane normal . (x, y) <= offset where f <= c; false where f has not
 * values on both sides. */
bool polygon_line(
	const struct polygon *p, const double *f, double c, double normal[2], double *offset);

/*
 * Coordinates in which the polygon is of unit size: base gets three corners' (u, v); the corners'
 * places in the frame base[0] + (base[1] - base[0]) u + (base[2] - base[0]) v, at most 2 in
 * magnitude, go to u and v.
 */
void polygon_frame(const struct polygon *p, double base[3][2], double *u, double *v);

#endif
