/* The tables, and the part of the state that is not frames. */
#include "obs/state.h"

#include <math.h>
#include <string.h>

#define WINDOW_SCALE 8 /* log4 of the largest windows that matter */

const struct state_table state_published = {FRAME_TABLE, STATE_SIZE, 0};
const struct state_table state_extended = {
	"extended", STATE_EXTENDED_SIZE, STATE_EXTENDED_SIZE - STATE_SIZE};
const struct state_table state_windowed = {"windowed", STATE_SIZE_MAX, STATE_TAIL_MAX};

static const struct state_table *const tables[] = {
	&state_published, &state_extended, &state_windowed};
#define NTABLES ((int)(sizeof(tables) / sizeof(tables[0])))

const struct state_table *state_find(const char *name)
{
	for (int i = 0; i < NTABLES; i++)
		if (!strcmp(tables[i]->name, name))
			return tables[i];
	return NULL;
}

const char *state_names(void)
{
	return "published, extended, windowed";
}

void state_tail(const struct state_table *t, float *tail, uint32_t w, uint32_t p, int nchanges,
	const int64_t *changes_end)
{
	if (!t->tail)
		return;
	tail[0] = p ? (float)(log2((double)w / p) / 2) : 0;
	for (int i = 1; i <= STATE_SIGNS; i++) {
		int64_t change = i <= nchanges ? changes_end[-i] : 0;

		tail[1 + STATE_SIGNS - i] = (float)((change > 0) - (change < 0));
	}
	if (t->tail == STATE_TAIL_MAX)
		tail[1 + STATE_SIGNS] = w ? (float)(log2((double)w) / 2 / WINDOW_SCALE) : 0;
}
