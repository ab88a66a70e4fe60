from apps.sms.backfilling.console import CsvBackfillCommand
from apps.sms.backfilling.jobs import EventsJob


class Command(CsvBackfillCommand):
    help = "Events of a brand, by the fields of POST /api/sms/events."
    job = EventsJob
