"""Which brands a caller of the API may subscribe people to, and by which fields."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.brands.models import ApiKey, Brand

FLAG_FORM = r"^subscribe_[a-z0-9_]{1,30}$"


class SubscribeFlag(models.Model):
    """A field of the API that means one brand: `subscribe_wswd`."""

    field = models.CharField(
        max_length=40,
        unique=True,
        db_collation="C",
        validators=[RegexValidator(FLAG_FORM, "Must be subscribe_ and lower case letters.")],
    )
    brand = models.ForeignKey(Brand, on_delete=models.CASCADE, related_name="subscribe_flags")

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="subscribe_flag_field_form", condition=Q(field__regex=FLAG_FORM)
            ),
        ]

    def __str__(self) -> str:
        return self.field


class KeyBrand(models.Model):
    """A further brand whose texts a key may subscribe people to. Its own needs no row."""

    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="text_brands")
    brand = models.ForeignKey(Brand, on_delete=models.CASCADE, related_name="+")
    granted_at = models.DateTimeField(db_default=Now(), editable=False)
    granted_by = models.CharField(max_length=150, editable=False)

    class Meta:
        verbose_name = "further brand of a key"
        verbose_name_plural = "further brands of keys"
        constraints = [
            models.UniqueConstraint(name="key_brand_once", fields=["api_key", "brand"]),
        ]

    def __str__(self) -> str:
        return f"{self.api_key} also for {self.brand}"
