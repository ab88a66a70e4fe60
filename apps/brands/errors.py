"""What can go wrong in this room, and what the caller does about it."""


class BrandsError(Exception):
    """The root of this room's errors."""


class InvalidBrandError(BrandsError, ValueError):
    """A brand, account or sender cannot be saved like this. The message names fields and fixes."""


class UnknownBrandError(BrandsError):
    """There is no such brand. The message lists those there are."""


class UnknownAccountError(BrandsError):
    """There is no such provider account. The message lists those there are."""


class AccountStateError(BrandsError):
    """The account is already in the state that was asked for. Nothing changed."""


class ApiKeyLimitError(BrandsError):
    """Two keys of this name are valid already. Revoke one, or choose another name."""


class ApiKeyStateError(BrandsError):
    """The key is revoked or expired. Nothing changed."""
