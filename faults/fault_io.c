/*
 * fault_io.c - a levin_io that fails on request.
 *
 * Purpose: see fault_io.h.  Each function of the table asks decide() once, then makes the inner call or not, and
 * reports.
 *
 * Invariants: a rule counts each call that matches it, whatever becomes of the call, so that "the Nth" means the
 * same with other rules present.  A failed close still closes; a failed open leaves nothing open.  Freeing memory
 * never fails.
 *
 * Concurrency: counters are atomic; rules and hooks are set while no call runs.  Two calls at once may
 * both be "the Nth" for nobody: fetch_add gives each its own number.
 */
#include "fault_io.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "fatal.h"
#include "random.h"

struct levin_file {
    levin_file *inner;
    levin_file_kind kind;
    _Atomic int late; /* the error of a sync, to be reported by the next one; 0: none */
};

typedef struct sync_hook {
    void (*failed)(void *context, levin_file *inner_file);
    void *context;
} sync_hook;

typedef struct rule_state {
    fault_rule rule;
    _Atomic uint64_t matched, fired;
} rule_state;

struct fault_io {
    levin_io table;
    const levin_io *inner;
    const levin_io *hurt, *meant; /* of calls that are hurt; inner and NULL: there is one side only */
    rule_state rules[FAULT_RULES_MAX];
    size_t rule_count;
    fault_point_hook hook;
    sync_hook lost_sync, kept_sync, reverted_sync, late_sync;
    fault_judge judge;
    void *judge_context;
    fault_witness witness;
    void *witness_context;
    /* statistics: relaxed, pair with nothing */
    _Atomic uint64_t calls[LEVIN_FILE_KIND_COUNT][FAULT_OPERATION_COUNT];
    _Atomic uint64_t hook_fired, files, bytes, allocations;
    _Atomic uint64_t clock_shift_ns; /* modulo 2^64; relaxed, pairs with nothing */
};

/* What to do with one call. */
typedef struct decision {
    bool fires;
    fault_effect effect;
    int os_error;
    size_t bytes;
    int64_t shift;
    uint64_t draw;
} decision;

static uint64_t raise(_Atomic uint64_t *counter, uint64_t by)
{
    /* pairs with nothing: only its value matters */
    return atomic_fetch_add_explicit(counter, by, memory_order_relaxed) + by;
}
static uint64_t read_counter(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed); /* pairs with nothing */
}

/* ---- Names of points ------------------------------------------------------------------------------------- */

const char *fault_operation_text(fault_operation operation)
{
    static const char *const texts[] = {
#define OPERATION_TEXT(name, text) text,
        FAULT_OPERATIONS(OPERATION_TEXT)
#undef OPERATION_TEXT
    };
    return (unsigned)operation < FAULT_OPERATION_COUNT ? texts[operation] : "unknown";
}

const char *fault_kind_text(levin_file_kind kind)
{
    static const char *const texts[] = {
#define KIND_TEXT(name, text) text,
        LEVIN_FILE_KINDS(KIND_TEXT)
#undef KIND_TEXT
    };
    return (unsigned)kind < LEVIN_FILE_KIND_COUNT ? texts[kind] : "unknown";
}

static bool of_names(fault_operation operation)
{
    return operation >= FAULT_RENAME && operation <= FAULT_LIST;
}

bool fault_point_exists(levin_file_kind kind, fault_operation operation)
{
    if ((unsigned)kind >= LEVIN_FILE_KIND_COUNT || (unsigned)operation >= FAULT_OPERATION_COUNT)
        return false;
    if (operation == FAULT_LOCK)
        return kind == LEVIN_FILE_LOCK || kind == LEVIN_FILE_PAGES;
    return (of_names(operation) || operation >= FAULT_ALLOC) == (kind == LEVIN_FILE_DIR);
}

