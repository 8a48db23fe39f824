"""The readings: every address of the learning path in its order, the additions, errors that name the line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from course.catalogue import syllabus
from course.catalogue.readings import ReadingsError, load, parse

ROOT = Path(__file__).parents[2]

# Each address of the learning path where it stands for the first time.
PATH = """
https://www.youtube.com/watch?v=zxQyTK8quyY
https://www.youtube.com/watch?v=4Bdc55j80l8
https://www.youtube.com/watch?v=NhdzGfB1q74
https://www.youtube.com/watch?v=sFztPP9qPRc
https://medium.com/@steinsfu/diffusion-model-clearly-explained-cd331bd41166
https://medium.com/@steinsfu/stable-diffusion-clearly-explained-ed008044e07e
https://www.youtube.com/watch?v=1CIpzeNxIhU
https://www.youtube.com/@Computerphile
https://www.youtube.com/watch?v=-lz30by8-sU
https://colab.research.google.com/drive/1roZqqhsdpCXZr8kgV_Bx_ABVBPgea3lX?usp=sharing
https://medium.com/towards-data-science/lora-intuitively-and-exhaustively-explained-e944a6bff46b
https://www.youtube.com/watch?v=DhRoTONcyZE
https://github.com/huggingface/peft
https://github.com/huggingface/diffusers
https://sander.ai/2022/05/26/guidance.html
https://www.youtube.com/watch?v=i2qSxMVeVLI
https://sander.ai/posts/
https://sander.ai/2022/01/31/diffusion.html
https://sander.ai/2023/07/20/perspectives.html
https://arxiv.org/abs/1907.05600
http://yang-song.net/blog/2021/score/
https://lilianweng.github.io/posts/2021-07-11-diffusion-models/
https://github.com/Maks-s/sd-akashic#studies-toc
https://scholar.harvard.edu/binxuw/classes/machine-learning-scratch/materials/stable-diffusion-scratch
https://colab.research.google.com/github/huggingface/notebooks/blob/main/diffusers/diffusers_intro.ipynb
https://huggingface.co/blog/annotated-diffusion
https://course.fast.ai/Lessons/lesson9.html
https://www.youtube.com/watch?v=_7rMfsA24Ls&t=5s
https://www.youtube.com/watch?v=ZBKpAp_6TGI
""".strip().splitlines()

NOT_REVIEWED = PATH[-3:]

# Module and address of each reading that the course adds.
ADDED = """
attention https://arxiv.org/abs/1706.03762
attention https://jalammar.github.io/illustrated-transformer/
attention https://nlp.seas.harvard.edu/annotated-transformer/
unet https://arxiv.org/abs/1505.04597
unet https://arxiv.org/abs/1512.03385
unet https://arxiv.org/abs/1803.08494
unet https://arxiv.org/abs/1603.07285
unet https://distill.pub/2016/deconv-checkerboard/
noise https://arxiv.org/abs/2006.11239
noise https://arxiv.org/abs/2102.09672
noise https://arxiv.org/abs/2305.08891
training https://arxiv.org/abs/2303.09556
training https://arxiv.org/abs/2206.00364
training https://arxiv.org/abs/2511.13720
sampling https://arxiv.org/abs/2010.02502
sampling https://arxiv.org/abs/2206.00927
sampling https://arxiv.org/abs/2210.02747
sampling https://arxiv.org/abs/2211.01095
sampling https://arxiv.org/abs/2209.03003
guidance https://arxiv.org/abs/2207.12598
stable_diffusion https://arxiv.org/abs/2112.10752
stable_diffusion https://arxiv.org/abs/1312.6114
stable_diffusion https://arxiv.org/abs/2103.00020
stable_diffusion https://arxiv.org/abs/2108.01073
stable_diffusion https://arxiv.org/abs/2201.09865
stable_diffusion https://arxiv.org/abs/2302.05543
lora https://arxiv.org/abs/2106.09685
score https://arxiv.org/abs/2011.13456
distillation https://arxiv.org/abs/2202.00512
distillation https://arxiv.org/abs/2210.03142
vision_transformers https://arxiv.org/abs/2010.11929
vision_transformers https://arxiv.org/abs/2212.09748
vision_transformers https://arxiv.org/abs/2403.03206
vision_transformers https://www.youtube.com/watch?v=TrdevFK_am4
vision_transformers https://arxiv.org/abs/2104.09864
vision_transformers https://blog.eleuther.ai/rotary-embeddings/
vision_transformers https://arxiv.org/abs/1910.07467
""".strip().splitlines()

SMALL = """\
readings:
  - id: first
    title: The first
    url: https://one.org/a
    kind: video
    minutes: 12
    level: introductory
    reviewed: true
    module: noise
    when: before
    remark: What it is good for.
  - id: second
    title: The second
    url: http://two.org
    kind: paper
    level: advanced
    reviewed: false
    module: unet
    also: [noise]
    when: after
    remark: What that is good for.
  - id: third
    title: The third
    url: https://three.org
    kind: article
    level: intermediate
    added: true
    module: unet
    when: before
    remark: Why it is here.
