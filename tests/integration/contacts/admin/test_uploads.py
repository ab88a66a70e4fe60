"""Importing a file in admin, from the upload to the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from apps.brands.rights import Right
from apps.contacts.models import Contact, FileUpload
from apps.contacts.uploads import advancing
from tests.factories.brands import BrandFactory
from tests.factories.contacts import TopicFactory

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import Settings

    from apps.brands.models import Brand
    from tests.integration.contacts.admin.conftest import LogIn

ADD = "/admin/contacts/fileupload/add/"
FILE = "Mail;Vorname;Stadt\nanna@people.example;Anna;Turin\nnobody;x;y\n"
State = FileUpload.State


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, settings: Settings) -> None:
    settings.IMPORT_DIR = tmp_path


def text(response: Any) -> str:
    return str(response.content.decode())


def page(upload: FileUpload, name: str = "change") -> str:
    return reverse(f"admin:contacts_fileupload_{name}", args=[upload.pk])


def send(client: Client, brand: Brand, content: str = FILE) -> Any:
    file = SimpleUploadedFile("people.csv", content.encode(), content_type="text/csv")
    return client.post(ADD, {"brand": brand.pk, "file": file})


def uploaded(client: Client, brand: Brand, content: str = FILE) -> FileUpload:
    send(client, brand, content)
    return FileUpload.objects.get()


def mapping(**changed: Any) -> dict[str, Any]:
    return {
        "encoding": "",
        "delimiter": "",
        "agreed": "agreed",
        "consent": "signed up at the fair",
        "on_conflict": "fill",
        "target_0": "email",
        "key_0": "",
        "target_1": "first_name",
        "key_1": "",
        "target_2": "trait",
        "key_2": "town",
        **changed,
    }


def work(upload: FileUpload) -> FileUpload:
    advancing.advance_upload(upload_id=upload.pk)
    upload.refresh_from_db()
    return upload


def test_file_goes_from_upload_to_result(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, Right.EDIT, Right.EXPORT)
    topic = TopicFactory.create(brand=brand)
    upload = uploaded(anna, brand)

    mapped = text(anna.get(page(upload, "mapping")))
    anna.post(page(upload, "mapping"), mapping(topics=[topic.slug]))
    waiting = text(anna.get(page(upload)))
    work(upload)
    previewed = text(anna.get(page(upload)))
    nobody_yet = not Contact.objects.exists()
    anna.post(page(upload, "start"))
    work(upload)
    done = text(anna.get(page(upload)))

    assert "anna@people.example" in mapped
    assert "semicolon" in mapped
    assert 'data-progress="' in waiting
    assert "What it would change" in previewed
    assert "no valid address" in previewed
    assert nobody_yet
    assert "What it did" in done
    contact = Contact.objects.get()
    assert (contact.first_name, contact.traits) == ("Anna", {"town": "Turin"})
    assert contact.topics.get().topic == topic
    assert upload.uploaded_by.endswith(" anna")


def test_rejected_rows_need_the_right_to_export(brand: Brand, log_in: LogIn) -> None:
    anna, bert = log_in(brand, Right.EDIT), log_in(brand, Right.EXPORT, name="bert")
    upload = uploaded(anna, brand)
    anna.post(page(upload, "mapping"), mapping())
    work(upload)

    refused = anna.get(page(upload, "rejects"))
    answer = bert.get(page(upload, "rejects"))

    assert refused.status_code == 403
    rows = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    assert "nobody;x;y" in rows
    assert "people.rejected.csv" in answer["Content-Disposition"]


def test_rejects_that_are_gone_are_not_found(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, *Right)
    upload = uploaded(anna, brand)

    assert anna.get(page(upload, "rejects")).status_code == 404


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"target_0": ""}, "No column holds the email address"),
        ({"target_1": "email"}, "is that already"),
        ({"key_2": "Not a Key!"}, "lower-case letters"),
        ({"key_2": ""}, "lower-case letters"),
        ({"consent": " "}, "Say how they agreed"),
        ({"topics": ["nothing"]}, "Select a valid choice"),
    ],
)
def test_wrong_mapping_is_told_and_nothing_starts(
    brand: Brand, log_in: LogIn, changed: dict[str, Any], told: str
) -> None:
    anna = log_in(brand, Right.EDIT)
    upload = uploaded(anna, brand)

    answer = anna.post(page(upload, "mapping"), mapping(**changed))

    upload.refresh_from_db()
    assert told in text(answer)
    assert upload.state == State.MAPPING


def test_another_delimiter_shows_other_columns(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, Right.EDIT)
    upload = uploaded(anna, brand, "email,note;x\nanna@people.example,a;b\n")

    anna.post(page(upload, "mapping"), mapping(delimiter="semicolon"))

    upload.refresh_from_db()
    assert upload.state == State.MAPPING
    assert upload.look["header"] == ["email,note", "x"]


def test_unfit_file_is_told_beside_its_field(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, Right.EDIT)

    answer = send(anna, brand, "email\n")

    assert "no people" in text(answer)
    assert not FileUpload.objects.exists()


def test_too_large_body_is_refused_before_it_is_read(
    brand: Brand, log_in: LogIn, settings: Settings
) -> None:
    settings.IMPORT_LIMIT_MB = 1
    anna = log_in(brand, Right.EDIT)

    answer = send(anna, brand, "email\n" + "x" * 1_200_000)

    assert answer.status_code == 413
    assert "at most 1 MB" in text(answer)


def test_upload_without_the_forms_token_is_refused(brand: Brand, log_in: LogIn) -> None:
    browser = log_in(brand, Right.EDIT)
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = browser.cookies

    answer = send(strict, brand)

    assert answer.status_code == 403
    assert not FileUpload.objects.exists()


def test_stranger_uploads_nothing(brand: Brand) -> None:
    answer = send(Client(), brand)

    assert answer.status_code == 302
    assert not FileUpload.objects.exists()


def test_brand_without_the_right_cannot_be_chosen(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, Right.EDIT)

    send(anna, BrandFactory.create())

    assert not FileUpload.objects.exists()


def test_viewer_looks_on_and_steers_nothing(brand: Brand, log_in: LogIn) -> None:
    anna, viewer = log_in(brand, Right.EDIT), log_in(brand, Right.VIEW, name="vera")
    upload = uploaded(anna, brand)

    assert send(viewer, brand).status_code == 403
    assert viewer.get(page(upload)).status_code == 200
    for name in ("mapping", "start", "cancel"):
        assert viewer.post(page(upload, name), mapping()).status_code == 403


def test_upload_of_another_brand_is_not_there(brand: Brand, log_in: LogIn) -> None:
    anna, other = log_in(brand, *Right), log_in(BrandFactory.create(), *Right, name="otto")
    upload = uploaded(anna, brand)

    for name in ("change", "mapping", "progress", "rejects"):
        assert other.get(page(upload, name)).status_code == 404
    for name in ("start", "cancel"):
        assert other.post(page(upload, name)).status_code == 404


def test_progress_is_told_as_json(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, Right.EDIT)
    upload = uploaded(anna, brand)
    anna.post(page(upload, "mapping"), mapping())
    FileUpload.objects.update(phase="reading", bytes_done=upload.file_bytes // 2, rows_done=7)

    told = anna.get(page(upload, "progress")).json()

    assert told["state"] == State.PREVIEWING
    assert told["percent"] in {49, 50}
    assert told["rows"] == 7
    assert told["cancellable"]


def test_cancel_deletes_the_file(brand: Brand, log_in: LogIn, tmp_path: Path) -> None:
    anna = log_in(brand, Right.EDIT)
    upload = uploaded(anna, brand)

    anna.post(page(upload, "cancel"))

    upload.refresh_from_db()
    assert upload.state == State.CANCELLED
    assert not [one for one in tmp_path.rglob("*") if one.is_file()]
    assert anna.get(page(upload)).status_code == 200


def test_list_tells_what_became_of_each(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, Right.EDIT)
    upload = uploaded(anna, brand)
    anna.post(page(upload, "mapping"), mapping())
    work(upload)
    anna.post(page(upload, "start"))
    work(upload)

    shown = text(anna.get("/admin/contacts/fileupload/"))

    assert "1 new, 1 rejected" in shown
