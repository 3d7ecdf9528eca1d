/*
 * workload_reader.c - the reading handle of a workload (workload_reader.h).
 *
 * Which state the newest checkpoint holds is the writer's business (it may have done one in any of its steps), so the
 * first look finds it out among all legal ones, and everything after is compared with that one.
 */
#include "workload_reader.h"

static bool reader_failed(const workload_target *target, workload_result *result, levin_code code, const char *what,
                          const levin_error *error)
{
    result->failures++;
    if (target->faults && code != LEVIN_CORRUPT && code != LEVIN_INVALID)
        return true;
    oracle_fault(&result->verdict, code == LEVIN_CORRUPT ? "DETECT" : "FAULT", "%s beside the writer failed: %s: %s",
                 what, levin_code_name(code), error->message);
    result->verdict.code = code;
    oracle_names(&result->verdict, error);
    return false;
}

/* Whether it is in a legal state; *found is that. */
static bool reader_look(workload_reader *r, const workload_target *target, const oracle_legal *legal,
                        workload_result *result)
{
    const oracle_check_options with = { .seed = r->seed, .points = 8, .ranges = 3, .faults_active = target->faults };
    oracle_verdict v;
    oracle_legal wider = *legal;
    if (r->doubtful && r->doubtful <= legal->last) {
        wider.live = false;
        wider.barrier = r->doubtful - 1;
    }
    bool good = oracle_check(target->o, &wider, r->store, &with, &v);
    if (good && v.state != ORACLE_NO_STATE && v.state != r->doubtful) /* no other batch that has failed */
        good = oracle_check_state(target->o, legal, v.state, &v);
    result->failures += v.code != LEVIN_OK;
    r->state = v.state;
    if (!good) {
        oracle_fault(&result->verdict, v.promise, WORKLOAD_READER_TEXT "%s", v.text);
        result->verdict.state = v.state;
        result->verdict.code = v.code;
        oracle_names_as(&result->verdict, &v);
    }
    return good;
}

bool workload_reader_open(workload_reader *r, const workload *w, const workload_target *target, uint32_t oldest,
                          uint32_t doubtful, uint64_t seed, workload_result *result)
{
    levin_options options;
    levin_error error = { 0 };
    workload_store_options(w, target->io, &options);
    options.create_if_missing = false;
    options.read_only = true;
    options.cache_bytes = 16 * (uint64_t)options.page_bytes;
    *r = (workload_reader){ .seed = seed, .doubtful = doubtful };
    levin_code code = levin_open(target->path, &options, &r->store, &error);
    if (code != LEVIN_OK)
        return reader_failed(target, result, code, "levin_open", &error);
    oracle_legal legal = oracle_legal_live(target->o);
    legal.first = oldest;
    bool good = reader_look(r, target, &legal, result);
    if (!good || r->state == ORACLE_NO_STATE) /* a read failed */
        workload_reader_drop(r);
    result->counts.readers += r->store != NULL;
    return good;
}

static bool keep_first(void *context, const levin_error *fault)
{
    *(levin_error *)context = *fault;
    return false;
}

levin_code workload_check(levin *store, levin_error *fault)
{
    *fault = (levin_error){ .code = LEVIN_OK };
    const levin_code code = levin_check(store, keep_first, fault, NULL);
    if (code != LEVIN_OK && fault->code == LEVIN_OK)
        levin_last_error(store, fault);
    return code;
}

bool workload_reader_close(workload_reader *r, const workload_target *target, workload_result *result)
{
    levin_error error = { 0 };
    if (!r->store)
        return true;
    const oracle_legal legal = oracle_legal_exactly(r->state);
    bool good = reader_look(r, target, &legal, result);
    levin_code code = good ? workload_check(r->store, &error) : LEVIN_OK;
    if (code != LEVIN_OK)
        good = reader_failed(target, result, code, "levin_check", &error);
    workload_reader_drop(r);
    return good;
}

void workload_reader_drop(workload_reader *r)
{
    if (r->store)
        (void)levin_close(r->store); /* read-only: it has nothing to lose */
    r->store = NULL;
}
