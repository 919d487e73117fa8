"""The table's layout, its version, and what to say when SQLite fails."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS namespaces (id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS items (
    id INTEGER PRIMARY KEY AUTOINCREMENT, namespace INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
    created REAL NOT NULL, updated REAL NOT NULL, ttl REAL, expires REAL, fields TEXT NOT NULL,
    vectors INTEGER NOT NULL, UNIQUE (namespace, key));
CREATE INDEX IF NOT EXISTS items_expires ON items (expires) WHERE expires IS NOT NULL;
CREATE TABLE IF NOT EXISTS vectors (
    id INTEGER PRIMARY KEY AUTOINCREMENT, item INTEGER NOT NULL, namespace INTEGER NOT NULL, text TEXT NOT NULL,
    vector BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS vectors_item ON vectors (item);
CREATE INDEX IF NOT EXISTS vectors_namespace ON vectors (namespace);
CREATE TABLE IF NOT EXISTS dropped (seq INTEGER PRIMARY KEY AUTOINCREMENT, vector INTEGER NOT NULL);
"""
VERSION = 1
ITEM = "i.id, i.namespace, n.path, i.key, i.value, i.created, i.updated, i.ttl, i.vectors"
ITEMS = f"SELECT {ITEM} FROM items i JOIN namespaces n ON n.id = i.namespace"


@dataclass(frozen=True, slots=True)
class ItemRow:
    """An item as it is kept; `(namespace, id)` is the order of listings: first come, first named."""

    id: int
    namespace: int
    path: str
    key: str
    value: str
    created: float
    updated: float
    ttl: float | None
    vectors: int


def remedy(error: sqlite3.Error) -> str:
    """What to do about an error, as the end of its sentence."""
    words = str(error)
    if "full" in words or "I/O" in words:
        return ": nothing was written; free some space and try again"
    if "locked" in words:
        return ": another process has been writing for half a minute; try again"
    return (
        ": check that it is a memory and that its folder can be written" if "open" in words or "not a" in words else ""
    )
