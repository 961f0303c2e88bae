/* S-expressions in one pass over the text. */
#include "cert/sexp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

struct parser {
	const char *path;
	char *at, *end;
	int line;
	struct sexp *free;		    // next unused node
	struct sexp *open[SEXP_DEPTH + 1];  // lists that are not closed yet
	struct sexp **tail[SEXP_DEPTH + 1]; // where their next element goes
	int depth;
};

static bool in_word(char c)
{
	return (unsigned char)c > ' ' && c != '(' && c != ')' && c != ';';
}

// No more nodes than this are needed: one a word, one a list, and the root.
static size_t count_nodes(const char *text, size_t len)
{
	size_t n = 1;

	for (size_t i = 0; i < len; i++)
		n += text[i] == '(' || (in_word(text[i]) && (!i || !in_word(text[i - 1])));
	return n;
}

static struct sexp *add(struct parser *p, const char *word)
{
	struct sexp *s = p->free++;

	*s = (struct sexp){.line = p->line, .word = word};
	*p->tail[p->depth] = s;
	p->tail[p->depth] = &s->next;
	return s;
}

// Takes a word; returns what stood behind it, where its NUL is now.
static char take_word(struct parser *p)
{
	char *word = p->at, behind;

	while (in_word(*p->at))
		p->at++;
	behind = *p->at;
	*p->at = '\0';
	add(p, word);
	return p->at < p->end ? behind : ' ';
}

static int open_list(struct parser *p)
{
	struct sexp *list;

	if (p->depth == SEXP_DEPTH) {
		pr_err("%s:%d: '(': more than %d lists within each other\n", p->path, p->line,
			SEXP_DEPTH);
		return -EINVAL;
	}
	list = add(p, NULL);
	p->depth++;
	p->open[p->depth] = list;
	p->tail[p->depth] = &list->first;
	return 0;
}

static int take_mark(struct parser *p, char c)
{
	switch (c) {
	case '\n':
		p->line++;
		return 0;
	case ' ':
	case '\t':
	case '\r':
		return 0;
	case ';':
		while (p->at + 1 < p->end && p->at[1] != '\n')
			p->at++;
		return 0;
	case '(':
		return open_list(p);
	case ')':
		if (p->depth--)
			return 0;
		pr_err("%s:%d: ')' closes nothing\n", p->path, p->line);
		return -EINVAL;
	}
	pr_err("%s:%d: byte 0x%02x is not text\n", p->path, p->line, (unsigned char)c);
	return -EINVAL;
}

int sexp_parse(struct sexp **root, char *text, size_t len, const char *path)
{
	struct sexp *nodes = malloc(count_nodes(text, len) * sizeof(*nodes));
	struct parser p = {.path = path, .at = text, .end = text + len, .line = 1, .free = nodes};
	int err = 0;

	if (!nodes)
		return -ENOMEM;
	*p.free++ = (struct sexp){.line = 1};
	p.tail[0] = &nodes->first;
	for (; !err && p.at < p.end; p.at++)
		err = take_mark(&p, in_word(*p.at) ? take_word(&p) : *p.at);
	if (!err && p.depth) {
		pr_err("%s:%d: '(' is never closed\n", path, p.open[p.depth]->line);
		err = -EINVAL;
	}
	if (err) {
		free(nodes);
		return err;
	}
	*root = nodes;
	return 0;
}

bool sexp_is(const struct sexp *s, const char *word)
{
	return s && s->word && !strcmp(s->word, word);
}

int sexp_count(const struct sexp *list)
{
	int n = 0;

	for (const struct sexp *s = list->first; s; s = s->next)
		n++;
	return n;
}
