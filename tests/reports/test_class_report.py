from __future__ import annotations

from autograder.reports import statistics
from autograder.reports.class_report import class_html
from autograder.reports.outcomes import Outcome
from autograder.results import Result

from . import examples
from .markup import Page, read


def links(results: list[Result]) -> dict[tuple[str, str], str]:
    return {(result.student, result.module): f"feedback/{result.student}.html" for result in results}


def page_of(results: list[Result], faults: tuple[tuple[str, str, str], ...] = ()) -> Page:
    return read(class_html(results, examples.SYLLABUS, links(results), faults))


def test_the_head_says_who_what_when_and_how() -> None:
    text = page_of(examples.small_class()).text
    assert "22 submissions of 22 students" in text
    assert "3 November 2025, 09:00 to 09:01 UTC" in text
    assert "full (21), landlock (1)" in text
    assert "Run seed 20251103" in text


def test_faults_come_before_everything_else_in_plain_words() -> None:
    fault = ("walter-petit", "attention", "The worker would not start: no space left on the disk.")
    text = page_of(examples.small_class(), (fault,)).text
    assert "1 submission could not be graded" in text
    assert "walter-petit Attention The worker would not start: no space left on the disk." in text
    assert text.index("walter-petit") < text.index("Could not be read or run") < text.index("median 98")


def test_the_distribution_counts_graded_submissions_once() -> None:
    found = statistics.distribution(examples.small_class())
    assert found is not None
    assert (found.n, found.full_marks, found.median) == (19, 3, 98.0)
    assert sum(found.bins) == 19
    assert found.bins[-1] == 8, "full marks belong to the last bin"


def test_nobody_graded_means_no_distribution_and_still_a_page() -> None:
    assert statistics.distribution([examples.unreadable()]) is None
    assert "samir-haddad" in page_of([examples.unreadable()]).text


def test_success_has_every_outcome_of_every_exercise() -> None:
    rows = statistics.success(examples.small_class(), examples.ATTENTION)
    heads = next(row for row in rows if row.exercise.id == "split_heads")
    assert [row.exercise.id for row in rows] == [exercise.id for exercise in examples.ATTENTION.graded]
    assert heads.counts == {
        Outcome.COMPLETE: 15,
        Outcome.PARTLY: 0,
        Outcome.NOT_YET: 2,
        Outcome.UNTOUCHED: 1,
        Outcome.MISSING: 1,
    }


def test_the_hardest_property_comes_first_and_those_not_begun_do_not_count() -> None:
    rows = statistics.hardest(examples.small_class())
    assert (rows[0].title, rows[0].failed, rows[0].answered) == ("Question q6.", 7, 17)
    assert [row.share for row in rows] == sorted((row.share for row in rows), reverse=True)


def test_the_commonest_mistake_comes_first_with_who_made_it() -> None:
    rows = statistics.commonest(examples.small_class())
    assert rows[0].titles == (examples.MISTAKES["no_max_subtracted"].title,)
    assert [result.student for result in rows[0].made_by] == ["dmitri-volkov", "kofi-mensah", "lena-fischer"]
    assert any(len(row.titles) == 2 for row in rows), "mistakes that look alike stay together"


def test_every_student_has_a_row_with_a_link_points_and_flags() -> None:
    results = examples.small_class()
    page = page_of(results)
    assert set(links(results).values()) <= set(page.values("href"))
    table = page.text.split("Flags ada-okafor")[1]
    assert "rosa-jimenez 15 0 0 0 0 0 0 15 3" in table
    assert "samir-haddad 0 unreadable" in table
    assert "ulrich-baumann 85 10 20 –missing 20" in table


def test_flags_are_grouped_by_kind_the_gravest_first() -> None:
    text = page_of(examples.small_class()).text.split("Nothing here has changed any points.")[1]
    assert (
        text.index("Tampering 2") < text.index("Forbidden calls 1") < text.index("Timed out by the clock 1")
    )
    assert "rosa-jimenez Cross-attention Sent a frame that the protocol forbids." in text


def test_several_modules_have_a_section_each_in_the_syllabuss_order() -> None:
    noise = [examples.graded("ada-okafor", module=examples.NOISE)]
    text = page_of([*noise, *examples.small_class()]).text
    assert "23 submissions of 22 students" in text
    assert text.index("Students: Attention") < text.index("Students: Noise")


def test_a_module_that_the_syllabus_does_not_know_is_not_lost() -> None:
    stray = examples.graded("zoe").model_copy(update={"module": "pottery"})
    assert "zoe: pottery, 110 points" in page_of([stray]).text


def test_no_results_at_all_is_still_a_page() -> None:
    assert "0 submissions of 0 students" in page_of([]).text


def test_pictures_have_a_title_a_description_and_a_table() -> None:
    page = page_of(examples.small_class())
    ids = page.values("id")
    for tag, attrs in page.tags:
        if tag == "svg" and attrs.get("aria-hidden") != "true":
            assert set(attrs["aria-labelledby"].split()) <= set(ids)
    assert "The same as a table" in page.text
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in page.values("href") if link.startswith("#")} <= set(ids)


def test_a_thousand_students_are_a_page_that_a_browser_opens_at_once() -> None:
    results = examples.large_class(1000)
    assert len(class_html(results, examples.SYLLABUS, links(results))) < 2_000_000


def test_the_order_of_results_does_not_matter() -> None:
    results = examples.small_class()
    forward = class_html(results, examples.SYLLABUS, links(results))
    assert forward == class_html(results[::-1], examples.SYLLABUS, links(results))
