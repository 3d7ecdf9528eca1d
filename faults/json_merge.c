/*
 * json_merge.c - folds one document after the other into a copy of the first.
 *
 * The result does not depend on the order of the shards, but for that of lists, which are sorted in the end by their
 * text where their entries are findings.
 */
#include "json_merge.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fatal.h"

static bool is_one_of(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (!strcmp(*list, name))
            return true;
    return false;
}

typedef enum merge_rule { RULE_ADD, RULE_EQUAL, RULE_LEAST, RULE_MOST, RULE_ALL, RULE_ANY } merge_rule;

static merge_rule rule_of(const char *name, merge_rule of_parent)
{
    static const char *const equal[] = { "version", "data", "stanzas", "depth", "options", "file", "method", "alpha",
                                         "tolerance_percent", "floor_percent", NULL };
    static const char *const least[] = { "seed", "workload_least", NULL };
    static const char *const most[] = { "jobs", "max", "p50", "p99", "p99.9", "beside_max_ns", "base_bytes",
                                        "now_bytes", NULL };
    static const char *const all[] = { "complete", "ok", NULL };
    static const char *const any[] = { "interrupted", "cut", NULL };
    if (!strcmp(name, "rounds"))
        return RULE_ADD; /* among settings that are equal, too */
    if (of_parent != RULE_ADD && of_parent != RULE_ALL)
        return of_parent;
    return is_one_of(name, equal)   ? RULE_EQUAL
           : is_one_of(name, least) ? RULE_LEAST
           : is_one_of(name, most)  ? RULE_MOST
           : is_one_of(name, all)   ? RULE_ALL
           : is_one_of(name, any)   ? RULE_ANY
                                    : RULE_ADD;
}

static json_t *merge_value(json_t *a, json_t *b, const char *name, merge_rule rule, char *message);

/* The texts of an object, one behind the other: what it is about. Empty when it has none. */
static char *identity_of(json_t *object)
{
    const char *name;
    json_t *value;
    json_t *texts = json_object();
    json_object_foreach(object, name, value)
        if (json_is_string(value) && strcmp(name, "verdict") != 0)
            json_object_set(texts, name, value);
    char *text = json_object_size(texts) ? json_dumps(texts, JSON_SORT_KEYS | JSON_COMPACT) : NULL;
    json_decref(texts);
    return text;
}

static json_t *find_same(json_t *list, const char *identity, size_t *index)
{
    for (*index = 0; *index < json_array_size(list); (*index)++) {
        json_t *entry = json_array_get(list, *index);
        char *other = json_is_object(entry) ? identity_of(entry) : NULL;
        const bool same = other && !strcmp(other, identity);
        free(other);
        if (same)
            return entry;
    }
    return NULL;
}

static json_t *sorted(json_t *list)
{
    const size_t count = json_array_size(list);
    json_t *result = json_array();
    bool *taken = fatal_alloc_zeroed(count + 1);
    char **texts = fatal_alloc_zeroed((count + 1) * sizeof *texts);
    for (size_t i = 0; i < count; i++)
        texts[i] = json_dumps(json_array_get(list, i), JSON_SORT_KEYS | JSON_ENCODE_ANY);
    for (size_t turn = 0; turn < count; turn++) {
        size_t least = count;
        for (size_t i = 0; i < count; i++)
            if (!taken[i] && (least == count || strcmp(texts[i], texts[least]) < 0))
                least = i;
        taken[least] = true;
        json_array_append(result, json_array_get(list, least));
    }
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
    free(taken);
    json_decref(list);
    return result;
}

static json_t *merge_lists(json_t *a, json_t *b, const char *name, merge_rule rule, char *message)
{
    const bool numbers = json_is_number(json_array_get(a, 0)) && json_is_number(json_array_get(b, 0));
    json_t *result = numbers ? json_array() : json_copy(a), *entry;
    size_t i, at;
    json_array_foreach(b, i, entry) {
        json_t *other = numbers ? json_array_get(a, i) : NULL;
        char *identity = json_is_object(entry) && strcmp(name, "findings") != 0 ? identity_of(entry) : NULL;
        if (numbers) {
            json_array_append_new(result, other ? merge_value(other, entry, name, rule, message) : json_incref(entry));
        } else if (identity && (other = find_same(result, identity, &at))) {
            json_array_set_new(result, at, merge_value(other, entry, name, rule, message));
        } else {
            json_array_append(result, entry);
        }
        free(identity);
    }
    return strcmp(name, "findings") ? result : sorted(result);
}

