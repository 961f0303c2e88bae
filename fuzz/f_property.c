/* Property files: parse, then judge two decisions by what was accepted. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cert/qc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// What was echoed means the same again.
static void check_echo(const struct property_file *f)
{
	struct property_file *again;

	if (property_parse(&again, f->text, "again", NULL, 0))
		abort();
	if (again->n != f->n || again->nsets != f->nsets || again->main != f->main ||
		again->history != f->history || strcmp(again->text, f->text))
		abort();
	property_free(again);
}

static void judge(const struct property_file *f, const struct cert_decision *d)
{
	struct qc_share row[PROPERTY_MAX] = {{false}}, s;
	const struct qc_share *rows[PROPERTY_LAST];
	struct part part;

	for (int i = 0; i < f->n; i++) {
		if (part_make(&part, &f->property[i], d) || part.status != PART_TRIGGERED)
			continue;
		if (!region_valid(&part.region) || part.lo < -PART_FAR || part.lo > PART_FAR ||
			part.hi < -PART_FAR || part.hi > PART_FAR)
			abort();
		row[i] = (struct qc_share){true, 0.25, 0.5, NAN, 0.25};
	}
	for (int i = 0; i < PROPERTY_LAST; i++)
		rows[i] = row;
	s = qc_combine(f, rows, f->history);
	if (s.triggered && !(s.proven == 0.25 && s.refuted == 0.5 && s.qc == 0.25))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int64_t changes[PROPERTY_CHANGES] = {-1, 0, 5, -7, UINT32_MAX, 1, 2, 3, 4, 5};
	static const char *const lets[] = {"theta=0.5", "x=2*3"};
	struct property_file *f = NULL;
	double x[REGION_INPUTS];
	char *text = malloc(size + 1);

	log_set_level(-1);
	memcpy(text, data, size);
	text[size] = 0;
	for (int i = 0; i < REGION_INPUTS; i++)
		x[i] = i % 7 / 4.0;
	if (!property_parse(&f, text, "fuzz", lets, size % 3)) {
		check_echo(f);
		judge(f, &(struct cert_decision){
				 x, STATE_SIZE, 100, 97, 103, PROPERTY_CHANGES, changes, 0});
		judge(f, &(struct cert_decision){x, 74, UINT32_MAX, 1, UINT32_MAX, 3, changes, 0});
		property_free(f);
	}
	free(text);
	return 0;
}
