/*
 * plan_test.c - reading plans (what is wrong with a text, and where), each condition, each effect through the I/O
 * table, and that streams are independent.
 */
#include "check_main.h"

#include <errno.h>
#include <stdio.h>

#include "errnos.h"
#include "plan.h"
#include "simdisk.h"

#define HEAD "levin-fault-plan 1\n"

static void refused(const char *text, unsigned line, unsigned column, const char *says)
{
    plan_rules p;
    plan_error e;
    ck_assert_msg(!plan_parse(&p, text, strlen(text), &e), "taken: %s", text);
    ck_assert_msg(e.line == line && e.column == column && strstr(e.text, says), "%s\nat %u:%u: %s", text, e.line,
                  e.column, e.text);
}

START_TEST(plan__errors_have_their_place)
{
    refused("", 1, 1, "expected levin-fault-plan 1, not the end of the line");
    refused("# nothing\n\n", 3, 1, "expected levin-fault-plan 1");
    refused("levin-fault-plan 2\n", 1, 18, "expected version 1, not '2'");
    refused("levin-fault-plan 1 x\n", 1, 20, "expected the end of the line");
    refused(HEAD "at levin/io/wal/sync do lie\n", 2, 1, "expected on, not 'at'");
    refused(HEAD "on levin/io/log/sync do lie\n", 2, 13, "expected a kind of file");
    refused(HEAD "on levin/io/wal,log/sync do lie\n", 2, 17, "expected a kind of file");
    refused(HEAD "on levin/io/wal/fly do lie\n", 2, 17, "expected an operation");
    refused(HEAD "on levin/io/wal/rename do lie\n", 2, 4, "a point that exists");
    refused(HEAD "on levin/io/ do lie\n", 2, 4, "expected a point");
    refused(HEAD "on\n", 2, 3, "expected a point");
    refused(HEAD "\n on levin/io/wal/sync nth 0 do lie\n", 3, 27, "expected a number from 1");
    refused(HEAD "on levin/io/wal/sync nth 99999999999999999999 do lie\n", 2, 26, "expected a number");
    refused(HEAD "on levin/io/wal/sync nth do lie\n", 2, 26, "expected a number from 1, not 'do'");
    refused(HEAD "on levin/io/wal/sync once once do lie\n", 2, 27, "expected nth");
    refused(HEAD "on levin/io/wal/sync probability 1.5 do lie\n", 2, 34, "from 0 to 1");
    refused(HEAD "on levin/io/wal/write range 5..5 do lost\n", 2, 29, "a range of bytes");
    refused(HEAD "on levin/io/wal/sync range 1..5 do lie\n", 2, 22, "for reads and writes");
    refused(HEAD "on levin/io/wal/sync\n", 2, 21, "expected do");
    refused(HEAD "on levin/io/wal/sync do\n", 2, 24, "expected an effect, not the end");
    refused(HEAD "on levin/io/wal/sync do flop\n", 2, 25, "expected an effect (");
    refused(HEAD "on levin/io/wal/sync do lost\n", 2, 25, "goes with sync");
    refused(HEAD "on levin/io/wal/sync do error EMFILE\n", 2, 31, "an error that sync may give, not 'EMFILE'");
    refused(HEAD "on levin/io/wal/sync do error ENONE\n", 2, 31, "the name of an error");
    refused(HEAD "on levin/io/wal/read forever do error EINTR\n", 2, 39, "hangs a correct program");
    refused(HEAD "on levin/io/wal/write do short 0\n", 2, 32, "from 1 for writes");
    refused(HEAD "on levin/io/wal/write do budget 100 EIO\n", 2, 37, "ENOSPC or EDQUOT");
    refused(HEAD "on levin/io/wal/sync do budget 100 ENOSPC\n", 2, 25, "a budget is for writes");
    refused(HEAD "on levin/io/wal/write do misdirect 0\n", 2, 36, "a distance");
    refused(HEAD "on levin/io/wal/write do clock 5\n", 2, 32, "with its unit");
    refused(HEAD "on levin/io/wal/write do lost twice\n", 2, 31, "the end of the line");
}
END_TEST

START_TEST(plan__too_many_rules_are_refused)
{
    char text[4096] = HEAD;
    for (int i = 0; i <= PLAN_RULES_MAX; i++)
        strcat(text, "on levin/io/wal/sync do lie\n");
    refused(text, PLAN_RULES_MAX + 2, 1, "at most 32 rules");
}
END_TEST

