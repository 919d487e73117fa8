"""An example list of controlled and hazardous substances: data for `reflectree.agents.safety`.

It is short, public and far from complete: names that a treaty or a regulation lists, so that the check has something
real to work with. A laboratory brings its own list.
"""

from __future__ import annotations

from typing import NamedTuple


class Hazard(NamedTuple):
    """One entry: what it is called, its CAS number, and who lists it."""

    names: tuple[str, ...]
    cas: str
    why: str


_FIRST = "chemical weapons convention, schedule 1"
_SECOND = "chemical weapons convention, schedule 2"
_THIRD = "chemical weapons convention, schedule 3"
_EXPLOSIVE = "explosive"
_NARCOTIC = "single convention on narcotic drugs"

HAZARDS: tuple[Hazard, ...] = (
    Hazard(("sarin",), "107-44-8", _FIRST),
    Hazard(("soman",), "96-64-0", _FIRST),
    Hazard(("tabun",), "77-81-6", _FIRST),
    Hazard(("VX nerve agent", "nerve agent VX"), "50782-69-9", _FIRST),
    Hazard(("sulfur mustard", "mustard gas"), "505-60-2", _FIRST),
    Hazard(("lewisite",), "541-25-3", _FIRST),
    Hazard(("saxitoxin",), "35523-89-8", _FIRST),
    Hazard(("ricin",), "9009-86-3", _FIRST),
    Hazard(("amiton",), "78-53-5", _SECOND),
    Hazard(("thiodiglycol",), "111-48-8", _SECOND),
    Hazard(("phosgene",), "75-44-5", _THIRD),
    Hazard(("cyanogen chloride",), "506-77-4", _THIRD),
    Hazard(("hydrogen cyanide", "prussic acid"), "74-90-8", _THIRD),
    Hazard(("chloropicrin", "trichloronitromethane"), "76-06-2", _THIRD),
    Hazard(("triacetone triperoxide", "TATP"), "17088-37-8", _EXPLOSIVE),
    Hazard(("nitroglycerin", "glyceryl trinitrate"), "55-63-0", _EXPLOSIVE),
    Hazard(("cyclonite", "RDX explosive"), "121-82-4", _EXPLOSIVE),
    Hazard(("picric acid", "2,4,6-trinitrophenol"), "88-89-1", _EXPLOSIVE),
    Hazard(("fentanyl",), "437-38-7", _NARCOTIC),
    Hazard(("heroin", "diacetylmorphine"), "561-27-3", _NARCOTIC),
)
"""The entries. Letter case, hyphens and spaces do not matter where they are compared."""
