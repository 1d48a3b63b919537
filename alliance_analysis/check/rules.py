"""What is checked, where the limits lie, why each matters and what to do beyond it: all limits in one place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

GREEN, AMBER, RED = "green", "amber", "red"
COLUMNS = ["check", "value", "limit", "status", "why", "what_to_do"]


@dataclass(frozen=True)
class Rule:
    """What is checked, where the limit lies, why it matters and what to do beyond it."""

    check: str
    limit: Any
    why: str
    what_to_do: str
    worse: str = AMBER
    failed: str = ""  # the check's name where it is not met, for names that say what is wished for

    def about(self, name: str) -> Rule:
        """Return the rule for one measure or term."""
        return replace(self, check=self.check.format(name))

    def row(self, value: object, fine: bool) -> dict[str, object]:
        """Return the row of the table of checks."""
        named = not fine and bool(self.failed)  # the name then says what is the case: yes, and no was wished for
        return {
            "check": self.failed if named else self.check,
            "value": not value if named else value,
            "limit": not self.limit if named else self.limit,
            "status": GREEN if fine else self.worse,
            "why": self.why,
            "what_to_do": "" if fine else self.what_to_do,
        }


CONVERGED = Rule(
    "converged",
    True,
    "estimates of a model that did not converge are not the model's estimates",
    "report nothing from it; simplify the random part",
    RED,
    "not fitted or not converged",
)
REGULAR = Rule(
    "every variance above zero",
    True,
    "at a level whose variance is estimated at zero, standard errors and tests are not to be trusted",
    "report the lower levels only, and the model without that variance beside them",
    failed="a variance is estimated at zero",
)
LEVELS_REGULAR = Rule(
    "covariance of clients' levels and courses inside its boundary",
    True,
    "at the boundary, variances and correlations of levels and courses are not to be trusted; the slopes stand",
    "do not interpret how much clients' courses differ; compare with the model without individual courses",
    failed="covariance of clients' levels and courses at its boundary",
)
NO_PAIRS = Rule(
    "residual correlation of consecutive sessions",
    0.10,
    "too few pairs of consecutive sessions are in the data to check whether they are more alike than the model says",
    "say that it could not be checked",
)
CLUSTERED = Rule(
    "standard errors clustered by therapist",
    True,
    "clients of one therapist are alike; without enough therapists, or their ids, intervals may be too narrow",
    "read the interval as a lower bound of the uncertainty",
    failed="standard errors not clustered by therapist: too few therapists, or no ids",
)
AFTER_EFFECTS = Rule(
    "largest after-effect from one session to the next (eigenvalue)",
    0.90,
    "after-effects that hardly fade look like stable differences between clients; the two cannot be told apart",
    "compare with the model without individual courses; do not interpret stable differences",
)
SHORT = Rule(
    "clients with fewer than 3 ratings of {}",
    0.50,
    "from one or two ratings a client's deviations cannot be told from the usual level",
    "say on how many clients the within-client estimate rests",
)
THERAPISTS = Rule(
    "number of therapists",
    10,
    "clients of one therapist are alike; with few therapists, or without therapist ids, how much is hardly known",
    "do not interpret differences between therapists; read intervals of clients as too narrow",
)
CLIENTS = Rule(
    "number of clients",
    30,
    "what differs between few clients is known only roughly",
    "do not interpret differences between clients; read the interval, not the estimate",
)
ROWS_USED = Rule(
    "share of sessions not used, beyond each client's first",
    0.20,
    "a session is used only where every value of the model is there",
    "see the flow of rows; compare with an analysis that keeps incomplete sessions",
)
CLIENTS_USED = Rule(
    "share of clients not used",
    0.20,
    "clients without an early rating or an end state are seldom like the others",
    "say who is missing; see the flow of clients",
)
AUTOCORRELATION = Rule(
    "residual correlation of consecutive sessions",
    0.10,
    "sessions close in time are more alike than the model says; standard errors are too small",
    "fit the model with an AR(1) residual, or the prospective panel model",
)
SKEWNESS = Rule(
    "skewness of the residuals",
    1.0,
    "strongly skewed residuals make intervals uneven",
    "look at floor and ceiling; compare with a bootstrap",
)
SPREAD = Rule(
    "residual spread, early against late sessions (ratio)",
    1.5,
    "unequal spread gives sessions the wrong weight",
    "compare with a model with unequal residual variances",
)
TAILS = Rule(
    "residuals further out than 3 standard deviations (share)",
    0.01,
    "a few extreme sessions can carry an estimate",
    "look at those sessions for errors of entry; compare with a bootstrap",
)
EFFECTS = Rule(
    "skewness of the {} effects",
    1.0,
    "the model takes differences between groups as normal; strong skew makes their variance and its tests uncertain",
    "look for a subgroup of a different kind; compare with a bootstrap",
)
INFLUENCE = Rule(
    "largest change of {} when one client is left out (standard errors)",
    1.0,
    "an estimate that hangs on one client says little about the others",
    "say so; check that client's data for errors, and show the estimate without",
)
THERAPIST_INFLUENCE = Rule(
    "largest change of {} when one therapist is left out (standard errors)",
    1.0,
    "an estimate that hangs on one therapist's clients says little about other therapists",
    "say so, and show the estimate without that therapist's clients",
)
COLLINEARITY = Rule(
    "largest variance inflation factor{}",
    10.0,
    "predictors that share nearly all their variance cannot be told apart; their separate slopes are very uncertain",
    "enter them one at a time, or their mean; do not compare their sizes",
)
RELIABILITY = Rule(
    "{}: reliability of a client's mean",
    0.70,
    "an observed mean of few sessions stands for the client's usual level with error; its slope is biased towards the "
    "within-client one",
    "show the reliability-corrected slope beside it",
)
VARIATION = Rule(
    "clients whose {} never varies",
    0.10,
    "a client whose rating never varies says nothing about a within-client association",
    "say how many clients the within-client estimate rests on",
)
MISSING = Rule(
    "{}: missing values",
    0.20,
    "missing scores are seldom missing at random",
    "say who is missing; compare with an analysis for missing data",
)
EXTREME = Rule(
    "{}: scores at the floor or ceiling",
    0.15,
    "change beyond the end of the scale is not seen; slopes of this measure, and on it, are distorted",
    "do not read the size of slopes; use a measure with a wider range",
)
RATED_ALONE = Rule(
    "share of rated sessions that only one of the two rated",
    0.20,
    "sessions that one side did not rate are seldom like the others",
    "say who is missing; read agreement as that of pairs who both answered",
)
ONE_SESSION = Rule(
    "share of clients with a single session that both rated",
    0.50,
    "a client with one session says nothing about agreement within clients",
    "say on how many clients the numbers within clients rest",
)
SAME_ITEMS = Rule(
    "both raters answer the same items on the same scale",
    True,
    "a mean difference between raters means something only where both answer the same items on the same scale",
    "do not interpret the mean difference before you know it; write shared_items: true into study.yml where it holds",
    failed="it is not known that both raters answer the same items on the same scale",
)
DIFFERENCE = Rule(
    "reliability of the mean difference between the two ratings",
    0.70,
    "the difference of two ratings that go together is mostly error; what it goes with is hard to see",
    "do not use the difference as a score; use both ratings",
)
DISAGREE = Rule(
    "smaller share on either side of agreement (half an SD or more apart)",
    0.10,
    "what disagreement goes with is seen only in those who disagree, in either direction",
    "do not read the surface where few disagree",
)
ROWS_PER_TERM = Rule(
    "clients per coefficient of the surface",
    10.0,
    "six coefficients from few clients are mostly chance",
    "read the intervals, not the estimates",
)
