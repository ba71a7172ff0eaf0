"""Every reason that a person can meet: what it means, who acts, and the fix.

What is here: `reason` (what is known of one), a module per subject with its reasons, and `registry` (all of
them). The page docs/reasons.md is written from it, and a test finds every reason in the code and fails for one that
is not here. What is not: who says a reason, and when. Start with `registry`.
"""
