/* Expressions: a recursive descent into postfix, and its evaluation on a stack. */
#include "cert/expr.h"

#include <errno.h>
#include <string.h>

#define DEPTH 16 /* of parentheses and minus signs */

struct parser {
	struct expr *e;
	struct lex *l;
	const struct expr_lets *lets;
	int depth;
};

static int parse_sum(struct parser *p);

static int emit(struct parser *p, enum expr_op op, struct rational value)
{
	if (p->e->n == EXPR_NODES)
		return lex_error(p->l, "the expression is too long");
	p->e->node[p->e->n++] = (struct expr_node){op, value};
	return 0;
}

static int emit_op(struct parser *p, enum expr_op op)
{
	return emit(p, op, rational_of(0));
}

int expr_window(enum expr_op *out, struct lex *l)
{
	static const char *const names[] = {"prev", "clean", "report"};
	char name[LEX_NAME];
	int err = lex_need(l, "(");

	if (err)
		return err;
	if (!lex_name(l, name, false))
		return lex_error_next(l, "prev, clean or report should stand here");
	for (int i = 0; i < 3; i++)
		if (!strcmp(name, names[i])) {
			*out = EXPR_PREV + i;
			return lex_need(l, ")");
		}
	return lex_unknown(l, "window", names, 3);
}

// min(a, b, ...) and max(...), the word taken.
static int parse_extreme(struct parser *p, enum expr_op op)
{
	int err = lex_need(p->l, "("), n = 0;

	do {
		err = err ? err : parse_sum(p);
		if (!err && n++)
			err = emit_op(p, op);
	} while (!err && lex_take(p->l, ","));
	return err ? err : lex_need(p->l, ")");
}

static int parse_name(struct parser *p)
{
	const char *known[EXPR_LETS + 1];
	char name[LEX_NAME];
	enum expr_op window;
	int n = 0, err;

	if (lex_take(p->l, "min"))
		return parse_extreme(p, EXPR_MIN);
	if (lex_take(p->l, "max"))
		return parse_extreme(p, EXPR_MAX);
	if (lex_take(p->l, "cwnd")) {
		if (*p->l->at != '(')
			return lex_error(
				p->l, "which one? cwnd(prev), cwnd(clean) or cwnd(report)");
		err = expr_window(&window, p->l);
		return err ? err : emit_op(p, window);
	}
	if (lex_take(p->l, "dcwnd"))
		return lex_error(p->l, "a change cannot stand in an expression");
	if (!lex_name(p->l, name, false))
		return lex_error_next(p->l, "the name is too long");
	for (int i = 0; i < p->lets->n; i++) {
		if (!strcmp(name, p->lets->let[i].name))
			return emit(p, EXPR_NUMBER, p->lets->let[i].value);
		known[n++] = p->lets->let[i].name;
	}
	known[n++] = "cwnd";
	return lex_unknown(p->l, "parameter", known, n);
}

static int parse_primary(struct parser *p)
{
	struct rational value;
	int n = rational_read(&value, p->l->at), err;

	if (n) {
		lex_skip(p->l, n);
		return emit(p, EXPR_NUMBER, value);
	}
	if (lex_take(p->l, "(")) {
		err = parse_sum(p);
		return err ? err : lex_need(p->l, ")");
	}
	if (*p->l->at >= '0' && *p->l->at <= '9')
		return lex_error_next(p->l, "a number has at most 18 digits");
	if ((*p->l->at | 0x20) >= 'a' && (*p->l->at | 0x20) <= 'z')
		return parse_name(p);
	return lex_error_next(p->l, "a number, a parameter or a window should stand here");
}

static int parse_unary(struct parser *p)
{
	int err;

	if (p->depth == DEPTH)
		return lex_error_next(p->l, "the expression is nested too deeply");
	p->depth++;
	if (lex_take(p->l, "-")) {
		err = parse_unary(p);
		err = err ? err : emit_op(p, EXPR_NEG);
	} else {
		err = parse_primary(p);
	}
	p->depth--;
	return err;
}

