"""Scopes that nobody misses loudly when they are gone: each with the reason, reviewed like a crossing.

`python -m tests.benchmarks.mutants` fails for one that is alive and not here, and for one that is here and caught.
"""

_NARROWS = (
    "It narrows the crossing around it: without it every statement still names its organization, so nothing is refused. "
    "{} turns red instead."
)
_INVITATIONS = "test_once_its_row_is_known_an_invitation_is_held_to_its_own_organization"
WITHOUT_REFUSAL = {
    "connector/install/install_tokens.py redeem_install_token within": _NARROWS.format(
        "test_after_its_claim_a_redemption_is_held_to_its_own_organization"
    ),
    "skillport/organizations/services/accepting.py look_up_invitation within": _NARROWS.format(_INVITATIONS),
    "skillport/organizations/services/accepting.py accept_invitation within": _NARROWS.format(_INVITATIONS),
}
