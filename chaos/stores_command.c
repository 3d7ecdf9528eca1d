/*
 * stores_command.c - lists the stores: version, capabilities, options and the settings that they get.
 *
 * Without words all known ones and their variants; with words those named, which may be plug-ins by path.
 */
#include "stores_command.h"

#include <stdio.h>
#include <string.h>

#include "options.h"
#include "store_spec.h"

typedef struct capability_text {
    unsigned capability;
    const char *text;
} capability_text;

static const capability_text texts[] = {
    { STORE_CAN_LEAVE_UNSYNCED, "unsynced writes" },
    { STORE_CAN_MULTI_GET, "multi-get" },
    { STORE_CAN_CHECK, "check" },
    { STORE_CAN_WRITE_CONCURRENTLY, "concurrent writers" },
    { STORE_CAN_COMPACT, "compaction" },
    { STORE_HAS_WRITE_BUFFER, "write buffer" },
    { STORE_IS_TUNED, "tuned for speed" },
    { STORE_HAS_NO_BATCH, "no atomic batches" },
    { STORE_HAS_THREADS, "threads of its own" },
};

static void show_capabilities(const store_adapter *a)
{
    const char *comma = "";
    printf("  can:           ");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (a->capabilities & texts[i].capability) {
            printf("%s%s", comma, texts[i].text);
            comma = ", ";
        }
    printf("%s\n", *comma ? "" : "what every store can");
}

static void show_configuration(const store_spec *s)
{
    char text[STORE_MESSAGE_BYTES] = "";
    const store_config config = { .path = ".", .create = true, .sync = true, .background = !s->no_background,
                                  .cache_bytes = s->cache_bytes, .write_buffer_bytes = s->write_buffer_bytes,
                                  .map_bytes = s->map_bytes, .options = s->option, .option_count = s->options,
                                  .argument = s->argument };
    s->adapter->configuration(&config, text);
    printf("  configuration: %s\n", text);
}

static void show(const store_spec *s)
{
    const store_adapter *a = s->adapter;
    printf("%s, version %s\n", s->label, a->version());
    show_configuration(s);
    if (a->not_promised)
        printf("  not promised:  %s\n", a->not_promised);
    if (a->strictest)
        printf("  strictest:     %s\n", a->strictest);
    show_capabilities(a);
    for (const char *const *o = a->option_names; o && *o; o++)
        printf("%s%s%s", o == a->option_names ? "  options:       " : ", ", *o, o[1] ? "" : "\n");
}

static bool show_named(const char *label)
{
    store_spec s;
    char message[STORE_MESSAGE_BYTES];
    if (!store_spec_parse(label, &s, message)) {
        fprintf(stderr, "levin-chaos: %s\n", message);
        return false;
    }
    show(&s);
    return true;
}

static bool show_all(void)
{
    char label[STORE_LABEL_BYTES];
    bool all = true;
    for (const store_adapter *const *a = store_adapters(); *a; a++) {
        if ((*a)->takes_argument)
            printf("%s:ARGUMENT, version %s\n", (*a)->name, (*a)->version());
        else
            all = show_named((*a)->name) && all;
        for (const char *const *v = (*a)->variants; v && *v; v++) {
            snprintf(label, sizeof label, "%s:%s", (*a)->name, *v);
            all = show_named(label) && all;
        }
    }
    for (const store_absence *absence = store_absences(); absence->name; absence++) {
        char message[STORE_MESSAGE_BYTES];
        if (!store_adapter_load(absence->name, message))
            printf("%s\n", message);
    }
    return all;
}

int stores_command(int argc, char **argv)
{
    bool good = true;
    if (argc > 1 && argv[1][0] == '-') {
        fprintf(stderr, "usage: levin-chaos stores [STORE...]\n");
        return strcmp(argv[1], "--help") == 0 ? EXIT_NOTHING_FOUND : EXIT_USAGE;
    }
    if (argc == 1)
        good = show_all();
    for (int i = 1; i < argc; i++)
        good = show_named(argv[i]) && good;
    return good ? EXIT_NOTHING_FOUND : EXIT_USAGE;
}
