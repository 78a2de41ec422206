"""What cannot be taken of other libraries is refused in one line, with what to do."""

import subprocess
import sys
from pathlib import Path

import pytest

from engine import InputError
from engine.models import check_fit, takes_tokens
from tests.libraries.test_agreement import arm_of

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("library", "name", "words"),
    [
        (
            "torch",
            "Untranslated",
            r"torchax does not translate PyTorch's aten::adaptive_max_pool2d \(torch_networks.py",
        ),
        ("torch", "Deciding", r"values of an array decide .*`where` .*\(torch_networks.py, line \d+\)"),
        ("torch", "OnGPU", r"CUDA.*: leave .cuda\(\) and .to\(\) out.*\(torch_networks.py, line \d+\)"),
        ("torch", "Hooked", r"register_hook changes a gradient.*\(torch_networks.py, line \d+\)"),
        ("torch", "StraightThrough", r"derivative of its own, which JAX does not see \(torch_networks.py, line \d+\)"),
        ("torch", "Holding", r"register_buffer makes it one \(torch_networks.py, line \d+\)"),
        ("torch", "Lazy", "model=.*LazyLinear, need their sizes"),
        ("torch", "made", "is a Sequential that is made already.*a function that makes it, or choose another --init"),
        ("keras", "made", "is a Sequential that is made already"),
        ("equinox", "made", "is a Sequential that is made already.*a function that makes it and takes key"),
    ],
)
def test_it_is_said_in_one_line(library, name, words):
    with pytest.raises(InputError, match=words) as refused:
        check_fit(arm_of(library, name), (8, 8, 1), 10)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("library", ["torch", "keras", "equinox"])
def test_a_network_that_is_made_already_can_start_by_a_scheme(library):
    check_fit(arm_of(library, "made", init="he"), (8, 8, 1), 10)


def test_a_number_format_that_layers_overrule_is_refused():
    with pytest.raises(InputError, match=r"precision=bfloat16 has no effect .*mixed_bfloat16"):
        check_fit(arm_of("keras", "cnn", precision="bfloat16"), (8, 8, 1), 10)


@pytest.mark.parametrize(("library", "name", "is_one"), [("torch", "Tokens", True), ("torch", "made", False)])
def test_networks_that_take_tokens_are_told(library, name, is_one):
    shape = (5,) if is_one else (64,)
    arm = arm_of(library, name, init="he")
    assert takes_tokens(arm, shape, 3 if is_one else 10) == is_one
    check_fit(arm, shape, 3 if is_one else 10)


def test_keras_with_another_backend_is_refused():
    arm_of("keras", "cnn")
    program = (
        "import os; os.environ['KERAS_BACKEND'] = 'numpy'\n"
        "import engine; from engine.models import check_fit; from engine.studies.study import resolve_arm\n"
        "arm = resolve_arm(engine.Arm(model='tests/libraries/keras_networks.py:cnn'))\n"
        "try: check_fit(arm, (8, 8, 1), 10)\nexcept engine.InputError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert "Keras computes with numpy here: expected its backend jax" in done.stdout, done.stderr


def test_no_library_is_imported_where_none_of_its_networks_is_named():
    program = (
        "import sys, engine; from engine.models import check_fit; from engine.studies.study import resolve_arm\n"
        "check_fit(resolve_arm(engine.Arm(model='mlp')), (8, 8, 1), 10)\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'torch', 'torchax', 'keras', 'haiku', 'equinox'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr
