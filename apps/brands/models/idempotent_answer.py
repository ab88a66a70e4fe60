"""What was answered under an Idempotency-Key, for a day."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from apps.brands.models.api_key import ApiKey


class IdempotentAnswer(models.Model):
    """Written in the transaction of the work it answers for. Pruned by age (see docs/adr/0011)."""

    api_key = models.ForeignKey(
        ApiKey,
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,  # the unique constraint begins with it
    )
    route = models.CharField(max_length=300)
    idempotency_key = models.CharField(max_length=256)
    request_digest = models.BinaryField(max_length=32)
    status = models.PositiveSmallIntegerField()
    body = models.BinaryField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="idempotent_answer_once", fields=["api_key", "route", "idempotency_key"]
            ),
        ]
        indexes = [models.Index(name="idempotent_answer_age", fields=["created_at"])]

    def __str__(self) -> str:
        return f"{self.status} for {self.route}"
