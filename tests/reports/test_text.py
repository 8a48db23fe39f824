import pytest

from autograder.reports import text


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("\x1b[31mred", "␛[31mred"),
        ("a\0b", "a␀b"),
        ("\x7f", "␡"),
        ("\x9b2J", "‹U+009B›2J"),
        ("user\u202egnp.exe", "user‹U+202E›gnp.exe"),
        ("\u2066isolate\u2069", "‹U+2066›isolate‹U+2069›"),
        ("zero\u200bwidth", "zero‹U+200B›width"),
        ("\ud800", "‹U+D800›"),
        ("one\u2028two", "one‹U+2028›two"),
        ("over\rwritten", "over␍written"),
    ],
)
def test_a_character_that_acts_is_named_instead(written: str, shown: str) -> None:
    assert text.visible(written) == shown
    text.visible(written).encode("utf-8")


@pytest.mark.parametrize(
    "plain", ["tab\tand\nnewline", "naïve Ω ½ ✓", "می\u200cخواهم", "👩\u200d🔬", "עברית"]
)
def test_what_people_write_is_left_alone(plain: str) -> None:
    assert text.visible(plain) == plain


def test_windows_line_ends_are_line_ends() -> None:
    assert text.visible("a\r\nb") == "a\nb"


def test_accents_cannot_be_piled_over_the_lines_around() -> None:
    assert text.visible("e" + "\u0301" * 500) == "e" + "\u0301" * 4


def test_a_line_of_a_megabyte_is_cut_and_counted() -> None:
    shown = text.excerpt("x" * 1_000_000)
    assert shown.startswith("x" * text.LONGEST_LINE + " … (999,600 more characters)")
    assert len(shown) < 500


def test_of_many_lines_the_first_and_the_last_are_kept() -> None:
    shown = text.excerpt("\n".join(str(n) for n in range(1000))).split("\n")
    assert shown[0] == "0"
    assert shown[-1] == "999"
    assert shown[150] == "… 800 lines left out …"
    assert len(shown) == text.MOST_LINES + 1


def test_prose_sets_backticks_as_code_and_escapes_all_parts() -> None:
    assert text.prose("use `a<b` & <i>") == "use <code>a&lt;b</code> &amp; &lt;i&gt;"


def test_blank_lines_part_paragraphs() -> None:
    assert text.paragraphs("one\n\n<two>\n") == "<p>one</p><p>&lt;two&gt;</p>"


def test_long_names_may_break_between_their_words() -> None:
    assert text.breakable("split_heads") == "split_<wbr>heads"
    assert text.breakable("CrossAttention") == "Cross<wbr>Attention"


@pytest.mark.parametrize(("value", "shown"), [(20.0, "20"), (7.142857, "7.14"), (12.5, "12.5"), (0.0, "0")])
def test_points_are_short(value: float, shown: str) -> None:
    assert text.number(value) == shown
