"""Plateau: measures how often, when and why training kicks in.

python launch.py [run] --experiment=NAME --workdir=DIR [flags]   run or resume, then report
python launch.py check [flags]                                   what is wrong before anything is trained
python launch.py diagnose --workdir=DIR [--minutes=N] [flags]    why it waits, and what to change
python launch.py report --workdir=DIR                            rebuild the report
python launch.py verify --workdir=DIR [--runs=N | --all]         run some runs again, and compare
python launch.py compare --workdir=DIR --baseline=DIR            two studies against each other
python launch.py read --curves=FILE --classes=N                  curves that somebody else logged
python launch.py plan --question=NAME --pilot=DIR                how many seeds, and how long
python launch.py list                                            what there is to choose from

"""

import os
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from engine.arms.choices import KINDS
from engine.arms.flags import given_arm_fields
from engine.commands.flags import QUESTION_NUMBERS, TAKES_AN_ARM, describe_flags, make_flags, typed_experiment
from engine.commands.typed import (
    filled,
    given_flags,
    given_for,
    given_owned,
    parse_numbers,
    parse_sweeps,
    required,
    wandb_runs,
)
from engine.errors import InputError, StorageError, WorkerFailedError, one_line, unknown_name
from engine.workers.interruption import SignalWatch

if TYPE_CHECKING:
    from engine.arms.arm import Arm
    from engine.arms.options import Option
    from engine.commands.open import Results
    from engine.commands.running.options import RunOptions
    from engine.studies.study import Study
    from engine.studies.until import Until


def _study(values: flags.FlagValues, default: str | None = None) -> "Study":
    """The experiment with what was typed for it, or one by default."""
    import dataclasses

    from engine.studies.experiment_files import load_study
    from engine.studies.study import Study, with_fields, with_sweep
    from engine.training.probes import DIAGNOSTICS
    from experiments import EXPERIMENTS

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
    from engine.studies.until import Until

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
    from engine.commands.running.options import RunOptions

    given = given_flags(values)
    return filled(RunOptions, {**given, "wandb_runs": wandb_runs(given)})


def _run(values: flags.FlagValues) -> None:
    import engine

    if values["workers"].value != 0:
        _stay_off_the_device()
    study, given = _study(values), given_flags(values)
    workdir = required(values, "workdir")
    results = engine.run(study, workdir, until=_until(given), options=_run_options(values))
    _show(results, workdir)


def _check(values: flags.FlagValues) -> None:
    from engine.commands.check import check

    _stay_off_the_device()
    given = given_flags(values)
    check(_study(values, "single"), given.get("arm"), given.get("data_dir"), given.get("compilation_cache"))


def _diagnose(values: flags.FlagValues) -> None:
    from engine.commands.diagnose import diagnose

    if values["workers"].value != 0:
        _stay_off_the_device()
    study, given = _study(values, "single"), given_flags(values)
    workdir = required(values, "workdir")
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


def _show(results: "Results", workdir: str) -> None:
    from engine.user_code import as_path

    print(f"\n{results}\n\nreport: {as_path(workdir) / 'report.html'}")


def _stay_off_the_device() -> None:
    """Keeps the process that only plans and writes from taking an accelerator."""
    import jax

    jax.config.update("jax_platforms", "cpu")


def _report(values: flags.FlagValues) -> None:
    from engine.commands.report import report
    from engine.report.sections import SECTIONS

    options = given_owned(SECTIONS, given_flags(values))
    report(required(values, "workdir"), has_tensorboard=bool(values["tensorboard"].value), **options)


def _compare(values: flags.FlagValues) -> None:
    from engine.commands.compare import compare

    workdir, baseline = required(values, "workdir"), required(values, "baseline")
    compare(workdir, baseline, values["arm"].value, values["baseline_arm"].value)


def _read(values: flags.FlagValues) -> None:
    from engine.commands.read import read
    from engine.logs import ReadOptions
    from engine.logs.formats import FORMATS

    given = given_flags(values)
    if not given.get("curves"):
        raise InputError(f"--curves is missing: {values['curves'].help}")
    counts = parse_numbers("class_counts", given["class_counts"]) if "class_counts" in given else None
    options = filled(ReadOptions, given, class_counts=counts, format_options=given_owned(FORMATS, given))
    read(given["curves"], given.get("workdir"), options)


def _verify(values: flags.FlagValues) -> int:
    import engine
    from engine.commands.verify import VerifyOptions

    if values["workers"].value != 0:
        _stay_off_the_device()
    found = engine.verify(required(values, "workdir"), filled(VerifyOptions, given_flags(values)))
    return found.exit_code


def _plan(values: flags.FlagValues) -> None:
    from engine.commands.sample_size import plan

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
        _study(values) if "experiment" in given else None,
        given.get("data_dir"),
        given.get("compilation_cache"),
    )


