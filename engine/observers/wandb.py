"""Weights & Biases as a tracker."""

import contextlib
import netrc
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ..errors import InputError, one_line
from .trackers import About, find_package

_PROJECT = "plateau"
# Seconds for a connection, and for the end of one of their runs.
_CONNECT, _FINISH = 30.0, 20.0
_OFFLINE = ("offline", "dryrun", "disabled")
# Keep the package from recording the machine, the user, the command and the code.
_SETTINGS: dict[str, Any] = {
    "console": "off",
    "silent": True,
    "init_timeout": _CONNECT,
    "finish_timeout": _FINISH,
    **dict.fromkeys(("save_code", "x_save_requirements"), False),
    **dict.fromkeys(("disable_code", "disable_git"), True),
    **dict.fromkeys(("x_disable_meta", "x_disable_stats", "x_disable_machine_info"), True),
}


class Tracker:
    """Sends to wandb.ai, or keeps in the work directory with `WANDB_MODE=offline`."""

    title = "W&B"
    advice = "with WANDB_MODE=offline everything is kept here, and `wandb sync` sends it"

    def __init__(self) -> None:
        self.place: str | None = None

    def check(self) -> None:
        """Raises `InputError` if the package is missing or has no key to send anything with."""
        # The package makes a folder of its name.
        find_package("wandb", "init", "wandb")
        import wandb

        try:
            is_usable = _can_send(wandb)
        except Exception as error:
            raise InputError(f"wandb cannot be used: {one_line(str(error))}") from None
        if not is_usable:
            raise InputError(
                "wandb has no key to send anything with: say `wandb login` first, or set "
                "WANDB_MODE=offline to keep everything here"
            )

    def begin(self, about: About) -> "_Record":
        """Begins a run of theirs, or goes on with that of an earlier launch."""
        import wandb

        is_offline = wandb.setup().settings.mode in _OFFLINE
        known = type(wandb.Settings()).model_fields
        run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or _PROJECT,
            group=about.study,
            job_type=about.kind,
            name=about.title,
            id=about.key,
            resume=None if is_offline else "allow",
            reinit="create_new",
            dir=str(about.path),
            config=about.config,
            settings=wandb.Settings(**{n: v for n, v in _SETTINGS.items() if n in known}),
        )
        if about.kind == "arm":
            run.define_metric("seeds")
            run.define_metric("share*", step_metric="seeds")
            run.define_metric("step")
            run.define_metric("curve/*", step_metric="step")
        if self.place is None:
            kept = f"kept in {str(about.path / 'wandb')!r}"
            self.place = kept if is_offline else run.url or kept
        return _Record(run, about.kind)


class _Record:
    """A run of theirs; that of an arm has two kinds of steps, which are metrics of their own."""

    def __init__(self, run: Any, kind: str) -> None:
        self._run, self._kind = run, kind

    def log(self, point: Mapping[str, float], step: int) -> None:
        if self._kind == "run":
            self._run.log(point, step=step)
        else:
            self._run.log({"seeds" if "share" in point else "step": step, **point})

    def finish(self, summary: Mapping[str, Any]) -> None:
        self._run.summary.update(summary)
        self._run.finish()


def _can_send(wandb: Any) -> bool:
    """Tells whether nothing is to be sent or there is a key, if possible without the network."""
    settings = wandb.setup().settings
    if settings.mode in _OFFLINE or settings.api_key:
        return True
    with contextlib.suppress(OSError, netrc.NetrcParseError):
        places = netrc.netrc(os.environ.get("NETRC"))
        if places.authenticators(urlsplit(settings.base_url).hostname or ""):
            return True
    try:
        return bool(wandb.login(prompt=False))
    except TypeError:
        # This release can only ask, and nothing may wait for an answer.
        return False
