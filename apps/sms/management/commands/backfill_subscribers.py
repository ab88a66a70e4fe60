from apps.sms.backfilling.console import CsvBackfillCommand
from apps.sms.backfilling.jobs import SubscribersJob


class Command(CsvBackfillCommand):
    help = "Subscribers of a brand, by the fields of POST /api/subscribers."
    job = SubscribersJob
