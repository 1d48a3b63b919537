"""Reproducible analyses of the therapeutic alliance and outcome.

The concepts, in the order one meets them:

* a **study** is what `load_study` reads: tidy `sessions` (one row = one session of one client with one therapist),
  `clients`, and what each measure means;
* `add_*` and `stack_raters` **prepare** the columns a question needs: within, between, lag, first, detrended;
* `describe_*` says who and how many, how much is missing, where the variance lies;
* `fit_*` **fits** a model and returns a frozen result: `tidy()`, `glance()`, `variance_components()`;
* `check_fit` and `simulate_bias` say what limits the answer; `judge_replication` holds it against the literature;
* `plot_*` draws; `open_report` and `run_reports` turn a notebook into a sealed **report**.

Names are loaded when they are first used, so that `alliance check` starts fast.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
