/*
 * A cursor over one line of a property file, and the one way in which its mistakes are told:
 * "FILE:LINE: 'word': what is wrong, did you mean 'other'?"
 */
#ifndef CERT_LEX_H
#define CERT_LEX_H

#include <stdbool.h>

#define LEX_NAME 64 /* longest name and its NUL */

struct lex {
	const char *path;
	int line;	   /* 0: path alone says where */
	const char *at;	   /* what comes next, blanks skipped; the line ends in NUL */
	const char *token; /* the latest token: what an error names */
	int len;
};

/* Starts on a line of text, whose comment has been cut off. */
void lex_line(struct lex *l, const char *path, int line, const char *text);

/* Nothing is left. */
bool lex_end(const struct lex *l);

/* Makes the next n characters the latest token and moves past them and the blanks behind. */
void lex_skip(struct lex *l, int n);

/* Makes everything taken since start, an earlier l->at, the latest token. */
void lex_since(struct lex *l, const char *start);

/* Takes the mark (punctuation, or a whole word) if it comes next. */
bool lex_take(struct lex *l, const char *mark);

/* As lex_take, else prints that it is missing. 0 or -EINVAL. */
int lex_need(struct lex *l, const char *mark);

/*
 * Takes a name: a letter, then letters, digits and _, with dashes also - inside. False, taking
 * nothing, if none comes next or it is too long.
 */
bool lex_name(struct lex *l, char name[LEX_NAME], bool dashes);

/* Prints what is wrong about the latest token, or about what comes next; returns -EINVAL. */
int lex_error(const struct lex *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int lex_error_next(const struct lex *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* lex_error: the latest token is not a what; names the nearest of the n known, else all of them. */
int lex_unknown(const struct lex *l, const char *what, const char *const *known, int n);

#endif
