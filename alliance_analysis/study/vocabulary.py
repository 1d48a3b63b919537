"""The field's words, spelled once: columns, levels, raters, statuses and the suffixes of derived columns."""

from __future__ import annotations

CLIENT = "client"
THERAPIST = "therapist"
SESSION = "session"
TIME = "time"
LOG_TIME = "log_time"
DATE = "date"
MODALITY = "modality"
PHASE = "phase"
CONDITION = "condition"
STATUS = "status"
PLANNED_SESSIONS = "planned_sessions"
THERAPY_END = "therapy_end"
EPISODE = "episode"

SYMPTOMS = "symptoms"
ALLIANCE_CLIENT = "alliance_client"
ALLIANCE_THERAPIST = "alliance_therapist"
ALLIANCE_OBSERVER = "alliance_observer"
ALLIANCE = (ALLIANCE_CLIENT, ALLIANCE_THERAPIST, ALLIANCE_OBSERVER)
SUBSCALES = ("goal", "task", "bond")

RATERS = ("client", "therapist", "observer")
INTAKE = "intake"  # no phase of its own in the sessions: session 0
PHASES = ("treatment", "post", "follow_up")
STATUSES = ("completed", "dropout", "referred", "ongoing")
COLLECTED = ("before", "after")

WITHIN = "_within"
BETWEEN = "_between"
BETWEEN_CLIENT = "_between_client"
BETWEEN_THERAPIST = "_between_therapist"
LAG = "_lag"  # followed by the number of sessions: _lag1
FIRST = "_first"
DETRENDED = "_detrended"
POST = "_post"  # client-level end state: symptoms_post
FOLLOW_UP = "_follow_up"
BASELINE = "_baseline"

LEVEL_WITHIN = "within"
LEVEL_BETWEEN = "between"
LEVEL_BETWEEN_CLIENT = "between_client"
LEVEL_BETWEEN_THERAPIST = "between_therapist"
LEVEL_VARIANCE = "variance"
LEVEL_TOTAL = "total"  # single sessions of all clients together: what a session shares with its client counts too
LEVELS = (
    LEVEL_WITHIN, LEVEL_BETWEEN, LEVEL_BETWEEN_CLIENT, LEVEL_BETWEEN_THERAPIST, LEVEL_VARIANCE, LEVEL_TOTAL,
)  # fmt: skip