const char *fault_point_name(levin_file_kind kind, fault_operation operation)
{
#define POINTS_OF_FILE(kind_text)                                                                               \
    {                                                                                                           \
        "levin/io/" kind_text "/open", "levin/io/" kind_text "/close", "levin/io/" kind_text "/read",           \
            "levin/io/" kind_text "/write", "levin/io/" kind_text "/sync", "levin/io/" kind_text "/truncate",   \
            "levin/io/" kind_text "/preallocate", "levin/io/" kind_text "/size"                                 \
    }
    static const char *const of_files[][FAULT_SIZE + 1] = { POINTS_OF_FILE("pages"), POINTS_OF_FILE("wal"),
                                                            POINTS_OF_FILE("vlog"), POINTS_OF_FILE("lock") };
#undef POINTS_OF_FILE
    static const char *const others[] = { "levin/io/dir/rename",   "levin/io/dir/unlink", "levin/io/dir/make_dir",
                                          "levin/io/dir/sync_dir", "levin/io/dir/list",   "levin/io/lock/lock",
                                          "levin/mem/alloc",       "levin/random" };
    if (!fault_point_exists(kind, operation))
        return NULL;
    if (operation == FAULT_LOCK && kind == LEVIN_FILE_PAGES)
        return "levin/io/pages/lock";
    return operation <= FAULT_SIZE ? of_files[kind][operation] : others[operation - FAULT_RENAME];
}

/* ---- Decisions ------------------------------------------------------------------------------------------- */

static bool matches(const fault_rule *rule, levin_file_kind kind, fault_operation operation)
{
    return (rule->operations >> operation & 1) && (operation >= FAULT_ALLOC || (rule->kinds >> kind & 1));
}

static void ask_judge(fault_io *f, const fault_call *call, decision *d)
{
    fault_choice choice = { .effect = FAULT_ERROR };
    if (!f->judge(f->judge_context, call, &choice))
        return;
    if (choice.effect == FAULT_CLOCK)
        raise(&f->clock_shift_ns, (uint64_t)choice.shift);
    else
        *d = (decision){ true, choice.effect, choice.os_error, choice.bytes, choice.shift, choice.draw };
    if (choice.effect == FAULT_CLOCK && f->witness)
        f->witness(f->witness_context, call, FAULT_CLOCK);
}

static decision decide_on(fault_io *f, levin_file_kind kind, fault_operation operation, uint64_t offset, uint64_t bytes)
{
    decision d = { .fires = false, .effect = FAULT_ERROR };
    raise(&f->calls[kind][operation], 1);
    assert(fault_point_name(kind, operation)); /* whatever is called has a name to fail it by */
    if (f->hook && f->hook(fault_point_name(kind, operation), &d.os_error)) {
        d.fires = true;
        raise(&f->hook_fired, 1);
    }
    if (f->judge && !d.fires)
        ask_judge(f, &(fault_call){ kind, operation, offset, bytes }, &d);
    for (size_t i = 0; i < f->rule_count; i++) {
        rule_state *state = &f->rules[i];
        const fault_rule *rule = &state->rule;
        if (!matches(rule, kind, operation))
            continue;
        uint64_t number = raise(&state->matched, 1);
        if (d.fires || !rule->nth || !(rule->forever ? number >= rule->nth : number == rule->nth))
            continue;
        if (rule->effect == FAULT_SHORT && operation != FAULT_READ && operation != FAULT_WRITE)
            continue;
        raise(&state->fired, 1);
        d = (decision){ true, rule->effect, rule->os_error, rule->bytes, 0, 0 };
    }
    if (d.fires && f->witness)
        f->witness(f->witness_context, &(fault_call){ kind, operation, offset, bytes }, d.effect);
    return d;
}

static decision decide(fault_io *f, levin_file_kind kind, fault_operation operation)
{
    return decide_on(f, kind, operation, 0, 0);
}

/* The call must not be made: it fails at once. */
static bool fails_before(const decision *d)
{
    return d->fires && (d->effect == FAULT_ERROR || d->effect == FAULT_ERROR_KEPT || d->effect == FAULT_ERROR_REVERTED);
}

/* What to report for a call that was made. */
static int report(const decision *d, int result)
{
    return d->fires && d->effect == FAULT_ERROR_AFTER && !result ? d->os_error : result;
}

static fault_io *self(void *context)
{
    return context;
}

/* ---- Files ----------------------------------------------------------------------------------------------- */

