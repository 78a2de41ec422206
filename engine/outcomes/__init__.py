"""From one loss curve to one outcome: did it leave its initial plateau, when, and how suddenly?"""

from engine.outcomes.offline import FAILED, STATUSES, PlateauBreak, end_level, event_code, find_break, outcome_columns
from engine.outcomes.settings import DetectorSettings, check_settings
