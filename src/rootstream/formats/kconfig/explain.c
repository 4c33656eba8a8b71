// What a tree's own Kconfig code knows about symbols, as JSON lines for kconfig.py.
//
// Linked with the objects that the tree's `conf` is made of, so that the parser and the evaluation are those
// of the tree: Linux 5.10 and later, and (with -DOLD_KCONFIG) the Kconfig of 2006 that BusyBox keeps. Only calls
// that all of them have are used; -DPROPERTY_FILENAME says that properties and menus name their file themselves and
// that a symbol lists its menus (both Linux 6.9).
//
//     explain KCONFIG CONFIG OUTPUT SYMBOL...
//
// Values are 0 (n), 1 (m), 2 (y). An expression is null (always y), ["sym", value, name, type, text],
// ["not", value, e], ["and"|"or", value, [e...]] or [operator, value, e, e].

#define _GNU_SOURCE
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef OLD_KCONFIG
#define LKC_DIRECT_LINK
#endif
#include "lkc.h"
#ifdef PROPERTY_FILENAME
#include "list.h"
#endif

struct property *sym_get_range_prop(struct symbol *sym);

// Buildroot's Kconfig keeps its own to itself: then this one is linked, which does the same.
__attribute__((weak)) struct property *sym_get_range_prop(struct symbol *sym)
{
    struct property *prop;

    for_all_properties(sym, prop, P_RANGE) {
        prop->visible.tri = expr_calc_value(prop->visible.expr);
        if (prop->visible.tri != no)
            return prop;
    }
    return NULL;
}

#define MAX_SYMBOLS 4096

static FILE *out;
static struct symbol *queue[MAX_SYMBOLS];
static int queued;
static bool unknown_seen;

