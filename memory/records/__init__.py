"""Memory records: Experience, Reflection, Concept and Skill, with their origin, standing and wire form."""

from reflectree.memory.records.kept import Kind
from reflectree.memory.records.kinds import KINDS, Concept, Experience, Record, Reflection, Skill
from reflectree.memory.records.origin import OUTCOMES, Origin, Source, Split, TestRecordRefused
from reflectree.memory.records.rows import from_row, to_row
from reflectree.memory.records.standing import Standing, Trust
from reflectree.memory.records.texts import clipped, task_key

__all__ = [
    "KINDS",
    "OUTCOMES",
    "Concept",
    "Experience",
    "Kind",
    "Origin",
    "Record",
    "Reflection",
    "Skill",
    "Source",
    "Split",
    "Standing",
    "TestRecordRefused",
    "Trust",
    "clipped",
    "from_row",
    "task_key",
    "to_row",
]
