"""Members: the identities of callers, and how a binding names them (IAM policy reference).

| member | who it is |
|---|---|
| ``user:EMAIL`` | a caller whose token has this verified email address |
| ``serviceAccount:EMAIL`` | the same for a service account; an API key is one too |
| ``domain:DOMAIN`` | every ``user:`` with an email address of the domain |
| ``principal://ISSUER/subject/SUBJECT`` | a caller whose token of this issuer has this subject |
| ``allAuthenticatedUsers``, ``allUsers`` | every caller; one without credentials is never let in |

Addresses are compared letter by letter.
"""

import re

EVERYONE = frozenset({"allUsers", "allAuthenticatedUsers"})
_MEMBER = re.compile(
    r"(?:user|serviceAccount):[^\s@:]+@[^\s@:]+|domain:[^\s@:]+|principal://\S+/subject/\S+"
)
_ACCOUNT = re.compile(r"serviceAccount:[^\s@:]+@[^\s@:]+")
_GOOGLE_ACCOUNTS = ".gserviceaccount.com"

ALLOWED = (
    "user:EMAIL, serviceAccount:EMAIL, domain:DOMAIN, principal://ISSUER/subject/SUBJECT, "
    "allAuthenticatedUsers or allUsers"
)


def check(member: str) -> str:
    """Return ``member`` if a binding may name it; ValueError."""
    if member not in EVERYONE and not _MEMBER.fullmatch(member):
        raise ValueError(f'"{member}" is not a member; allowed: {ALLOWED}')
    return member


def check_account(member: str) -> str:
    """Return ``member`` if it is a service account; ValueError."""
    if not _ACCOUNT.fullmatch(member):
        raise ValueError(f'"{member}" is not of the form serviceAccount:EMAIL')
    return member


def service_account(email: str) -> str:
    """Return the member for the email address of a service account."""
    return f"serviceAccount:{email}"


def of_email(email: str) -> frozenset[str]:
    """Return the members that a verified email address of another issuer's token stands for."""
    domain = email.rpartition("@")[2]
    if domain.endswith(_GOOGLE_ACCOUNTS):
        return frozenset({service_account(email)})
    return frozenset({f"user:{email}", f"domain:{domain}"})


def principal(issuer: str, subject: str) -> str:
    """Return the member for the subject of an issuer's token."""
    return f"principal://{issuer.partition('://')[2] or issuer}/subject/{subject}"
