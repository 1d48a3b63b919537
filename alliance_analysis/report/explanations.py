"""What each step of a notebook does, what one may change in it, and what has to change with it; one text per step."""

from __future__ import annotations

from collections.abc import Mapping

EXPLANATION = "explanation"
"""Tag of a cell that explains another one; it is no part of the report."""

PARAMETERS = (
    "The parameters. `study` is your study file, seen from this folder; the others are choices "
    "you may also set with `-p`. Write a new choice as one line, `name: type = value`, and use "
    "the name below."
)
"""What stands above the cell with the parameters."""

EXPLANATIONS: Mapping[str, str] = {
    "fit_variance_shares": (
        "How much of a measure lies between therapists, between clients and within clients. Name "
        "another measure of yours; the shape of time is the one chosen above."
    ),
    "state_sample": (
        "The sentence at the head of the report. It is made from the numbers above; change the numbers, not it."
    ),
    "state_prospective": (
        "The sentences at the head of the report. They are made from the fits above and say by "
        "themselves what was withheld; a model of your own gets its sentence with "
        "`report.text(…)`, in your words."
    ),
    "state_agreement": ("The sentences at the head of the report, made from the fits above."),
    "state_variance_shares": ("The sentences at the head of the report, made from the fits above."),
    "state_congruence": ("The sentences at the head of the report, made from the fits above."),
    "alliance_column": (
        "Which rating is the alliance: the client's when the study has it. For the therapist's, "
        'write `alliance = "alliance_therapist"`. Everything below follows; the published '
        "findings compared with at the end are about the client's rating and are then left out by"
        " themselves."
    ),
    "keep_pairs": (
        "The two ratings that are compared, session by session. Write the names of two other "
        "measures on one scale to compare those; a difference of means is claimed only where both"
        " run over the same range."
    ),
    "choose_timing": (
        "Which session predicts which, from `collected` in your study file. Correct it there, not"
        ' here. For another outcome, give `outcome="…"`, one of your measures, here and in every '
        "later call that has `alliance=`."
    ),
    "pair_congruence": (
        "Which ratings of a session, or means of a client, are set against the outcome. Another "
        'outcome is named with `outcome="…"`; it must then stand in the later calls as well.'
    ),
    "plot_course": ("A figure of the average course. Name another measure to see that one; its label names the unit."),
    "describe_sample": (
        "Who is in the data. Add a line for a column of your clients file to describe it by the same call."
    ),
    "describe_measures": (
        "Means, spread, ceiling and floor of the measures named in the list. Add measures to the list."
    ),
    "describe_reliability": (
        "Reliability within and between clients. Name items or subscales of your own to have theirs."
    ),
    "compare_time_shapes": (
        "The shape of the average course, chosen on the outcome alone. To fix it as planned in "
        'advance, write `shape = "linear"` (or log, quadratic, factor) below instead of '
        "`aa.best_shape(shapes)`."
    ),
    "fit_prospective": (
        'The primary model. `random=("intercept",)` leaves individual courses out; the table of '
        "shapes below tells what depends on that. A covariate of the client needs no term here: "
        "the model removes all that is stable in a client."
    ),
    "fit_literature_models": (
        "The mixed models in use. To add covariates of the client, write first `data = "
        'aa.add_client_columns(data, clients, ["age"])`, then `covariates=["age"]` in this call. '
        'A formula of your own: `fit = aa.fit_mixed("symptoms ~ log_time + alliance_client_within'
        ' + age + (1 + time | client)", data)` and `report.record(fit, model="my model", '
        'levels={"alliance_client_within": "within"})`. Say in the text which model was planned.'
    ),
    "simulate_bias": (
        "How far each model is off in studies shaped like yours. Set `n_simulations` to 200 or "
        "more for a thesis; it takes minutes."
    ),
    "fit_early_alliance": (
        "Early alliance and the end state. `early=(3, 5)` says which sessions are early: keep the"
        ' ones planned in advance. Another end state: `outcome="…"`.'
    ),
    "fit_agreement": ("How far two raters agree. It takes what `keep_pairs` returned; nothing else has to change."),
    "fit_truth_and_bias": (
        "One rating predicts the other. Which is the truth and which the judgement is the order "
        "of the two names; turning them round asks another question. A moderator is a further "
        "column of the data."
    ),
    "fit_convergence": ("Whether two raters come closer over sessions. It takes the same names as the models above."),
    "fit_one_with_many": (
        "What of a rating belongs to the therapist, the pair and the session. It needs therapists"
        " with several clients; the counts of caseloads say whether yours suffice."
    ),
    "fit_apim": (
        "Each rater's last session predicts both ratings of the next. It needs both ratings in consecutive sessions."
    ),
    "fit_dependability": ("How many sessions make a dependable score. Another measure is named in the call."),
    "fit_level_slopes": (
        "Three slopes in one model: within clients, between clients, between therapists. For "
        'covariates, write first `data = aa.add_client_columns(data, clients, ["age"])`, then '
        '`covariates=["age"]` in each of these calls.'
    ),
    "between_slope_corrected": ("The slope between clients, corrected for the means being made of few sessions."),
    "fit_end_state": (
        "One row per client. `beside=[…]` names the columns of the clients that are held "
        "constant; the default is what the study has of symptoms at the start."
    ),
    "fit_alliance_sources": ("What goes with the alliance itself: `predictors=[…]` names columns of the clients."),
    "fit_congruence": (
        "The surface of two ratings and an outcome. Its tests hold for two ratings on one scale; "
        "another outcome is named as above."
    ),
    "check_measures": ("The checks. Keep them: what they withhold is not shown as a finding above either."),
    "judge_replication": (
        "Published figures of the same level and metric. `ids` are rows of the list `alliance "
        "list --findings`; a figure of another level is refused."
    ),
    "judge_levels": ("Published figures of the same level and metric; `ids` are rows of `alliance list --findings`."),
    "judge_agreement": (
        "Published figures of the same level and metric; `ids` are rows of `alliance list --findings`."
    ),
    "load_published": ("What others reported of the same; `ids` are rows of the list `alliance list --findings`."),
}
"""Function that a cell calls -> what stands above the cell."""

STEPS = (
    "fit_",
    "choose_timing",
    "judge_",
    "state_",
    "load_published",
    "pair_congruence",
    "keep_pairs",
    "simulate_bias",
)
"""Beginnings of the names of functions whose cells a student would change: each such cell has an explanation."""
