"""TensorBoard's event files as bytes, made of tensorboardX's messages: a function of what they hold."""

import operator
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import InputError
from ..logs.framing import frame

if TYPE_CHECKING:
    from tensorboardX.proto.summary_pb2 import Summary


class EventSeries(NamedTuple):
    """Scalars by tag that were measured at the same, strictly increasing steps; arrays `[num_points]`."""

    steps: np.ndarray
    values: Mapping[str, np.ndarray]


def check_tensorboardx() -> None:
    """Raises `InputError` if tensorboardX is missing."""
    try:
        import tensorboardX  # noqa: F401
    except ImportError:
        raise InputError("--tensorboard needs tensorboardX: pip install 'plateau-engine[tensorboard]'") from None


def encode_file(
    wall_time: float,
    series: Sequence[EventSeries],
    descriptions: Mapping[str, str] | None = None,
    summaries: Sequence["Summary"] = (),
) -> bytes:
    """Returns the bytes of an event file, with events in the order of their steps.

    The file says that a session starts at step 0, so a reader that follows a directory forgets its earlier files.
    `wall_time` is in seconds since 1970, `descriptions` are Markdown by tag, `summaries` what plugins show at step 0.
    """
    from tensorboardX.proto.event_pb2 import Event, SessionLog
    from tensorboardX.proto.summary_pb2 import Summary, SummaryMetadata

    about = {tag: SummaryMetadata(summary_description=text) for tag, text in (descriptions or {}).items()}
    events = [
        Event(wall_time=wall_time, file_version="brain.Event:2"),
        Event(wall_time=wall_time, session_log=SessionLog(status=SessionLog.START)),
        *(Event(wall_time=wall_time, summary=summary) for summary in summaries),
    ]
    points: list[tuple[int, bytes]] = []
    for steps, values in series:
        found = [Summary.Value(tag=tag, metadata=about.get(tag)) for tag in values]
        # One event is filled again for every step, because making events takes most of the time.
        event = Event(wall_time=wall_time, summary=Summary(value=found))
        numbers = np.transpose([np.asarray(column, np.float32) for column in values.values()]).tolist()
        for step, row in zip(steps.tolist() if values else (), numbers, strict=True):
            event.step = step
            for value, number in zip(event.summary.value, row, strict=True):
                value.simple_value = number
            points.append((step, event.SerializeToString(deterministic=True)))
            # Only the first event of a tag describes it.
            for value in event.summary.value if about else ():
                value.ClearField("metadata")
    contents = [event.SerializeToString(deterministic=True) for event in events]
    return frame(contents + [content for _, content in sorted(points, key=operator.itemgetter(0))])


def session_start(fields: Mapping[str, Any], started: float) -> "Summary":
    """Returns the fields of an arm for the tab HPARAMS; `started` is in seconds since 1970."""
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData, SessionStartInfo
    from tensorboardX.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboardX.proto.tensor_pb2 import TensorProto
    from tensorboardX.proto.tensor_shape_pb2 import TensorShapeProto

    info = SessionStartInfo(start_time_secs=started)
    for name, value in fields.items():
        if isinstance(value, bool):
            info.hparams[name].bool_value = value
        elif isinstance(value, (int, float)):
            info.hparams[name].number_value = value
        else:
            text = "-".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
            info.hparams[name].string_value = text.encode(errors="replace").decode()
    content = HParamsPluginData(session_start_info=info).SerializeToString(deterministic=True)
    plugin = SummaryMetadata.PluginData(plugin_name="hparams", content=content)
    metadata = SummaryMetadata(plugin_data=plugin)
    # TensorBoard wants a tensor, whatever it holds.
    zero = TensorProto(dtype="DT_FLOAT", float_val=[0.0], tensor_shape=TensorShapeProto())
    return Summary(value=[Summary.Value(tag="_hparams_/session_start_info", metadata=metadata, tensor=zero)])


def chart_of_quartiles(prefix: str, share: str) -> "Summary":
    """Returns a layout for the tab CUSTOM SCALARS: the median in its band, and the tag `share` below it."""
    from tensorboardX.summary import custom_scalars

    quartiles = [f"{prefix}_{name}" for name in ("median", "lower_quartile", "upper_quartile")]
    charts = {
        "loss: median and quartiles over runs": ["Margin", quartiles],
        share.removeprefix("arm/").replace("_", " "): ["Multiline", [share]],
    }
    return custom_scalars({"arms": charts})
