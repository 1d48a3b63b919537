"""Says in words what models and files name in code: terms, metrics, measures. What machines read keeps the names."""

from __future__ import annotations

import re

_WHOLE = {
    "(Intercept)": "intercept",
    "r_given_baseline": "r, symptoms at the start held constant",
    "r_given_change_so_far": "r, change so far held constant as well",
    "b_raw": "slope in raw units",
    "beta_within": "slope in within-client SDs",
    "log_hazard": "log hazard",
    "variance_share": "share of variance",
    "log_time": "log of time",
}
_ENDINGS = {
    "_within_lag1": ", within clients, session before",
    "_within": ", within clients",
    "_between_therapist": ", between therapists",
    "_between_client": ", between clients",
    "_between": ", between clients",
    "_lag1": ", session before",
    "_first": ", first session",
}
_NAME = re.compile(r"\(Intercept\)|\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b")  # a code name inside a term or a sentence


def spoken(name: str) -> str:
    """Return a term, metric, measure or check as a reader says it: no underscores, no suffixes of the code.

    Examples
    --------
    >>> spoken("alliance_client_within_lag1"), spoken("alliance_client -> symptoms"), spoken("client: (Intercept)")
    ('alliance client, within clients, session before', 'alliance client → symptoms', 'client: intercept')
    >>> spoken("r"), spoken("ICC(A,1)"), spoken("beta_within")
    ('r', 'ICC(A,1)', 'slope in within-client SDs')
    """
    return _NAME.sub(lambda found: _word(found[0]), str(name)).replace(" -> ", " → ")


def _word(name: str) -> str:
    if name in _WHOLE:
        return _WHOLE[name]
    for ending, words in _ENDINGS.items():
        if name.endswith(ending):
            return name.removesuffix(ending).replace("_", " ") + words
    return name.replace("_", " ")
