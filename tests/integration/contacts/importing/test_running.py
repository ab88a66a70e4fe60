"""An import that stops anywhere goes on there, and does everything once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.db import connection, connections, transaction
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from apps.contacts.errors import FileRefusedError, ImportBusyError, ImportChangedError
from apps.contacts.importing import merging, rejects, running, staging
from apps.contacts.importing.merging import MergeCounts
from apps.contacts.importing.reading import Phase, Progress
from apps.contacts.models import ConsentRecord, Contact, FileImport
from tests.integration.contacts.conftest import NOW
from tests.integration.contacts.importing.conftest import CONSENT, Importer, people, staging_tables

if TYPE_CHECKING:
    from datetime import datetime

pytestmark = pytest.mark.django_db
HEADER = "email,first_name\n"
PROJECT = Path(__file__).resolve().parents[4]


class StoppedError(Exception):
    """Stands for whatever ends a process."""


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "CHUNK_ROWS", 10)


class StopAfter:
    """A progress display that ends the import once so many rows are staged."""

    def __init__(self, rows: int) -> None:
        self._rows = rows

    def __call__(self, progress: Progress) -> None:
        if progress.phase is Phase.READING and progress.rows >= self._rows:
            raise StoppedError


@pytest.mark.usefixtures("small_chunks")
def test_stopped_import_goes_on_behind_its_last_chunk(importer: Importer) -> None:
    plan = importer.plan(HEADER + "bad,x\n" + people(1, 34) + people(5, 5))
    with pytest.raises(StoppedError):
        importer.go_on(plan, on_progress=StopAfter(20))
    stopped = FileImport.objects.get()
    seen: list[int] = []

    summary = importer.go_on(
        importer.plan(), on_progress=lambda progress: seen.append(progress.rows)
    )

    assert (stopped.rows_read, stopped.next_line) == (20, 22)
    assert seen[0] == 20
    assert summary.import_id == stopped.pk
    assert (summary.rows_read, summary.counts) == (36, MergeCounts(created=34))
    assert summary.rejected == {"duplicate": 1, "email_invalid": 1}
    assert importer.rejected().count("\n") == 3
    assert staging_tables() == []


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "cp1252"])
def test_file_goes_on_in_its_encoding(importer: Importer, encoding: str) -> None:
    mark = "\ufeff" if encoding == "utf-16-le" else ""
    content = f'{mark}email,note\n"a@people.example","ü\nü"\n' + "".join(
        f'p{n}@people.example,"ä{n}\r\n"\n' for n in range(30)
    )
    plan = importer.plan(content.encode(encoding))
    with pytest.raises(StoppedError):
        importer.go_on(plan, on_progress=StopAfter(10))

    summary = importer.go_on(importer.plan())

    assert summary.counts == MergeCounts(created=31)
    assert set(Contact.objects.values_list("traits__note", flat=True)) == {
        "ü\nü",
        *(f"ä{n}" for n in range(30)),
    }


@pytest.mark.usefixtures("small_chunks")
def test_other_options_are_another_import(importer: Importer) -> None:
    plan = importer.plan(HEADER + people(1, 30))
    with pytest.raises(StoppedError):
        importer.go_on(plan, on_progress=StopAfter(10))

    assert running.find_unfinished(importer.plan()) == FileImport.objects.get()
    assert running.find_unfinished(importer.plan(consent="another")) is None
    importer.path.write_text(HEADER + people(1, 31))
    assert running.find_unfinished(importer.plan()) is None


@pytest.mark.usefixtures("small_chunks")
def test_rows_lost_in_a_crash_of_the_database_are_read_again(importer: Importer) -> None:
    """A crash empties unlogged tables while the import's own row stays."""
    plan = importer.plan(HEADER + people(1, 34))
    with pytest.raises(StoppedError):
        importer.go_on(plan, on_progress=StopAfter(20))
    stopped = FileImport.objects.get()
    before = running.resumes_at(stopped)
    staging.empty(stopped.rows_table)
    after = running.resumes_at(stopped)

    summary = importer.go_on(importer.plan())

    assert (before, after) == (22, None)
    assert (summary.rows_read, summary.counts) == (34, MergeCounts(created=34))


