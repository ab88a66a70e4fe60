"""What became of texts, by day and message: read instead of the log, which has a row per text."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from apps.brands.models import Brand
from apps.sms.models.campaign import TextMessage


class TextFigure(models.Model):
    """So many texts of a message and a local day ended like this. See `apps.sms.figures`."""

    local_day = models.DateField()
    brand = models.ForeignKey(
        Brand,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="text_figures",
    )
    message = models.ForeignKey(
        TextMessage,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="figures",
    )
    state = models.CharField(max_length=8)
    reason = models.CharField(max_length=60, blank=True)
    number = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["message", "local_day", "state", "reason"], name="text_figure_once"
            ),
        ]
        indexes = [models.Index(fields=["brand", "local_day"], name="text_figure_of_brand")]

    def __str__(self) -> str:
        return f"{self.number} {self.state} on {self.local_day}"


class TextDayDue(models.Model):
    """A day whose texts changed otherwise than by a chunk: corrected or imported."""

    local_day = models.DateField(primary_key=True)
    since = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.local_day} is to be counted"
