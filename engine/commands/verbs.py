"""The verbs of the command line: each turns what was typed into one call of the engine."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from absl import flags

from ..arms.flags import given_arm_fields
from ..errors import InputError
from .flags import QUESTION_NUMBERS
from .running.progress import waiting
from .typed import filled, given_flags, given_for, given_owned, parse_numbers, parse_sweeps, required

if TYPE_CHECKING:
    from ..studies.study import Study
    from ..studies.until import Until
    from .open import Results
    from .running.options import RunOptions


_PORT = 8712


def read_study(values: flags.FlagValues, default: str | None = None) -> "Study":
    """The experiment with what was typed for it, or one by default."""
    import dataclasses

    from ..studies.experiment_files import load_study
    from ..studies.shipped import EXPERIMENTS
    from ..studies.study import Study, with_fields, with_sweep
    from ..training.probes import DIAGNOSTICS

    given = given_flags(values)
    study = load_study(values["experiment"].value or default or required(values, "experiment"), EXPERIMENTS, given)
    if "init_seeds" in given:
        if "seeds" in given:
            raise InputError("--seeds and --init_seeds are the same number: give one")
        if given.get("design", study.design) not in ("crossed", "crossed_fork"):
            raise InputError("--init_seeds has no effect without a crossed design: give --seeds")
        given["seeds"] = given.pop("init_seeds")
    if "horizon" in given and "epochs" in given:
        raise InputError("--horizon and --epochs exclude each other: give one")
    changes = given_for(Study, given)
    kept = {} if "diagnostics" in changes else study.diagnostic_options
    changes["diagnostic_options"] = {**kept, **given_owned(DIAGNOSTICS, given)}
    if "design" in changes:
        changes = {"order_seeds": None, "forks": None, "fork_step": None, **changes}
    if "horizon" in changes or "epochs" in changes:
        changes = {"horizon": None, "epochs": None, **changes}
    late = {"baseline": changes.pop("baseline")} if "baseline" in changes else {}
    study = dataclasses.replace(study, **changes)
    axes = parse_sweeps(given.get("sweep") or [])
    fields = given_arm_fields(given)
    for name in set(axes) & set(fields):
        raise InputError(f"--{name} and --sweep={name}=… exclude each other: give one")
    study = with_sweep(with_fields(study, fields), axes) if axes else with_fields(study, fields)
    return dataclasses.replace(study, **late)


def _until(given: dict[str, Any]) -> "Until | None":
    """The question that decides how many seeds there are, or none."""
    from ..studies.until import Until

    fields = given_for(Until, given)
    if "goal" not in fields:
        if fields:
            raise InputError(f"--{min(fields)} has no effect without --until")
        return None
    if "seeds" in given or "init_seeds" in given:
        raise InputError("--seeds has no effect with --until: give --max_seeds")
    unused = {"fraction": "hazard_ratio", "comparison": "half_width"}.get(fields["goal"])
    if unused in fields:
        raise InputError(f"--{unused} has no effect with --until={fields['goal']}")
    return Until(**fields)


def _run_options(values: flags.FlagValues) -> "RunOptions":
    """What was typed that says how to run, not what."""
    from .running.options import RunOptions

    given = given_flags(values)
    if "tracked_runs" in given and not given.get("track"):
        raise InputError("--tracked_runs has no effect without --track")
    return filled(RunOptions, given)


def _run(values: flags.FlagValues) -> None:
    with waiting("starting"):
        if values["workers"].value != 0:
            _stay_off_the_device()
        from .run import run

        study, given = read_study(values), given_flags(values)
    workdir = values["workdir"].value or _usual_place(study.name)
    results = run(study, workdir, until=_until(given), options=_run_options(values))
    _show(results, workdir)


def _check(values: flags.FlagValues) -> None:
    with waiting("starting"):
        _stay_off_the_device()
        from .check import check

        study, given = read_study(values, "single"), given_flags(values)
    check(study, given.get("arm"), given.get("data_dir"), given.get("compilation_cache"))


def _diagnose(values: flags.FlagValues) -> None:
    with waiting("starting"):
        if values["workers"].value != 0:
            _stay_off_the_device()
        from .diagnose import diagnose

        study, given = read_study(values, "single"), given_flags(values)
    workdir = values["workdir"].value or _usual_place(f"why_{study.name}")
    results = diagnose(
        study,
        workdir,
        arm=given.get("arm"),
        minutes=given.get("minutes"),
        seeds=given.get("seeds"),
        is_horizon_fixed="horizon" in given or "epochs" in given,
        options=_run_options(values),
    )
    _show(results, workdir)


def _usual_place(name: str) -> str:
    """The directory of a study where none is given."""
    name = re.sub(r"[^\w.-]", "_", name).lstrip(".") or "study"
    return f"runs/{name}"


def _show(results: "Results", workdir: str) -> None:
    from ..store import PAGE
    from ..user_code import as_path

    print(f"\n{results}\n\nreport: {as_path(workdir) / PAGE}")


def _stay_off_the_device() -> None:
    """Keeps the process that only plans and writes from taking an accelerator."""
    import jax

    jax.config.update("jax_platforms", "cpu")


def _report(values: flags.FlagValues) -> None:
    workdir = required(values, "workdir")
    with waiting("reading the rows, and writing the report"):
        from ..report.sections import SECTIONS
        from .report import report

        options = given_owned(SECTIONS, given_flags(values))
        report(workdir, has_tensorboard=bool(values["tensorboard"].value), **options)


def _status(values: flags.FlagValues) -> None:
    from .status import status

    status(required(values, "workdir"))


def _compare(values: flags.FlagValues) -> None:
    from .compare import compare

    workdir, baseline = required(values, "workdir"), required(values, "baseline")
    compare(workdir, baseline, values["arm"].value, values["baseline_arm"].value)


def _read(values: flags.FlagValues) -> None:
    from ..logs import ReadOptions
    from ..logs.formats import FORMATS
    from .read import read

    given = given_flags(values)
    if not given.get("curves"):
        raise InputError(f"--curves is missing: {values['curves'].help}")
    counts = parse_numbers("class_counts", given["class_counts"]) if "class_counts" in given else None
    options = filled(ReadOptions, given, class_counts=counts, format_options=given_owned(FORMATS, given))
    read(given["curves"], given.get("workdir"), options)


def _verify(values: flags.FlagValues) -> int:
    with waiting("starting"):
        if values["workers"].value != 0:
            _stay_off_the_device()
        from .verify import VerifyOptions, verify
    found = verify(required(values, "workdir"), filled(VerifyOptions, given_flags(values)))
    return found.exit_code


def _board(values: flags.FlagValues) -> None:
    with waiting("reading the studies"):
        from .board import board, serve_board

        given = given_flags(values)
        folder = given.get("folder") or "runs"
        if "port" in given and not given.get("serve"):
            raise InputError("--port has no effect without --serve")
        if not given.get("serve"):
            board(folder)
            return
    serve_board(folder, given.get("port", _PORT))


def _plan(values: flags.FlagValues) -> None:
    from .sample_size import plan

    given = given_flags(values)
    question = required(values, "question")
    numbers = {name: given[name] for name in QUESTION_NUMBERS if name in given}
    if "experiment" in given and "pilot" in given:
        raise InputError("--pilot and --experiment both say what a step costs: give one")
    of_study = set(given) - set(numbers) - {"question", "pilot", "help", "h"}
    if of_study and "experiment" not in given:
        raise InputError(f"--{min(of_study)} has no effect without --experiment")
    _stay_off_the_device()
    plan(
        question,
        numbers,
        given.get("pilot"),
        read_study(values) if "experiment" in given else None,
        given.get("data_dir"),
        given.get("compilation_cache"),
    )


def _list(values: flags.FlagValues) -> None:
    from ..studies.shipped import EXPERIMENTS, FOLDER
    from .list import folders_to_list, print_choices

    print_choices(EXPERIMENTS, folders_to_list(values["experiments"].value, FOLDER))


class Verb(NamedTuple):
    """A verb of the command line.

    Attributes:
        call: returns an exit code, or `None`.
        usage: the flags that it is about.
        bare: the flag that is meant by a word without one.
    """

    call: Callable[[flags.FlagValues], int | None]
    usage: str
    doc: str
    bare: str | None = None


VERBS = {
    "run": Verb(_run, "--experiment=NAME [--workdir=DIR]", "run a study, or what is missing of it, then report"),
    "check": Verb(_check, "", "what is wrong in data and network, before anything is trained, in seconds"),
    "diagnose": Verb(_diagnose, "[--workdir=DIR] [--minutes=N]", "why a configuration waits, and what to change"),
    "status": Verb(_status, "DIR", "what is stored, whether a launch is under way, and when it is done", "workdir"),
    "report": Verb(_report, "DIR", "rebuild outcomes, summary, figures and page from the finished runs", "workdir"),
    "verify": Verb(_verify, "DIR [--runs=N | --all]", "run some finished runs again, and compare", "workdir"),
    "compare": Verb(_compare, "--workdir=DIR --baseline=DIR", "two studies against each other, paired by seed"),
    "board": Verb(_board, "[DIR] [--serve]", "every study below a folder on one page", "folder"),
    "read": Verb(_read, "FILE --classes=N", "statistics and report of curves that somebody else logged", "curves"),
    "plan": Verb(_plan, "--question=NAME --pilot=DIR", "how many seeds a question needs, and how long they take"),
    "list": Verb(_list, "", "experiments, models, data sources, optimisers and fields"),
}
