"""What `mkdocs` builds the site from: the pages where they lie, and reference pages made of the declarations."""

import contextlib
import dataclasses
import inspect
import io
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import engine
from engine import statistics
from engine.arms.options import declared_in
from engine.commands.launcher import main
from engine.commands.verbs import VERBS

_ROOT = Path(__file__).parent.parent
_PATTERNS = (
    "*.md",
    "docs/**/*.md",
    "docs/*.svg",
    "docs/*.py",
    "docs/tutorial/*.py",
    "docs/trainers/*.py",
    "benchmarks/*.md",
)
_OTHERS = ("LICENSE", "CITATION.cff")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Puts in every page under its path from the root, so that the links between them hold."""
    for file in [file for file in files if file.src_dir == config.docs_dir]:
        files.remove(file)
    found = [path for pattern in _PATTERNS for path in sorted(_ROOT.glob(pattern))]
    for path in [*found, *(_ROOT / name for name in _OTHERS)]:
        files.append(File.generated(config, path.relative_to(_ROOT).as_posix(), content=path.read_bytes()))
    for name, lines in {"verbs": _verbs(), "python": _python(), "statistics": _statistics()}.items():
        files.append(File.generated(config, f"reference/{name}.md", content="\n\n".join(lines)))
    return files


def _verbs() -> Iterator[str]:
    """Writes what `--help` says of each verb, and of every choice."""
    yield "# Command line\n\nWhat `plateau VERB --help` prints. `plateau` without a verb is `plateau run`."
    for name, verb in VERBS.items():
        yield f"## {name}\n\n{verb.doc[0].upper()}{verb.doc[1:]}.\n\n```text\n{_printed(name, '--help')}```"
    yield f"## Every option of every choice\n\n```text\n{_printed('run', '--help=all')}```"


def _printed(*words: str) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        main(["plateau", *words])
    return printed.getvalue()


def _python() -> Iterator[str]:
    yield "# Python\n\n`import plateau_engine`; in a clone, `import engine` is the same package."
    for name in engine.__all__:
        module = getattr(engine, name).__module__
        yield f"::: {module.replace('plateau_engine', 'engine')}.{name}"
        owner = getattr(engine, name)
        if dataclasses.is_dataclass(owner) and (options := declared_in(owner)):
            rows = (f"| `{key}` | {one.help.replace('|', '&#124;')} |" for key, one in options.items())
            yield "\n".join(["| field | what it is |", "|---|---|", *rows])


def _statistics() -> Iterator[str]:
    yield "# Statistics\n\nThe functions of `plateau_engine.statistics` work alone, on arrays of times and events."
    for name, member in vars(statistics).items():
        if inspect.isfunction(member) or inspect.isclass(member):
            yield f"::: {member.__module__.replace('plateau_engine', 'engine')}.{name}"
