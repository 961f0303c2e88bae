/* The live line of a running emulator: rates, queues, lateness. */
#ifndef EMU_STATUS_H
#define EMU_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "emu/emulator.h"

struct status {
	bool on;
	uint64_t shown_ns, bytes[ENGINE_DIRS];
};

/* On a terminal only, and not below LOG_INFO. */
void status_init(struct status *s, bool wanted);

/* Shows it a few times a second; now_ns is the engine's. */
void status_show(struct status *s, struct emulator *e, uint64_t now_ns);

/* Clears it. */
void status_end(struct status *s);

#endif
