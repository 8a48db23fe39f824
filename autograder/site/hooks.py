"""mkdocs calls these while it builds the site (`hooks` in mkdocs.yml), for what no one writes by hand.

It loads this file by its path, as no part of a package: hence absolute imports.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from autograder.build import render
from autograder.content.course_root import CourseRoot
from autograder.errors import AutograderError
from autograder.site import (
    drawn,
    glossary,
    katex,
    module_page,
    notebook_page,
    pipeline,
    readings_page,
    search,
)
from autograder.site.html import lines_of_code
from autograder.site.placeholders import Writer, alone, fill, one_of
from course.catalogue import readings, syllabus


@contextmanager
def _faults_told() -> Iterator[None]:
    """What is wrong with the course's files ends the build with a sentence, and without a traceback."""
    try:
        yield
    except (AutograderError, readings.ReadingsError) as error:
        raise PluginError(str(error)) from None


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Give each module of the syllabus its two pages in the navigation, below `modules/index.md`."""
    syllabus.load.cache_clear()  # `mkdocs serve` builds again when one of these files has changed
    readings.load.cache_clear()
    modules: list[object] = ["modules/index.md"]
    with _faults_told():
        for module in _root(config).syllabus.modules:
            notebook = {f"{module.title}: the notebook": f"modules/{module.id}/notebook.md"}
            pages = [f"modules/{module.id}/index.md", notebook]
            modules.append({module.title: pages})
    place = {"Modules": "modules/index.md"}
    config.nav = [{"Modules": modules} if item == place else item for item in config.nav or []]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is made: notebooks to read and to download, and the files of KaTeX."""
    with _faults_told():
        for name, content in _made(_root(config)):
            files.append(File.generated(config, name, content=content))
        for name, path in katex.files().items():
            files.append(File.generated(config, f"assets/katex/{name}", abs_src_path=str(path)))
    return files


@event_priority(100)  # before the plugins: what is filled in may hold what they look for, such as a quiz
def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill the placeholders of a page."""
    with _faults_told():
        return fill(markdown, page.file.src_uri, _writers(_root(config), page.file.src_uri))


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Leave out of the search what is no words, and put the interactive outputs into a notebook's page."""
    html = search.words_only(lines_of_code(html))
    if page.file.name != "notebook":
        return html
    with _faults_told():
        return notebook_page.put_pages_in(html, _root(config))


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Give Material's search dialog the name that it lacks, for those who hear the page."""
    return output.replace('role="dialog">', 'role="dialog" aria-label="Search">', 1)


@cache
def _root_of(path: str) -> CourseRoot:
    return CourseRoot.find(Path(path).parent)


def _root(config: MkDocsConfig) -> CourseRoot:
    return _root_of(config.config_file_path)


def _made(root: CourseRoot) -> Iterator[tuple[str, str | bytes]]:
    for module in root.syllabus.modules:
        yield f"modules/{module.id}/notebook.md", notebook_page.page(root, module)
        yield f"notebooks/{module.id}.ipynb", render(root, module.id)


def _writers(root: CourseRoot, page: str) -> Mapping[str, Writer]:
    known = readings.load(root.path / "course" / "readings.yaml")
    if (path := Path(page)).match("modules/*/index.md"):
        return module_page.writers(root, root.module(path.parent.name), known)

    return {
        "readings": one_of(
            all=lambda: readings_page.all_of_them(known, root.syllabus),
            path=lambda: readings_page.in_the_order_of_the_path(known),
            hour=lambda: readings_page.in_an_hour(known),
            counts=lambda: readings_page.counts(known),
        ),
        "modules": alone(lambda: module_page.overview(root.syllabus, page)),
        "pipeline": alone(lambda: pipeline.picture(root)),
        "glossary": alone(lambda: glossary.all_words(root)),
        "drawn": one_of(steps=drawn.steps, gallery=drawn.gallery, emoji=drawn.emoji),
    }
