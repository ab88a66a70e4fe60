"""Uploading a file, and what its columns become."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from apps.contacts.importing.columns import (
    REJECT_COLUMNS,
    TRAIT_KEY_LIMIT,
    TRAIT_PREFIX,
    Field,
    trait_key,
)
from apps.contacts.importing.dialect import DELIMITERS
from apps.contacts.importing.merging import OnConflict
from apps.contacts.importing.planning import CONSENT_LIMIT, ImportOptions
from apps.contacts.uploads import storing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from apps.brands.models import Brand
    from apps.contacts.errors import FileRefusedError
    from apps.contacts.models import FileUpload, Topic
    from apps.contacts.uploads.looking import Look

TRAIT = "trait"
ENCODINGS = ("utf-8", "cp1252", "iso8859-15", "cp1250", "cp1251", "utf-16-le")
_TARGETS = [
    ("", "skip it"),
    (Field.EMAIL.value, "email address"),
    (Field.FIRST_NAME.value, "first name"),
    (Field.LAST_NAME.value, "last name"),
    (Field.LOCALE.value, "language"),
    (Field.TIMEZONE.value, "time zone"),
    (TRAIT, "a trait"),
]


class UploadForm(forms.Form):
    brand = forms.ChoiceField(widget=UnfoldAdminSelectWidget)
    file = forms.FileField(
        label="CSV file",
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.txt,.tsv,text/csv"}),
    )

    def __init__(self, *args: Any, brands: Sequence[Brand], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        brand: Any = self.fields["brand"]
        brand.choices = [(str(one.pk), one.name) for one in brands]
        file = self.fields["file"]
        megabytes = storing.limit_bytes() // 1024 // 1024
        file.help_text = (
            f"UTF-8, UTF-16 or Windows-1252; comma, semicolon, tab or pipe; at most {megabytes} MB."
            " The first line names the columns. Nothing is imported yet."
        )
        file.widget.attrs["data-limit-bytes"] = str(storing.limit_bytes())


@dataclass(frozen=True, slots=True)
class MappedColumn:
    """A column as the form shows it: its name, what stands in its first rows, its two fields."""

    name: str
    samples: list[str]
    target: forms.BoundField
    key: forms.BoundField


class MappingForm(forms.Form):
    """Columns, consent, topics, and which side wins."""

    encoding = forms.ChoiceField(
        choices=[("", "as recognised"), *((one, one) for one in ENCODINGS)],
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    delimiter = forms.ChoiceField(
        choices=[("", "as recognised"), *((name, name) for name in DELIMITERS.values())],
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    agreed = forms.ChoiceField(
        label="These people",
        choices=[
            ("agreed", "have agreed to be mailed"),
            ("pending", "have not agreed yet and must confirm"),
        ],
        initial="agreed",
        widget=UnfoldAdminRadioSelectWidget,
    )
    consent = forms.CharField(
        label="How did they agree?",
        required=False,
        max_length=CONSENT_LIMIT,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="Kept as evidence with each new person, for instance: signed up at the fair in "
        "May, on paper. Whoever left before stays away all the same.",
    )
    topics = forms.MultipleChoiceField(
        label="Which topics did they agree to?",
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Only for people who never decided on the topic.",
    )
    on_conflict = forms.ChoiceField(
        label="Where file and contact differ",
        choices=[
            (OnConflict.FILL.value, "fill only what is empty"),
            (OnConflict.OVERWRITE.value, "the file wins; an empty cell never erases"),
        ],
        initial=OnConflict.FILL.value,
        widget=UnfoldAdminRadioSelectWidget,
    )

    def __init__(self, posted: Any, *, look: Look, topics: Sequence[Topic]) -> None:
        super().__init__(posted)
        self._look = look
        offered: Any = self.fields["topics"]
        offered.choices = [(one.slug, one.name) for one in topics]
        self.fields["encoding"].initial = look.chosen_encoding or ""
        self.fields["delimiter"].initial = DELIMITERS.get(look.chosen_delimiter or "", "")
        for index, (name, target) in enumerate(zip(look.header, look.targets, strict=True)):
            self.fields[f"target_{index}"] = _target_field(name or f"column {index + 1}", target)
            self.fields[f"key_{index}"] = _key_field(name, target)

    @classmethod
    def of(cls, upload: FileUpload, look: Look, topics: Sequence[Topic]) -> MappingForm:
        """As decided before, or as the file suggests."""
        form = cls(None, look=look, topics=topics)
        if upload.options:
            form._show(ImportOptions.from_json(upload.options))
        return form

    def columns(self) -> Iterator[MappedColumn]:
        for index, name in enumerate(self._look.header):
            yield MappedColumn(
                name or f"(column {index + 1}, without a name)",
                [row[index] for row in self._look.rows if row[index]][:3],
                self[f"target_{index}"],
                self[f"key_{index}"],
            )

    def choices(self) -> Iterator[forms.BoundField]:
        """What is decided beside the columns."""
        return (self[name] for name in ("agreed", "consent", "topics", "on_conflict"))

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if given.get("agreed") == "agreed" and not given.get("consent", "").strip():
            self.add_error("consent", "Say how they agreed, or that they still have to confirm.")
        self._check_targets(given)
        return given

    def reading(self) -> tuple[str | None, str | None]:
        """Encoding and delimiter that were chosen, None where the file decides."""
        characters = {name: character for character, name in DELIMITERS.items()}
        delimiter = self.cleaned_data.get("delimiter")
        return (
            self.cleaned_data.get("encoding") or None,
            characters[delimiter] if delimiter else None,
        )

    def options(self) -> ImportOptions:
        given = self.cleaned_data
        targets = {f"#{index + 1}": self._target(given, index) for index in self._places()}
        pending = given["agreed"] == "pending"
        return ImportOptions(
            consent="" if pending else given["consent"].strip(),
            pending=pending,
            on_conflict=OnConflict(given["on_conflict"]),
            topics=tuple(sorted(given["topics"])),
            columns={place: target for place, target in targets.items() if target},
            skipped=tuple(place for place, target in targets.items() if not target),
            encoding=self._look.chosen_encoding,
            delimiter=self._look.chosen_delimiter,
        )

    def refuse(self, error: FileRefusedError) -> None:
        self.add_error(None, str(error))

    def _places(self) -> range:
        return range(len(self._look.header))

    def _target(self, given: dict[str, Any], index: int) -> str:
        target = str(given.get(f"target_{index}", ""))
        return f"{TRAIT_PREFIX}{given.get(f'key_{index}', '')}" if target == TRAIT else target

    def _check_targets(self, given: dict[str, Any]) -> None:
        taken: dict[str, int] = {}
        for index in self._places():
            target = self._target(given, index)
            if target.startswith(TRAIT_PREFIX):
                self._check_key(index, target.removeprefix(TRAIT_PREFIX))
            other = taken.setdefault(target, index) if target else index
            if other != index:
                name = self._look.header[other] or f"column {other + 1}"
                self.add_error(f"target_{index}", f"“{name}” is that already: skip one of them.")
        if Field.EMAIL.value not in taken:
            self.add_error(None, "No column holds the email address: say which one does.")

    def _check_key(self, index: int, key: str) -> None:
        if not key or key != trait_key(key) or len(key) > TRAIT_KEY_LIMIT:
            self.add_error(
                f"key_{index}",
                "A trait's name has lower-case letters, digits and underscores, at most "
                f"{TRAIT_KEY_LIMIT}.",
            )

    def _show(self, options: ImportOptions) -> None:
        self.initial = {
            "agreed": "pending" if options.pending else "agreed",
            "consent": options.consent,
            "topics": list(options.topics),
            "on_conflict": options.on_conflict.value,
        }
        for index in self._places():
            target = options.columns.get(f"#{index + 1}", "")
            is_trait = target.startswith(TRAIT_PREFIX)
            self.initial[f"target_{index}"] = TRAIT if is_trait else target
            if is_trait:
                self.initial[f"key_{index}"] = target.removeprefix(TRAIT_PREFIX)


def _target_field(name: str, target: str) -> forms.ChoiceField:
    return forms.ChoiceField(
        label=f"“{name}” becomes",
        choices=_TARGETS,
        initial=TRAIT if target.startswith(TRAIT_PREFIX) else target,
        required=False,
        widget=UnfoldAdminSelectWidget(attrs={"data-target": ""}),
    )


def _key_field(name: str, target: str) -> forms.CharField:
    suggested = target.removeprefix(TRAIT_PREFIX) if target.startswith(TRAIT_PREFIX) else ""
    return forms.CharField(
        label=f"Name of the trait for “{name}”",
        initial=suggested or ("" if name in REJECT_COLUMNS else trait_key(name)[:TRAIT_KEY_LIMIT]),
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"data-key": "", "spellcheck": "false"}),
    )
