/*
 * scoreboard_words.c - what verdicts mean, what was done, and what no figure says.
 */
#include "scoreboard_words.h"

char board_letter(outcome what)
{
    static const char letters[OUTCOME_COUNT + 1] = "RDKLHWTS";
    return letters[what];
}

const char *board_outcome_meaning(outcome what)
{
    static const char *const meanings[OUTCOME_COUNT] = {
        [OUTCOME_RIGHT] = "every answer was right: the fault hit what no longer counts, or the store made up for it",
        [OUTCOME_DETECTED] = "no answer was wrong, and some call failed; what a scan showed before it failed is no "
                             "answer",
        [OUTCOME_LOCK] = "leaked lock: after an open that failed, sound files cannot be opened in that process either",
        [OUTCOME_LOST] = "every call succeeded, and all answers are those of one earlier state: acknowledged data is "
                         "gone, and nobody is told",
        [OUTCOME_HOLE] = "every answer was right once, but they never were together: a later write is there, an "
                         "earlier one is not",
        [OUTCOME_WRONG] = "an answer that never was right, and the call succeeded",
        [OUTCOME_HANG] = "no end in time",
        [OUTCOME_SIGNAL] = "the process that has the store open died, by a signal or by an exit() of the library",
    };
    return meanings[what];
}

static const char *const detected[] = {
    "After damage (flip, zero, cut, misdirected, stale, swapped) `detected` is good: bytes are gone, and the user is "
    "told. It is counted the same whether one key fails or the store does not open any more; how much can still be "
    "read is not measured.",
    "After a failed sync `detected` is counted as good too: the kernel has dropped what was written, and a store may "
    "refuse. That some do not open afterwards stands in the table of failed syncs, as `damaged, told`.",
    "After a power cut or a full disk `detected` is BAD: nothing was destroyed that a file system may not take, or "
    "that was not refused with an error, so a store that does not open any more, or fails reads, has lost what it "
    "promised to keep.",
    "A store that had never been opened when the power went need not be one: there `detected` and `lost` are right.",
    "All of lost, hole, wrong, hang, signal and leaked lock are bad in every class.",
    NULL
};

static const char *const done[] = {
    "All stores hold the same keys and values, written by the same batches, one session, each batch synced. Sizes of "
    "caches, logs and files are small, so that logs are switched, flushed and merged in some hundred batches.",
    "A damage is one change to a copy of the closed store, in sectors that hold anything but zeros; lock files and "
    "logs for people are left alone. Then it is opened, every key is read by gets, and scans go both ways; the store's "
    "own check runs; one in four is written to again.",
    "A life is a process that opens an empty store and writes; a library loaded into it records every call that "
    "changes files. A batch that fails is written again, up to three times, as applications do.",
    "sync: one sync of the life fails with EIO, and the pages that it was for are clean and never written, as Linux "
    "does (ext4, XFS); up to three batches later the power goes, and eight of the states that may be left are judged: "
    "the worst counts.",
    "full: beyond a number of bytes every write fails with ENOSPC, until the store is closed; then there is room, and "
    "it is opened. A life that does nothing for a third of --hang is a hang; one that is busy for 60 s is not counted. "
    "A store that writes by maps alone is not tried: there a full disk is a signal of the kernel's.",
    "crash: the power goes after any call of a life in which nothing fails, on a file system that keeps names in "
    "order, renames whole and sectors whole, as ext4 (data=ordered) and XFS do. Data that was not synced may be there, "
    "not there, or in part.",
    "strict: the same with only what POSIX asks for: names that nobody synced may be lost or come in any order, a "
    "rename may be half there, the sector under the head may be destroyed. Each example names what the store relies "
    "on, and the call that must be lost, torn or late for it: a write, a name, a size (after ALICE, OSDI 2014).",
    "A fault that did not come is not counted.",
    NULL
};

static const char *const fair[] = {
    "A store is not blamed for a setting: each has durable settings, and the settings of each row stand below. Its "
    "strictest configuration has a row, or it is said below why there is none.",
    "A store is not blamed for what its documentation leaves to its user: that stands below as `not promised`.",
    "`right` after a damage praises nobody: it says how much of the files no longer counts. Compare shares of one "
    "class between stores; the number of trials of a class is a choice, and no probability of the fault.",
    "Many designs leave damage to the file system or the device below on purpose. On storage that detects damage "
    "itself the first six columns look alike.",
    "Stores into a shared map of more than 256 KiB are found when it is synced, not in the order in which they were "
    "made: such a crash state may lack some that were made before the last sync, and a finding may then say `nobody "
    "dies here`. It concerns Tkrzw and Kyoto Cabinet; LMDB writes by calls, and SQLite and Berkeley DB as set up here "
    "do, too.",
    "Debian builds LevelDB and RocksDB with assertions: some of their signals are failed assertions, and would be "
    "something else in another build.",
    "An example is a finding when its line, run as a process of its own, ends in the same outcome three times in a "
    "row; up to three examples of an outcome are tried. `?` marks an outcome of which none came back: it is no "
    "finding.",
    "A line is good for the very files and recording that it speaks of. Their digests stand below, with whether they "
    "come out the same when they are made again: then a replay makes them, and otherwise it wants those of this run, "
    "and refuses others. Stores with threads of their own, or with random numbers or the time of day in their files, "
    "come out otherwise each time. Failed syncs and full disks are lives begun anew in each replay; only the place of "
    "the fault is from the recording.",
    NULL
};

const board_section board_how_to_read[] = {
    { "What was done", done },
    { "When `detected` is bad", detected },
    { "What no figure says", fair },
    { NULL, NULL },
};