static void put_string(const char *text)
{
    fputc('"', out);
    for (; text && *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20)
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

static void put_where(const struct property *prop)
{
    char place[1024] = "";

#ifdef PROPERTY_FILENAME
    if (prop->filename)
        snprintf(place, sizeof(place), "%s:%d", prop->filename, prop->lineno);
#else
    if (prop->file)
        snprintf(place, sizeof(place), "%s:%d", prop->file->name, prop->lineno);
#endif
    put_string(place);
}

static bool is_known(const struct symbol *sym)
{
    return sym && sym->type != S_UNKNOWN;
}

static void enqueue(struct symbol *sym)
{
    int i;

    if (!is_known(sym) || !sym->name || queued == MAX_SYMBOLS)
        return;
    for (i = 0; i < queued; i++)
        if (queue[i] == sym)
            return;
    queue[queued++] = sym;
}

static const char *type_name(struct symbol *sym)
{
    if (sym->flags & SYMBOL_CONST)
        return "constant";
    switch (sym->type) {
    case S_BOOLEAN:
        return "bool";
    case S_TRISTATE:
        return "tristate";
    case S_INT:
        return "int";
    case S_HEX:
        return "hex";
    case S_STRING:
        return "string";
    default:
        return "unknown";
    }
}

static void put_symbol(struct symbol *sym, bool follow)
{
    const char *text;

    sym_calc_value(sym);
    text = sym_get_string_value(sym);
    fprintf(out, "[\"sym\",%d,", sym->curr.tri);
    put_string(sym->name ? sym->name : "<choice>");
    fputc(',', out);
    put_string(type_name(sym));
    fputc(',', out);
    put_string(is_known(sym) || (sym->flags & SYMBOL_CONST) ? text : "n");
    fputc(']', out);
    if (follow && sym->curr.tri != yes)
        enqueue(sym);
}

static void put_expr(struct expr *e, bool follow);

/* a && (b && c) and (a && b) && c are one list; it also bounds the depth of what is read later */
static void put_operands(struct expr *e, enum expr_type type, bool follow, bool *first)
{
    if (e && e->type == type) {
        put_operands(e->left.expr, type, follow, first);
        put_operands(e->right.expr, type, follow, first);
        return;
    }
    if (!*first)
        fputc(',', out);
    *first = false;
    put_expr(e, follow);
}

static void put_expr(struct expr *e, bool follow)
{
    const char *op = NULL;
    bool first = true;

    if (!e) {
        fputs("null", out);
        return;
    }
    switch (e->type) {
    case E_SYMBOL:
        put_symbol(e->left.sym, follow);
        return;
    case E_NOT:
        fprintf(out, "[\"not\",%d,", expr_calc_value(e));
        put_expr(e->left.expr, false);
        fputc(']', out);
        return;
    case E_AND:
    case E_OR:
        fprintf(out, "[\"%s\",%d,[", e->type == E_AND ? "and" : "or", expr_calc_value(e));
        put_operands(e, e->type, follow, &first);
        fputs("]]", out);
        return;
    case E_EQUAL:
        op = "=";
        break;
    case E_UNEQUAL:
        op = "!=";
        break;
#ifndef OLD_KCONFIG
    case E_LTH:
        op = "<";
        break;
    case E_LEQ:
        op = "<=";
        break;
    case E_GTH:
        op = ">";
        break;
    case E_GEQ:
        op = ">=";
        break;
#endif
    default:
        fputs("null", out);
        return;
    }
    fprintf(out, "[\"%s\",%d,", op, expr_calc_value(e));
    put_symbol(e->left.sym, false);
    fputc(',', out);
    put_symbol(e->right.sym, false);
    fputc(']', out);
}

static struct menu *choice_of(struct symbol *sym)
{
    struct property *prop;
    struct menu *menu;

    for_all_prompts(sym, prop) {
        for (menu = prop->menu ? prop->menu->parent : NULL; menu && !menu->sym; menu = menu->parent)
            ;
        if (menu && sym_is_choice(menu->sym))
            return menu;
    }
    return NULL;
}

static void put_members(struct menu *menu, bool *first)
{
    for (; menu; menu = menu->next) {
        if (menu->sym && menu->sym->name) {
            if (!*first)
                fputc(',', out);
            *first = false;
            put_symbol(menu->sym, false);
        } else if (menu->list) {
            put_members(menu->list, first);
        }
    }
}

static void put_choice(struct symbol *sym)
{
    struct menu *choice = choice_of(sym);
    bool first = true;

    if (!choice) {
        fputs("null", out);
        return;
    }
    fputs("{\"prompt\":", out);
    put_string(choice->prompt ? choice->prompt->text : "");
    fputs(",\"members\":[", out);
    put_members(choice->list, &first);
    fputs("]}", out);
}

static void put_prompts(struct symbol *sym, bool follow)
{
    struct property *prop;
    bool first = true;

    for_all_prompts(sym, prop) {
        fprintf(out, "%s{\"text\":", first ? "" : ",");
        first = false;
        put_string(prop->text);
        fputs(",\"where\":", out);
        put_where(prop);
        fprintf(out, ",\"value\":%d,\"if\":", expr_calc_value(prop->visible.expr));
        put_expr(prop->visible.expr, follow);
        fputc('}', out);
    }
}

static void put_defaults(struct symbol *sym)
{
    struct property *prop;
    bool first = true;

    for_all_defaults(sym, prop) {
        fprintf(out, "%s{\"where\":", first ? "" : ",");
        first = false;
        put_where(prop);
        fputs(",\"to\":", out);
        put_expr(prop->expr, false);
        fprintf(out, ",\"value\":%d,\"if\":", expr_calc_value(prop->visible.expr));
        put_expr(prop->visible.expr, false);
        fputc('}', out);
    }
}

static void put_range(struct symbol *sym)
{
    struct property *prop = NULL;

    if (sym->type == S_INT || sym->type == S_HEX)
        prop = sym_get_range_prop(sym);
    if (!prop) {
        fputs("null", out);
        return;
    }
    fputc('[', out);
    put_symbol(prop->expr->left.sym, false);
    fputc(',', out);
    put_symbol(prop->expr->right.sym, false);
    fputc(']', out);
}

static void put_place(struct symbol *sym)
{
#ifdef PROPERTY_FILENAME
    struct menu *menu;
    char place[1024];

    list_for_each_entry(menu, &sym->menus, link) {
        snprintf(place, sizeof(place), "%s:%d", menu->filename, menu->lineno);
        put_string(place);
        return;
    }
#else
    struct property *prop;

    for (prop = sym->prop; prop; prop = prop->next)
        if (prop->menu) {
            put_where(prop);
            return;
        }
#endif
    put_string("");
}

#ifdef SYMBOL_TRANS
/* the symbols whose default is a transitional one, an old name (Linux 6.18) */
static void put_successors(struct symbol *sym)
{
    struct symbol **all = sym_re_search(".");
    bool first = true;

    fputs(",\"successors\":[", out);
    for (; all && *all; all++) {
        struct symbol *other = *all;
        struct property *prop;

        for_all_defaults(other, prop)
            if (expr_contains_symbol(prop->expr, sym) || expr_contains_symbol(prop->visible.expr, sym))
                break;
        if (!prop)
            continue;
        if (!first)
            fputc(',', out);
        first = false;
        put_symbol(other, false);
        enqueue(other);
    }
    fputc(']', out);
}
#endif

static void put_facts(struct symbol *sym)
{
    bool transitional = false;

    sym_calc_value(sym);
#ifdef SYMBOL_TRANS
    transitional = sym->flags & SYMBOL_TRANS;
#endif
    fputs("{\"symbol\":", out);
    put_string(sym->name);
    fprintf(out, ",\"type\":\"%s\",\"modules\":%s,\"transitional\":%s,\"value\":", type_name(sym),
            sym_get_type(sym) == S_TRISTATE ? "true" : "false", transitional ? "true" : "false");
    put_string(sym_get_string_value(sym));
    fputs(",\"where\":", out);
    put_place(sym);
    fputs(",\"prompts\":[", out);
    put_prompts(sym, true);
    fputs("],\"defaults\":[", out);
    put_defaults(sym);
    fputs("],\"selected\":", out);
    put_expr(sym->rev_dep.expr, false);
#ifndef OLD_KCONFIG
    fputs(",\"depends\":", out);
    put_expr(sym->dir_dep.expr, false);
    fputs(",\"implied\":", out);
    put_expr(sym->implied.expr, false);
#endif
    fputs(",\"range\":", out);
    put_range(sym);
    fputs(",\"choice\":", out);
    put_choice(sym);
#ifdef SYMBOL_TRANS
    if (transitional)
        put_successors(sym);
#endif
    fputs("}\n", out);
}

static void put_names(void)
{
    struct symbol **all = sym_re_search(".");
    bool first = true;

    fputs("{\"names\":[", out);
    for (; all && *all; all++) {
        if (!is_known(*all) || !(*all)->name)
            continue;
        if (!first)
            fputc(',', out);
        first = false;
        put_string((*all)->name);
    }
    fputs("]}\n", out);
}

int main(int argc, char **argv)
{
    int i;

    if (argc < 5) {
        fprintf(stderr, "usage: explain KCONFIG CONFIG OUTPUT SYMBOL...\n");
        return 2;
    }
    out = fopen(argv[3], "w");
    if (!out) {
        perror(argv[3]);
        return 2;
    }
    conf_parse(argv[1]);
    conf_read(argv[2]);
    for (i = 4; i < argc; i++) {
        struct symbol *sym = sym_find(argv[i]);

        if (is_known(sym)) {
            enqueue(sym);
            continue;
        }
        unknown_seen = true;
        fputs("{\"unknown\":", out);
        put_string(argv[i]);
        fprintf(out, ",\"mentioned\":%s}\n", sym ? "true" : "false");
    }
    for (i = 0; i < queued; i++)
        put_facts(queue[i]);
    if (unknown_seen)
        put_names();
    return fclose(out) ? 2 : 0;
}