static json_t *merge_objects(json_t *a, json_t *b, merge_rule rule, char *message)
{
    json_t *result = json_object(), *value, *other;
    const char *name;
    json_object_foreach(a, name, value) {
        other = json_object_get(b, name);
        json_object_set_new(result, name,
                            other ? merge_value(value, other, name, rule_of(name, rule), message) : json_incref(value));
    }
    json_object_foreach(b, name, value)
        if (!json_object_get(a, name))
            json_object_set(result, name, value);
    return result;
}

static json_t *merge_numbers(json_t *a, json_t *b, merge_rule rule)
{
    const bool whole = json_is_integer(a) && json_is_integer(b);
    const json_int_t i = json_integer_value(a), k = json_integer_value(b);
    const double x = json_number_value(a), y = json_number_value(b);
    if (rule == RULE_LEAST)
        return json_incref((x <= y ? a : b));
    if (rule == RULE_MOST)
        return json_incref((x >= y ? a : b));
    return whole ? json_integer(i + k) : json_real(x + y);
}

static json_t *merge_value(json_t *a, json_t *b, const char *name, merge_rule rule, char *message)
{
    if (json_is_null(a) || json_is_null(b))
        return json_incref((json_is_null(a) ? b : a));
    if (json_is_object(a) && json_is_object(b))
        return merge_objects(a, b, rule, message);
    if (rule == RULE_EQUAL) {
        if (!json_equal(a, b) && !message[0])
            snprintf(message, JSON_MERGE_MESSAGE, "shards of different campaigns: %s is not the same", name);
        return json_incref(a);
    }
    if (json_is_array(a) && json_is_array(b))
        return merge_lists(a, b, name, rule, message);
    if (json_is_boolean(a) && json_is_boolean(b))
        return json_boolean(rule == RULE_ANY ? json_is_true(a) || json_is_true(b) : json_is_true(a) && json_is_true(b));
    if (json_is_number(a) && json_is_number(b))
        return merge_numbers(a, b, rule);
    /* verdicts: what is not the good one wins */
    if (json_is_string(a) && json_is_string(b))
        return json_incref((strcmp(json_string_value(a), "nothing found") ? a : b));
    if (!message[0])
        snprintf(message, JSON_MERGE_MESSAGE, "%s is not of one kind in all shards", name);
    return json_incref(a);
}

json_t *json_merge(json_t *const *documents, size_t count, char message[JSON_MERGE_MESSAGE])
{
    message[0] = 0;
    json_t *result = json_incref(documents[0]);
    for (size_t i = 1; i < count; i++) {
        json_t *next = merge_value(result, documents[i], "the report", RULE_ADD, message);
        json_decref(result);
        result = next;
    }
    if (!message[0])
        return result;
    json_decref(result);
    return NULL;
}

json_t *json_merge_files(char *const *paths, size_t count, char message[JSON_MERGE_MESSAGE])
{
    json_t **documents = fatal_alloc_zeroed((count + 1) * sizeof *documents), *result = NULL;
    size_t read = 0;
    message[0] = 0;
    for (; read < count; read++) {
        json_error_t error;
        documents[read] = json_load_file(paths[read], 0, &error);
        if (!json_is_object(documents[read])) {
            snprintf(message, JSON_MERGE_MESSAGE, "%.80s: %.120s", paths[read],
                     documents[read] ? "no report" : error.text);
            break;
        }
    }
    if (count && read == count)
        result = json_merge(documents, count, message);
    for (size_t i = 0; i < count; i++)
        json_decref(documents[i]);
    free(documents);
    return result;
}