static int fault_open(void *context, const char *path, levin_file_kind kind, unsigned flags, levin_file **file)
{
    fault_io *f = self(context);
    decision d = decide(f, kind, FAULT_OPEN);
    levin_file *inner;
    *file = NULL;
    if (d.fires && d.effect != FAULT_SHORT)
        return d.os_error;
    int result = f->inner->open(f->inner->context, path, kind, flags, &inner);
    if (result)
        return result;
    levin_file *wrapper = fatal_alloc(sizeof *wrapper);
    *wrapper = (levin_file){ .inner = inner, .kind = kind };
    raise(&f->files, 1);
    *file = wrapper;
    return 0;
}

static int fault_close(void *context, levin_file *file)
{
    fault_io *f = self(context);
    decision d = decide(f, file->kind, FAULT_CLOSE);
    int result = f->inner->close(f->inner->context, file->inner);
    free(file);
    raise(&f->files, UINT64_MAX);
    return d.fires ? d.os_error : result;
}

enum { SECTOR = 512, BLOCK = 4096 };

static size_t parts_bytes(const levin_slice *parts, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += parts[i].size;
    return total;
}

/* How much is hurt: what a device writes whole; of a stale write a block as likely as a sector. */
static size_t unit_of(const decision *d)
{
    return d->effect == FAULT_STALE && d->draw >> 63 ? BLOCK : SECTOR;
}

/* Where the unit that is hurt begins, in a transfer of `bytes` above 0. */
static size_t unit_at(const decision *d, size_t bytes)
{
    const size_t unit = unit_of(d);
    return (size_t)(d->draw % ((bytes + unit - 1) / unit)) * unit;
}

/* FAULT_FLIP and FAULT_GARBAGE; the others leave the bytes alone. */
static void damage(const decision *d, uint8_t *bytes, size_t count)
{
    if (count == 0)
        return;
    if (d->effect == FAULT_FLIP) {
        bytes[d->draw / 8 % count] ^= (uint8_t)(1u << d->draw % 8);
    } else if (d->effect == FAULT_GARBAGE) {
        random_stream r = random_open(d->draw, 0);
        const size_t first = unit_at(d, count);
        random_fill(&r, bytes + first, count - first < SECTOR ? count - first : SECTOR);
    }
}

/* Where the transfer goes; a shift to before the beginning of the file goes nowhere. */
static uint64_t directed(const decision *d, uint64_t offset)
{
    if (!d->fires || d->effect != FAULT_MISDIRECT || (d->shift < 0 && offset < -(uint64_t)d->shift))
        return offset;
    return offset + (uint64_t)d->shift;
}

static int fault_read_at(void *context, levin_file *file, void *buffer, size_t bytes, uint64_t offset, size_t *done)
{
    fault_io *f = self(context);
    decision d = decide_on(f, file->kind, FAULT_READ, offset, bytes);
    *done = 0;
    if (fails_before(&d))
        return d.os_error;
    if (d.fires && d.effect == FAULT_SHORT && d.bytes < bytes)
        bytes = d.bytes;
    int result = f->inner->read_at(f->inner->context, file->inner, buffer, bytes, directed(&d, offset), done);
    if (d.fires && !result)
        damage(&d, buffer, *done);
    if (report(&d, result))
        *done = 0;
    return report(&d, result);
}

/*
 * A write of changed bytes: they are joined first.  FAULT_STALE reads what is there; what cannot be read counts as
 * zeros, as it does past the end.
 */
static int write_changed(fault_io *f, levin_file *file, const decision *d, const levin_slice *parts, size_t count,
                         uint64_t offset, size_t *done)
{
    const size_t total = parts_bytes(parts, count);
    if (total == 0)
        return f->hurt->write_at(f->hurt->context, file->inner, parts, count, offset, done);
    uint8_t *joined = fatal_alloc(total);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].size)
            memcpy(joined + at, parts[i].data, parts[i].size);
        at += parts[i].size;
    }
    if (d->effect == FAULT_STALE) {
        const size_t first = unit_at(d, total), unit = unit_of(d), size = total - first < unit ? total - first : unit;
        size_t had = 0;
        memset(joined + first, 0, size);
        int result = f->inner->read_at(f->inner->context, file->inner, joined + first, size, offset + first, &had);
        if (result)
            memset(joined + first, 0, size);
    } else
        damage(d, joined, total);
    int result = f->hurt->write_at(f->hurt->context, file->inner, &(levin_slice){ joined, total }, 1, offset, done);
    free(joined);
    return result;
}

