"""The small good study that the tests break in one place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

STUDY = """\
study: {title: Clinic, source: none}
data: sessions.csv
measures:
  alliance_client: {instrument: WAI-SR, collected: after}
  symptoms: {instrument: PHQ-9, collected: before}
"""

SESSIONS = """\
client,therapist,session,alliance_client,symptoms
c1,t1,1,3.5,14
c1,t1,2,4,11
c1,t1,3,4.5,9
c2,t1,1,2,20
c2,t1,2,2.5,21
c3,t2,1,5,3
c3,t2,3,4.75,
"""

Writer = Callable[..., Path]
