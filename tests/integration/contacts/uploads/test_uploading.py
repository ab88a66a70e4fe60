"""A file from its upload to its result."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connections
from django.utils import timezone

from apps.contacts import erasing
from apps.contacts.errors import FileRefusedError, UploadStateError
from apps.contacts.importing import reading, running
from apps.contacts.importing.planning import ImportOptions
from apps.contacts.importing.reading import Phase, Progress
from apps.contacts.models import (
    ConsentRecord,
    Contact,
    ContactStatus,
    FileImport,
    FileUpload,
    SuppressionOrigin,
    TopicSubscription,
)
from apps.contacts.uploads import advancing, deciding, pruning
from apps.contacts.uploads.due import due_uploads
from apps.queues.names import TaskName
from config.celery import app
from tests.factories.contacts import ContactFactory, SuppressionFactory, TopicFactory
from tests.integration.contacts.uploads.conftest import CONSENT, Desk

if TYPE_CHECKING:
    from pytest_django import Settings

State = FileUpload.State
FILE = "email,first_name,city\nanna@people.example,Anna,Turin\nbert@people.example,Bert,Bonn\n"


def test_upload_shows_columns_and_first_rows(desk: Desk) -> None:
    upload = desk.upload("E-Mail;Vorname;Stadt\nanna@people.example;Änna;Turin\n")

    assert upload.state == State.MAPPING
    assert upload.look["delimiter"] == ";"
    assert upload.look["targets"] == ["email", "first_name", "traits.stadt"]
    assert upload.look["rows"] == [["anna@people.example", "Änna", "Turin"]]
    assert desk.files() == ["people.csv"]


@pytest.mark.parametrize("content", ["", "email\n", "PK\x03\x04 a workbook"])
def test_unfit_file_is_refused_and_not_kept(desk: Desk, content: str) -> None:
    with pytest.raises(FileRefusedError):
        desk.upload(content)

    assert desk.files() == []
    assert not FileUpload.objects.exists()


def test_too_large_file_is_refused_by_its_limit(desk: Desk, settings: Settings) -> None:
    settings.IMPORT_LIMIT_MB = 1

    with pytest.raises(FileRefusedError, match="at most 1 MB"):
        desk.upload("email\n" + "a@people.example\n" * 70_000)

    assert desk.files() == []


def test_name_that_leads_elsewhere_stays_in_the_folder(desk: Desk) -> None:
    upload = desk.upload(FILE, name="../../etc/cron.d/x\n.csv")

    assert "/" not in upload.file_name
    assert desk.files() == [upload.file_name]


def test_preview_tells_what_would_change_and_changes_nothing(desk: Desk) -> None:
    ContactFactory.create(brand=desk.brand, email="bert@people.example", first_name="")
    ContactFactory.create(
        brand=desk.brand,
        email="left@people.example",
        first_name="L",
        status=ContactStatus.UNSUBSCRIBED,
    )
    SuppressionFactory.create(address="gone@people.example")

    upload = desk.previewed(
        FILE + "left@people.example,L,\ngone@people.example,,\nnobody,,\nanna@people.example,,\n"
    )

    assert upload.state == State.PREVIEWED
    assert upload.preview is not None
    figures = {name: upload.preview[name] for name in ("created", "updated", "unchanged")}
    assert figures == {"created": 2, "updated": 1, "unchanged": 1}
    assert upload.preview["unsubscribed_kept"] == 1
    assert upload.preview["suppressed"] == 1
    assert upload.preview["rejected"] == {"duplicate": 1, "email_invalid": 1}
    assert Contact.objects.count() == 2
    assert "preview-rejected.csv" in desk.files()


def test_import_does_what_its_preview_told(desk: Desk) -> None:
    topic = TopicFactory.create(brand=desk.brand)
    options = ImportOptions(consent=CONSENT, topics=(topic.slug,))

    upload = desk.imported(FILE, options=options)

    assert upload.state == State.FINISHED
    assert upload.results is not None
    assert upload.preview is not None
    assert upload.results["created"] == upload.preview["created"] == 2
    assert TopicSubscription.objects.filter(topic=topic).count() == 2
    assert ConsentRecord.objects.filter(text_shown=CONSENT).count() == 2
    assert upload.look == {}
    assert desk.files() == []


def test_same_file_twice_changes_nothing(desk: Desk) -> None:
    desk.imported(FILE)
    before = list(Contact.objects.order_by("pk").values())

    again = desk.imported(FILE)

    assert again.results is not None
    assert (again.results["created"], again.results["unchanged"]) == (0, 2)
    assert list(Contact.objects.order_by("pk").values()) == before


def test_mapping_of_columns_is_followed(desk: Desk) -> None:
    options = ImportOptions(consent=CONSENT, columns={"#2": "traits.nick"}, skipped=("#3",))

    desk.imported(FILE, options=options)

    contact = Contact.objects.get(address="anna@people.example")
    assert (contact.first_name, contact.traits) == ("", {"nick": "Anna"})


def test_import_without_preview_is_refused(desk: Desk) -> None:
    upload = desk.upload(FILE)

    with pytest.raises(UploadStateError):
        deciding.start_import(upload_id=upload.pk)


def test_second_of_two_starts_is_told(desk: Desk) -> None:
    upload = desk.previewed(FILE)
    deciding.start_import(upload_id=upload.pk)

    with pytest.raises(UploadStateError):
        deciding.start_import(upload_id=upload.pk)


def test_preview_without_consent_is_refused_at_once(desk: Desk) -> None:
    upload = desk.upload(FILE)

    with pytest.raises(FileRefusedError, match="agreed"):
        deciding.start_preview(upload_id=upload.pk, options=ImportOptions())

    upload.refresh_from_db()
    assert upload.state == State.MAPPING


def test_topic_that_went_meanwhile_fails_with_the_reason_and_can_be_mapped_anew(
    desk: Desk,
) -> None:
    upload = desk.previewed(FILE, options=ImportOptions(consent=CONSENT, topics=("gone",)))

    assert upload.state == State.FAILED
    assert "no topic gone" in upload.problem
    deciding.start_preview(upload_id=upload.pk, options=ImportOptions(consent=CONSENT))
    assert desk.work(upload).state == State.PREVIEWED


class _KilledError(BaseException):
    """Ends the worker's work as a kill would: nothing after it runs."""


