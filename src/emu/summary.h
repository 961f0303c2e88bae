/* What a run of the emulator measured: lines for people, a JSON object for programs. */
#ifndef EMU_SUMMARY_H
#define EMU_SUMMARY_H

#include "emu/emu.h"
#include "emu/emulator.h"

/*
 * Says it on stderr and writes it to conf's files (doc/formats.md has the fields). Prints. 0 or
 * -errno.
 */
int summary_write(const struct emu_conf *conf, const struct emulator *e, const struct quality *q,
	int exit_status);

#endif