/* Every beginning of a good plan, and every byte of it changed, is read or refused with a place inside of it. */
START_TEST(plan__any_text_has_an_answer)
{
    static const char good[] = HEAD "on levin/io/wal,vlog/* nth 3 every 2 probability 0.5 after levin/mem/alloc 9 "
                                    "times 4 do error EIO # why\n"
                                    "on levin/io/*/write range 5..900 do budget 65536 EDQUOT back 3";
    plan_rules p;
    plan_error e = { 0 };
    for (size_t size = 0; size <= strlen(good); size++) {
        char *exact = malloc(size + 1); /* exactly so long, for AddressSanitizer */
        ck_assert(exact);
        memcpy(exact, good, size);
        exact = realloc(exact, size ? size : 1);
        for (size_t at = 0; at < size; at += 3) {
            const char was = exact[at];
            exact[at] = (char)(was + 1 + (int)(size % 40));
            if (!plan_parse(&p, exact, size, &e))
                ck_assert(e.line >= 1 && e.line <= 5 && e.column >= 1 && e.column <= size + 1 && e.text[0]);
            exact[at] = was;
        }
        free(exact);
    }
    ck_assert(plan_parse(&p, good, 19, &e) && p.count == 0);
}
END_TEST

/* A disk with a file of four sectors under the plan. */
typedef struct bench {
    plan_rules p;
    plan_state *state;
    simdisk *disk;
    trace *t;
    fault_io *f;
    const levin_io *io;
    levin_file *file;
} bench;

static void bench_begin(bench *b, const char *rules, uint64_t seed)
{
    char text[1000];
    plan_error e;
    snprintf(text, sizeof text, HEAD "%s\n", rules);
    ck_assert_msg(plan_parse(&b->p, text, strlen(text), &e), "%s\n%u:%u: %s", text, e.line, e.column, e.text);
    b->t = trace_create();
    b->disk = simdisk_create(NULL, b->t);
    b->f = fault_io_create(simdisk_io(b->disk));
    b->io = fault_io_table(b->f);
    fault_io_on_failed_sync(b->f, simdisk_sync_loses_pages, b->disk);
    fault_io_on_kept_sync(b->f, simdisk_sync_keeps_pages, b->disk);
    uint8_t bytes[2048];
    size_t done;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i / 512 + 1);
    ck_assert(!b->io->open(b->io->context, "f", LEVIN_FILE_WAL, LEVIN_IO_WRITE | LEVIN_IO_CREATE, &b->file));
    ck_assert(!b->io->write_at(b->io->context, b->file, &(levin_slice){ bytes, sizeof bytes }, 1, 0, &done));
    b->state = plan_begin(&b->p, seed);
    fault_io_set_judge(b->f, plan_judge, b->state);
}

static void bench_end(bench *b)
{
    fault_io_set_judge(b->f, NULL, NULL);
    b->io->close(b->io->context, b->file);
    fault_io_destroy(b->f);
    ck_assert(simdisk_destroy(b->disk, NULL));
    trace_destroy(b->t);
    plan_end(b->state);
}

static int put(bench *b, uint8_t byte, size_t bytes, uint64_t offset, size_t *done)
{
    uint8_t buffer[2048];
    memset(buffer, byte, sizeof buffer);
    return b->io->write_at(b->io->context, b->file, &(levin_slice){ buffer, bytes }, 1, offset, done);
}

static int sync_file(bench *b)
{
    return b->io->sync(b->io->context, b->file);
}

/* What the disk holds, the plan not asked. */
static void held(bench *b, uint8_t buffer[4096])
{
    size_t done;
    fault_io_set_judge(b->f, NULL, NULL);
    memset(buffer, 0, 4096);
    ck_assert(!b->io->read_at(b->io->context, b->file, buffer, 4096, 0, &done));
    fault_io_set_judge(b->f, plan_judge, b->state);
}

/* Sixteen syncs: 'x' where one failed. */
static void syncs_are(const char *rules, const char *want)
{
    bench b;
    char got[17] = "";
    bench_begin(&b, rules, 1);
    for (int i = 0; i < 16; i++)
        got[i] = sync_file(&b) ? 'x' : '.';
    ck_assert_str_eq(got, want);
    bench_end(&b);
}

START_TEST(plan__conditions_choose_the_calls)
{
    syncs_are("on levin/io/wal/sync do error EIO", "x...............");
    syncs_are("on levin/io/*/sync nth 3 do error EIO", "..x.............");
    syncs_are("on levin/io/wal/* nth 3 forever do error EIO", "..xxxxxxxxxxxxxx");
    syncs_are("on levin/io/wal/sync nth 3 times 2 do error EIO", "..xx............");
    syncs_are("on levin/io/wal/sync every 4 do error EIO", "...x...x...x...x");
    syncs_are("on levin/io/wal/sync every 4 once do error EIO", "...x............");
    syncs_are("on levin/io/pages/sync forever do error EIO", "................");
    syncs_are("on levin/io/wal/sync after levin/io/wal/sync 5 do error EIO", ".....x..........");
    syncs_are("on levin/io/wal/sync probability 0 do error EIO", "................");
    syncs_are("on levin/io/wal/sync probability 1 do error EIO", "xxxxxxxxxxxxxxxx");
    syncs_are("on levin/io/wal/sync nth 2 do error EIO\non levin/io/wal/sync nth 2 forever do error EIO",
              ".xxxxxxxxxxxxxxx");
}
END_TEST

