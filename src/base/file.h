/* Whole files: read into memory, replaced atomically, directories made. All return 0 or -errno. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/*
 * Reads a regular file of at most max bytes. *data is malloc'ed, NUL-terminated past len (text can be
 * parsed in place) and owned by the caller. Prints the error, naming the path. -EFBIG over max.
 */
int file_read(const char *path, size_t max, char **data, size_t *len);

/*
 * Replaces path by the data: written beside it, fsynced, renamed, so that a reader or a crash sees
 * the old file or the new one, never a part. A link stays and what it means is replaced; a device,
 * a pipe and /dev/stdout are written to. Prints the error.
 */
int file_write(const char *path, const void *data, size_t len);

/*
 * For a file written as it comes: the name it has meanwhile (free it), and the step that ends it:
 * gives the part its own name, or removes it after an error. Returns err, or that of the step,
 * which it prints.
 */
char *file_part(const char *path);
int file_settle(const char *path, int err);

/* Whether both exist and are one file. */
bool file_same(const char *a, const char *b);

/* mkdir -p. Prints the error. */
int file_mkdirs(const char *path);

/* printf into a malloc'ed string; aborts when memory is out (set-up code only). */
char *file_path(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Flushes and checks a stream being written to a file; file_close closes it, too: the one place where
 * a full disk is noticed. 0 or -errno, printed with the path. f may be NULL to file_close (nothing to do).
 */
int file_flush(FILE *f, const char *path);
int file_close(FILE *f, const char *path);

#endif
