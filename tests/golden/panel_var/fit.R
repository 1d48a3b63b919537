# Panel VAR z = X beta + Z b + w, w_t = A w_(t-1) + e, by dense maximum likelihood in base R.  Rscript fit.R
library(nlme); library(jsonlite)
d <- read.csv("data.csv"); d <- d[order(d$client, d$session), ]
clients <- split(d, d$client)
tri <- function(v, k) { L <- matrix(0, k, k); L[lower.tri(L, TRUE)] <- v; L }
pieces <- function(par, free) {
  A <- matrix(par[1:4], 2, 2, byrow = TRUE); L <- tri(par[5:7], 2); M <- tri(par[8:17], 4)
  S <- L %*% t(L); P <- if (free) { Q <- tri(par[18:20], 2); Q %*% t(Q) } else matrix(solve(diag(4) - A %x% A, c(S)), 2, 2)
  list(A = A, S = S, G = M %*% t(M), P = P)
}
covariance <- function(p, sessions) {   # rows: session 1 both series, session 2 both series, ...
  T <- max(sessions); V <- list(p$P); for (t in seq_len(T - 1)) V[[t + 1]] <- p$A %*% V[[t]] %*% t(p$A) + p$S
  C <- matrix(0, 2 * T, 2 * T)
  for (s in 1:T) { B <- V[[s]]; for (t in s:T) { C[2*t-1:0, 2*s-1:0] <- B; C[2*s-1:0, 2*t-1:0] <- t(B); B <- p$A %*% B } }
  Z <- do.call(rbind, lapply(1:T, function(t) rbind(c(1, log(t), 0, 0), c(0, 0, 1, log(t)))))
  list(C = C + Z %*% p$G %*% t(Z), Z = Z)
}
minus2 <- function(par, free) {
  p <- pieces(par, free); if (max(Mod(eigen(p$A)$values)) >= 1) return(1e10)
  full <- covariance(p, 1:max(d$session)); XX <- 0; Xy <- 0; yy <- 0; ld <- 0; n <- 0
  for (k in clients) {
    z <- c(rbind(k$x, k$y)); at <- c(rbind(2 * k$session - 1, 2 * k$session)); at <- at[!is.na(z)]; z <- z[!is.na(z)]
    R <- tryCatch(chol(full$C[at, at]), error = function(e) NULL); if (is.null(R)) return(1e10)
    X <- forwardsolve(t(R), full$Z[at, ]); y <- forwardsolve(t(R), z)
    XX <- XX + crossprod(X); Xy <- Xy + crossprod(X, y); yy <- yy + sum(y^2); ld <- ld + 2 * sum(log(diag(R))); n <- n + length(z)
  }
  ld + yy - sum(Xy * solve(XX, Xy)) + n * log(2 * pi)
}
fit <- function(free) {
  start <- c(.2, 0, 0, .2, 1, 0, 1, c(1, 0, 0, 0, .4, 0, 0, 1, 0, .4), if (free) c(1, 0, 1))
  o <- list(par = start)
  for (i in 1:6) { o <- optim(o$par, minus2, free = free, method = "BFGS", control = list(maxit = 1000, reltol = 1e-15, ndeps = rep(1e-5, length(start))))
                   if (i %% 2) o <- optim(o$par, minus2, free = free, control = list(maxit = 3000, reltol = 1e-14)) }
  H <- optimHess(o$par, minus2, free = free, control = list(ndeps = rep(1e-4, length(start))))
  p <- pieces(o$par, free)
  list(log_lik = -o$value / 2, A = p$A, se_A = matrix(sqrt(diag(2 * solve(H)))[1:4], 2, 2, byrow = TRUE), S = p$S, P = p$P, G = p$G)
}
one <- function(name) {
  k <- d[!is.na(d[[name]]), ]; k$value <- k[[name]]
  m <- lme(value ~ log(session), random = ~ 1 | client, correlation = corCAR1(form = ~ session | client), data = k, method = "ML",
           control = lmeControl(opt = "optim", reltol = 1e-14, msMaxIter = 1000))
  list(log_lik = as.numeric(logLik(m)), phi = as.numeric(coef(m$modelStruct$corStruct, unconstrained = FALSE)),
       sigma = m$sigma, sd_client = as.numeric(VarCorr(m)[1, 2]), beta = as.numeric(fixef(m)))
}
write_json(list(stationary = fit(FALSE), free = fit(TRUE), alone = list(x = one("x"), y = one("y"))), "reference.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
