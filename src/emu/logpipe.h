/*
 * Files written by a thread, so that a slow disk does not hold up the emulator: what goes into the
 * pipe comes out in the file.
 */
#ifndef EMU_LOGPIPE_H
#define EMU_LOGPIPE_H

struct logpipe;

/* Creates the file. Prints. 0 or -errno. */
int logpipe_open(struct logpipe **out, const char *path);

/* A path that opens the pipe for writing. */
const char *logpipe_entry(const struct logpipe *l);

/* Waits until all is written: close the other ends first. Prints. NULL is fine. 0 or -errno. */
int logpipe_close(struct logpipe *l);

#endif
