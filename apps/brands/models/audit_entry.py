"""What was changed, when, by whom: before and after."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class AuditEntry(models.Model):
    """One change of one row of an audited table, written by a trigger (see `apps.brands.audit`).

    `before` and `after` hold the columns that changed; for a new row `before` is null, for a
    deleted one `after`. Partitioned by month of `at`; nothing is edited or deleted here.
    """

    class Action(models.TextChoices):
        INSERT = "insert", "added"
        UPDATE = "update", "changed"
        DELETE = "delete", "deleted"

    at = models.DateTimeField(db_default=Now())
    actor = models.TextField()
    brand_id = models.BigIntegerField(null=True)
    table_name = models.TextField()
    object_id = models.TextField()
    action = models.TextField(choices=Action)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)

    class Meta:
        managed = False
        db_table = "brands_auditentry"
        verbose_name = "audit entry"
        verbose_name_plural = "audit log"

    def __str__(self) -> str:
        return f"{self.table_name} {self.object_id} {self.get_action_display()} by {self.actor}"
