/*
 * verify.c - one image: open (recover), read everything, check the structure, go on writing, close, reopen, read
 * again, leave nothing behind.
 *
 * Every image that the explorer builds is one that a power cut may leave, so a refusal to open is as wrong as a wrong
 * answer.  What a store shows once levin_open() has returned is durable from then on: recovery syncs what it accepts.
 */
#include "verify.h"

#include <stdio.h>
#include <string.h>

#include "../faults/simdisk.h"

static uint64_t record_length(void *context)
{
    return trace_length(context);
}

static bool remember_fault(void *context, const levin_error *fault)
{
    *(levin_error *)context = *fault;
    return false; /* the first one tells enough */
}

static bool open_image(const workload *w, simdisk *disk, levin **store, const char *phase, verify_result *result)
{
    levin_options options;
    levin_error error = { 0 };
    workload_store_options(w, simdisk_io(disk), &options);
    levin_code code = levin_open(VERIFY_PATH, &options, store, &error);
    if (code == LEVIN_OK)
        return true;
    *store = NULL;
    result->phase = phase;
    result->verdict.code = code;
    oracle_fault(&result->verdict, code == LEVIN_CORRUPT ? "TORN vs ROTTEN" : "FAULT", "levin_open: %s: %s",
                 levin_code_name(code), error.message);
    return false;
}

/* All readings against the legal set, and the structure on the disk. */
static bool check_store(oracle *o, const oracle_legal *legal, levin *store, const verify_options *options,
                        const char *phase, verify_result *result)
{
    oracle_check_options with = { .seed = options->seed, .points = options->points, .ranges = options->ranges };
    result->phase = phase;
    if (!oracle_check(o, legal, store, &with, &result->verdict))
        return false;
    levin_error fault = { 0 };
    levin_code code = levin_check(store, remember_fault, &fault, NULL);
    if (code == LEVIN_OK)
        return true;
    result->verdict.code = code;
    oracle_fault(&result->verdict, "DETECT", "levin_check: %s: %s", levin_code_name(code), fault.message);
    return false;
}

static bool close_image(levin *store, const char *phase, verify_result *result)
{
    levin_code code = levin_close(store);
    if (code == LEVIN_OK)
        return true;
    result->phase = phase;
    result->verdict.code = code;
    oracle_fault(&result->verdict, "FAULT", "levin_close without a fault: %s", levin_code_name(code));
    return false;
}

/* Goes on after the recovery, closes, reopens, checks. Takes the store. */
static bool live_on(const workload *w, simdisk *disk, levin *store, trace *record, const verify_options *options,
                    verify_result *result)
{
    workload *tail = workload_create_tail(w, options->seed);
    workload_target target = { .io = simdisk_io(disk), .path = VERIFY_PATH, .o = result->after, .now = record_length,
                               .context = record, .script = options->script };
    workload_result lived;
    bool good = workload_continue(tail, store, &target, &lived);
    workload_destroy(tail);
    if (!good) {
        result->phase = "writes after recovery";
        result->verdict = lived.verdict;
        levin_code code = levin_close(store);
        (void)code; /* the violation found first is the one to tell */
        return false;
    }
    if (!close_image(store, "close after recovery", result))
        return false;
    oracle_durable(result->after, trace_length(record));
    if (!open_image(w, disk, &store, "reopening", result))
        return false;
    oracle_legal legal = oracle_legal_crash(result->after, trace_length(record));
    uint32_t state = result->state;
    good = check_store(result->after, &legal, store, options, "check after reopening", result);
    result->state = state;
    return close_image(store, "second close", result) && good;
}

bool verify_image(const workload *w, const disk_image *image, oracle *o, const oracle_legal *legal,
                  const verify_options *options, verify_result *result)
{
    *result = (verify_result){ .verdict = { .state = ORACLE_NO_STATE }, .state = ORACLE_NO_STATE };
    trace *own = options->tail && !options->record ? trace_create() : NULL, *record = own ? own : options->record;
    simdisk *disk = simdisk_create(image, record);
    levin *store = NULL;
    bool good = open_image(w, disk, &store, "recovery", result);
    if (good) {
        result->recovered = record ? trace_length(record) : 0;
        good = check_store(o, legal, store, options, "check after recovery", result);
        result->state = result->verdict.state;
        if (good && options->tail) {
            result->after = oracle_continue(o, result->state);
            good = live_on(w, disk, store, record, options, result);
        } else {
            levin_code code = levin_close(store);
            if (code != LEVIN_OK && good)
                good = false, oracle_fault(&result->verdict, "FAULT", "levin_close: %s", levin_code_name(code));
        }
    }
    simdisk_usage usage;
    if (!simdisk_destroy(disk, &usage) && good) {
        good = false;
        result->phase = "after the close";
        oracle_fault(&result->verdict, "FAULT", "left behind: %llu bytes in %llu pieces, %llu open files",
                     (unsigned long long)usage.memory_bytes, (unsigned long long)usage.allocations,
                     (unsigned long long)usage.open_files);
    }
    trace_destroy(own);
    return good;
}