/* FAULT_FLIP to FAULT_MISDIRECT. */
static int write_hurt(fault_io *f, levin_file *file, const decision *d, const levin_slice *parts, size_t count,
                      uint64_t offset, size_t *done)
{
    size_t meant = 0;
    const int result = f->meant ? f->meant->write_at(f->meant->context, file->inner, parts, count, offset, &meant) : 0;
    if (result)
        return result;
    if (d->effect == FAULT_LOST) {
        *done = parts_bytes(parts, count);
        return 0;
    }
    if (d->effect != FAULT_MISDIRECT)
        return write_changed(f, file, d, parts, count, offset, done);
    return f->hurt->write_at(f->hurt->context, file->inner, parts, count, directed(d, offset), done);
}

/* Cuts the parts to `bytes`; returns how many are left. */
static size_t cut_parts(levin_slice *cut, const levin_slice *parts, size_t count, size_t bytes)
{
    size_t n = 0;
    for (; n < count && bytes; n++) {
        cut[n] = parts[n];
        if (cut[n].size > bytes)
            cut[n].size = bytes;
        bytes -= cut[n].size;
    }
    return n;
}

static int fault_write_at(void *context, levin_file *file, const levin_slice *parts, size_t count, uint64_t offset,
                          size_t *done)
{
    fault_io *f = self(context);
    decision d = decide_on(f, file->kind, FAULT_WRITE, offset, parts_bytes(parts, count));
    levin_slice cut[LEVIN_IO_PARTS_MAX];
    *done = 0;
    if (fails_before(&d))
        return d.os_error;
    if (d.fires && d.effect == FAULT_SHORT && count <= LEVIN_IO_PARTS_MAX) {
        count = cut_parts(cut, parts, count, d.bytes);
        parts = cut;
        if (!count)
            return 0;
    }
    if (d.fires && d.effect >= FAULT_FLIP && d.effect <= FAULT_MISDIRECT)
        return write_hurt(f, file, &d, parts, count, offset, done);
    int result = f->inner->write_at(f->inner->context, file->inner, parts, count, offset, done);
    if (report(&d, result))
        *done = 0;
    return report(&d, result);
}

static int fault_sync(void *context, levin_file *file)
{
    fault_io *f = self(context);
    decision d = decide(f, file->kind, FAULT_SYNC);
    if (d.fires && d.effect == FAULT_LIE)
        return f->meant ? f->meant->sync(f->meant->context, file->inner) : 0;
    const sync_hook *hook = !d.fires                          ? NULL
                            : d.effect == FAULT_LATE           ? &f->late_sync
                            : d.effect == FAULT_ERROR_KEPT     ? &f->kept_sync
                            : d.effect == FAULT_ERROR_REVERTED ? &f->reverted_sync
                            : d.effect == FAULT_ERROR          ? &f->lost_sync
                                                               : NULL;
    const bool late = d.fires && d.effect == FAULT_LATE;
    const int owed = atomic_exchange_explicit(&file->late, late ? d.os_error : 0, memory_order_relaxed); /* a value */
    int result = 0;
    if (hook && hook->failed)
        hook->failed(hook->context, file->inner);
    if (fails_before(&d))
        return d.os_error;
    if (!late || !hook->failed)
        result = report(&d, f->inner->sync(f->inner->context, file->inner));
    return result ? result : owed;
}

static int fault_truncate(void *context, levin_file *file, uint64_t bytes)
{
    fault_io *f = self(context);
    decision d = decide(f, file->kind, FAULT_TRUNCATE);
    return fails_before(&d) ? d.os_error : report(&d, f->inner->truncate(f->inner->context, file->inner, bytes));
}

static int fault_preallocate(void *context, levin_file *file, uint64_t bytes)
{
    fault_io *f = self(context);
    decision d = decide(f, file->kind, FAULT_PREALLOCATE);
    return fails_before(&d) ? d.os_error : report(&d, f->inner->preallocate(f->inner->context, file->inner, bytes));
}

static int fault_size(void *context, levin_file *file, uint64_t *bytes)
{
    fault_io *f = self(context);
    decision d = decide(f, file->kind, FAULT_SIZE);
    return fails_before(&d) ? d.os_error : report(&d, f->inner->size(f->inner->context, file->inner, bytes));
}

