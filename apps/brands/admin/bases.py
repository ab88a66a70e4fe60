"""Base classes of admin as the type checker needs them.

At run time Django's take no type arguments, and unfold's have no types: the checker sees Django's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth import admin as auth_admin
from django.core import paginator

__all__ = ["ModelAdmin", "ModelForm", "Paginator", "StackedInline", "TabularInline", "UserAdmin"]

if TYPE_CHECKING:
    from django.contrib import admin
    from django.contrib.auth.models import User

    ModelAdmin = admin.ModelAdmin[Any]
    StackedInline = admin.StackedInline[Any, Any]
    TabularInline = admin.TabularInline[Any, Any]
    ModelForm = forms.ModelForm[Any]
    Paginator = paginator.Paginator[Any]
    UserAdmin = auth_admin.UserAdmin[User]
else:
    from unfold.admin import ModelAdmin, StackedInline, TabularInline

    ModelForm = forms.ModelForm
    Paginator = paginator.Paginator
    UserAdmin = auth_admin.UserAdmin
