"""From one loss curve to one outcome: did it leave its initial plateau, when, and how suddenly?"""

from engine.plateau.offline import (
    STATUSES,
    DetectorSettings,
    PlateauBreak,
    end_level,
    event_code,
    find_break,
)

__all__ = ["STATUSES", "DetectorSettings", "PlateauBreak", "end_level", "event_code", "find_break"]
