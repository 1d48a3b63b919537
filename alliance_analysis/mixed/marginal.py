"""Z'V^-1 Z and Z'V^-1 U of every connected block: what Kenward-Roger, influence and prediction errors are made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from alliance_analysis.mixed.connected import Batch
from alliance_analysis.mixed.crossproducts import Problem

CHUNK = 2_000_000  # entries of one stack of (q, q) matrices worked on at a time, 16 MB


@dataclass(frozen=True)
class MarginalBlocks:
    """Blocks of one shape on internal columns, V0 = V / sigma^2; b blocks, q random effects each, m = p + 1.

    `covariance` (q, q) is the random effects' covariance relative to sigma^2, the same in every block of the stack.
    """

    batch: Batch
    covariance: np.ndarray
    ZVZ: np.ndarray  # (b, q, q)
    ZVU: np.ndarray  # (b, q, m)


def relative_covariances(problem: Problem, covariances: tuple[np.ndarray, ...], sigma: float) -> tuple[np.ndarray, ...]:
    """Move the random terms' covariances (q_k, q_k) to internal columns, relative to the residual variance."""
    return tuple(r @ g @ r.T / sigma**2 for r, g in zip(problem.rotations, covariances, strict=True))


def marginal_blocks(batches: tuple[Batch, ...], covariances: tuple[np.ndarray, ...]) -> Iterator[MarginalBlocks]:
    """Weigh the cross-products of every connected block by V0^-1, a few blocks at a time.

    Parameters
    ----------
    batches : tuple of Batch
        Z'Z (q, q) and Z'U (q, m) of every block.
    covariances : tuple of (q_k, q_k) arrays
        As `relative_covariances` gives them; singular ones are allowed.

    Notes
    -----
    V0 = I + Z G Z'. With S = Z'Z: Z'V0^-1 Z = (I + S G)^-1 S and Z'V0^-1 U = (I + S G)^-1 Z'U; no inverse of G is used.
    """
    for batch in batches:
        q = batch.ZZ.shape[1]
        per_chunk = max(1, CHUNK // (q * q))
        for start in range(0, len(batch.ZZ), per_chunk):
            part = slice(start, start + per_chunk)
            levels = tuple(table[part] for table in batch.levels)
            yield _weigh(replace(batch, ZZ=batch.ZZ[part], ZU=batch.ZU[part], levels=levels), covariances)


def _weigh(batch: Batch, covariances: tuple[np.ndarray, ...]) -> MarginalBlocks:
    q = batch.ZZ.shape[1]
    G = np.zeros((q, q))
    for part, table, covariance in zip(batch.slices, batch.levels, covariances, strict=True):
        G[part, part] = np.kron(np.eye(table.shape[1]), covariance)
    solved = np.linalg.solve(np.eye(q) + batch.ZZ @ G, np.concatenate([batch.ZZ, batch.ZU], axis=2))
    ZVZ = solved[:, :, :q]
    return MarginalBlocks(batch, G, (ZVZ + np.swapaxes(ZVZ, 1, 2)) / 2, solved[:, :, q:])


def sum_marginal(problem: Problem, batches: tuple[Batch, ...], covariances: tuple[np.ndarray, ...]) -> np.ndarray:
    """Sum U'V0^-1 U (m, m) over all blocks: U'U - U'Z G Z'V0^-1 U."""
    D = problem.UU.copy()
    for blocks in marginal_blocks(batches, covariances):
        D -= np.einsum("bqi,qr,brj->ij", blocks.batch.ZU, blocks.covariance, blocks.ZVU, optimize=True)
    return (D + D.T) / 2


def conditional_covariance(blocks: MarginalBlocks) -> np.ndarray:
    """Covariance (b, q, q) of the random effects given the outcome and beta, relative to sigma^2: (I + G S)^-1 G."""
    q = blocks.covariance.shape[0]
    C = np.linalg.solve(np.eye(q) + blocks.covariance @ blocks.batch.ZZ, blocks.covariance[None])
    return (C + np.swapaxes(C, 1, 2)) / 2


def effect_deviations(
    problem: Problem, batches: tuple[Batch, ...], relative: tuple[np.ndarray, ...], sigma: float
) -> list[np.ndarray]:
    """Standard deviations (levels, q_k) of every random term's effects given the outcome, in the outcome's unit.

    Notes
    -----
    Beta and the variance parameters are taken as known, as in lme4's `ranef(condVar = TRUE)`.
    """
    n_levels = [max(int(batch.levels[k].max()) for batch in batches) + 1 for k in range(len(relative))]
    out = [np.zeros((n, len(g))) for n, g in zip(n_levels, relative, strict=True)]
    to_user = [np.linalg.inv(rotation) for rotation in problem.rotations]
    for blocks in marginal_blocks(batches, relative):
        C = conditional_covariance(blocks)
        for k, (part, table) in enumerate(zip(blocks.batch.slices, blocks.batch.levels, strict=True)):
            width = blocks.batch.widths[k]
            own = np.einsum("biaic->biac", C[:, part, part].reshape(len(C), -1, width, table.shape[1], width))
            out[k][table] = np.sqrt(np.einsum("ea,biac,ec->bie", to_user[k], own, to_user[k]).clip(0))
    return [deviation * sigma for deviation in out]
