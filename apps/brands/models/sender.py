"""A From address of a brand."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from apps.brands.models.account import ProviderAccount
from apps.brands.models.brand import Brand


class Sender(models.Model):
    """A From address of a brand and the account that may send for it."""

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="senders")
    account = models.ForeignKey(ProviderAccount, on_delete=models.PROTECT, related_name="senders")
    name = models.CharField(max_length=100)
    email = models.EmailField()
    reply_to = models.EmailField(blank=True)
    is_default = models.BooleanField(default=False)
    verified_at = models.DateTimeField(
        null=True, blank=True, help_text="When the provider last listed the domain as verified."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="sender_one_default_per_brand",
                fields=["brand"],
                condition=Q(is_default=True),
            ),
            models.UniqueConstraint(name="sender_once_per_brand", fields=["brand", "email"]),
        ]

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"

    @property
    def domain(self) -> str:
        return self.email.rpartition("@")[2].lower()
