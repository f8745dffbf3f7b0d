"""Who signs: an access key, its secret, and for temporary credentials a security token."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key pair; *expiration* (seconds since the epoch) is None for a pair that never expires.

    Its repr hides the secret and the token.
    """

    access_key_id: str
    access_key_secret: str
    security_token: str = ""
    expiration: float | None = None

    def __repr__(self) -> str:
        token = ", security_token='***'" if self.security_token else ""
        expiration = "" if self.expiration is None else f", expiration={self.expiration}"
        return f"Credentials({self.access_key_id!r}, access_key_secret='***'{token}{expiration})"

    @property
    def can_be_sent(self) -> bool:
        """Whether they may be right: those of OSS are printable ASCII, and nothing else could be a header."""
        return all(
            text.isascii() and text.isprintable()
            for text in (self.access_key_id, self.access_key_secret, self.security_token)
        )
