#!/usr/bin/env python3
"""A store behind a pipe, in Python: SQLite by the module that Python brings.  levin-chaos scoreboard --stores 'pipe:python3 store.py'

The protocol is in faults/store_protocol.h.  For a store of your own, change the class Store.
"""
import os
import sqlite3
import struct
import sys

OK, NOT_FOUND, DAMAGED, FAILED, UNSUPPORTED, PAIR = 0, 1, 2, 3, 4, 16


class Store:
    """One method for each request; whatever it raises is told as a failure."""

    settings = "sqlite3.py " + sqlite3.sqlite_version + "; durability: WAL, synchronous=FULL; checksums: none of pages"

    def open(self, path, create, sync, cache, write_buffer):
        file = os.path.join(path, "store.sqlite")
        if create:
            os.makedirs(path, exist_ok=True)
        elif not os.path.exists(file):
            raise FileNotFoundError(file)
        self.db = sqlite3.connect(file, isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=FULL")
        if create:
            self.db.execute("CREATE TABLE IF NOT EXISTS kv (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID")

    def write(self, operations, sync):
        self.db.execute("BEGIN IMMEDIATE")
        try:
            for key, value in operations:  # a value of None is a delete
                if value is None:
                    self.db.execute("DELETE FROM kv WHERE k = ?", (key,))
                else:
                    self.db.execute("INSERT OR REPLACE INTO kv VALUES (?, ?)", (key, value))
            self.db.execute("COMMIT")
        except BaseException:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            raise

    def get(self, key):
        row = self.db.execute("SELECT v FROM kv WHERE k = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def scan(self, start, stop, reverse, limit):
        above, below = ("<=", ">") if reverse else (">=", "<")
        yield from self.db.execute(
            "SELECT k, v FROM kv WHERE (?1 IS NULL OR k %s ?1) AND (?2 IS NULL OR k %s ?2) ORDER BY k %s LIMIT ?3"
            % (above, below, "DESC" if reverse else "ASC"),
            (start, stop, limit or -1),
        )

    def check(self):
        line = self.db.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if line != "ok":
            raise sqlite3.DatabaseError("malformed: " + line)

    def compact(self):
        self.db.execute("VACUUM")

    def close(self):
        self.db.close()


def is_damage(error):
    return isinstance(error, sqlite3.DatabaseError) and any(w in str(error) for w in ("malformed", "not a database"))


# ---- the protocol: nothing below knows the store ----

source, sink = sys.stdin.buffer, sys.stdout.buffer


def answer(result, payload=b""):
    sink.write(struct.pack("<IB", 1 + len(payload), result) + payload)


def bytes32(frame, at):
    (count,) = struct.unpack_from("<I", frame, at)
    return frame[at + 4 : at + 4 + count], at + 4 + count


def serve(store, kind, frame):
    if kind == 1:
        (version,) = struct.unpack("<I", frame)
        return (OK, store.settings.encode()) if version == 1 else (UNSUPPORTED, b"only version 1")
    if kind == 2:
        flags, cache, buffer = struct.unpack_from("<BQQ", frame)
        store.open(frame[17:].decode(), bool(flags & 1), bool(flags & 2), cache, buffer)
    elif kind == 3:
        sync, count = struct.unpack_from("<BI", frame)
        operations, at = [], 5
        for _ in range(count):
            put, value = frame[at], None
            key, at = bytes32(frame, at + 1)
            if put:
                value, at = bytes32(frame, at)
            operations.append((key, value))
        store.write(operations, bool(sync))
    elif kind == 4:
        value = store.get(frame)
        return (NOT_FOUND, b"") if value is None else (OK, value)
    elif kind == 5:
        flags, limit = struct.unpack_from("<BQ", frame)
        start, at = bytes32(frame, 9) if flags & 2 else (None, 9)
        stop, at = bytes32(frame, at) if flags & 4 else (None, at)
        for key, value in store.scan(start, stop, bool(flags & 1), limit):
            answer(PAIR, struct.pack("<I", len(key)) + key + value)
    elif kind in (6, 7, 8):
        (store.check, store.compact, store.close)[kind - 6]()
    else:
        return UNSUPPORTED, b"no such request"
    return OK, b""


def main():
    store = Store()
    while len(head := source.read(4)) == 4:
        frame = source.read(struct.unpack("<I", head)[0])
        try:
            answer(*serve(store, frame[0], frame[1:]))
        except Exception as error:
            answer(DAMAGED if is_damage(error) else FAILED, (type(error).__name__ + ": " + str(error)).encode())
        sink.flush()
        if frame[0] == 8:
            break
    os._exit(0)  # the input has ended: so has the power


main()
