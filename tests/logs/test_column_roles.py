"""Which column is what."""

import pytest

from engine.errors import InputError
from engine.logs.column_roles import ColumnRoles, find_roles
from engine.logs.log_table import NoCurveError
from engine.logs.options import ReadOptions


def _roles(names: str, **options: str) -> ColumnRoles:
    return find_roles(names.split(","), ReadOptions(**options), "log.csv")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("names", "step", "epoch", "loss"),
    [
        ("epoch,accuracy,loss,val_accuracy,val_loss", "", "epoch", "loss"),
        ("epoch,step,train_loss_step,train_loss_epoch,val_loss", "step", "epoch", "train_loss_step"),
        ("Step,train_loss,train_loss__MIN,train_loss__MAX", "Step", "", "train_loss"),
        ("iteration,trainLoss,lr", "iteration", "", "trainLoss"),
        ("_step,_runtime,train/loss,val/loss", "_step", "", "train/loss"),
        ("trainer/global_step,Loss/train,Loss/test", "trainer/global_step", "", "Loss/train"),
        ("step,loss,loss_scale,grad_norm", "step", "", "loss"),
        ("step,loss,dice_loss,dice", "step", "", "loss"),
        ("epoch,batch,loss", "batch", "epoch", "loss"),
        ("step,cross_entropy,l2", "step", "", "cross_entropy"),
        (",loss", "", "", "loss"),
        ("time,batchLoss", "", "", "batchLoss"),
        ("column 1,column 2", "column 1", "", "column 2"),
    ],
)
def test_usual_names_are_known(names, step, epoch, loss):
    roles = _roles(names)
    assert (roles.step, roles.epoch, roles.losses) == (step, epoch, {"": loss})
    assert not roles.is_held_out


def test_names_beside_the_loss():
    roles = _roles("group,seed,step,train_loss,train_acc,val_loss,val_acc,top5_acc")
    assert roles.run == ("seed",)
    assert roles.arm == ("group",)
    assert roles.accuracy == "train_acc"
    assert (roles.held_out_loss, roles.held_out_accuracy) == ("val_loss", "val_acc")


@pytest.mark.parametrize(
    ("names", "rate"),
    [
        ("step,loss,lr", "lr"),
        ("step,loss,learning_rate,grad_norm", "learning_rate"),
        ("step,loss,train/learningRate", "train/learningRate"),
        ("step,loss,lr-AdamW", "lr-AdamW"),
        ("step,loss,lr-AdamW/pg1,lr-AdamW/pg2", ""),
        ("step,loss,lr,lr_decay,lr_scale", "lr"),
        ("step,loss,log_lr", ""),
        ("step,loss,lr_mult,dropout_rate,train_rate", ""),
    ],
)
def test_the_learning_rate_is_known(names, rate):
    assert _roles(names).learning_rate == rate


def test_a_learning_rate_that_groups_runs_is_no_metric():
    roles = _roles("step,loss,lr", arm_column="lr")
    assert (roles.arm, roles.learning_rate) == (("lr",), "")


def test_a_held_out_loss_stands_in_and_is_called_so():
    roles = _roles("step,val_loss,lr")
    assert roles.losses == {"": "val_loss"}
    assert roles.is_held_out
    assert roles.held_out_loss == ""


@pytest.mark.parametrize(
    ("names", "losses"),
    [
        ("Step,a-1 - loss,a-1 - loss__MIN,b - loss", {"a-1": "a-1 - loss", "b": "b - loss"}),
        ("Step,g: x - y - loss,z - loss", {"g: x - y": "g: x - y - loss", "z": "z - loss"}),
        ("Step,a - acc,a - train/loss,a - val/loss", {"a": "a - train/loss"}),
        ("step,seed_0,seed_1", {"seed_0": "seed_0", "seed_1": "seed_1"}),
        ("step,0,1,2", {"0": "0", "1": "1", "2": "2"}),
    ],
)
def test_runs_with_a_column_each(names, losses):
    roles = _roles(names)
    assert roles.is_wide
    assert roles.losses == losses


def test_what_a_person_says_is_right():
    assert _roles("step,loss,other", loss_column="other").losses == {"": "other"}
    assert _roles("step,a,b", layout="wide").losses == {"a": "a", "b": "b"}
    assert _roles("a,b,loss", step_column="b").step == "b"
    assert _roles("step,lr,s,loss", run_column="s,lr").run == ("s", "lr")
    assert _roles("Step,a - x,b - x", loss_column="x").losses == {"a": "a - x", "b": "b - x"}


@pytest.mark.parametrize(
    ("names", "options", "error", "words"),
    [
        ("step,a,b", {}, NoCurveError, "there are 'step', 'a', 'b'"),
        ("step,main_loss,aux_loss", {}, InputError, "'aux_loss', 'main_loss' could be"),
        ("step,loss", {"loss_column": "los"}, InputError, "did you mean 'loss'"),
        ("step,loss", {"run_column": "seed"}, InputError, "unknown run_column 'seed'"),
    ],
)
def test_what_cannot_be_guessed_is_asked(names, options, error, words):
    with pytest.raises(error, match=words):
        _roles(names, **options)
