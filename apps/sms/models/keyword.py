"""Words that people text to us, and which brand they mean."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower

from apps.brands.models import Brand


class Keyword(models.Model):
    """No brand: it holds for every brand that has no row of its own for the word."""

    class Kind(models.TextChoices):
        STOP = "stop", "leave"
        HELP = "help", "ask for help"
        JOIN = "join", "join"

    word = models.CharField(max_length=40, help_text="In lower case; spaces are part of it.")
    kind = models.CharField(max_length=4, choices=Kind)
    brand = models.ForeignKey(
        Brand, on_delete=models.CASCADE, null=True, blank=True, related_name="keywords"
    )
    reply = models.CharField(
        max_length=320, blank=True, db_default="", help_text="Answered once; empty: nothing."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="keyword_once_per_brand", fields=["word", "brand"], nulls_distinct=False
            ),
            models.CheckConstraint(
                name="keyword_in_lower_case", condition=Q(word=Lower(F("word"))) & ~Q(word="")
            ),
            models.CheckConstraint(
                name="keyword_kind_known", condition=Q(kind__in=["stop", "help", "join"])
            ),
            models.CheckConstraint(
                name="keyword_to_join_has_brand", condition=~Q(kind="join") | Q(brand__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.word