def test_rows_lie_in_an_unlogged_table(importer: Importer) -> None:
    staging.create("contacts_import_rows_0")

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relpersistence FROM pg_class WHERE relname = 'contacts_import_rows_0'"
        )
        assert cursor.fetchone() == ("u",)


def test_import_stopped_before_the_merge_is_committed_merges_once(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    importer.path.write_text(HEADER + people(1, 5))
    with monkeypatch.context() as patched:
        patched.setattr(rejects, "count_by_fault", _stop)
        with pytest.raises(StoppedError), transaction.atomic():
            importer.run()
    assert not Contact.objects.exists()

    summary = importer.run()

    assert summary.counts == MergeCounts(created=5)
    assert ConsentRecord.objects.count() == 5


def test_import_stopped_behind_the_merge_only_writes_what_was_rejected(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    importer.path.write_text(HEADER + people(1, 5) + "bad,x\n")
    with monkeypatch.context() as patched:
        patched.setattr(rejects, "write_rejects", _stop)
        with pytest.raises(StoppedError):
            importer.run()
        patched.setattr(merging, "merge", _stop)
    assert FileImport.objects.get().state == FileImport.State.MERGED

    with monkeypatch.context() as patched:
        patched.setattr(merging, "merge", _stop)
        summary = importer.run()

    assert summary.counts == MergeCounts(created=5)
    assert "bad" in importer.rejected()
    assert FileImport.objects.get().state == FileImport.State.FINISHED


def _stop(*_args: object, **_kwargs: object) -> None:
    raise StoppedError


def test_file_that_changes_meanwhile_is_not_merged(importer: Importer) -> None:
    plan = importer.plan(HEADER + people(1, 5))

    def touch(_: Progress) -> None:
        os.utime(importer.path, ns=(1, 1))

    with pytest.raises(FileRefusedError, match="changed"):
        importer.go_on(plan, on_progress=touch)
    assert not Contact.objects.exists()


@pytest.mark.usefixtures("small_chunks")
def test_chunk_is_refused_where_another_process_moved_the_import_on(importer: Importer) -> None:
    plan = importer.plan(HEADER + people(1, 30))

    def interfere(progress: Progress) -> None:
        if progress.rows == 10:
            FileImport.objects.update(byte_offset=1)

    with pytest.raises(ImportChangedError):
        importer.go_on(plan, on_progress=interfere)
    assert not Contact.objects.exists()


def test_import_that_another_process_merged_is_not_merged_again(importer: Importer) -> None:
    plan = importer.plan(HEADER + people(1, 3))

    def interfere(progress: Progress) -> None:
        if progress.phase is Phase.MERGING:
            FileImport.objects.update(state=FileImport.State.MERGED)

    with pytest.raises(ImportChangedError), transaction.atomic():
        importer.go_on(plan, on_progress=interfere)
    assert not Contact.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_import_is_run_by_one_process_at_a_time(importer: Importer) -> None:
    plan = importer.plan(HEADER + people(1, 3))
    found_free: list[bool] = []

    def start_another(progress: Progress) -> None:
        if progress.phase is Phase.MERGING:
            other = connections["default"].copy()
            with other.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_try_advisory_lock(%s, %s)",
                    [running._IMPORT_LOCK, FileImport.objects.get().pk],
                )
                found_free.append(cursor.fetchone()[0])
            other.close()

    summary = importer.go_on(plan, on_progress=start_another)

    assert found_free == [False]
    assert summary.counts.created == 3


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("small_chunks")
def test_import_that_somebody_else_runs_is_refused(importer: Importer) -> None:
    plan = importer.plan(HEADER + people(1, 30))
    with pytest.raises(StoppedError):
        importer.go_on(plan, on_progress=StopAfter(10))
    other = connections["default"].copy()
    with other.cursor() as cursor:
        lock = [running._IMPORT_LOCK, FileImport.objects.get().pk]
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", lock)

    with pytest.raises(ImportBusyError):
        importer.go_on(plan)
    other.close()
    assert not Contact.objects.exists()


@pytest.mark.usefixtures("small_chunks")
def test_stale_imports_are_discarded_with_their_rows(importer: Importer) -> None:
    plan = importer.plan(HEADER + people(1, 30))
    with pytest.raises(StoppedError):
        importer.go_on(plan, on_progress=StopAfter(10))
    week = timedelta(days=7)

    kept = running.discard_stale(now=NOW - timedelta(days=400), older_than=week)
    discarded = running.discard_stale(now=_database_now() + timedelta(days=8), older_than=week)

    assert (kept, discarded) == (0, 1)
    assert FileImport.objects.get().state == FileImport.State.DISCARDED
    assert staging_tables() == []
    assert importer.run().counts.created == 30


def _database_now() -> datetime:
    return FileImport.objects.annotate(clock=Now()).values_list("clock", flat=True)[0]


def test_statements_do_not_grow_with_the_rows_of_a_chunk(importer: Importer) -> None:
    counts = []
    for last in (20, 4000):
        plan = importer.plan(HEADER + people(1, last) + "bad,x\n")
        with CaptureQueriesContext(connection) as captured:
            importer.go_on(plan)
        counts.append(len(captured))

    assert counts[0] == counts[1]


# --- Real processes, really killed ---------------------------------------------------------------


def start_command(importer: Importer, *arguments: str) -> subprocess.Popen[str]:
    """The command in a process of its own, in the database of the tests."""
    database = connection.settings_dict
    url = (
        f"postgres://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:"
        f"{database['PORT']}/{database['NAME']}"
    )
    return subprocess.Popen(  # noqa: S603 - our own command
        [
            *(sys.executable, "manage.py", "import_contacts", str(importer.path)),
            *("--brand", importer.brand.slug, "--consent", CONSENT),
            *("--rejects", str(importer.rejects_path), *arguments),
        ],
        cwd=PROJECT,
        env={**os.environ, "DATABASE_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for_rows(process: subprocess.Popen[str], rows: int) -> FileImport:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = FileImport.objects.filter(rows_read__gte=rows, state="staging").first()
        if found:
            return found
        assert process.poll() is None, process.stdout and process.stdout.read()
        time.sleep(0.01)
    raise AssertionError("the import never came so far")


@pytest.mark.django_db(transaction=True)
def test_killed_process_is_gone_on_from_by_the_same_command(importer: Importer) -> None:
    rows = 150_000
    importer.path.write_text(HEADER + people(1, rows) + "bad,x\n" + people(3, 3))
    killed_at = []

    for staged in (10_000, 60_000):
        process = start_command(importer)
        wait_for_rows(process, staged)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        killed_at.append(FileImport.objects.get().rows_read)
    process = start_command(importer)
    output, _ = process.communicate(timeout=180)

    assert process.returncode == 0, output
    assert rows > killed_at[1] > killed_at[0] >= 10_000
    assert "goes on" in output
    assert Contact.objects.count() == rows
    assert ConsentRecord.objects.count() == rows
    assert FileImport.objects.get().state == FileImport.State.FINISHED
    assert importer.rejected().count("\n") == 3


@pytest.mark.django_db(transaction=True)
def test_interrupted_process_says_how_to_go_on(importer: Importer) -> None:
    importer.path.write_text(HEADER + people(1, 150_000))
    process = start_command(importer)
    wait_for_rows(process, 10_000)

    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 130, output
    assert "Give the same command again" in output
    assert "Traceback" not in output
    assert not Contact.objects.exists()