static int fault_lock(void *context, levin_file *file, bool exclusive)
{
    fault_io *f = self(context);
    decision d = decide(f, file->kind, FAULT_LOCK);
    if (d.fires && d.effect != FAULT_SHORT)
        return d.os_error;
    return f->inner->lock(f->inner->context, file->inner, exclusive);
}

#if LEVIN_IO_VERSION >= 2 /* the gate builds this file with the headers of an earlier engine, too */
static int fault_lock_range(void *context, levin_file *file, uint64_t offset, uint64_t bytes, levin_io_lock how)
{
    fault_io *f = self(context);
    decision d = decide(f, file->kind, FAULT_LOCK);
    if (d.fires && d.effect != FAULT_SHORT)
        return d.os_error;
    return f->inner->lock_range(f->inner->context, file->inner, offset, bytes, how);
}

static uint64_t fault_process_id(void *context)
{
    fault_io *f = self(context);
    return f->inner->process_id(f->inner->context);
}
#endif

/* ---- Names ----------------------------------------------------------------------------------------------- */

static int fault_rename(void *context, const char *from, const char *to)
{
    fault_io *f = self(context);
    decision d = decide(f, LEVIN_FILE_DIR, FAULT_RENAME);
    return fails_before(&d) ? d.os_error : report(&d, f->inner->rename(f->inner->context, from, to));
}

static int fault_unlink(void *context, const char *path)
{
    fault_io *f = self(context);
    decision d = decide(f, LEVIN_FILE_DIR, FAULT_UNLINK);
    return fails_before(&d) ? d.os_error : report(&d, f->inner->unlink(f->inner->context, path));
}

static int fault_make_dir(void *context, const char *path)
{
    fault_io *f = self(context);
    decision d = decide(f, LEVIN_FILE_DIR, FAULT_MAKE_DIR);
    return fails_before(&d) ? d.os_error : report(&d, f->inner->make_dir(f->inner->context, path));
}

static int fault_sync_dir(void *context, const char *path)
{
    fault_io *f = self(context);
    decision d = decide(f, LEVIN_FILE_DIR, FAULT_SYNC_DIR);
    if (d.fires && d.effect == FAULT_LIE)
        return f->meant ? f->meant->sync_dir(f->meant->context, path) : 0;
    return fails_before(&d) ? d.os_error : report(&d, f->inner->sync_dir(f->inner->context, path));
}

static int fault_list(void *context, const char *path, levin_io_entry entry, void *entry_context)
{
    fault_io *f = self(context);
    decision d = decide(f, LEVIN_FILE_DIR, FAULT_LIST);
    return fails_before(&d) ? d.os_error
                            : report(&d, f->inner->list(f->inner->context, path, entry, entry_context));
}

/* ---- Memory, clock, randomness --------------------------------------------------------------------------- */

static void *fault_alloc(void *context, size_t bytes, size_t alignment)
{
    fault_io *f = self(context);
    decision d = decide(f, LEVIN_FILE_DIR, FAULT_ALLOC);
    void *memory = d.fires ? NULL : f->inner->alloc(f->inner->context, bytes, alignment);
    if (memory) {
        raise(&f->bytes, bytes);
        raise(&f->allocations, 1);
    }
    return memory;
}

static void fault_free(void *context, void *memory, size_t bytes)
{
    fault_io *f = self(context);
    if (!memory)
        return;
    f->inner->free(f->inner->context, memory, bytes);
    raise(&f->bytes, -(uint64_t)bytes);
    raise(&f->allocations, UINT64_MAX);
}

static uint64_t fault_now_ns(void *context)
{
    const fault_io *f = self(context);
    /* pairs with nothing: only its value matters */
    return f->inner->now_ns(f->inner->context) + read_counter(&f->clock_shift_ns);
}

static int fault_random(void *context, void *buffer, size_t bytes)
{
    fault_io *f = self(context);
    decision d = decide(f, LEVIN_FILE_DIR, FAULT_RANDOM);
    return fails_before(&d) ? d.os_error : report(&d, f->inner->random(f->inner->context, buffer, bytes));
}

/* ---- The wrapper ----------------------------------------------------------------------------------------- */