START_TEST(plan__range_is_of_the_bytes_touched)
{
    bench b;
    size_t done;
    bench_begin(&b, "on levin/io/wal/write range 600..700 forever do error EIO", 1);
    ck_assert_int_eq(put(&b, 9, 600, 0, &done), 0);
    ck_assert_int_eq(put(&b, 9, 601, 0, &done), EIO);
    ck_assert_int_eq(put(&b, 9, 1, 699, &done), EIO);
    ck_assert_int_eq(put(&b, 9, 1, 700, &done), 0);
    ck_assert(plan_fired(b.state, 0) == 2 && plan_matched(b.state, 0) == 2);
    bench_end(&b);
}
END_TEST

START_TEST(plan__space_comes_back)
{
    bench b;
    size_t done;
    bench_begin(&b, "on levin/io/wal/write do budget 1000 ENOSPC back 2", 1);
    for (int round = 0; round < 3; round++) {
        ck_assert_int_eq(put(&b, 9, 500, 0, &done), 0);
        ck_assert_int_eq(put(&b, 9, 500, 0, &done), 0);
        ck_assert_int_eq(put(&b, 9, 1, 0, &done), ENOSPC);
        ck_assert_int_eq(put(&b, 9, 1, 0, &done), ENOSPC);
    }
    bench_end(&b);
}
END_TEST

/* How many of the four sectors are not all `byte` after a write of them all. */
static int sectors_unlike(const uint8_t *buffer, uint8_t byte)
{
    int unlike = 0;
    for (int sector = 0; sector < 4; sector++) {
        int wrong = 0;
        for (int i = 0; i < 512; i++)
            wrong += buffer[sector * 512 + i] != byte;
        unlike += wrong > 0;
    }
    return unlike;
}

START_TEST(plan__writes_are_hurt)
{
    static const struct {
        const char *rules;
        int unlike;
    } cases[] = { { "on levin/io/wal/write do flip", 1 },  { "on levin/io/wal/write do garbage", 1 },
                  { "on levin/io/wal/write do stale", 1 }, { "on levin/io/wal/write do lost", 4 },
                  { "on levin/io/wal/write do misdirect +512", 1 } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bench b;
        uint8_t buffer[4096];
        size_t done;
        bench_begin(&b, cases[i].rules, 7);
        ck_assert_int_eq(put(&b, 9, 2048, 0, &done), 0);
        ck_assert_uint_eq(done, 2048);
        held(&b, buffer);
        ck_assert_msg(sectors_unlike(buffer, 9) == cases[i].unlike, "%s", cases[i].rules);
        ck_assert_uint_eq(plan_fired(b.state, 0), 1);
        ck_assert_int_eq(put(&b, 9, 2048, 0, &done), 0); /* once */
        held(&b, buffer);
        ck_assert_int_eq(sectors_unlike(buffer, 9), 0);
        bench_end(&b);
    }
}
END_TEST

START_TEST(plan__reads_are_hurt_and_the_disk_is_not)
{
    static const char *const rules[] = { "on levin/io/wal/read do flip", "on levin/io/wal/read do garbage",
                                         "on levin/io/wal/read do misdirect +512" };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        bench b;
        uint8_t first[512], buffer[4096];
        size_t done;
        bench_begin(&b, rules[i], 7);
        ck_assert(!b.io->read_at(b.io->context, b.file, first, sizeof first, 0, &done));
        held(&b, buffer);
        ck_assert_msg(memcmp(first, buffer, sizeof first), "%s", rules[i]);
        ck_assert(buffer[0] == 1 && buffer[511] == 1);
        bench_end(&b);
    }
}
END_TEST

static uint64_t traced(const bench *b, trace_op op)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < trace_length(b->t); i++)
        count += trace_at(b->t, i)->op == op;
    return count;
}

START_TEST(plan__syncs_lose_keep_and_lie)
{
    bench b;
    bench_begin(&b, "on levin/io/wal/sync nth 1 do error EIO\non levin/io/wal/sync nth 2 do error-kept EIO\n"
                    "on levin/io/wal/sync nth 3 do lie\non levin/io/wal/sync nth 4 do error-after EIO", 1);
    ck_assert(sync_file(&b) == EIO && traced(&b, TRACE_SYNC_LOST) == 1);
    ck_assert(sync_file(&b) == EIO && traced(&b, TRACE_SYNC_KEPT) == 1);
    ck_assert(sync_file(&b) == 0 && traced(&b, TRACE_SYNC) == 0);
    ck_assert(sync_file(&b) == EIO && traced(&b, TRACE_SYNC) == 1);
    bench_end(&b);
}
END_TEST

