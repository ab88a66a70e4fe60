"""A backfill as seen from the command line: what it is asked, its progress, its result."""

from __future__ import annotations

import csv
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from apps.brands.models import Brand
from apps.queues.terminal import open_console
from apps.sms.backfilling import running
from apps.sms.errors import SmsError

if TYPE_CHECKING:
    from apps.sms.backfilling.jobs import Job


class CsvBackfillCommand(BaseCommand):
    """Reads a CSV file in a stream and works it off; interrupted, it goes on where it stopped."""

    job: type[Any]
    """Made with the brand; a `Job`."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="CSV in UTF-8, with a header line")
        parser.add_argument("--brand", required=True, help="the slug of the brand it belongs to")
        parser.add_argument("--dry-run", action="store_true", help="try all of it, keep nothing")
        parser.add_argument("--rejects", type=Path, help="write rows that were refused to this CSV")

    def handle(self, **options: Any) -> None:
        brand = Brand.objects.filter(slug=options["brand"]).first()
        if brand is None:
            known = ", ".join(Brand.objects.order_by("slug").values_list("slug", flat=True))
            raise CommandError(f"No brand has the slug {options['brand']!r}. Known are: {known}.")
        path: Path = options["file"]
        if not path.is_file():
            raise CommandError(f"There is no file {path}.")
        try:
            self._run(brand, path, dry_run=options["dry_run"], rejects=options["rejects"])
        except (SmsError, OSError) as error:
            raise CommandError(str(error)) from None

    def _run(self, brand: Brand, path: Path, *, dry_run: bool, rejects: Path | None) -> None:
        console = open_console(self.stdout)
        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        with ExitStack() as stack:
            bar = stack.enter_context(
                Progress(*columns, console=console, disable=not console.is_terminal)
            )
            task = bar.add_task(path.name, total=path.stat().st_size)
            writer = None
            if rejects is not None:
                opened = stack.enter_context(rejects.open("a", encoding="utf-8", newline=""))
                writer = csv.writer(opened)

            def show(progress: running.Progress) -> None:
                bar.update(task, completed=progress.bytes_read)
                if writer is not None:
                    writer.writerows(progress.rejects)

            job: Job = self.job(brand)
            result = running.run(
                job=job,
                path=path,
                brand_slug=brand.slug,
                dry_run=dry_run,
                show=show,
            )
        tried = "Would be taken" if dry_run else "Taken"
        taken = result.done - result.rejected
        console.print(
            f"{tried}: {taken:,} of {result.done:,} rows; {result.rejected:,} refused.",
            highlight=False,
        )
        for row, why in result.rejects[:10]:
            console.print(f"  row {row}: {why}", highlight=False, markup=False)