fault_io *fault_io_create(const levin_io *inner)
{
    fault_io *f = fatal_alloc_zeroed(sizeof *f);
    f->inner = f->hurt = inner;
    f->table = (levin_io){
        .version = LEVIN_IO_VERSION, .context = f, .open = fault_open, .close = fault_close,
        .read_at = fault_read_at, .write_at = fault_write_at, .sync = fault_sync, .truncate = fault_truncate,
        .preallocate = fault_preallocate, .size = fault_size, .rename = fault_rename, .unlink = fault_unlink,
        .make_dir = fault_make_dir, .sync_dir = fault_sync_dir, .list = fault_list, .lock = fault_lock,
        .alloc = fault_alloc, .free = fault_free, .now_ns = fault_now_ns, .random = fault_random };
#if LEVIN_IO_VERSION >= 2
    f->table.lock_range = fault_lock_range;
    f->table.process_id = fault_process_id;
#endif
    return f;
}

const levin_io *fault_io_table(fault_io *f)
{
    return &f->table;
}

void fault_io_destroy(fault_io *f)
{
    free(f);
}

void fault_io_set_rules(fault_io *f, const fault_rule *rules, size_t count)
{
    if (count > FAULT_RULES_MAX)
        fatal("%zu fault rules, at most %d are possible", count, FAULT_RULES_MAX);
    for (size_t i = 0; i < FAULT_RULES_MAX; i++) {
        f->rules[i].rule = i < count ? rules[i] : (fault_rule){ .nth = 0 };
        atomic_store_explicit(&f->rules[i].matched, 0, memory_order_relaxed); /* no call runs now */
        atomic_store_explicit(&f->rules[i].fired, 0, memory_order_relaxed);
    }
    f->rule_count = count;
}

void fault_io_on_failed_sync(fault_io *f, void (*failed)(void *context, levin_file *inner_file), void *context)
{
    f->lost_sync = (sync_hook){ failed, context };
}

void fault_io_set_point_hook(fault_io *f, fault_point_hook hook)
{
    f->hook = hook;
}

void fault_io_set_judge(fault_io *f, fault_judge judge, void *context)
{
    f->judge = judge;
    f->judge_context = context;
}

void fault_io_split(fault_io *f, const levin_io *hurt, const levin_io *meant)
{
    f->hurt = hurt;
    f->meant = meant;
}

void fault_io_set_witness(fault_io *f, fault_witness witness, void *context)
{
    f->witness = witness;
    f->witness_context = context;
}

void fault_io_on_kept_sync(fault_io *f, void (*failed)(void *context, levin_file *inner_file), void *context)
{
    f->kept_sync = (sync_hook){ failed, context };
}

void fault_io_on_reverted_sync(fault_io *f, void (*failed)(void *context, levin_file *inner_file), void *context)
{
    f->reverted_sync = (sync_hook){ failed, context };
}

void fault_io_on_late_sync(fault_io *f, void (*failed)(void *context, levin_file *inner_file), void *context)
{
    f->late_sync = (sync_hook){ failed, context };
}

uint64_t fault_io_calls(const fault_io *f, levin_file_kind kind, fault_operation operation)
{
    return read_counter(&f->calls[kind][operation]);
}

uint64_t fault_io_alloc_calls(const fault_io *f)
{
    return fault_io_calls(f, LEVIN_FILE_DIR, FAULT_ALLOC);
}

void fault_io_reset_calls(fault_io *f)
{
    for (int kind = 0; kind < LEVIN_FILE_KIND_COUNT; kind++)
        for (int operation = 0; operation < FAULT_OPERATION_COUNT; operation++)
            atomic_store_explicit(&f->calls[kind][operation], 0, memory_order_relaxed); /* statistics */
}

uint64_t fault_io_fired(const fault_io *f, size_t rule)
{
    return rule < FAULT_RULES_MAX ? read_counter(&f->rules[rule].fired) : 0;
}

uint64_t fault_io_matched(const fault_io *f, size_t rule)
{
    return rule < FAULT_RULES_MAX ? read_counter(&f->rules[rule].matched) : 0;
}

uint64_t fault_io_hook_fired(const fault_io *f)
{
    return read_counter(&f->hook_fired);
}

void fault_io_held(const fault_io *f, uint64_t *files, uint64_t *bytes, uint64_t *allocations)
{
    *files = read_counter(&f->files);
    *bytes = read_counter(&f->bytes);
    *allocations = read_counter(&f->allocations);
}