static int parse_product(struct parser *p)
{
	int err = parse_unary(p);

	while (!err) {
		enum expr_op op = *p->l->at == '*' ? EXPR_MUL : EXPR_DIV;

		if (!lex_take(p->l, "*") && !lex_take(p->l, "/"))
			break;
		err = parse_unary(p);
		err = err ? err : emit_op(p, op);
	}
	return err;
}

static int parse_sum(struct parser *p)
{
	int err = parse_product(p);

	while (!err) {
		enum expr_op op = *p->l->at == '+' ? EXPR_ADD : EXPR_SUB;

		if (!lex_take(p->l, "+") && !lex_take(p->l, "-"))
			break;
		err = parse_product(p);
		err = err ? err : emit_op(p, op);
	}
	return err;
}

int expr_parse(struct expr *out, struct lex *l, const struct expr_lets *lets)
{
	struct parser p = {out, l, lets, 0};
	const char *start = l->at;
	struct rational value;
	int err;

	out->n = 0;
	err = parse_sum(&p);
	if (err || !expr_constant(out))
		return err;
	err = expr_eval(&value, out, NULL);
	if (err) {
		lex_since(l, start);
		return lex_error(l, err == -EDOM ? "this divides by zero" : "this is too large");
	}
	out->n = 0;
	return emit(&p, EXPR_NUMBER, value);
}

int expr_parse_constant(struct rational *out, struct lex *l, const struct expr_lets *lets)
{
	const char *start = l->at;
	struct expr e;
	int err = expr_parse(&e, l, lets);

	if (err)
		return err;
	if (!expr_constant(&e)) {
		lex_since(l, start);
		return lex_error(l, "a constant should stand here, not a window");
	}
	return expr_eval(out, &e, NULL);
}

bool expr_uses(const struct expr *e, enum expr_op window)
{
	for (int i = 0; i < e->n; i++)
		if (e->node[i].op == window)
			return true;
	return false;
}

bool expr_constant(const struct expr *e)
{
	return !expr_uses(e, EXPR_PREV) && !expr_uses(e, EXPR_CLEAN) && !expr_uses(e, EXPR_REPORT);
}

static int extreme(struct rational *a, struct rational b, int sign)
{
	int order, err = rational_compare(&order, *a, b);

	if (!err && order * sign < 0)
		*a = b;
	return err;
}

// *a = *a op b
static int apply(enum expr_op op, struct rational *a, struct rational b)
{
	switch (op) {
	case EXPR_ADD:
		return rational_add(a, *a, b);
	case EXPR_SUB:
		return rational_sub(a, *a, b);
	case EXPR_MUL:
		return rational_mul(a, *a, b);
	case EXPR_DIV:
		return rational_div(a, *a, b);
	case EXPR_MIN:
		return extreme(a, b, -1);
	default:
		return extreme(a, b, 1);
	}
}

int expr_eval(struct rational *out, const struct expr *e, const struct expr_windows *w)
{
	struct rational stack[EXPR_NODES];
	int n = 0, err = 0;

	for (int i = 0; i < e->n && !err; i++) {
		enum expr_op op = e->node[i].op;

		if (op == EXPR_NUMBER)
			stack[n++] = e->node[i].value;
		else if (op == EXPR_PREV)
			stack[n++] = rational_of(w->prev);
		else if (op == EXPR_CLEAN)
			stack[n++] = rational_of(w->clean);
		else if (op == EXPR_REPORT)
			stack[n++] = rational_of(w->report);
		else if (op == EXPR_NEG)
			err = rational_sub(&stack[n - 1], rational_of(0), stack[n - 1]);
		else
			n--, err = apply(op, &stack[n - 1], stack[n]);
	}
	if (!err)
		*out = stack[0];
	return err;
}
