"""Pages found by their words."""

from __future__ import annotations

from reflectree.graphs.embodied.library import SHOWN, Library

PAGES = {
    f"Page {at}": f"A page on {word} and other things." for at, word in enumerate(("tides", "bread", "stars", "rain"))
}


def test_rare_words_count_and_words_that_all_pages_have_do_not() -> None:
    library = Library(PAGES)
    assert library.find("the bread, and other things") == f"Page 1: {PAGES['Page 1']}"
    assert library.find("STAR") == f"Page 2: {PAGES['Page 2']}"


def test_the_nearest_come_first_and_few_of_them() -> None:
    library = Library({**PAGES, "Both": "Stars and rain."})
    assert library.find("rain and stars").splitlines()[0] == "Both: Stars and rain."
    assert len(library.find("tides bread stars rain").splitlines()) == SHOWN


def test_nothing_found_names_what_there_is() -> None:
    assert Library(PAGES).find("zebra") == f"Nothing was found. There are: {'; '.join(PAGES)}."
    assert Library({}).find("zebra") == "Nothing was found. There are: no pages."
    assert Library({"Only": "one page"}).find("page") == "Only: one page"
