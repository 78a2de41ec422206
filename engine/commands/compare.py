"""`compare`: two work directories against each other."""

from pathlib import Path

from .. import store
from ..errors import one_line
from ..report.contrast import Contrast, contrast_studies, describe_contrast
from ..user_code import Place, as_path


def compare(workdir: Place, baseline: Place, arm: str | None = None, baseline_arm: str | None = None) -> list[Contrast]:
    """Prints how the arms of one study differ from those of another, and writes nothing.

    Only `arm` and `baseline_arm` are compared if one of them is given, else every arm that both studies have. Raises
    `InputError`: there is no study, or the two do not measure the same thing.
    """
    own, base = (store.open_existing(as_path(path)) for path in (workdir, baseline))
    names = [str(Path(path).name or path) for path in (workdir, baseline)]
    contrasts = contrast_studies(own, base, arm, baseline_arm)
    for contrast in contrasts:
        print(one_line(describe_contrast(contrast, *names)))
    return contrasts
