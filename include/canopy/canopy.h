/*
 * What the public headers share.
 *
 * Every function that can fail returns 0 or a negative errno and leaves what its out-pointers point to
 * untouched; set-up functions also print one line that says what is wrong to stderr. Times are the caller's, in
 * nanoseconds. Objects are opaque: x_new makes one, x_free (NULL is fine) ends it. An object serves one thread
 * at a time; different objects share nothing.
 */
#ifndef CANOPY_CANOPY_H
#define CANOPY_CANOPY_H

#ifdef __cplusplus
extern "C" {
#endif

#define CANOPY_API __attribute__((visibility("default")))

/* The library's version, "0.1.0". */
CANOPY_API const char *canopy_version(void);

/* Which messages go to stderr: -1 none, 0 errors, 1 also warnings, 2 also information (the default). */
CANOPY_API void canopy_messages(int level);

#ifdef __cplusplus
}
#endif

#endif