path:
  - heading: One
    readings: [first]
  - heading: Two
    under: More
    note: A word on it.
    readings:
      - second
      - first
hour: [first, third]
"""


def test_every_address_of_the_path_is_there_in_the_paths_order() -> None:
    assert len(PATH) == len(set(PATH)) == 29
    assert [reading.url for reading in load().readings if not reading.added] == PATH


def test_the_sections_of_the_path_name_each_of_its_addresses() -> None:
    readings = load()
    headings = [(section.under, section.heading, len(section.readings)) for section in readings.path]
    assert headings == [
        ("", "Understanding Attention", 2),
        ("", "Understanding UNets and CNNs", 2),
        ("Understanding Stable Diffusion", "Conceptual Understanding", 12),
        ("Understanding Stable Diffusion", "Foundational Articles", 7),
        ("Understanding Stable Diffusion", "Hands-on Tutorials", 8),
        ("", "Vision Transformers", 0),
    ]
    tutorials = [readings.of(id).url for id in readings.path[4].readings]
    assert tutorials == [PATH[9], PATH[8], *PATH[23:]]  # the code before the video that it belongs to
    assert all(section.note for section in readings.path)


def test_the_path_has_reviewed_all_but_three() -> None:
    unreviewed = [reading.url for reading in load().readings if reading.reviewed is False]
    assert unreviewed == NOT_REVIEWED


def test_the_additions_are_the_ones_that_were_chosen() -> None:
    added = [reading for reading in load().readings if reading.added]
    assert [f"{reading.module} {reading.url}" for reading in added] == ADDED


def test_every_module_is_one_of_the_syllabus() -> None:
    known = {module.id for module in syllabus.load().road}
    assert {name for reading in load().readings for name in (reading.module, *reading.also)} <= known


def test_every_module_but_the_capstone_has_something_to_read() -> None:
    without = [module.id for module in syllabus.load().road if not load().of_module(module.id)]
    assert without == ["capstone"]


@pytest.mark.parametrize("module", [module.id for module in syllabus.load().modules])
def test_a_module_that_is_built_has_something_before_and_after_its_notebook(module: str) -> None:
    assert load().of_module(module, "before")
    assert load().of_module(module, "after")


@pytest.mark.parametrize("module", [module.id for module in syllabus.load().modules])
def test_a_lessons_readings_are_those_of_its_module(module: str) -> None:
    lesson = (ROOT / "course" / "modules" / module / "lesson.md").read_text(encoding="utf-8")
    section = re.split(r"^(?:#|```)", lesson.split("\n## Readings\n")[1], maxsplit=1, flags=re.MULTILINE)[0]
    named = set(re.findall(r"\]\((https?://[^)\s]+)\)", section))
    assert len(named) > 3
    assert named == {reading.url for reading in load().of_module(module, shared=True)}


def test_the_hour_is_an_hour_of_which_every_minute_is_known() -> None:
    minutes = [load().of(id).minutes for id in load().hour]
    assert None not in minutes
    assert 50 <= sum(known or 0 for known in minutes) <= 65


def test_readings_are_found_by_id_and_by_module() -> None:
    readings = parse(SMALL)
    first, second, third = readings.readings
    assert readings.of("second") is second
    with pytest.raises(KeyError):
        readings.of("fourth")
    assert readings.of_module("unet") == (second, third)
    assert readings.of_module("unet", "before") == (third,)
    assert readings.of_module("noise") == (first,)
    assert readings.of_module("noise", shared=True) == (first, second)
    assert readings.of_module("noise", "after", shared=True) == (second,)
    assert (first.minutes, second.minutes, first.author, first.length) == (12, None, "", "")
    assert (first.reviewed, second.reviewed, third.reviewed) == (True, False, None)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kind: paper", "kind: book", "line 15: readings.1.kind: Input should be 'video', 'article'"),
        ("minutes: 12", "minutes: 0", "line 6: readings.0.minutes: Input should be greater than 0"),
        ("level: advanced", "levl: advanced", "line 12: readings.1.level: Field required"),
        ("also: [noise]", "colour: red", "line 19: readings.1.colour: Extra inputs are not permitted"),
        ("url: http://two.org", "url: ftp://two.org", "line 14: readings.1.url: String should match"),
        ("url: http://two.org", "url: http://localhost/a", "line 14: readings.1.url: String should match"),
        ("id: second", "id: second one", "line 12: readings.1.id: String should match"),
        ("id: third", "id: first", "line 22: the id 'first' stands twice"),
        (
            "url: https://three.org",
            "url: https://one.org/a",
            "line 24: 'third' has the address of 'first': https://one.org/a",
        ),
        ("also: [noise]", "also: [unet]", "line 19: 'second' belongs to 'unet' already"),
        ("- second\n      - first", "- first\n      - first", "line 39: 'first' stands twice under 'Two'"),
        ("- second\n      - first", "- second\n      - fifth", "line 39: 'fifth' is the id of no reading"),
        ("hour: [first, third]", "hour: [first, fifth]", "line 40: 'fifth' is the id of no reading"),
        ("hour: [first, third]", "hour: [first, first]", "line 40: 'first' stands twice in the hour"),
        ("- second\n      - first", "- second\n      - third", "line 22: 'third' is `added`, but stands in"),
        ("      - second\n", "", "line 12: 'second' stands nowhere in the path"),
        ("    reviewed: false\n", "", "line 12: 'second': `reviewed` is said of the path's"),
        ("added: true", "added: true\n    reviewed: true", "line 22: 'third': `reviewed` is said of the"),
        ("readings: [first]", "readings: [second]", "line 2: 'first' stands where the path has 'second'"),
        ("remark: Why it is here.", "remark: Why: here.", "line 30: mapping values are not allowed here"),
    ],
)
def test_an_error_names_file_line_and_what_is_wrong(old: str, new: str, said: str) -> None:
    assert SMALL.count(old) == 1
    with pytest.raises(ReadingsError) as error:
        parse(SMALL.replace(old, new), source="my/readings.yaml")
    assert str(error.value).startswith(f"my/readings.yaml, {said}")


def test_readings_of_ones_own_are_read_from_their_path(tmp_path: Path) -> None:
    path = tmp_path / "readings.yaml"
    path.write_text(SMALL.replace("hour: [first, third]", "hour: [fifth]"), encoding="utf-8")
    with pytest.raises(ReadingsError, match="line 40: 'fifth'") as error:
        load(path)
    assert str(path) in str(error.value)


def test_the_courses_own_readings_are_read_once() -> None:
    assert load() is load()