def _list(values: flags.FlagValues) -> None:
    import experiments
    from engine.commands.list import folders_to_list, print_choices

    ours = Path(experiments.__file__).parent
    print_choices(experiments.EXPERIMENTS, folders_to_list(values["experiments"].value, ours))


_VERBS: dict[str, tuple[Callable[[flags.FlagValues], int | None], str]] = {
    "run": (_run, "run a study, or what is missing of it, then report"),
    "check": (_check, "look at data and network before anything is trained, in seconds"),
    "diagnose": (_diagnose, "why a configuration waits, and what to change: a designed study"),
    "report": (_report, "rebuild outcomes, summary, figures and page from the finished runs"),
    "verify": (_verify, "run some finished runs again, and say whether they are the same"),
    "compare": (_compare, "two studies against each other, paired where they share seeds"),
    "read": (_read, "outcomes, statistics and report of curves that somebody else logged"),
    "plan": (_plan, "how many seeds a question needs, and how long they would take"),
    "list": (_list, "experiments, models, data sources, optimisers and fields"),
}


def _help(verb: str | None, values: flags.FlagValues, of_experiment: dict[str, "Option"]) -> str:
    """The help text of a verb, or of the program, for the choices that were typed or the experiment makes."""
    lines = [(__doc__ or "").strip(), ""]
    if verb is None:
        lines += [*(f"  {name:8} {doc}" for name, (_, doc) in _VERBS.items()), ""]
    return "\n".join([*lines, *describe_flags(verb or "run", values, _arm_typed(values), of_experiment)])


def _experiment_options(verb: str, words: Sequence[str]) -> dict[str, "Option"]:
    """The options of the experiment that is named among some words."""
    name = typed_experiment(words) if verb in TAKES_AN_ARM else None
    if name is None:
        return {}
    from engine.studies.experiment_files import find_experiment
    from experiments import EXPERIMENTS

    return find_experiment(name, EXPERIMENTS).options


def _arm_typed(values: flags.FlagValues) -> "Arm":
    """The first arm of the experiment that was typed, or the default one, with the choices that were typed."""
    from engine.arms.arm import Arm

    fields = given_arm_fields(given_flags(values))
    chosen = {name: value for name, value in fields.items() if name in KINDS}
    if "experiment" in values and values["experiment"].value:
        return next(iter(_study(values).arms.values()))
    return Arm(**chosen)


def main(argv: Sequence[str]) -> int:
    """Runs one command.

    Args:
        argv: the program's name and its arguments.

    Returns:
        0; 2 for input that is not usable; 1 for a failure inside; 130 after Ctrl-C, 143 after
        SIGTERM; of `verify` also 3, 4 and 5, see `engine.verification.VERDICTS`.
    """
    with SignalWatch():
        try:
            return _main(argv)
        except KeyboardInterrupt as interrupted:
            number = getattr(interrupted, "number", signal.SIGINT)
            stored = getattr(interrupted, "stored", "")
            print(f"\nstopped{stored and ': '}{stored}", file=sys.stderr)
            if _split(argv)[0] in (None, "run", "diagnose"):
                print(f"to go on: {shlex.join(['python', *argv])}", file=sys.stderr)
            return 128 + number


def _split(argv: Sequence[str]) -> tuple[str | None, list[str]]:
    """The verb, or `None` where none was typed, and the words after it."""
    words = list(argv[1:])
    has_verb = bool(words) and not words[0].startswith("-")
    return (words[0], words[1:]) if has_verb else (None, words)


def _main(argv: Sequence[str]) -> int:
    typed, words = _split(argv)
    verb = typed or "run"
    try:
        if verb not in _VERBS:
            raise unknown_name("verb", verb, _VERBS)
        of_experiment = _experiment_options(verb, words)
        values = make_flags(verb, of_experiment)
        rest = values([argv[0], *words])[1:]
        if values["help"].value:
            print(_help(typed, values, of_experiment))
            return 0
        if rest:
            raise InputError(f"unexpected argument {rest[0]!r}: expected --flag=value")
        if not argv[1:]:
            raise InputError("nothing to do: expected a verb or flags, see --help")
        return _VERBS[verb][0](values) or 0
    except (InputError, flags.Error) as error:
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        return 2
    except (StorageError, WorkerFailedError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _open_streams() -> None:
    """Lets every message be printed: none fails for a sign that the terminal lacks, or because a stream is closed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # A file of the study would be opened in its place, and get what libraries print.
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def console() -> None:
    """Entry point of the `plateau` command."""
    _open_streams()
    try:
        code = main(sys.argv)
        sys.stdout.flush()
    except BrokenPipeError:  # who reads has had enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 128 + signal.SIGPIPE
    sys.exit(code)


if __name__ == "__main__":
    console()
