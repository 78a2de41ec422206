"""From one loss curve to one outcome: did it leave its initial plateau, when, and how suddenly?"""

from .offline import FAILED, STATUSES, PlateauBreak, end_level, event_code, find_break, outcome_columns
from .settings import DetectorSettings, check_settings
