/*
 * gate_flame.c - a tree of calls with the samples of both sides, drawn twice.
 *
 * Children stand by name, so that the same call is found in the same order in both plots.
 */
#include "gate_flame.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gate_lines.h"

enum { SIDES = 2, NAME_BYTES = 96, DEPTH_MAX = 128, FUNCTIONS_MAX = 4096, TABLE_ROWS = 12 };
enum { PLOT_WIDTH = 1100, ROW_HEIGHT = 17, LETTER_WIDTH = 7 };
#define BOX_MIN 0.5

typedef struct flame_node {
    char name[NAME_BYTES];
    unsigned long long samples[SIDES], own[SIDES]; /* own: in itself, not in what it calls */
    struct flame_node *child, *next;
} flame_node;

static void flame_free(flame_node *n)
{
    while (n) {
        flame_node *next = n->next;
        flame_free(n->child);
        free(n);
        n = next;
    }
}

/* The child of that name, made where there is none. NULL: out of memory. */
static flame_node *child_of(flame_node *parent, const char *name, size_t bytes)
{
    char key[NAME_BYTES];
    snprintf(key, sizeof key, "%.*s", (int)(bytes < NAME_BYTES ? bytes : NAME_BYTES - 1), name);
    flame_node **at = &parent->child;
    while (*at && strcmp((*at)->name, key) < 0)
        at = &(*at)->next;
    if (*at && !strcmp((*at)->name, key))
        return *at;
    flame_node *n = calloc(1, sizeof *n);
    if (!n)
        return NULL;
    memcpy(n->name, key, sizeof key);
    n->next = *at;
    return *at = n;
}

static bool take(void *context, char *line)
{
    flame_node *root = context;
    unsigned long long samples[SIDES];
    int bytes = 0;
    char *numbers = strrchr(line, ' ');
    if (numbers)
        *numbers = '\0';
    char *first = numbers ? strrchr(line, ' ') : NULL;
    if (!first || sscanf(first, " %llu%n", &samples[0], &bytes) != 1 || first[bytes] ||
        sscanf(numbers + 1, "%llu", &samples[1]) != 1)
        return false;
    *first = '\0';
    flame_node *n = root;
    unsigned depth = 0;
    for (const char *at = line; *at && n && depth < DEPTH_MAX; depth++) {
        const size_t name = strcspn(at, ";");
        for (int side = 0; side < SIDES; side++)
            n->samples[side] += samples[side];
        n = child_of(n, at, name);
        at += name + (at[name] == ';');
    }
    for (int side = 0; n && side < SIDES; side++) {
        n->samples[side] += samples[side];
        n->own[side] += samples[side];
    }
    return n && n != root;
}

static bool read_profile(flame_node *root, const char *path)
{
    bool ok = gate_lines_each(path, take, root, "no stack with the samples of two sides");
    if (ok && !root->samples[0] && !root->samples[1]) {
        fprintf(stderr, "levin-gate: %s holds no sample\n", path);
        ok = false;
    }
    return ok;
}

static void escape(FILE *to, const char *s, size_t letters)
{
    for (size_t i = 0; s[i] && i < letters; i++)
        switch (s[i]) {
        case '<': fputs("&lt;", to); break;
        case '>': fputs("&gt;", to); break;
        case '&': fputs("&amp;", to); break;
        default: fputc(s[i], to);
        }
}

/* ---- the plots ---- */

static unsigned depth_of(const flame_node *n)
{
    unsigned most = 0;
    for (const flame_node *c = n->child; c; c = c->next) {
        const unsigned d = depth_of(c);
        most = d > most ? d : most;
    }
    return most + 1;
}

typedef struct flame_plot {
    const flame_node *root;
    int side;
    double most;  /* samples of the side that has more */
    double scale; /* units of length a sample */
    FILE *to;
} flame_plot;

/* The change of a call or a function, of all that the base has. */
static double percent_of_base(const flame_node *root, const unsigned long long samples[SIDES])
{
    return ((double)samples[1] - (double)samples[0]) * 100 / (double)(root->samples[0] ? root->samples[0] : 1);
}

