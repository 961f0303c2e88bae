/*
 * Who made a device: /run/canopy/emu-PID with the process's id, its start time, the namespace and
 * the device, so that what a killed emulator left can be told from everything else.
 *
 * Devices vanish with their process; only where something else holds the emulator's namespace (a
 * debugger's nsenter, say) one stays until the next start.
 */
#ifndef EMU_RECORD_H
#define EMU_RECORD_H

#include "emu/netlink.h"

#define RECORD_ALIAS 64

/* "canopy emu PID START": the alias of this process's devices. */
void record_alias(char alias[RECORD_ALIAS]);

/*
 * Writes the record of device dev of the current namespace. *path is malloc'ed; unlink it in the
 * end. Without the right to write there is none: *path is NULL. 0 or -ENOMEM.
 */
int record_write(char **path, const char *dev);

/*
 * Deletes the devices, in the current namespace, of records whose process is gone, and these
 * records. nl is a netlink socket of the namespace. Says what it deleted.
 */
void record_clean(int nl);

#endif
