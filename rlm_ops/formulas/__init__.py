"""The formulas of the literature as pure functions: scores, backups, priors, read-outs, ranking, sampling, stopping.

Each docstring names its source; each is held to golden numbers by tests. Nothing here knows of nodes, trees or models:
a strategy passes numbers in and gets a number out, and brings its own `random.Random`.
"""

from __future__ import annotations

from reflectree.rlm_ops.formulas.backups import (
    berry_backup,
    child_mean,
    mctsr_backup,
    mixed_value,
    td_backup,
    x1_backup,
)
from reflectree.rlm_ops.formulas.consensus import beta_majority, betainc, dirichlet_majority
from reflectree.rlm_ops.formulas.posteriors import Beta, Gaussian, Moments, Posterior, wider_or_deeper
from reflectree.rlm_ops.formulas.priors import dirichlet, length_normalised_prior, root_noise, softmax, visit_policy
from reflectree.rlm_ops.formulas.ranking import (
    Ranking,
    berry_value,
    cancel_position_bias,
    closure,
    ebc,
    global_quantile,
    local_preference,
    preference_matrix,
)
from reflectree.rlm_ops.formulas.reachability import Reachability
from reflectree.rlm_ops.formulas.readouts import (
    Aggregation,
    aggregate_steps,
    mctsr_value,
    mean_confidence,
    progress,
    rest_process_labels,
    rest_process_value,
    token_confidence,
)
from reflectree.rlm_ops.formulas.sampling import (
    Arm,
    beam_keep,
    epsilon_greedy,
    proportional,
    softmax_sample,
    thompson,
    top_k,
)
from reflectree.rlm_ops.formulas.scores import (
    SQRT2,
    Schedule,
    aflow_mixture,
    lats_uct,
    mctsr_ucb,
    omegaprm_bonus,
    omegaprm_value,
    puct,
    rest_mcts_uct,
    rstar_uct,
    rstar_weight,
    uct,
    x1_selection,
)

__all__ = [
    "SQRT2",
    "Aggregation",
    "Arm",
    "Beta",
    "Gaussian",
    "Moments",
    "Posterior",
    "Ranking",
    "Reachability",
    "Schedule",
    "aflow_mixture",
    "aggregate_steps",
    "beam_keep",
    "berry_backup",
    "berry_value",
    "beta_majority",
    "betainc",
    "cancel_position_bias",
    "child_mean",
    "closure",
    "dirichlet",
    "dirichlet_majority",
    "ebc",
    "epsilon_greedy",
    "global_quantile",
    "lats_uct",
    "length_normalised_prior",
    "local_preference",
    "mctsr_backup",
    "mctsr_ucb",
    "mctsr_value",
    "mean_confidence",
    "mixed_value",
    "omegaprm_bonus",
    "omegaprm_value",
    "preference_matrix",
    "progress",
    "proportional",
    "puct",
    "rest_mcts_uct",
    "rest_process_labels",
    "rest_process_value",
    "root_noise",
    "rstar_uct",
    "rstar_weight",
    "softmax",
    "softmax_sample",
    "td_backup",
    "thompson",
    "token_confidence",
    "top_k",
    "uct",
    "visit_policy",
    "wider_or_deeper",
    "x1_backup",
    "x1_selection",
]