/* Red for more, blue for less; full where a tenth of the whole has come or gone. */
static void colour(const flame_plot *p, const flame_node *n, unsigned rgb[3])
{
    const double change = ((double)n->samples[1] - (double)n->samples[0]) / p->most * 10;
    const unsigned faded = 235 - (unsigned)(150 * fmin(1, fabs(change)));
    rgb[0] = change > 0 ? 235 : faded;
    rgb[1] = faded;
    rgb[2] = change < 0 ? 235 : faded;
}

static void box(const flame_plot *p, const flame_node *n, double x, unsigned row)
{
    const double width = (double)n->samples[p->side] * p->scale;
    unsigned rgb[3];
    if (width < BOX_MIN)
        return;
    colour(p, n, rgb);
    fprintf(p->to, "<g><title>");
    escape(p->to, n->name, NAME_BYTES);
    fprintf(p->to, ": base %llu samples, now %llu (%+.2f%% of all)</title><rect x='%.1f' y='%u' width='%.1f' "
                   "height='%d' fill='rgb(%u,%u,%u)'/>",
            n->samples[0], n->samples[1], percent_of_base(p->root, n->samples), x, row * ROW_HEIGHT, width,
            ROW_HEIGHT - 1, rgb[0], rgb[1], rgb[2]);
    if (width > 3 * LETTER_WIDTH) {
        fprintf(p->to, "<text x='%.1f' y='%u'>", x + 2, row * ROW_HEIGHT + 12);
        escape(p->to, n->name, (size_t)(width / LETTER_WIDTH));
        fprintf(p->to, "</text>");
    }
    fprintf(p->to, "</g>\n");
    for (const flame_node *c = n->child; c; x += (double)c->samples[p->side] * p->scale, c = c->next)
        box(p, c, x, row + 1);
}

/* ---- the functions ---- */

typedef struct flame_function {
    const char *name;
    unsigned long long own[SIDES];
} flame_function;

static void gather(const flame_node *n, flame_function *functions, size_t *count)
{
    for (; n; n = n->next) {
        size_t i = 0;
        while (i < *count && strcmp(functions[i].name, n->name))
            i++;
        if (i == *count && *count < FUNCTIONS_MAX)
            functions[(*count)++] = (flame_function){ .name = n->name };
        for (int side = 0; side < SIDES && i < *count; side++)
            functions[i].own[side] += n->own[side];
        gather(n->child, functions, count);
    }
}

static int by_change(const void *a, const void *b)
{
    const flame_function *x = a, *y = b;
    const double cx = fabs((double)x->own[1] - (double)x->own[0]), cy = fabs((double)y->own[1] - (double)y->own[0]);
    return cx < cy ? 1 : cx > cy ? -1 : strcmp(x->name, y->name);
}

static void functions_table(const flame_node *root, FILE *to)
{
    static flame_function functions[FUNCTIONS_MAX];
    size_t count = 0;
    gather(root->child, functions, &count);
    qsort(functions, count, sizeof *functions, by_change);
    fprintf(to, "<table><tr><th>in itself<th>base<th>now<th>of the base's whole</tr>\n");
    for (size_t i = 0; i < count && i < TABLE_ROWS; i++) {
        fputs("<tr><td>", to);
        escape(to, functions[i].name, NAME_BYTES);
        fprintf(to, "<td>%llu<td>%llu<td>%+.2f%%</tr>\n", functions[i].own[0], functions[i].own[1],
                percent_of_base(root, functions[i].own));
    }
    fputs("</table>\n", to);
}

bool gate_flame(const char *profile, FILE *to)
{
    static const char *const names[SIDES] = { "base", "now" };
    flame_node root = { .name = "all" };
    bool ok = read_profile(&root, profile);
    const double most = fmax((double)root.samples[0], (double)root.samples[1]);
    for (int side = 0; ok && side < SIDES; side++) {
        const flame_plot p = { &root, side, most, PLOT_WIDTH / most, to };
        fprintf(to, "<p>%s: %llu samples</p>\n<svg width='%d' height='%u' font-family='monospace' font-size='11'>\n",
                names[side], root.samples[side], PLOT_WIDTH, depth_of(&root) * ROW_HEIGHT);
        box(&p, &root, 0, 0);
        fputs("</svg>\n", to);
    }
    if (ok)
        functions_table(&root, to);
    flame_free(root.child);
    return ok && !ferror(to);
}
