/* Messages to the person at the terminal: stderr, one line each, levels shifted by -v and -q. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level { LOG_ERR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Messages above this level are dropped; starts at LOG_INFO. */
void log_set_level(int level);
int log_get_level(void);

/* Prints "canopy: [warning: ]message". fmt ends in \n. Safe from any thread: one write(2) a line. */
void log_print(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define pr_err(...) log_print(LOG_ERR, __VA_ARGS__)
#define pr_warn(...) log_print(LOG_WARN, __VA_ARGS__)
#define pr_info(...) log_print(LOG_INFO, __VA_ARGS__)
#define pr_debug(...) log_print(LOG_DEBUG, __VA_ARGS__)

#endif