def _die_at(phase: Phase, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = advancing._Saver.__call__

    def die(self: advancing._Saver, progress: Progress) -> None:
        saved(self, progress)
        if progress.phase is phase:
            raise _KilledError

    monkeypatch.setattr(advancing._Saver, "__call__", die)


@pytest.mark.parametrize("phase", [Phase.READING, Phase.MERGING, Phase.WRITING])
def test_killed_worker_is_followed_by_another(
    desk: Desk, phase: Phase, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = desk.previewed(FILE)
    deciding.start_import(upload_id=upload.pk)
    with monkeypatch.context() as patch:
        _die_at(phase, patch)
        with pytest.raises(_KilledError):
            desk.work(upload)
    FileUpload.objects.update(run_after=timezone.now())

    desk.work(upload)

    assert upload.state == State.FINISHED
    assert upload.results is not None
    assert upload.results["created"] == 2
    assert FileImport.objects.count() == 1
    assert ConsentRecord.objects.count() == 2


def test_death_between_import_and_telling_keeps_its_counts(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = desk.previewed(FILE)
    deciding.start_import(upload_id=upload.pk)
    with monkeypatch.context() as patch:
        patch.setattr(advancing, "_finish", lambda *_: (_ for _ in ()).throw(_KilledError))
        with pytest.raises(_KilledError):
            desk.work(upload)
    FileUpload.objects.update(run_after=timezone.now())

    desk.work(upload)

    assert upload.results is not None
    assert upload.results["created"] == 2
    assert FileImport.objects.count() == 1


def test_file_at_which_workers_die_is_given_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = desk.previewed(FILE)
    deciding.start_import(upload_id=upload.pk)

    def die(**_: Any) -> None:
        raise _KilledError

    monkeypatch.setattr(advancing, "run_import", die)
    for _ in range(advancing.ATTEMPTS):
        with pytest.raises(_KilledError):
            desk.work(upload)
        FileUpload.objects.update(run_after=timezone.now())
    desk.work(upload)

    assert upload.state == State.FAILED
    assert "each time the worker stopped" in upload.problem


@pytest.mark.django_db(transaction=True)
def test_upload_is_due_unless_a_worker_is_at_it(desk: Desk) -> None:
    upload = desk.upload(FILE)
    deciding.start_preview(upload_id=upload.pk, options=ImportOptions(consent=CONSENT))

    with advancing._alone(upload.pk) as mine:
        held = list(due_uploads())
    free = list(due_uploads())

    assert mine
    assert held == []
    assert [one.ids for one in free] == [{"upload_id": upload.pk}]


@pytest.mark.django_db(transaction=True)
def test_second_worker_leaves_an_upload_alone(desk: Desk) -> None:
    upload = desk.upload(FILE)
    deciding.start_preview(upload_id=upload.pk, options=ImportOptions(consent=CONSENT))
    other = connections.create_connection("default")
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", [advancing.LOCK, upload.pk])

        did = advancing.advance_upload(upload_id=upload.pk)
    finally:
        other.close()

    upload.refresh_from_db()
    assert not did
    assert upload.state == State.PREVIEWING


def test_cancel_before_anything_runs_ends_it_and_deletes_the_file(desk: Desk) -> None:
    upload = desk.previewed(FILE)

    ended = deciding.cancel(upload_id=upload.pk)

    upload.refresh_from_db()
    assert ended
    assert upload.state == State.CANCELLED
    assert desk.files() == []


def test_cancel_while_reading_imports_nobody(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = desk.previewed(FILE)
    deciding.start_import(upload_id=upload.pk)
    really_read = reading.read_into

    def cancel_and_read(*arguments: Any) -> None:
        deciding.cancel(upload_id=upload.pk)
        really_read(*arguments)

    monkeypatch.setattr(running, "read_into", cancel_and_read)
    desk.work(upload)

    assert upload.state == State.CANCELLED
    assert not Contact.objects.exists()
    assert FileImport.objects.get().state == FileImport.State.DISCARDED


def test_cancel_of_what_is_over_is_told(desk: Desk) -> None:
    upload = desk.imported(FILE)

    with pytest.raises(UploadStateError):
        deciding.cancel(upload_id=upload.pk)


def test_files_nobody_comes_back_to_are_deleted(desk: Desk) -> None:
    waiting, done = desk.upload(FILE), desk.imported(FILE + "nobody,,\n")
    later = timezone.now() + timedelta(days=8)

    pruned = pruning.prune_uploads(now=later, older_than=timedelta(days=7))
    again = pruning.prune_uploads(now=later, older_than=timedelta(days=7))

    waiting.refresh_from_db()
    done.refresh_from_db()
    assert (pruned, again) == (2, 0)
    assert (waiting.state, done.state) == (State.CANCELLED, State.FINISHED)
    assert desk.files() == []


def test_rejected_rows_stay_until_then(desk: Desk) -> None:
    desk.imported(FILE + "nobody,,\n")

    pruned = pruning.prune_uploads(now=timezone.now(), older_than=timedelta(days=7))

    assert pruned == 0
    assert desk.files() == ["rejected.csv"]


def test_reimport_does_not_bring_an_erased_person_back(desk: Desk) -> None:
    desk.imported(FILE)
    anna = Contact.objects.get(address="anna@people.example")
    erasing.erase_person(contact_id=anna.pk, origin=SuppressionOrigin.PERSON, now=timezone.now())

    again = desk.imported(FILE)

    assert again.results is not None
    assert again.results["rejected"] == {"erased": 1}
    assert not Contact.objects.filter(address="anna@people.example").exists()
    assert Contact.objects.count() == 2


def test_every_task_of_the_room_is_known_to_workers() -> None:
    app.loader.import_default_modules()

    assert {TaskName.ADVANCE_UPLOAD, TaskName.PRUNE_UPLOADS} <= set(app.tasks)
