"""What TensorBoard's other tabs say of an arm: its fields, and its quartiles in one chart."""

from collections.abc import Mapping
from typing import Any

from engine.observers.event_file import Extra, field_bytes, field_double, field_varint

# Tags and plugins that TensorBoard knows.
_SESSION_TAG, _SESSION_PLUGIN = "_hparams_/session_start_info", "hparams"
_LAYOUT_TAG, _LAYOUT_PLUGIN = "custom_scalars__config__", "custom_scalars"


def session_start(fields: Mapping[str, Any], started: float) -> Extra:
    """The fields of an arm for the tab HPARAMS.

    The content is TensorBoard's `HParamsPluginData` with `session_start_info` (field 3), which maps
    names to `google.protobuf.Value` (field 1) and has the time of its start (field 5).

    Args:
        fields: of the arm, as JSON has them.
        started: seconds since 1970.
    """
    entries = b"".join(
        field_bytes(1, field_bytes(1, name.encode()) + field_bytes(2, _value(value)))
        for name, value in sorted(fields.items())
    )
    info = entries + field_double(5, started)
    return Extra(_SESSION_TAG, _SESSION_PLUGIN, field_bytes(3, info))


def _value(value: Any) -> bytes:
    """A `google.protobuf.Value`."""
    if isinstance(value, bool):
        return field_varint(4, int(value))
    if isinstance(value, (int, float)):
        return field_double(2, float(value))
    text = "-".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return field_bytes(3, text.encode(errors="replace"))


def chart_of_quartiles(prefix: str, share: str) -> Extra:
    """A layout for the tab CUSTOM SCALARS: the median in its band, and the share below it.

    TensorBoard's `Layout`: a category (field 2) of charts (2), each with a margin chart (3) of
    value, lower and upper limit, or with a multiline chart (2) of tags.

    Args:
        prefix: of the tags of the quartiles.
        share: another tag.
    """
    tags = (f"{prefix}_median", f"{prefix}_lower_quartile", f"{prefix}_upper_quartile")
    series = b"".join(field_bytes(i, tag.encode()) for i, tag in enumerate(tags, 1))
    band = field_bytes(1, b"loss: median and quartiles over runs")
    band += field_bytes(3, field_bytes(1, series))
    line = field_bytes(1, share.removeprefix("arm/").replace("_", " ").encode())
    line += field_bytes(2, field_bytes(1, share.encode()))
    category = field_bytes(1, b"arms") + field_bytes(2, band) + field_bytes(2, line)
    return Extra(_LAYOUT_TAG, _LAYOUT_PLUGIN, text=field_bytes(2, category))
