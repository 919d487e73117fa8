"""A process that writes N lessons to a memory and says each id once it is written: python writing.py FOLDER NAME N."""

from __future__ import annotations

import sys

from reflectree.memory.ledger import Ledger
from reflectree.memory.records import Origin, Reflection

if __name__ == "__main__":
    folder, name, many = sys.argv[1:]
    ledger = Ledger(folder, sync=False)
    for number in range(int(many)):
        lesson = Reflection(lesson=f"Lesson {number} of {name}. {'x' * 400}", origin=Origin(source="env", run=name))
        for written in ledger.write(lesson):
            print(written, flush=True)