START_TEST(plan__a_late_error_comes_with_the_next_sync_and_its_pages_are_lost)
{
    bench b;
    bench_begin(&b, "on levin/io/wal/sync nth 1 do error-late EIO\n"
                    "on levin/io/wal/sync nth 3 do error-reverted EIO", 1);
    fault_io_on_late_sync(b.f, simdisk_sync_loses_pages, b.disk);
    ck_assert(sync_file(&b) == 0 && traced(&b, TRACE_SYNC_LOST) == 1 && traced(&b, TRACE_SYNC) == 0);
    ck_assert(sync_file(&b) == EIO && traced(&b, TRACE_SYNC) == 1); /* which was made */
    fault_io_on_reverted_sync(b.f, simdisk_sync_keeps_pages, b.disk);
    ck_assert(sync_file(&b) == EIO && traced(&b, TRACE_SYNC_KEPT) == 1);
    ck_assert(sync_file(&b) == 0 && traced(&b, TRACE_SYNC) == 2);
    bench_end(&b);
}
END_TEST

START_TEST(plan__memory_and_clock)
{
    bench b;
    bench_begin(&b, "on levin/mem/alloc nth 2 do error ENOMEM\non levin/io/wal/sync nth 1 do clock +5s\n"
                    "on levin/io/wal/sync nth 2 do clock -5s", 1);
    void *first = b.io->alloc(b.io->context, 8, 8), *second = b.io->alloc(b.io->context, 8, 8);
    ck_assert(first && !second);
    b.io->free(b.io->context, first, 8);
    const uint64_t before = b.io->now_ns(b.io->context);
    ck_assert_int_eq(sync_file(&b), 0);
    ck_assert(b.io->now_ns(b.io->context) - before >= 5000000000u);
    ck_assert_int_eq(sync_file(&b), 0);
    ck_assert(b.io->now_ns(b.io->context) - before < 1000000000u);
    bench_end(&b);
}
END_TEST

/* Which of 64 syncs failed, with so many writes between; the writes draw from the same rule. */
static uint64_t drawn(uint64_t seed, int writes)
{
    bench b;
    uint64_t failed = 0;
    size_t done;
    bench_begin(&b, "on levin/io/wal/write,sync probability 0.5 do error EIO", seed);
    for (int i = 0; i < 64; i++) {
        for (int w = 0; w < writes; w++)
            (void)put(&b, 9, 1, 0, &done);
        failed |= (uint64_t)(sync_file(&b) != 0) << i;
    }
    bench_end(&b);
    return failed;
}

START_TEST(plan__streams_are_independent)
{
    ck_assert(drawn(1, 0) == drawn(1, 0));
    ck_assert(drawn(1, 0) == drawn(1, 3));
    ck_assert(drawn(1, 0) != drawn(2, 0));
    ck_assert(drawn(1, 0) != 0 && drawn(1, 0) != UINT64_MAX);
}
END_TEST

START_TEST(plan__every_legal_error_is_taken_by_its_name)
{
    for (int kind = 0; kind < LEVIN_FILE_KIND_COUNT; kind++)
        for (int operation = 0; operation < FAULT_OPERATION_COUNT; operation++) {
            const char *point = fault_point_name((levin_file_kind)kind, (fault_operation)operation);
            for (const int *at = errnos_of((fault_operation)operation); point && *at; at++) {
                char text[200];
                plan_rules p;
                plan_error e;
                ck_assert_msg(errno_name(*at), "%d has no name", *at);
                snprintf(text, sizeof text, HEAD "on %s do error %s", point, errno_name(*at));
                ck_assert_msg(plan_parse(&p, text, strlen(text), &e), "%s: %s", text, e.text);
                ck_assert(p.count == 1 && p.rules[0].os_error == *at);
            }
        }
}
END_TEST

LEVIN_TEST_MAIN("plan", TEST(plan__errors_have_their_place), TEST(plan__too_many_rules_are_refused),
                TEST(plan__any_text_has_an_answer), TEST(plan__conditions_choose_the_calls),
                TEST(plan__range_is_of_the_bytes_touched), TEST(plan__space_comes_back), TEST(plan__writes_are_hurt),
                TEST(plan__reads_are_hurt_and_the_disk_is_not), TEST(plan__syncs_lose_keep_and_lie),
                TEST(plan__a_late_error_comes_with_the_next_sync_and_its_pages_are_lost),
                TEST(plan__memory_and_clock), TEST(plan__streams_are_independent),
                TEST(plan__every_legal_error_is_taken_by_its_name))
