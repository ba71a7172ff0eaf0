"""May a tenant's next run have an identity? The broker keeps so many revoked ones, and the next kill must still fit.

0 % ─────────── whoever begins, begins ─────────── 80 % ── whoever has little ── 95 % ── nobody ── full
      but one tenant alone never has more than half
"""

MOST = 11_000
"""Revoked identities that the broker keeps: its limit is the token's one MiB, and an entry takes 94 bytes of it."""
SHARE = MOST // 2
"""One tenant's, at most."""
LITTLE = MOST // 20
"""What a tenant may have that still begins runs when there is little room."""
TIGHT, LAST = MOST * 80 // 100, MOST * 95 // 100
REASON = "IdentitiesExhausted"


def problem(held: int, total: int) -> str:
    """Why a tenant that has so many, of so many altogether, begins no run now; nothing where it may."""
    fix = "each counts until its run's deadline: shorten deadlines, or wait until some have passed"
    if held >= SHARE:
        return f"{held} identities of this tenant's runs have not expired, of {SHARE} that one tenant may have; {fix}"
    if total >= LAST or (total >= TIGHT and held >= LITTLE):
        return f"{total} identities of runs have not expired, of {MOST} that the broker keeps, {held} of them here; {fix}"
    return ""
