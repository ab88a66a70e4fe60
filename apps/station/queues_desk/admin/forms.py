"""What people enter about dead letters."""

from __future__ import annotations

from django import forms

NOTE_LIMIT = 500


class NoteForm(forms.Form):
    """Why a letter is closed without its work being done."""

    note = forms.CharField(
        max_length=NOTE_LIMIT,
        widget=forms.TextInput(attrs={"class": "fs-input fs-grow", "autocomplete": "off"}),
        error_messages={"required": "Say why: the note is kept with the letter."},
    )


class KindForm(forms.Form):
    """Which open letters: empty means any."""

    queue = forms.CharField(required=False, max_length=40, widget=forms.HiddenInput)
    task = forms.CharField(required=False, max_length=100, widget=forms.HiddenInput)
    reason = forms.CharField(required=False, max_length=60, widget=forms.HiddenInput)
